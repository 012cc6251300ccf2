//! A version catalog (<https://docs.gradle.org/current/userguide/version_catalogs.html>): which module has its version where.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use crate::dependency::gradle::script::{Declared, Stated, Variable, is_version};

/// What a catalog declares. `version.ref` is a use of the variable of this name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) declared: Vec<Declared>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) used: Vec<String>,
}

/// Reads a catalog; the error is a sentence's part.
pub(crate) fn catalog(text: &str) -> Result<Catalog, String> {
    let document = Document::parse(text).map_err(|error| error.message().to_owned())?;
    let mut found = Catalog::default();
    let section = |name: &str| document.get(name).and_then(Item::as_table_like);
    for (name, item) in section("versions").into_iter().flat_map(TableLike::iter) {
        let plain = item.as_value().filter(|value| value.is_str()).or_else(|| {
            // Of a rich version only what is required can be another one and still mean the same.
            let rich = item.as_table_like().filter(|rich| rich.len() == 1)?;
            rich.get("require")?.as_value()
        });
        let value = plain.and_then(|value| place(text, value));
        found.variables.extend(value.map(|value| Variable { name: name.to_owned(), value }));
    }
    for (_, item) in section("libraries").into_iter().flat_map(TableLike::iter) {
        found.declared.extend(library(text, item));
    }
    // A bundle or a plugin has no version of its own that anything else could share, but for the reference.
    for section in ["libraries", "plugins"].map(section) {
        for (_, item) in section.into_iter().flat_map(TableLike::iter) {
            found.used.extend(reference(item).map(|(name, _)| name.to_owned()));
        }
    }
    Ok(found)
}

fn library(text: &str, item: &Item) -> Option<Declared> {
    if let Some(value) = item.as_value().filter(|value| value.is_str()) {
        let range = place(text, value)?;
        let mut parts = text[range.clone()].splitn(3, ':');
        let module = format!("{}:{}", parts.next()?, parts.next()?);
        let version = parts.next()?;
        return Some(Declared { module, version: Stated::Here(range.end - version.len()..range.end) });
    }
    let table = item.as_table_like()?;
    let of = |name: &str| table.get(name).and_then(Item::as_str);
    let module = match (of("module"), of("group"), of("name")) {
        (Some(module), ..) => module.to_owned(),
        (None, Some(group), Some(name)) => format!("{group}:{name}"),
        _ => return None,
    };
    let version = match (table.get("version"), reference(item)) {
        (None, _) => Stated::Nowhere,
        (Some(_), Some((name, value))) => match usage(text, value) {
            Some(usage) => Stated::By { variable: name.to_owned(), usage, quote: "" },
            None => Stated::Unread,
        },
        (Some(version), None) => {
            let value = version.as_value().filter(|value| value.is_str());
            value.and_then(|value| place(text, value)).map_or(Stated::Unread, Stated::Here)
        }
    };
    Some(Declared { module, version })
}

fn reference(item: &Item) -> Option<(&str, &toml_edit::Value)> {
    let version =
        item.as_table_like()?.get("version")?.as_table_like().filter(|version| version.len() == 1)?;
    let value = version.get("ref")?.as_value()?;
    Some((value.as_str()?, value))
}

/// From `version` on to the end of the reference, where it stands as `version.ref = "name"`: in its place comes
/// `version = "1.0"`.
fn usage(text: &str, value: &toml_edit::Value) -> Option<Range<usize>> {
    let span = value.span()?;
    let before = text.get(..span.start)?.trim_end().strip_suffix('=')?.trim_end().strip_suffix("ref")?;
    let before = before.trim_end().strip_suffix('.')?.trim_end().strip_suffix("version")?;
    Some(before.len()..span.end)
}

/// What stands between the quotes of a text, where that is a version as it is.
fn place(text: &str, value: &toml_edit::Value) -> Option<Range<usize>> {
    let span = value.span()?;
    let written = text.get(span.clone())?;
    let inner = span.start + 1..span.end.checked_sub(1)?;
    let is_short = !written.starts_with("\"\"\"") && !written.starts_with("'''");
    let stands = value.as_str()?;
    // Coordinates and versions alike have no escapes.
    (is_short && text.get(inner.clone())? == stands && stands.split(':').all(is_version)).then_some(inner)
}

/// What takes the place of a reference.
pub(crate) fn stated(version: &str) -> String {
    format!("version = \"{version}\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{catalog, stated};
    use crate::dependency::gradle::script::Stated;

    #[test]
    fn a_catalog_says_versions_in_many_ways() {
        let text = "[versions]\nv = \"1.0\" # ours\nrich = { strictly = \"[1,2[\", prefer = \"1.5\" }\nasked = { require = '2.0' }\n
[libraries]\na = \"t:a:1.0\"\nb = { module = \"t:b\", version = \"1.1\" }\nc = { group = \"t\", name = \"c\", version.ref = \"v\" }
d = { module = \"t:d\" }\ne = { module = \"t:e\", version = { strictly = \"1\" } }\nf = { module = \"t:f\", version = { ref = \"v\" } }
[plugins]\np = { id = \"x\", version.ref = \"v\" }\n";
        let found = catalog(text).unwrap();
        let declared = found.declared.iter().map(|one| match &one.version {
            Stated::Here(range) => format!("{} {}", one.module, &text[range.clone()]),
            Stated::By { variable, usage, .. } => {
                format!("{} {variable} {}", one.module, &text[usage.clone()])
            }
            Stated::Nowhere => format!("{} -", one.module),
            Stated::Unread => format!("{} ?", one.module),
        });
        let expected = ["t:a 1.0", "t:b 1.1", "t:c v version.ref = \"v\"", "t:d -", "t:e ?", "t:f ?"];
        assert_eq!(declared.collect::<Vec<_>>(), expected);
        let variables: Vec<(&str, &str)> =
            found.variables.iter().map(|one| (one.name.as_str(), &text[one.value.clone()])).collect();
        assert_eq!(variables, [("v", "1.0"), ("asked", "2.0")]);
        assert_eq!(found.used, ["v", "v", "v"]);
        assert_eq!(stated("1.2"), "version = \"1.2\"");
        assert!(catalog("[libraries").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\[versions\\]\n|\\[libraries\\]\n|a = |\"t:a:1\"|\\{|\\}|version|\\.ref|module|=|\"v\"|, |\n){0,20}") {
            for declared in catalog(&text).unwrap_or_default().declared {
                if let Stated::Here(range) | Stated::By { usage: range, .. } = declared.version {
                    prop_assert!(text.get(range).is_some());
                }
            }
        }
    }
}
