//! What a `Cargo.toml` says of its crate: the package's name and what it depends on, with lines.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub package: Option<String>,
    pub dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub kind: Kind,
    /// The package's real name, also where the crate is known by another one.
    pub package: String,
    pub line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Normal,
    Build,
    Dev,
}

/// From the name that a workspace dependency goes by to its package's name, where they differ.
pub type Renamed = BTreeMap<String, String>;

const TABLES: [(&str, Kind); 3] =
    [("dependencies", Kind::Normal), ("build-dependencies", Kind::Build), ("dev-dependencies", Kind::Dev)];

/// Reads a crate's manifest. `Err` holds the line and the reason.
pub fn parse(text: &str, renamed: &Renamed) -> Result<Manifest, (usize, String)> {
    let document = document(text)?;
    let root = document.get_ref();
    let package = table(root, "package").and_then(|package| package.get("name"));
    let mut dependencies = Vec::new();
    collect(text, root, renamed, &mut dependencies);
    for (_, only_here) in table(root, "target").into_iter().flat_map(|targets| targets.iter()) {
        if let Some(only_here) = only_here.get_ref().as_table() {
            collect(text, only_here, renamed, &mut dependencies);
        }
    }
    dependencies.sort_by_key(|dependency| dependency.line);
    Ok(Manifest {
        package: package.and_then(|name| name.get_ref().as_str()).map(str::to_owned),
        dependencies,
    })
}

/// Reads the workspace's manifest for dependencies that go by another name than their package's.
pub fn parse_renamed(text: &str) -> Result<Renamed, (usize, String)> {
    let document = document(text)?;
    let shared =
        table(document.get_ref(), "workspace").and_then(|workspace| table(workspace, "dependencies"));
    let named = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = name.get_ref();
        package_of(value.get_ref()).map(|package| (name.to_string(), package))
    };
    Ok(shared.into_iter().flat_map(|shared| shared.iter()).filter_map(named).collect())
}

fn document(text: &str) -> Result<Spanned<DeTable<'_>>, (usize, String)> {
    DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        (line_of(text, start), error.message().to_owned())
    })
}

fn collect(text: &str, from: &DeTable<'_>, renamed: &Renamed, into: &mut Vec<Dependency>) {
    for (name, kind) in TABLES {
        for (key, value) in table(from, name).into_iter().flat_map(|dependencies| dependencies.iter()) {
            let known_as = key.get_ref().to_string();
            let package = package_of(value.get_ref())
                .or_else(|| renamed.get(&known_as).cloned())
                .unwrap_or_else(|| known_as.clone());
            into.push(Dependency { kind, package, line: line_of(text, key.span().start) });
        }
    }
}

fn table<'a, 'i>(from: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
    from.get(name).and_then(|value| value.get_ref().as_table())
}

fn package_of(value: &DeValue<'_>) -> Option<String> {
    value.as_table()?.get("package")?.get_ref().as_str().map(str::to_owned)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_dependencies_is_read_with_its_lines() {
        let text = "[package]\nname = \"patchline-x\"\n[dependencies]\nserde.workspace = true\n\
                    short = { package = \"patchline-long\", path = \"..\" }\n[build-dependencies]\ncc = \"1\"\n\
                    [target.'cfg(unix)'.dev-dependencies]\nkit.workspace = true\n";
        let renamed =
            parse_renamed("[workspace.dependencies]\nkit = { package = \"patchline-testkit\" }\n").unwrap();
        let manifest = parse(text, &renamed).unwrap();
        assert_eq!(manifest.package.as_deref(), Some("patchline-x"));
        let seen: Vec<_> =
            manifest.dependencies.iter().map(|d| (d.kind, d.package.as_str(), d.line)).collect();
        let expected = [
            (Kind::Normal, "serde", 4),
            (Kind::Normal, "patchline-long", 5),
            (Kind::Build, "cc", 7),
            (Kind::Dev, "patchline-testkit", 9),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_table_of_its_own_for_one_dependency_is_read() {
        let manifest = parse("[dependencies.patchline-model]\npath = \"..\"\n", &Renamed::new()).unwrap();
        assert_eq!(manifest.dependencies[0].package, "patchline-model");
    }

    #[test]
    fn a_broken_manifest_is_refused_with_its_line() {
        assert_eq!(parse("[package]\nname =\n", &Renamed::new()).unwrap_err().0, 2);
    }
}
