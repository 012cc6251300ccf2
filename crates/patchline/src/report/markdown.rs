//! The face for a pull request: short, and deaf to markup in what advisories and lockfiles say.

use patchline_model::triage::action::Action;

use crate::report::scanned::{Row, Scanned};
use crate::report::words::{grouped, place, plain, remedy, total, use_words};

/// Rows beyond these are counted, not shown: a comment has a limit, and a reader too.
const MOST_ROWS: usize = 50;
const MOST_LACKS: usize = 20;
const LONGEST_SUMMARY: usize = 120;
const LONGEST_WAY: usize = 300;

pub fn text(scanned: &Scanned) -> String {
    let mut parts = vec![format!("### Patchline: {}", escaped(&total(scanned)))];
    let mut rows: Vec<&Row> = scanned.rows.iter().collect();
    // A stable sort: the most urgent first, and else in the order of their places.
    rows.sort_by_key(|row| std::cmp::Reverse(row.priority.action));
    if rows.is_empty() {
        parts.push(match scanned.unresolved.is_empty() {
            true => "Nothing to fix.".to_owned(),
            false => "Nothing to fix among what could be judged.".to_owned(),
        });
    } else {
        parts.push(findings(&rows));
    }
    if rows.len() > MOST_ROWS {
        parts.push(format!("And {} more; `--format json` has them all.", rows.len() - MOST_ROWS));
    }
    parts.extend(lacks(scanned));
    if scanned.advisories.only_built_in {
        parts.push("> Only the built-in advisories were there: this is no all-clear.".to_owned());
    }
    parts.join("\n\n")
}

fn findings(rows: &[&Row]) -> String {
    let mut lines = vec![
        "| | advisory or rule | package or tool | fixed in | where |".to_owned(),
        "| --- | --- | --- | --- | --- |".to_owned(),
    ];
    lines.extend(rows.iter().take(MOST_ROWS).map(|row| finding(row)));
    lines.join("\n")
}

fn finding(row: &Row) -> String {
    let Row { finding, priority, used } = row;
    let action = priority.action.words();
    let action = if priority.action == Action::ActNow { format!("**{action}**") } else { action.to_owned() };
    let rating = priority.score.as_ref().map(|score| format!("<br>{} {:.1}", score.rating, score.value));
    let package = finding.package.as_ref().map(|package| code(&package.to_string()));
    let tool = finding.analysis().map(|analysis| escaped(&analysis.tool));
    let package = package.or(tool).unwrap_or_default();
    let used = used.map(|used| format!("<br>{}", use_words(used))).unwrap_or_default();
    let way = finding.paths.first().filter(|way| way.len() > 2).map(|way| {
        let steps = way[1..way.len() - 1].join(" → ");
        format!("<br>by {}", code(&cut(&steps, LONGEST_WAY)))
    });
    let fixed = match (finding.analysis(), finding.fixed.first()) {
        (Some(_), _) => escaped(&remedy(finding)),
        (None, Some(version)) => code(version),
        (None, None) => "none published".to_owned(),
    };
    let aliases = finding.aliases.first().map(|alias| format!(" ({})", escaped(alias))).unwrap_or_default();
    let summary = escaped(&cut(&finding.summary, LONGEST_SUMMARY));
    format!(
        "| {action}{} | {}{aliases}<br>{summary} | {package}{used}{} | {fixed} | {} |",
        rating.unwrap_or_default(),
        escaped(&finding.advisory),
        way.unwrap_or_default(),
        code(&place(finding)),
    )
}

/// What could not be judged, folded.
fn lacks(scanned: &Scanned) -> Option<String> {
    let lines = grouped(&scanned.unresolved);
    if lines.is_empty() {
        return None;
    }
    let mut text = "<details><summary>What could not be judged</summary>\n\n".to_owned();
    for line in lines.iter().take(MOST_LACKS) {
        text += &format!("- {}\n", escaped(line));
    }
    if lines.len() > MOST_LACKS {
        text += &format!("- and {} more\n", lines.len() - MOST_LACKS);
    }
    Some(text + "\n</details>")
}

fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => format!("{}…", text.chars().take(most - 1).collect::<String>()),
        false => text.to_owned(),
    }
}

/// Foreign text as text: no markup, no table cell, no mention, no reference, no link of its own making.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in plain(text).chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(sign);
            }
            // Nothing that is seen, and forges no longer take it for a mention, a reference or an address.
            '@' | '#' => {
                out.push(sign);
                out.push('\u{200b}');
            }
            ':' | '.' => {
                out.push(sign);
                if is_address(&out) {
                    out.push('\u{200b}');
                }
            }
            sign => out.push(sign),
        }
    }
    out
}

/// Whether this may become the beginning of an address.
fn is_address(before: &str) -> bool {
    let ends = |end: &str| {
        before.len() >= end.len()
            && before.as_bytes()[before.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    };
    ["http:", "https:", "ftp:", "mailto:", "xmpp:", "www."].iter().any(|start| ends(start))
}

/// Foreign text as code, within a table.
fn code(text: &str) -> String {
    let text = plain(text);
    match text.contains(['`', '|', '\\']) || text.is_empty() {
        // In a table these end a span or a cell, whatever stands around them.
        true => format!("<code>{}</code>", escaped(&text)),
        false => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{code, escaped};

    #[test]
    fn foreign_text_makes_no_markup() {
        let check = |given: &str, then: &str| assert_eq!(escaped(given), then);
        check("<script>&amp;", "&lt;script&gt;&amp;amp;");
        check("[x](y) ![z]", "\\[x\\](y) !\\[z\\]");
        check("a | b\n# c", "a \\| b #\u{200b} c");
        check("ping @team, see #12", "ping @\u{200b}team, see #\u{200b}12");
        check("HTTPS://x www.x", "HTTPS:\u{200b}//x www.\u{200b}x");
        check("a::b 1.2", "a::b 1.2");
    }

    #[test]
    fn code_ends_where_it_should() {
        assert_eq!(code("serde 1.0"), "`serde 1.0`");
        assert_eq!(code("a`b|c\\"), "<code>a\\`b\\|c\\\\</code>");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_cell(text in any::<String>()) {
            for cell in [escaped(&text), code(&text)] {
                prop_assert!(!cell.contains(['\n', '\r']), "{cell:?}");
                let signs = |at: usize| cell[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
                prop_assert!(cell.match_indices('|').all(|(at, _)| signs(at) % 2 == 1), "{cell:?}");
            }
            prop_assert!(!escaped(&text).contains(['<', '>']));
        }
    }
}
