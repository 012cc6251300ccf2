//! The lockfile of yarn 2 and later, read, and heads added to its entries: what was resolved once answers other ranges, too.

use patchline_inventory::lockfile::package_json::name_and_rest;
use patchline_inventory::text::yaml::yaml;

use crate::dependency::yarn::lock::Entry;
use crate::dependency::yarn::pins::Pin;

/// Why not, in a sentence.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let lock = yaml(text).map_err(|error| format!("could not read `yarn.lock`: {error}"))?;
    let mut found = Vec::new();
    for entry in lock.entries().iter().filter(|entry| entry.key != "__metadata") {
        let resolution = entry.value.text_of("resolution").unwrap_or(&entry.key);
        let (name, source) = name_and_rest(resolution);
        let heads = entry.key.split(", ").map(|head| {
            let (called, range) = name_and_rest(head);
            (called.to_owned(), bare(range).to_owned())
        });
        let asks =
            ["dependencies", "optionalDependencies"].iter().flat_map(|list| entry.value.entries_of(list));
        let asks =
            asks.map(|ask| (ask.key.to_string(), bare(ask.value.text().unwrap_or_default()).to_owned()));
        found.push(Entry {
            heads: heads.collect(),
            name: name.to_owned(),
            version: entry.value.text_of("version").unwrap_or_default().to_owned(),
            integrity: entry.value.text_of("checksum").map(str::to_owned),
            source: source.to_owned(),
            // What comes from an address of its own has that behind the version.
            from_registry: source.starts_with("npm:") && !source.contains("::"),
            asks: asks.collect(),
            own: source.strip_prefix("workspace:").map(str::to_owned),
            place: entry.offset..entry.offset,
        });
    }
    Ok(found)
}

/// A range without the protocol that all have; an alias keeps it.
fn bare(range: &str) -> &str {
    let Some(rest) = range.strip_prefix("npm:") else { return range };
    if rest.chars().skip(1).any(|sign| sign == '@') { range } else { rest }
}

/// The format, as `__metadata` has it.
pub(crate) fn format(text: &str) -> Option<u32> {
    yaml(text).ok()?.get("__metadata")?.text_of("version")?.parse().ok()
}

/// The lockfile in which what was resolved for exactly the pinned version answers the range as well. None where it has no
/// such entry.
pub(crate) fn with(text: &str, pins: &[Pin]) -> Option<String> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for pin in pins {
        let exactly = format!("{}@{}", pin.called, pin.exactly());
        let head = format!("{}@npm:{}", pin.called, pin.range.strip_prefix("npm:").unwrap_or(&pin.range));
        let line = lines.iter_mut().find(|line| heads(line).any(|one| one == exactly))?;
        if heads(line).all(|one| one != head) {
            let all: Vec<String> = heads(line).map(str::to_owned).chain([head]).collect();
            *line = format!("{}:\n", serde_json::to_string(&all.join(", ")).ok()?);
        }
    }
    Some(lines.concat())
}

/// What the entry answers that begins in this line.
fn heads(line: &str) -> impl Iterator<Item = &str> {
    let is_head = !line.starts_with([' ', '#', '\n']);
    let key = line.trim_end().strip_suffix(':').filter(|_| is_head);
    key.unwrap_or_default().trim_matches('"').split(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{entries, format, with};
    use crate::dependency::yarn::pins::Pin;

    const TEXT: &str = "__metadata:\n  version: 8\n  cacheKey: 10c0\n\n\"a@npm:1.0.1\":\n  version: 1.0.1\n  resolution: \"a@npm:1.0.1\"\n  checksum: 10c0/a\n  languageName: node\n  linkType: hard\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"app@workspace:.\"\n  dependencies:\n    a: \"npm:^1.0.0\"\n    b: \"npm:@s/c@^2.0.0\"\n  languageName: unknown\n  linkType: soft\n\n\"b@npm:@s/c@^2.0.0, b@npm:@s/c@~2.0.0\":\n  version: 2.0.0\n  resolution: \"@s/c@npm:2.0.0\"\n  languageName: node\n  linkType: hard\n";

    #[test]
    fn what_asks_for_what_is_read() {
        let found = entries(TEXT).expect("it is a lockfile");
        let shown: Vec<String> = found
            .iter()
            .map(|one| format!("{} {:?} {:?} {:?}", one.name, one.heads, one.asks, one.own))
            .collect();
        assert_eq!(
            shown,
            [
                r#"a [("a", "1.0.1")] [] None"#,
                r#"app [("app", "workspace:.")] [("a", "^1.0.0"), ("b", "npm:@s/c@^2.0.0")] Some(".")"#,
                r#"@s/c [("b", "npm:@s/c@^2.0.0"), ("b", "npm:@s/c@~2.0.0")] [] None"#,
            ]
        );
        assert_eq!(format(TEXT), Some(8));
    }

    #[test]
    fn what_was_resolved_answers_another_range() {
        let pin = Pin {
            called: "a".to_owned(),
            range: "^1.0.0".to_owned(),
            name: "a".to_owned(),
            version: "1.0.1".to_owned(),
        };
        let expected = TEXT.replace("\"a@npm:1.0.1\":\n", "\"a@npm:1.0.1, a@npm:^1.0.0\":\n");
        assert_eq!(with(TEXT, std::slice::from_ref(&pin)), Some(expected.clone()));
        assert_eq!(with(&expected, std::slice::from_ref(&pin)), Some(expected));
        assert_eq!(with(TEXT, &[Pin { version: "1.0.2".to_owned(), ..pin }]), None);
    }

    proptest! {
        #[test]
        fn foreign_text_is_read_or_refused(text in any::<String>()) {
            let pin = Pin { called: text.clone(), range: text.clone(), name: text.clone(), version: text.clone() };
            for text in [text.clone(), format!("{TEXT}{text}")] {
                let _ = (entries(&text), format(&text), with(&text, std::slice::from_ref(&pin)));
            }
        }
    }
}
