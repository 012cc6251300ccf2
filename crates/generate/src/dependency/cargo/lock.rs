//! `Cargo.lock`: what is installed and what leads to what, and other versions put into it for cargo to complete.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde::Deserialize;
use thiserror::Error;
use toml_edit::{DocumentMut, Item, Table, Value};

use crate::dependency::cargo::settings::registry_of;

/// Largest lockfile that is read, in bytes.
pub(crate) const LARGEST: usize = 32 << 20;

/// Text that is not a lockfile of cargo.
#[derive(Debug, Error)]
#[error("could not read `Cargo.lock`: {0}")]
pub(crate) struct NotALockfile(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Nothing for a package of the workspace itself.
    pub(crate) source: Option<String>,
    pub(crate) checksum: Option<String>,
    dependencies: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Lockfile {
    pub(crate) packages: Vec<Locked>,
    /// 1 to 4; formats 1 and 2 do not name themselves.
    pub(crate) format: u32,
}

#[derive(Deserialize)]
struct Document {
    version: Option<u32>,
    #[serde(default)]
    package: Vec<Entry>,
    /// Where lockfiles of format 1 keep the checksums, as `checksum <name> <version> (<source>)`.
    #[serde(default)]
    metadata: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Lockfile {
    pub(crate) fn parse(text: &str) -> Result<Self, NotALockfile> {
        if text.len() > LARGEST {
            return Err(NotALockfile(format!("it has more than {LARGEST} bytes")));
        }
        let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
        let document: Document =
            toml::from_str(text).map_err(|error| NotALockfile(first_line(error.message().to_owned())))?;
        let metadata = document.metadata;
        let format = document.version.unwrap_or(if metadata.is_empty() { 2 } else { 1 });
        let packages = document.package.into_iter().map(|entry| {
            let version = Version::parse(&entry.version)
                .map_err(|_| NotALockfile(format!("`{}` is not a version", entry.version.escape_debug())))?;
            Ok(Locked {
                checksum: entry.checksum.clone().or_else(|| checksum_apart(&metadata, &entry)),
                name: entry.name,
                version,
                source: entry.source,
                dependencies: entry.dependencies,
            })
        });
        Ok(Self { packages: packages.collect::<Result<_, _>>()?, format })
    }

    /// For each package the places of those that it leads to.
    pub(crate) fn edges(&self) -> Vec<Vec<usize>> {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(at);
        }
        let edges = self.packages.iter().map(|package| {
            let led = package.dependencies.iter().filter_map(|dependency| {
                let reference = Reference::parse(dependency);
                let named = by_name.get(reference.name)?;
                // What is from nowhere is meant where a source is not said although there are several.
                let fits = |at: &&usize| reference.means(&self.packages[**at]);
                named.iter().find(fits).copied()
            });
            led.collect::<BTreeSet<usize>>().into_iter().collect()
        });
        edges.collect()
    }
}

/// `name`, `name version` where there are several, `name version (source)` where that is not enough.
struct Reference<'a> {
    name: &'a str,
    version: Option<&'a str>,
    source: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Self {
        let mut words = text.splitn(3, ' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        let source = words.next().and_then(|text| text.strip_prefix('(')?.strip_suffix(')'));
        Self { name, version, source }
    }

    fn means(&self, package: &Locked) -> bool {
        let bare = |source: &'a str| source.split('#').next();
        self.name == package.name
            && self.version.is_none_or(|text| package.version.to_string() == text)
            && self.source.is_none_or(|source| {
                package.source.as_deref().and_then(|source| source.split('#').next()) == bare(source)
            })
    }
}

/// A package that is to have another version, or with none, is to be chosen anew.
#[derive(Clone, Debug)]
pub(crate) struct Put<'a> {
    pub(crate) package: &'a Locked,
    /// With its checksum.
    pub(crate) to: Option<(String, String)>,
}

/// A package of the default registry that is to come at this version, if it comes at all.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) checksum: String,
}

/// The lockfile with these versions in it. What they require, and who leads to them, is left to cargo.
pub(crate) fn with_versions(text: &str, puts: &[Put<'_>], added: &[Added]) -> Result<String, NotALockfile> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| NotALockfile(error.message().to_owned()))?;
    let is_first_format = document.get("metadata").is_some();
    if let Some(metadata) = document.get_mut("metadata").and_then(Item::as_table_mut) {
        for put in puts {
            metadata.remove(&key(put.package, &put.package.version.to_string()));
            if let Some((version, checksum)) = &put.to {
                metadata.insert(&key(put.package, version), toml_edit::value(checksum));
            }
        }
    }
    let Some(packages) = document.get_mut("package").and_then(Item::as_array_of_tables_mut) else {
        return Err(NotALockfile("it has no packages".to_owned()));
    };
    let text_of = |table: &Table, key: &str| table.get(key).and_then(Item::as_str).map(str::to_owned);
    let mut dropped = Vec::new();
    for (at, table) in packages.iter_mut().enumerate() {
        let (name, version, source) =
            (text_of(table, "name"), text_of(table, "version"), text_of(table, "source"));
        let put = puts.iter().find(|put| {
            Some(put.package.name.as_str()) == name.as_deref()
                && Some(put.package.version.to_string()) == version
                && put.package.source == source
        });
        match put.map(|put| &put.to) {
            Some(Some((version, checksum))) => {
                table["version"] = toml_edit::value(version);
                table.remove("dependencies");
                if !is_first_format {
                    table["checksum"] = toml_edit::value(checksum);
                }
            }
            Some(None) => dropped.push(at),
            None => {
                if let Some(references) = table.get_mut("dependencies").and_then(Item::as_array_mut) {
                    references.retain(|reference: &Value| {
                        let reference = reference.as_str().map(Reference::parse);
                        !reference.is_some_and(|one| puts.iter().any(|put| one.means(put.package)))
                    });
                }
            }
        }
    }
    for at in dropped.into_iter().rev() {
        packages.remove(at);
    }
    let default = packages.iter().filter_map(|table| text_of(table, "source"));
    let default = default.into_iter().find(|source| registry_of(source).is_empty());
    for (one, source) in added.iter().zip(std::iter::repeat(default.unwrap_or_default())) {
        let mut table = Table::new();
        let values = [("name", &one.name), ("version", &one.version), ("source", &source)];
        values.into_iter().for_each(|(key, value)| table[key] = toml_edit::value(value));
        if !is_first_format {
            table["checksum"] = toml_edit::value(&one.checksum);
        }
        packages.push(table);
    }
    Ok(document.to_string())
}

fn key(package: &Locked, version: &str) -> String {
    format!("checksum {} {version} ({})", package.name, package.source.as_deref().unwrap_or_default())
}

/// The checksum of a package in a lockfile of format 1; cargo writes `<none>` where there is none.
fn checksum_apart(metadata: &BTreeMap<String, toml::Value>, entry: &Entry) -> Option<String> {
    let source = entry.source.as_ref()?;
    let key = format!("checksum {} {} ({source})", entry.name, entry.version);
    let checksum = metadata.get(&key)?.as_str()?;
    (checksum != "<none>").then(|| checksum.to_owned())
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
