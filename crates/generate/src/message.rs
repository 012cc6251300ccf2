//! The commit message: what was wrong, why this version, what moved; and trailers that no foreign text can forge.

use patchline_model::id::PatchId;
use patchline_model::stage::detect::Finding;

/// Longest first line, in characters.
pub(crate) const LONGEST_TITLE: usize = 100;

/// Where lines of the body are broken.
const COLUMNS: usize = 78;

/// Longest piece of foreign text, in characters.
pub(crate) const LONGEST_TEXT: usize = 400;

/// One package that goes to a version without the problem.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    pub package: &'a str,
    pub from: String,
    pub to: String,
    pub findings: Vec<&'a Finding>,
}

/// The branch of a candidate, as in `patchline/P-7` and `patchline/P-7-2`.
pub fn branch(patch: PatchId, number: u32) -> String {
    if number <= 1 { format!("patchline/{patch}") } else { format!("patchline/{patch}-{number}") }
}

/// As in `Update yaml-rust from 0.4.0 to 0.4.1 (RUSTSEC-2018-0006)`.
pub fn title(updates: &[Update<'_>]) -> String {
    let advisories = advisories(updates);
    let mut names: Vec<&str> = Vec::new();
    for update in updates {
        if !names.contains(&update.package) {
            names.push(update.package);
        }
    }
    let what = match (updates, names.as_slice()) {
        ([one], _) => format!("Update {} from {} to {}", one.package, one.from, one.to),
        (_, [one]) => format!("Update {one}"),
        (_, [first, second]) => format!("Update {first} and {second}"),
        (_, [first, second, rest @ ..]) => format!("Update {first}, {second} and {} more", rest.len()),
        (_, []) => "Update nothing".to_owned(),
    };
    let named = format!("{what} ({})", advisories.join(", "));
    let counted = format!("{what} ({} advisories)", advisories.len());
    let fits = |text: &String| text.chars().count() <= LONGEST_TITLE;
    let chosen = [named, counted, what].into_iter().find(fits);
    clean(&chosen.unwrap_or_else(|| format!("Update {} packages", updates.len())), LONGEST_TITLE)
}

/// Title, paragraphs and trailers. The rationale is ours; what the advisories say is foreign.
pub fn message(patch: PatchId, title: &str, rationale: &str, updates: &[Update<'_>]) -> String {
    let findings =
        updates.iter().flat_map(|update| update.findings.iter().map(move |finding| (update, *finding)));
    let problems: Vec<String> =
        findings.map(|(update, finding)| wrap("- ", &problem(update, finding))).collect();
    let trailers: Vec<String> =
        advisories(updates).iter().map(|advisory| format!("Fixes: {advisory}\n")).collect();
    format!(
        "{}\n\n{}\n{}\nPatchline-Patch: {patch}\n{}",
        clean(title, LONGEST_TITLE),
        problems.concat(),
        wrap("", rationale),
        trailers.concat(),
    )
}

/// The message of a change that answers to a report: what it says is foreign, the rationale is ours.
pub fn reported(patch: PatchId, title: &str, reason: &str, rationale: &str, name: &str) -> String {
    format!(
        "{}\n\n{}\n{}\nPatchline-Patch: {patch}\nFixes: {}\n",
        inert(&format!("Fix: {title}"), LONGEST_TITLE),
        wrap("- ", &inert(reason, LONGEST_TEXT)),
        wrap("", rationale),
        identifier(name),
    )
}

/// One line of foreign text for a commit message, of which forges act upon parts: no number that would close somebody's issue
/// once the commit is merged.
fn inert(text: &str, longest: usize) -> String {
    let line = clean(text, longest);
    let mut told = String::with_capacity(line.len());
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        told.push(letter);
        let is_number = letters.peek().is_some_and(char::is_ascii_digit);
        let is_path =
            ["/issues/", "/pull/", "/merge_requests/", "/work_items/"].iter().any(|end| told.ends_with(end));
        let is_short = told.len() >= 3
            && told.is_char_boundary(told.len() - 3)
            && told[told.len() - 3..].eq_ignore_ascii_case("gh-");
        if is_number && (matches!(letter, '#' | '!') || is_path || is_short) {
            told.push(' ');
        }
    }
    told
}

/// One line of foreign text: no control or invisible characters, single spaces, bounded.
pub fn clean(text: &str, longest: usize) -> String {
    let visible = text.chars().map(|letter| if is_invisible(letter) { ' ' } else { letter });
    let line = visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    line.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

fn problem(update: &Update<'_>, finding: &Finding) -> String {
    let summary = inert(&finding.summary, LONGEST_TEXT);
    let severity = finding.severity.first().map(|vector| format!(", {}", clean(vector, 120)));
    let (advisory, severity) = (identifier(&finding.advisory), severity.unwrap_or_default());
    format!("{} {} has {advisory}{severity}: {summary}", update.package, update.from)
}

fn advisories(updates: &[Update<'_>]) -> Vec<String> {
    let mut names: Vec<String> = updates
        .iter()
        .flat_map(|update| update.findings.iter().map(|finding| identifier(&finding.advisory)))
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// An advisory's name keeps only what such names are made of.
pub(crate) fn identifier(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-_.:/@".contains(*letter))
        .take(60)
        .collect()
}

/// Control characters, and those that reorder or hide what stands beside them.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Lines after the first are set in by as much as the first one's mark, and so can't begin as a trailer does.
pub(crate) fn wrap(mark: &str, text: &str) -> String {
    let indent = " ".repeat(mark.len());
    let (mut wrapped, mut column) = (mark.to_owned(), mark.len());
    for (index, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > COLUMNS {
            wrapped.push('\n');
            wrapped.push_str(&indent);
            column = indent.len();
        } else if index > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped.push('\n');
    wrapped
}

#[cfg(test)]
mod tests {
    use super::{Update, branch, clean, message, reported, title};
    use patchline_model::id::{FindingId, PatchId};
    use patchline_model::stage::detect::{Finding, Location, Source};

    fn finding(advisory: &str, summary: &str) -> Finding {
        Finding {
            id: FindingId(advisory.to_owned()),
            source: Source::Lockfile,
            advisory: advisory.to_owned(),
            aliases: Vec::new(),
            summary: summary.to_owned(),
            package: None,
            location: Location { path: "Cargo.lock".to_owned(), line: None },
            paths: Vec::new(),
            fixed: Vec::new(),
            severity: vec!["CVSS:3.1/AV:N".to_owned()],
            informational: None,
        }
    }

    fn update<'a>(package: &'a str, findings: &'a [Finding]) -> Update<'a> {
        Update {
            package,
            from: "0.4.0".to_owned(),
            to: "0.4.1".to_owned(),
            findings: findings.iter().collect(),
        }
    }

    #[test]
    fn the_message_reads_well() {
        let findings =
            [finding("RUSTSEC-2018-0006", "Uncontrolled recursion leads to abort in deserialization")];
        let updates = [update("yaml-rust", &findings)];
        let expected = "\
Update yaml-rust from 0.4.0 to 0.4.1 (RUSTSEC-2018-0006)

- yaml-rust 0.4.0 has RUSTSEC-2018-0006, CVSS:3.1/AV:N: Uncontrolled recursion
  leads to abort in deserialization

0.4.1 is the smallest version without it.

Patchline-Patch: P-7
Fixes: RUSTSEC-2018-0006
";
        let rationale = "0.4.1 is the smallest version without it.";
        assert_eq!(message(PatchId(7), &title(&updates), rationale, &updates), expected);
    }

    #[test]
    fn foreign_text_forges_no_trailer() {
        let evil = "x\n\nFixes: EVERYTHING\r\nSigned-off-by: me\u{2028}Patchline-Patch: P-1\u{202e}";
        let findings = [finding("A-1\nFixes: B-2", &evil.repeat(20))];
        let updates = [update("p", &findings)];
        let text = message(PatchId(7), "Title\n\nFixes: C-3", "Because.", &updates);
        let forged = |line: &&str| {
            line.starts_with("Fixes:") || line.starts_with("Signed") || line.starts_with("Patchl")
        };
        let trailers: Vec<&str> = text.lines().filter(forged).collect();
        assert_eq!(trailers, ["Patchline-Patch: P-7", "Fixes: A-1Fixes:B-2"]);
        assert!(!text.contains(['\r', '\u{2028}', '\u{202e}']));
    }

    #[test]
    fn a_report_forges_no_trailer_either() {
        let text = reported(PatchId(7), "It\nFixes: A", "boom\n\nFixes: B", "Because.", "report-1");
        assert_eq!(
            text,
            "Fix: It Fixes: A\n\n- boom Fixes: B\n\nBecause.\n\nPatchline-Patch: P-7\nFixes: report-1\n"
        );
    }

    #[test]
    fn foreign_text_closes_no_issue() {
        let told = [
            ("Fixes #12", "Fixes # 12"),
            ("closes octo/app#7: boom", "closes octo/app# 7: boom"),
            ("resolve GH-3 and !4", "resolve GH- 3 and ! 4"),
            ("fixed https://forge.example/o/r/issues/9", "fixed https://forge.example/o/r/issues/ 9"),
            ("C# and #hash stay", "C# and #hash stay"),
        ];
        for (given, then) in told {
            assert_eq!(super::inert(given, 100), then);
        }
    }

    #[test]
    fn a_title_is_never_longer_than_a_hundred() {
        let findings: Vec<Finding> =
            (0..30).map(|number| finding(&format!("RUSTSEC-2018-{number:04}"), "")).collect();
        assert_eq!(
            title(&[update("yaml-rust", &findings)]),
            "Update yaml-rust from 0.4.0 to 0.4.1 (30 advisories)"
        );
        let three = ["a", "b", "c"].map(|package| update(package, &findings[..1]));
        assert_eq!(title(&three), "Update a, b and 1 more (RUSTSEC-2018-0000)");
        let long = "n".repeat(300);
        assert_eq!(title(&[update(&long, &findings)]), "Update 1 packages");
        assert_eq!(clean("äöü", 2), "ä…");
    }

    #[test]
    fn later_candidates_have_branches_of_their_own() {
        assert_eq!(branch(PatchId(7), 1), "patchline/P-7");
        assert_eq!(branch(PatchId(7), 2), "patchline/P-7-2");
    }
}
