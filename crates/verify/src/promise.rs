//! What the step of a service's own version promises those who use it, by semantic versioning as its manifest writes it.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::check::{Case, Side};

const MAX_BYTES: u64 = 1024 * 1024;

/// What follows for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Nothing breaks; `next` is the version that would not say so.
    Kept { from: String, to: String, next: String },
    /// Something may.
    Broken { from: String, to: String },
    /// Nothing is promised, and why.
    None(String),
}

/// From `Cargo.toml`, `package.json` or `pyproject.toml` of the service's folder.
pub(crate) fn promise(case: &Case) -> Promise {
    let of = |side: &Side| version(&side.tree, &case.service.folder);
    match (of(&case.base), of(&case.patch)) {
        (Some(from), Some(to)) => step(from, to),
        _ => Promise::None("no manifest says which version it is, so nothing is promised".to_owned()),
    }
}

fn step(from: String, to: String) -> Promise {
    if from == to {
        return Promise::None(format!("the version stays at {from}, so nothing is promised"));
    }
    let (Some(old), Some(new)) = (numbers(&from), numbers(&to)) else {
        return Promise::None(format!("what the step from {from} to {to} promises is not known"));
    };
    let leading = old.iter().position(|number| *number > 0).unwrap_or(2);
    if old[..=leading] != new[..=leading] {
        return Promise::Broken { from, to };
    }
    let mut next = [0; 3];
    next[..=leading].copy_from_slice(&old[..=leading]);
    next[leading] += 1;
    let next = next.map(|number| number.to_string()).join(".");
    Promise::Kept { from, to, next }
}

/// Major, minor and patch; a version before a release promises nothing.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.split('+').next().unwrap_or(version);
    let mut numbers = [0; 3];
    let parts: Vec<&str> = core.split('.').collect();
    if parts.len() > numbers.len() {
        return None;
    }
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = part.parse().ok().filter(|number| *number < u64::MAX)?;
    }
    Some(numbers)
}

fn version(tree: &Path, folder: &str) -> Option<String> {
    let at = tree.join(folder);
    let table = |path: &Path| text(path)?.parse::<toml::Table>().ok();
    let of = |table: &toml::Table, path: &[&str]| {
        let (last, before) = path.split_last()?;
        let table = before.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?;
        table.get(*last)?.as_str().map(str::to_owned)
    };
    if let Some(manifest) = table(&at.join("Cargo.toml")) {
        let of_workspace = || {
            let tables = [Some(manifest.clone()), table(&tree.join("Cargo.toml"))];
            tables.iter().flatten().find_map(|table| of(table, &["workspace", "package", "version"]))
        };
        return of(&manifest, &["package", "version"]).or_else(of_workspace);
    }
    if let Some(manifest) = text(&at.join("package.json")) {
        let manifest: Value = serde_json::from_str(&manifest).ok()?;
        return manifest.get("version")?.as_str().map(str::to_owned);
    }
    let manifest = table(&at.join("pyproject.toml"))?;
    of(&manifest, &["project", "version"]).or_else(|| of(&manifest, &["tool", "poetry", "version"]))
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Promise, step};

    #[test]
    fn a_step_promises_what_semantic_versioning_says() {
        let kept = |next: &str| format!("kept until {next}");
        for (from, to, expected) in [
            ("1.2.3", "1.2.4", kept("2.0.0")),
            ("1.2.3", "1.3.0", kept("2.0.0")),
            ("1.2.3", "2.0.0", "broken".to_owned()),
            ("0.3.1", "0.3.2", kept("0.4.0")),
            ("0.3.1", "0.4.0", "broken".to_owned()),
            ("0.0.3", "0.0.4", "broken".to_owned()),
            ("0.0.0", "0.0.1", "broken".to_owned()),
            ("1.2", "1.3", kept("2.0.0")),
            ("1.2.3", "1.2.3", "none".to_owned()),
            ("1.2.3-rc.1", "1.2.3", "none".to_owned()),
            ("1.2.3.4", "1.2.3.5", "none".to_owned()),
            ("18446744073709551615.0", "1.0", "none".to_owned()),
            ("", "1.0", "none".to_owned()),
        ] {
            let found = match step(from.to_owned(), to.to_owned()) {
                Promise::Kept { next, .. } => kept(&next),
                Promise::Broken { .. } => "broken".to_owned(),
                Promise::None(_) => "none".to_owned(),
            };
            assert_eq!(found, expected, "{from} to {to}");
        }
    }
}
