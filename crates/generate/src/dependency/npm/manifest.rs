//! `package.json`, changed where it must be and nowhere else: every other byte stays as it was.

use std::collections::BTreeMap;

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

/// Adds an override, or changes the one that there is. None where the manifest can't be read, or overrides the package in
/// a way of its own.
pub(crate) fn with_override(text: &str, called: &str, version: &str) -> Option<String> {
    let top: Object<'_> = serde_json::from_str(text).ok()?;
    let entry = format!("{}: {}", quoted(called), quoted(version));
    let (unit, line) = (indent(text), if text.contains('\n') { "\n" } else { "" });
    let mut changed = text.to_owned();
    let Some(section) = top.get("overrides") else {
        let end = text.trim_end().strip_suffix('}')?.trim_end().len();
        let comma = if top.is_empty() { "" } else { "," };
        let added = format!("{comma}{line}{unit}\"overrides\": {{{line}{unit}{unit}{entry}{line}{unit}}}");
        changed.insert_str(end, &added);
        return Some(changed);
    };
    let (start, end) = span(text, section);
    let inner: Object<'_> = serde_json::from_str(section.get()).ok()?;
    match inner.get(called) {
        Some(value) if value.get().starts_with('"') => {
            let (start, end) = span(text, value);
            changed.replace_range(start..end, &quoted(version));
        }
        Some(_) => return None,
        None if inner.is_empty() => {
            changed.replace_range(start..end, &format!("{{{line}{unit}{unit}{entry}{line}{unit}}}"));
        }
        None => {
            let last = start + text[start..end].strip_suffix('}')?.trim_end().len();
            changed.insert_str(last, &format!(",{line}{unit}{unit}{entry}"));
        }
    }
    Some(changed)
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

    use super::{with_override, with_range};

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
        let once = with_override(TEXT, "d", "2.0.1").expect("it can be added");
        assert_eq!(
            once,
            TEXT.replace("\n\t}\n}", "\n\t},\n\t\"overrides\": {\n\t\t\"d\": \"2.0.1\"\n\t}\n}")
        );
        let twice = with_override(&once, "e", "3.0.0").expect("it can be added");
        assert_eq!(twice, once.replace("\"2.0.1\"\n", "\"2.0.1\",\n\t\t\"e\": \"3.0.0\"\n"));
        assert_eq!(with_override(&twice, "d", "2.0.2"), Some(twice.replace("2.0.1", "2.0.2")));
        assert_eq!(with_override("{}", "d", "1.0.0").as_deref(), Some("{\"overrides\": {\"d\": \"1.0.0\"}}"));
    }

    proptest! {
        #[test]
        fn what_is_changed_can_still_be_read(text in any::<String>(), name in "[a-z@/\"\\\\]{1,8}") {
            let whole = serde_json::json!({ "x": text, "dependencies": { name.as_str(): "^1.0.0" } });
            for whole in [whole.to_string(), serde_json::to_string_pretty(&whole).unwrap()] {
                let changed = with_range(&whole, &name, "2.0.0").unwrap();
                let read: serde_json::Value = serde_json::from_str(&changed).unwrap();
                assert_eq!(read["dependencies"][name.as_str()], "2.0.0");
                let changed = with_override(&changed, &name, "3.0.0").unwrap();
                let read: serde_json::Value = serde_json::from_str(&changed).unwrap();
                assert_eq!(read["overrides"][name.as_str()], "3.0.0");
                assert_eq!(read["x"], text.as_str());
            }
            let _ = (with_range(&text, &name, "1"), with_override(&text, &name, "1"));
        }
    }
}
