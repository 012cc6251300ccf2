//! Which fixes of reports go together, and what the files are with them. Of two that overlap the first is taken.

use std::collections::BTreeMap;

use patchline_model::analyzer::{Edit, Fix};
use patchline_model::digest::Digest;
use patchline_model::id::FindingId;
use patchline_model::stage::detect::Finding;

/// Larger files are not rewritten.
const LARGEST: usize = 8 * 1024 * 1024;

/// What the fixes come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Edited {
    /// The files as they become.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) taken: Vec<FindingId>,
    pub(crate) left: Vec<(FindingId, String)>,
}

/// One file on the way.
struct Open {
    text: String,
    edits: Vec<Edit>,
}

/// Takes the fixes of these findings in the order in which they stand. `text` gives a file as it is.
pub(crate) fn edited(findings: &[&Finding], text: impl Fn(&str) -> Option<String>) -> Edited {
    let (mut edited, mut open) = (Edited::default(), BTreeMap::new());
    for finding in findings {
        let Some(fix) = finding.analysis().and_then(|analysis| analysis.fix.as_ref()) else { continue };
        match take(fix, &mut open, &text) {
            Ok(()) => edited.taken.push(finding.id.clone()),
            Err(why) => edited.left.push((finding.id.clone(), why)),
        }
    }
    for (path, Open { text, mut edits }) in open {
        if !edits.is_empty() {
            // Two insertions at one place stand in the order in which they were taken.
            edits.sort_by_key(|edit| (edit.start, edit.end));
            edited.files.insert(path, with(&text, &edits));
        }
    }
    edited
}

/// All of a fix or nothing of it.
fn take(
    fix: &Fix,
    open: &mut BTreeMap<String, Open>,
    text: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    for file in &fix.files {
        if !open.contains_key(&file.path) {
            let text = text(&file.path).filter(|text| text.len() <= LARGEST);
            let text = text.ok_or_else(|| format!("`{}` can't be read as text", file.path))?;
            open.insert(file.path.clone(), Open { text, edits: Vec::new() });
        }
        let known = &open[&file.path];
        if Digest::of(known.text.as_bytes()) != file.of {
            return Err(format!("`{}` is not what the report was made of", file.path));
        }
        let fits = |edit: &Edit| known.text.get(edit.start as usize..edit.end as usize).is_some();
        if !file.edits.iter().all(fits) {
            return Err(format!("the fix means a part that `{}` does not have", file.path));
        }
    }
    let new = |file: &str, edit: &Edit| !open[file].edits.contains(edit);
    let meets = |file: &str, edit: &Edit| open[file].edits.iter().any(|other| overlap(edit, other));
    for file in &fix.files {
        if file.edits.iter().any(|edit| new(&file.path, edit) && meets(&file.path, edit)) {
            return Err(format!("its fix and another one change the same part of `{}`", file.path));
        }
    }
    for file in &fix.files {
        // What another fix does already, as to import something, is done once.
        let known = &mut open.get_mut(&file.path).expect("it was opened above").edits;
        let edits: Vec<Edit> = file.edits.iter().filter(|edit| !known.contains(edit)).cloned().collect();
        known.extend(edits);
    }
    Ok(())
}

/// Whether both can't be done side by side. An insertion lies within a part only between its ends.
fn overlap(one: &Edit, other: &Edit) -> bool {
    one.start < other.end && other.start < one.end || one.start == other.start && one.end == other.end
}

fn with(text: &str, edits: &[Edit]) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        out.push_str(&text[at..edit.start as usize]);
        out.push_str(&edit.text);
        at = edit.end as usize;
    }
    out + &text[at..]
}

#[cfg(test)]
mod tests {
    use patchline_model::analyzer::{Analysis, Edit, Fix, FixedFile, Level};
    use patchline_model::digest::Digest;
    use patchline_model::id::FindingId;
    use patchline_model::stage::detect::{Finding, Location, Source};
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::edited;

    const TEXT: &str = "one two three\n";

