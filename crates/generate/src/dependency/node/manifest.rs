//! `package.json`, changed where it must be and nowhere else: every other byte stays as it was.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use patchline_model::failure::{Failure, FailureClass};
use serde_json::value::RawValue;

/// Where a range of a package may stand.
const SECTIONS: [&str; 4] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// Puts another range wherever the manifest names this package. None where it names it nowhere, or is no manifest.
pub(crate) fn with_range(text: &str, called: &str, range: &str) -> Option<String> {
    let top: Object<'_> = serde_json::from_str(text).ok()?;
    let sections = SECTIONS.iter().filter_map(|section| top.get(*section));
    let mut spans: Vec<(usize, usize)> = sections
        .filter_map(|section| serde_json::from_str::<Object<'_>>(section.get()).ok())
        .filter_map(|section| section.get(called).map(|value| span(text, value)))
        .collect();
    spans.sort_unstable();
    let mut changed = text.to_owned();
    for (start, end) in spans.iter().rev() {
        changed.replace_range(*start..*end, &quoted(range));
    }
    (!spans.is_empty()).then_some(changed)
}

/// Adds an override, or changes the one that there is, in the section that this way leads to, as `overrides`. None where the
/// manifest can't be read, or overrides the package in a way of its own.
pub(crate) fn with_override(text: &str, way: &[&str], called: &str, version: &str) -> Option<String> {
    let mut end = text.trim_end().len();
    let mut start = end - text[..end].trim_start().len();
    for (depth, part) in way.iter().enumerate() {
        let section: Object<'_> = serde_json::from_str(&text[start..end]).ok()?;
        let Some(inner) = section.get(*part) else {
            return with_member(text, start..end, depth, &way[depth..], called, version);
        };
        let from = inner.get().as_ptr() as usize - text.as_ptr() as usize;
        (start, end) = (from, from + inner.get().len());
    }
    let section: Object<'_> = serde_json::from_str(&text[start..end]).ok()?;
    match section.get(called) {
        Some(value) if value.get().starts_with('"') => {
            let (start, end) = span(text, value);
            let mut changed = text.to_owned();
            changed.replace_range(start..end, &quoted(version));
            Some(changed)
        }
        Some(_) => None,
        None => with_member(text, start..end, way.len(), &[], called, version),
    }
}

/// Adds what is called so to the object that stands there, as deep as this, within objects of its own by the names of `way`.
fn with_member(
    text: &str,
    place: Range<usize>,
    depth: usize,
    way: &[&str],
    called: &str,
    version: &str,
) -> Option<String> {
    let (unit, line) = (indent(text), if text.contains('\n') { "\n" } else { "" });
    let set_in = |depth: usize| format!("{line}{}", unit.repeat(depth));
    let mut member = format!("{}: {}", quoted(called), quoted(version));
    for (at, part) in way.iter().enumerate().rev() {
        let depth = depth + at + 1;
        member = format!("{}: {{{}{member}{}}}", quoted(part), set_in(depth + 1), set_in(depth));
    }
    let object: Object<'_> = serde_json::from_str(&text[place.clone()]).ok()?;
    let last = place.start + text[place.clone()].strip_suffix('}')?.trim_end().len();
    let mut changed = text.to_owned();
    if object.is_empty() {
        let whole = format!("{{{}{member}{}}}", set_in(depth + 1), set_in(depth));
        changed.replace_range(place, &whole);
    } else {
        changed.insert_str(last, &format!(",{}{member}", set_in(depth + 1)));
    }
    Some(changed)
}

/// What stands in the section that this way leads to, as far as it is text.
pub(crate) fn entries(text: &str, way: &[&str]) -> Vec<(String, String)> {
    let read: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let section = read.as_ref().and_then(|read| way.iter().try_fold(read, |at, part| at.get(part)));
    let entries = section.and_then(|section| section.as_object()).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The folder has a `package.json`, without which no tool knows what is wanted.
pub(crate) fn beside(folder: &Path, lock: &str, tool: &str) -> Result<(), Failure> {
    if folder.join("package.json").is_file() {
        return Ok(());
    }
    Err(Failure::permanent(format!("`{lock}` has no `package.json` beside it"))
        .of(FailureClass::Input)
        .with_hint(format!("commit `package.json`; {tool} needs it")))
}

pub(crate) fn missing(called: &str) -> String {
    format!("`package.json` does not name `{called}` where the lockfile says so")
}

pub(crate) fn overridden_already(key: &str) -> String {
    format!("`package.json` overrides `{key}` in a way of its own")
}

/// Where a value that was read out of the text stands in it.
fn span(text: &str, value: &RawValue) -> (usize, usize) {
    let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
    (start, start + value.get().len())
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}

/// What the file sets its lines in by.
fn indent(text: &str) -> String {
    let second = text.lines().nth(1).unwrap_or_default();
    let white: String = second.chars().take_while(|sign| matches!(sign, ' ' | '\t')).collect();
    if white.is_empty() && text.contains('\n') { "  ".to_owned() } else { white }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{entries, with_override, with_range};

    const TEXT: &str = "{\n\t\"name\": \"a\",\n\t\"dependencies\": { \"b\":  \"^1.0.0\", \"c\": \"1\" },\n\t\"devDependencies\": {\n\t\t\"b\": \"^1.0.0\"\n\t}\n}\n";

    #[test]
    fn only_the_range_changes() {
        let changed = with_range(TEXT, "b", "^2.0.1").expect("it names b");
        assert_eq!(changed, TEXT.replace("^1.0.0", "^2.0.1"));
        assert_eq!(with_range(TEXT, "d", "1"), None);
        assert_eq!(with_range("[]", "d", "1"), None);
    }

    #[test]
    fn an_override_is_added_in_the_way_of_the_file() {
        let once = with_override(TEXT, &["overrides"], "d", "2.0.1").expect("it can be added");
        assert_eq!(
            once,
            TEXT.replace("\n\t}\n}", "\n\t},\n\t\"overrides\": {\n\t\t\"d\": \"2.0.1\"\n\t}\n}")
        );
        let twice = with_override(&once, &["overrides"], "e", "3.0.0").expect("it can be added");
        assert_eq!(twice, once.replace("\"2.0.1\"\n", "\"2.0.1\",\n\t\t\"e\": \"3.0.0\"\n"));
        assert_eq!(
            with_override(&twice, &["overrides"], "d", "2.0.2"),
            Some(twice.replace("2.0.1", "2.0.2"))
        );
        assert_eq!(
            with_override("{}", &["overrides"], "d", "1.0.0").as_deref(),
            Some("{\"overrides\": {\"d\": \"1.0.0\"}}")
        );
        assert_eq!(with_override(" \n", &["overrides"], "d", "1.0.0"), None);
    }

    #[test]
    fn a_section_within_another_is_made_or_used() {
        let way = ["pnpm", "overrides"];
        let once = with_override(TEXT, &way, "d", "2.0.1").expect("it can be added");
        let added = "\n\t},\n\t\"pnpm\": {\n\t\t\"overrides\": {\n\t\t\t\"d\": \"2.0.1\"\n\t\t}\n\t}\n}";
        assert_eq!(once, TEXT.replace("\n\t}\n}", added));
        let twice = with_override(&once, &way, "e", "3.0.0").expect("it can be added");
        assert_eq!(twice, once.replace("\"2.0.1\"\n", "\"2.0.1\",\n\t\t\t\"e\": \"3.0.0\"\n"));
        let pairs = [("d".to_owned(), "2.0.1".to_owned()), ("e".to_owned(), "3.0.0".to_owned())];
        assert_eq!(entries(&twice, &way), pairs);
        assert_eq!(with_override("{ \"pnpm\": 1 }", &way, "d", "1.0.0"), None);
    }

    proptest! {
        #[test]
        fn what_is_changed_can_still_be_read(text in any::<String>(), name in "[a-z@/\"\\\\]{1,8}") {
            let whole = serde_json::json!({ "x": text, "dependencies": { name.as_str(): "^1.0.0" } });
            for whole in [whole.to_string(), serde_json::to_string_pretty(&whole).unwrap()] {
                let changed = with_range(&whole, &name, "2.0.0").unwrap();
                let read: serde_json::Value = serde_json::from_str(&changed).unwrap();
                assert_eq!(read["dependencies"][name.as_str()], "2.0.0");
                let changed = with_override(&changed, &["overrides"], &name, "3.0.0").unwrap();
                let read: serde_json::Value = serde_json::from_str(&changed).unwrap();
                assert_eq!(read["overrides"][name.as_str()], "3.0.0");
                assert_eq!(read["x"], text.as_str());
            }
            let _ = (with_range(&text, &name, "1"), with_override(&text, &["a", "b"], &name, "1"));
        }
    }
}
