//! The lockfile of yarn 1 (<https://classic.yarnpkg.com/en/docs/yarn-lock>), read, and entries in it put to other versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use patchline_inventory::lockfile::package_json::{is_registry, name_and_rest};
use serde_json::{Map, Value};

use crate::dependency::yarn::lock::{Ask, Entry};
use crate::dependency::yarn::pins::Pin;

const MOST_ENTRIES: usize = 100_000;
/// Nobody asks for it. yarn writes a lockfile anew, in its own order, only where something has to go.
const TO_GO: &str = "\n\"nobody-asks-for-this@0.0.0\":\n  version \"0.0.0\"\n  resolved \"\"\n";

/// Why not, in a sentence.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let (mut found, mut list): (Vec<Entry>, bool) = (Vec::new(), false);
    let mut offset = 0;
    for raw in text.split_inclusive('\n') {
        let place = offset..offset + raw.len();
        offset = place.end;
        let line = raw.trim_end();
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if content.starts_with("<<<<<<<") || content.starts_with(">>>>>>>") {
            return Err("could not read `yarn.lock`: a merge conflict is left in it".to_owned());
        }
        let (key, value) = pair(content);
        match (line.len() - content.len(), found.last_mut()) {
            (0, _) => {
                if found.len() >= MOST_ENTRIES {
                    return Err(format!("`yarn.lock` has more than {MOST_ENTRIES} entries"));
                }
                found.push(entry(content.trim_end_matches(':'), place));
                list = false;
            }
            (2, Some(entry)) => {
                list = matches!(key, "dependencies:" | "optionalDependencies:");
                match key {
                    "version" => entry.version = value.to_owned(),
                    "resolved" => {
                        entry.from_registry = is_registry(value);
                        entry.source = value.to_owned();
                    }
                    "integrity" => entry.integrity = Some(value.to_owned()),
                    _ => {}
                }
                entry.place.end = place.end;
            }
            (_, Some(entry)) => {
                if list {
                    entry.asks.push((key.to_owned(), value.to_owned()));
                }
                entry.place.end = place.end;
            }
            (_, None) => return Err("could not read `yarn.lock`: it begins within an entry".to_owned()),
        }
    }
    Ok(found)
}

fn entry(heads: &str, place: Range<usize>) -> Entry {
    let heads: Vec<Ask> = heads
        .split(", ")
        .map(|head| name_and_rest(head.trim().trim_matches('"')))
        .map(|(called, range)| (called.to_owned(), range.to_owned()))
        .collect();
    let (called, range) = &heads[0];
    let alias = range.strip_prefix("npm:").map(|alias| name_and_rest(alias).0.to_owned());
    Entry {
        name: alias.unwrap_or_else(|| called.clone()),
        heads,
        from_registry: true,
        place,
        ..Entry::default()
    }
}

/// Key and value of a line, without their quotes.
fn pair(content: &str) -> (&str, &str) {
    let end = match content.strip_prefix('"').and_then(|rest| rest.find('"')) {
        Some(quote) => quote + 2,
        None => content.find(' ').unwrap_or(content.len()),
    };
    (content[..end].trim_matches('"'), content[end..].trim().trim_matches('"'))
}

/// The lockfile with these answers. `published` is what the registry says of each package and version that is pinned.
pub(crate) fn with(
    text: &str,
    entries: &[Entry],
    pins: &[Pin],
    published: &BTreeMap<(String, String), Map<String, Value>>,
) -> String {
    let pinned: BTreeMap<Ask, &Pin> = pins.iter().map(|pin| (pin.ask(), pin)).collect();
    let mut wanted: BTreeMap<(String, String), BTreeSet<Ask>> = BTreeMap::new();
    for pin in pins {
        wanted.entry((pin.name.clone(), pin.version.clone())).or_default().insert(pin.ask());
    }
    let (mut changed, mut at) = (String::new(), 0);
    for entry in entries {
        changed.push_str(&text[at..entry.place.start]);
        at = entry.place.end;
        let mut heads: Vec<Ask> =
            entry.heads.iter().filter(|head| !pinned.contains_key(*head)).cloned().collect();
        if entry.from_registry {
            heads.extend(wanted.remove(&(entry.name.clone(), entry.version.clone())).into_iter().flatten());
        }
        if heads == entry.heads {
            changed.push_str(&text[entry.place.clone()]);
        } else if !heads.is_empty() {
            let body = text[entry.place.clone()].split_once('\n').map_or("", |(_, body)| body);
            changed.push_str(&format!("{}:\n{body}", joined(&heads)));
        }
    }
    changed.push_str(&text[at..]);
    for ((name, version), heads) in wanted {
        let Some(manifest) = published.get(&(name.clone(), version.clone())) else { continue };
        let like = entries.iter().find(|entry| entry.name == name && entry.from_registry);
        let heads: Vec<Ask> = heads.into_iter().collect();
        changed.push_str(&block(&heads, &name, &version, manifest, like));
    }
    changed + TO_GO
}