    pub(crate) fn finding(id: &str, of: &str, edits: &[(u32, u32, &str)]) -> Finding {
        let edits = edits
            .iter()
            .map(|(start, end, text)| Edit { start: *start, end: *end, text: (*text).to_owned() })
            .collect();
        let files = vec![FixedFile { path: "a".to_owned(), of: Digest::of(of.as_bytes()), edits }];
        let fix = Some(Fix { summary: String::new(), files });
        Finding {
            id: FindingId(id.to_owned()),
            source: Source::Analyzer(Box::new(Analysis {
                tool: "tool".to_owned(),
                analyzer: None,
                rule: "rule".to_owned(),
                level: Level::Error,
                severity_tenths: None,
                region: None,
                print: id.to_owned(),
                fix,
            })),
            advisory: "rule".to_owned(),
            aliases: Vec::new(),
            summary: String::new(),
            package: None,
            location: Location { path: "a".to_owned(), line: Some(1) },
            paths: Vec::new(),
            fixed: Vec::new(),
            severity: Vec::new(),
            informational: None,
        }
    }

    #[track_caller]
    fn check(findings: &[Finding], text: &str, left: &[(&str, &str)]) {
        let findings: Vec<&Finding> = findings.iter().collect();
        let made = edited(&findings, |_| Some(TEXT.to_owned()));
        assert_eq!(made.files.get("a").map_or(TEXT, String::as_str), text);
        assert_eq!(made.left.len(), left.len(), "{:?}", made.left);
        for ((id, why), (name, words)) in made.left.iter().zip(left) {
            assert!(id.0 == *name && why.contains(words), "{id}: {why}");
        }
        assert_eq!(made.taken.len() + made.left.len(), findings.len());
    }

    #[test]
    fn fixes_side_by_side_are_all_taken() {
        check(&[finding("1", TEXT, &[(0, 3, "1")]), finding("2", TEXT, &[(4, 7, "2")])], "1 2 three\n", &[]);
        check(&[finding("1", TEXT, &[(4, 7, "2")]), finding("2", TEXT, &[(0, 4, "")])], "2 three\n", &[]);
        check(
            &[finding("1", TEXT, &[(4, 4, "new ")]), finding("2", TEXT, &[(4, 7, "2")])],
            "one new 2 three\n",
            &[],
        );
        check(&[finding("1", TEXT, &[(0, 3, "1"), (8, 13, "3")])], "1 two 3\n", &[]);
    }

    #[test]
    fn of_two_that_overlap_the_first_is_taken_and_nothing_of_the_other() {
        let left = [("2", "change the same part of `a`")];
        check(
            &[finding("1", TEXT, &[(0, 5, "1")]), finding("2", TEXT, &[(4, 7, "2")])],
            "1wo three\n",
            &left,
        );
        check(
            &[finding("1", TEXT, &[(0, 3, "1")]), finding("2", TEXT, &[(2, 2, "x"), (8, 13, "3")])],
            "1 two three\n",
            &left,
        );
        check(
            &[finding("1", TEXT, &[(4, 4, "x")]), finding("2", TEXT, &[(4, 4, "y")])],
            "one xtwo three\n",
            &left,
        );
    }

    #[test]
    fn what_two_fixes_share_is_done_once() {
        let (one, two) = (
            finding("1", TEXT, &[(0, 0, "use x;"), (0, 3, "1")]),
            finding("2", TEXT, &[(0, 0, "use x;"), (4, 7, "2")]),
        );
        check(&[one, two], "use x;1 2 three\n", &[]);
    }

    #[test]
    fn a_file_that_is_another_now_is_left_as_it_is() {
        check(&[finding("1", "other\n", &[(0, 3, "1")])], TEXT, &[("1", "not what the report was made of")]);
        check(&[finding("1", TEXT, &[(0, 99, "1")])], TEXT, &[("1", "does not have")]);
    }

    proptest! {
        #[test]
        fn taken_fixes_are_all_there_and_the_rest_is_as_it_was(parts in proptest::collection::vec((0u32..16, 0u32..16), 0..8)) {
            let findings: Vec<Finding> = parts.iter().enumerate()
                .map(|(number, (start, end))| finding(&number.to_string(), TEXT, &[(*start, *end, &format!("<{number}>"))]))
                .collect();
            let all: Vec<&Finding> = findings.iter().collect();
            let made = edited(&all, |_| Some(TEXT.to_owned()));
            let text = made.files.get("a").map_or(TEXT, String::as_str);
            for id in &made.taken {
                let mark = format!("<{id}>");
                prop_assert_eq!(text.matches(&mark).count(), 1);
            }
            let removed: u32 = made.taken.iter().map(|id| { let (start, end) = parts[id.0.parse::<usize>().unwrap()]; end - start }).sum();
            let added: usize = made.taken.iter().map(|id| id.0.len() + 2).sum();
            prop_assert_eq!(text.len() + removed as usize, TEXT.len() + added);
            prop_assert!(made.taken.len() + made.left.len() == findings.len());
        }
    }
}
