//! `Cargo.toml`, changed where it must be and nowhere else: comments, order and spaces stay as they are.

use toml_edit::{DocumentMut, Item, TableLike, Value};

use crate::dependency::cargo::range;

/// Where dependencies may stand, of the package and of each platform.
const SECTIONS: [&str; 5] =
    ["dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies"];

/// What became of a manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) text: String,
    /// Ranges that are other ones now.
    pub(crate) ranges: usize,
    /// Names of entries that are inherited, so that their range stands in the workspace's manifest.
    pub(crate) inherited: Vec<String>,
}

/// One crate that goes from a version to another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) name: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
}

/// Widens each range that took the old version and does not take the new one. None for what is no manifest.
pub(crate) fn with_step(text: &str, step: Step<'_>) -> Option<Changed> {
    let mut document: DocumentMut = text.parse().ok()?;
    let mut changed = Changed::default();
    for section in SECTIONS {
        if let Some(entries) = document.get_mut(section).and_then(Item::as_table_like_mut) {
            widen(entries, None, step, &mut changed);
        }
    }
    let platforms = document.get_mut("target").and_then(Item::as_table_like_mut);
    for (_, platform) in platforms.into_iter().flat_map(TableLike::iter_mut) {
        for section in SECTIONS {
            let entries = platform.as_table_like_mut().and_then(|platform| platform.get_mut(section));
            if let Some(entries) = entries.and_then(Item::as_table_like_mut) {
                widen(entries, None, step, &mut changed);
            }
        }
    }
    changed.text = document.to_string();
    Some(changed)
}

/// The same in what members inherit, for these entries.
pub(crate) fn with_inherited_step(text: &str, step: Step<'_>, entries: &[String]) -> Option<Changed> {
    let mut document: DocumentMut = text.parse().ok()?;
    let mut changed = Changed::default();
    let workspace = document.get_mut("workspace").and_then(Item::as_table_like_mut);
    let shared = workspace.and_then(|workspace| workspace.get_mut("dependencies"));
    widen(shared.and_then(Item::as_table_like_mut)?, Some(entries), step, &mut changed);
    changed.text = document.to_string();
    Some(changed)
}

fn widen(entries: &mut dyn TableLike, only: Option<&[String]>, step: Step<'_>, changed: &mut Changed) {
    for (key, entry) in entries.iter_mut() {
        if only.is_some_and(|only| !only.iter().any(|name| name == key.get())) {
            continue;
        }
        if let Some(value) = entry.as_value_mut().filter(|value| value.is_str()) {
            if key.get() == step.name {
                changed.ranges += usize::from(put(value, step));
            }
            continue;
        }
        let Some(table) = entry.as_table_like_mut() else { continue };
        let package = table.get("package").and_then(Item::as_str).unwrap_or(key.get());
        let is_inherited = table.get("workspace").and_then(Item::as_bool) == Some(true);
        if is_inherited {
            // Which package it is the workspace says.
            changed.inherited.push(key.get().to_owned());
        } else if package == step.name
            && let Some(value) = table.get_mut("version").and_then(Item::as_value_mut)
        {
            changed.ranges += usize::from(put(value, step));
        }
    }
}

/// Whether there was something to widen.
fn put(value: &mut Value, step: Step<'_>) -> bool {
    let Some(old) = value.as_str().map(str::to_owned) else { return false };
    if !range::admits(&old, step.from) || range::admits(&old, step.to) {
        return false;
    }
    let Some(new) = range::relaxed(&old, step.to) else { return false };
    let decor = value.decor().clone();
    *value = Value::from(new);
    *value.decor_mut() = decor;
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Step, with_inherited_step, with_step};

    const TEXT: &str = r#"# The app.
[package]
name = "app" # its name

[dependencies]
a = "0.7"   # the reason why
b.workspace = true
old-a = { package = "a",  version = "~0.6.1", features = [ "x" ] }
other = "0.7"

[dev-dependencies.a]
version = '0.7.2'
default-features = false

[target.'cfg(unix)'.dependencies]
a = { version = "=0.7.3" }
"#;

    const STEP: Step<'_> = Step { name: "a", from: "0.7.3", to: "0.8.1" };

    #[test]
    fn only_the_ranges_of_the_old_version_change() {
        let changed = with_step(TEXT, STEP).expect("it is a manifest");
        let expected = TEXT
            .replace("a = \"0.7\"   #", "a = \"0.8.1\"   #")
            .replace("'0.7.2'", "\"0.8.1\"")
            .replace("=0.7.3", "=0.8.1");
        assert_eq!((changed.text, changed.ranges), (expected, 3));
        assert_eq!(changed.inherited, ["b"]);
        assert_eq!(
            with_step(TEXT, Step { name: "z", ..STEP }).map(|changed| changed.text).as_deref(),
            Some(TEXT)
        );
    }

    #[test]
    fn what_is_inherited_changes_in_the_workspace() {
        let text = "[workspace.dependencies]\nb = { package = \"a\", version = \"0.7\" }\na = \"0.7\"\n";
        let changed = with_inherited_step(text, STEP, &["b".to_owned()]).expect("it is a manifest");
        assert_eq!(changed.text, text.replacen("0.7", "0.8.1", 1));
        assert_eq!(with_inherited_step("[workspace]\n", STEP, &[]), None);
    }

    proptest! {
        #[test]
        fn foreign_text_is_read_or_refused(text in any::<String>(), from in any::<String>()) {
            let step = Step { from: &from, ..STEP };
            let _ = (with_step(&text, step), with_inherited_step(&text, step, std::slice::from_ref(&from)));
        }
    }
}