fn joined(heads: &[Ask]) -> String {
    heads.iter().map(|(called, range)| format!("\"{called}@{range}\"")).collect::<Vec<_>>().join(", ")
}

fn block(
    heads: &[Ask],
    name: &str,
    version: &str,
    manifest: &Map<String, Value>,
    like: Option<&Entry>,
) -> String {
    let dist = |key: &str| manifest.get("dist").and_then(|dist| dist.get(key)).and_then(Value::as_str);
    let tarball = dist("tarball").unwrap_or_default();
    // The lockfile goes on naming the registry that it names.
    let folder = format!("/{name}/-/");
    let place = |address: &str| address.find(&folder);
    let tarball = match like
        .and_then(|like| Some((&like.source[..place(&like.source)?], &tarball[place(tarball)?..])))
    {
        Some((registry, rest)) => format!("{registry}{rest}"),
        None => tarball.to_owned(),
    };
    let hash = dist("shasum").map(|hash| format!("#{hash}")).unwrap_or_default();
    let mut text = format!("\n{}:\n  version \"{version}\"\n  resolved \"{tarball}{hash}\"\n", joined(heads));
    let integrity = dist("integrity").filter(|_| like.is_none_or(|like| like.integrity.is_some()));
    if let Some(integrity) = integrity {
        let _ = writeln!(text, "  integrity {integrity}");
    }
    let section = |key: &str| manifest.get(key).and_then(Value::as_object);
    let optional = section("optionalDependencies");
    for key in ["dependencies", "optionalDependencies"] {
        let asks = section(key).into_iter().flatten();
        // What is optional stands among the others, too.
        let asks = asks.filter(|(called, _)| {
            key == "optionalDependencies" || optional.is_none_or(|optional| !optional.contains_key(*called))
        });
        let lines: Vec<String> = asks
            .filter_map(|(called, range)| Some(format!("    \"{called}\" \"{}\"\n", range.as_str()?)))
            .collect();
        if !lines.is_empty() {
            let _ = write!(text, "  {key}:\n{}", lines.concat());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop, proptest};
    use serde_json::json;

    use super::{TO_GO, entries, with};
    use crate::dependency::yarn::pins::Pin;

    const TEXT: &str = "# yarn lockfile v1\n\n\na@^1.0.0, a@~1.0.0:\n  version \"1.0.0\"\n  resolved \"https://r.example/a/-/a-1.0.0.tgz#aa\"\n  integrity sha512-a\n  dependencies:\n    \"@s/b\" \"1 || 2\"\n\n\"@s/b@1 || 2\":\n  version \"2.0.0\"\n  resolved \"https://r.example/@s/b/-/b-2.0.0.tgz#bb\"\n";

    #[test]
    fn what_asks_for_what_is_read() {
        let found = entries(TEXT).expect("it is a lockfile");
        let shown: Vec<String> =
            found.iter().map(|one| format!("{:?} {} {:?}", one.heads, one.version, one.asks)).collect();
        assert_eq!(
            shown,
            [
                r#"[("a", "^1.0.0"), ("a", "~1.0.0")] 1.0.0 [("@s/b", "1 || 2")]"#,
                r#"[("@s/b", "1 || 2")] 2.0.0 []"#
            ]
        );
    }

    #[test]
    fn one_range_gets_another_version_and_the_registry_stays_the_same() {
        let pin = Pin {
            called: "a".to_owned(),
            range: "^1.0.0".to_owned(),
            name: "a".to_owned(),
            version: "1.0.1".to_owned(),
        };
        let manifest = json!({ "dependencies": { "c": "^1", "d": "2" }, "optionalDependencies": { "d": "2" },
            "dist": { "tarball": "https://other.example/x/a/-/a-1.0.1.tgz", "shasum": "cc", "integrity": "sha512-c" } });
        let published =
            BTreeMap::from([(("a".to_owned(), "1.0.1".to_owned()), manifest.as_object().unwrap().clone())]);
        let added = "\n\"a@^1.0.0\":\n  version \"1.0.1\"\n  resolved \"https://r.example/a/-/a-1.0.1.tgz#cc\"\n  integrity sha512-c\n  dependencies:\n    \"c\" \"^1\"\n  optionalDependencies:\n    \"d\" \"2\"\n";
        let expected = TEXT.replace("a@^1.0.0, a@~1.0.0:", "\"a@~1.0.0\":") + added + TO_GO;
        assert_eq!(with(TEXT, &entries(TEXT).unwrap(), &[pin], &published), expected);
    }

    proptest! {
        #[test]
        fn foreign_text_is_read_or_refused(text in any::<String>(), at in any::<prop::sample::Index>(), end in any::<prop::sample::Index>()) {
            let bent = format!("{}{text}{}", &TEXT[..at.index(TEXT.len())], &TEXT[end.index(TEXT.len())..]);
            for text in [text, bent] {
                if let Ok(found) = entries(&text) {
                    let same = with(&text, &found, &[], &BTreeMap::new());
                    assert_eq!(same, format!("{text}{TO_GO}"));
                }
            }
        }
    }
}
