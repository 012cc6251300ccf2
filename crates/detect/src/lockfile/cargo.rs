//! `Cargo.lock`, formats 1 to 4 (<https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html>; the format
//! itself is only written down in Cargo's `resolver/encode.rs`).

use std::collections::{BTreeMap, HashMap};

use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::Location;
use serde::Deserialize;
use toml::{Spanned, Value};

use crate::detector::{Broken, Detector, Installed};
use crate::lockfile::graph::shortest_ways;

const MOST_PACKAGES: usize = 100_000;
const MOST_DEPENDENCIES: usize = 1_000_000;
/// Bytes of a name or a version.
const LONGEST_WORD: usize = 256;
const NEWEST_FORMAT: i64 = 4;
const CONFLICT_MARKS: [&[u8]; 3] = [b"<<<<<<<", b"=======", b">>>>>>>"];

/// Reads `Cargo.lock`.
pub struct CargoLock;

impl Detector for CargoLock {
    fn lockfile(&self) -> &'static str {
        "Cargo.lock"
    }

    fn manifest(&self) -> &'static str {
        "Cargo.toml"
    }

    fn hint(&self) -> &'static str {
        "restore the file from version control, or make a new one with `cargo generate-lockfile`"
    }

    fn parse(&self, path: &str, text: &str) -> Result<Vec<Installed>, Broken> {
        let lock = Lock::parse(text)?;
        let edges = lock.edges(text)?;
        let local: Vec<bool> = lock.packages.iter().map(|package| package.source.is_none()).collect();
        let ways = shortest_ways(&edges, &local);
        let label = |node: &usize| {
            let package = &lock.packages[*node];
            format!("{} {}", package.name.get_ref(), package.version.get_ref())
        };
        let mut lines = Lines { text, offset: 0, line: 1 };
        let mut installed = Vec::with_capacity(lock.packages.len());
        for ((raw, edges), ways) in lock.packages.iter().zip(&edges).zip(&ways) {
            installed.push(Installed {
                package: raw.package(),
                location: Location {
                    path: path.to_owned(),
                    line: Some(lines.line_of(raw.name.span().start)),
                },
                paths: ways.iter().map(|way| way.iter().map(label).collect()).collect(),
                dependencies: edges.iter().map(|node| lock.packages[*node].package()).collect(),
                checksum: raw.checksum.clone().or_else(|| lock.old_checksum(raw)),
                source: raw.source.clone(),
                registered: raw.is_registered(),
            });
        }
        Ok(installed)
    }
}

#[derive(Deserialize)]
struct Lock {
    version: Option<Spanned<i64>>,
    #[serde(default, rename = "package")]
    packages: Vec<Raw>,
    /// Before 2017 the root package stood apart.
    root: Option<Raw>,
    /// Holds the checksums in format 1.
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Raw {
    name: Spanned<String>,
    version: Spanned<String>,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<Spanned<String>>,
    /// By `[replace]` in the manifest: this package is not built, that one is.
    replace: Option<Spanned<String>>,
}

impl Lock {
    fn parse(text: &str) -> Result<Self, Broken> {
        let mut lock: Self = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(text.len(), |span| span.start).min(text.len());
            let line_start =
                text.as_bytes()[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let is_conflict =
                CONFLICT_MARKS.iter().any(|mark| text.as_bytes()[line_start..].starts_with(mark));
            let message = error.message().replace('\n', ", ");
            Broken::at(
                text,
                offset,
                if is_conflict { "a merge conflict is left in it".to_owned() } else { message },
            )
        })?;
        lock.packages.extend(lock.root.take());
        if let Some(version) =
            lock.version.as_ref().filter(|version| !(1..=NEWEST_FORMAT).contains(version.get_ref()))
        {
            let what =
                format!("its format, version {}, is not one of 1 to {NEWEST_FORMAT}", version.get_ref());
            return Err(Broken::at(text, version.span().start, what));
        }
        if lock.packages.is_empty() {
            return Err(Broken::at(text, text.len(), "it ends without any package"));
        }
        let dependencies: usize = lock.packages.iter().map(|package| package.dependencies.len()).sum();
        if lock.packages.len() > MOST_PACKAGES || dependencies > MOST_DEPENDENCIES {
            let what =
                format!("it has more than {MOST_PACKAGES} packages or {MOST_DEPENDENCIES} dependencies");
            return Err(Broken::at(text, text.len(), what));
        }
        for word in lock.packages.iter().flat_map(|package| [&package.name, &package.version]) {
            if word.get_ref().is_empty()
                || word.get_ref().contains(|c: char| c.is_whitespace() || c.is_control())
            {
                let what = format!("{:?} is neither a name nor a version", word.get_ref());
                return Err(Broken::at(text, word.span().start, what));
            }
            // It is repeated in every path that leads through it.
            if word.get_ref().len() > LONGEST_WORD {
                let what = format!("a name or version has more than {LONGEST_WORD} bytes");
                return Err(Broken::at(text, word.span().start, what));
            }
        }
        Ok(lock)
    }

    /// For each package the packages that it depends on.
    fn edges(&self, text: &str) -> Result<Vec<Vec<usize>>, Broken> {
        let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
        for (node, package) in self.packages.iter().enumerate() {
            let known = names.entry(package.name.get_ref()).or_default();
            if known.iter().any(|other| self.packages[*other].is_same(package)) {
                let what =
                    format!("{} {} stands here twice", package.name.get_ref(), package.version.get_ref());
                return Err(Broken::at(text, package.name.span().start, what));
            }
            known.push(node);
        }
        self.packages.iter().map(|package| self.edges_of(package, &names, text)).collect()
    }

    fn edges_of(
        &self,
        package: &Raw,
        names: &HashMap<&str, Vec<usize>>,
        text: &str,
    ) -> Result<Vec<usize>, Broken> {
        let mut edges = Vec::new();
        for wanted in package.dependencies.iter().chain(&package.replace) {
            let node = self.find(wanted.get_ref(), names).map_err(|why| {
                let what = format!("the dependency {:?} {why}", wanted.get_ref());
                Broken::at(text, wanted.span().start, what)
            })?;
            edges.push(node);
        }
        edges.sort_unstable();
        edges.dedup();
        Ok(edges)
    }

    /// The package that `name`, `name version` or `name version (source)` means.
    fn find(&self, wanted: &str, names: &HashMap<&str, Vec<usize>>) -> Result<usize, &'static str> {
        let mut words = wanted.splitn(3, ' ');
        let name = words.next().unwrap_or("");
        let version = words.next();
        let source = words.next().and_then(|text| text.strip_prefix('(')?.strip_suffix(')'));
        let named = names.get(name).map_or(&[] as &[usize], Vec::as_slice).iter().copied();
        let is_meant =
            |node: &usize| version.is_none_or(|version| self.packages[*node].version.get_ref() == version);
        let mut found: Vec<usize> = named.filter(is_meant).collect();
        if let Some(source) = source {
            let bare = |text: &str| text.split('#').next().map(str::to_owned);
            let exact = |node: &usize| self.packages[*node].source.as_deref() == Some(source);
            let alike = |node: &usize| self.packages[*node].source.as_deref().and_then(bare) == bare(source);
            let any_exact = found.iter().any(exact);
            found.retain(|node| if any_exact { exact(node) } else { alike(node) });
        } else if found.len() > 1 {
            // Format 1 writes the source unless there is none.
            let local: Vec<usize> =
                found.iter().copied().filter(|node| self.packages[*node].source.is_none()).collect();
            found = if local.len() == 1 { local } else { found };
        }
        match found.as_slice() {
            [node] => Ok(*node),
            [] => Err("is not among the packages; the file may be cut off"),
            _ => Err("may be one of several packages"),
        }
    }

    /// The checksum as format 1 keeps it, apart from the package.
    fn old_checksum(&self, package: &Raw) -> Option<String> {
        let source = package.source.as_ref()?;
        let key = format!("checksum {} {} ({source})", package.name.get_ref(), package.version.get_ref());
        self.metadata.get(&key).and_then(Value::as_str).filter(|text| *text != "<none>").map(str::to_owned)
    }
}

impl Raw {
    fn package(&self) -> Package {
        Package {
            ecosystem: Ecosystem::crates_io(),
            name: self.name.get_ref().clone(),
            version: self.version.get_ref().clone(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.version.get_ref() == other.version.get_ref() && self.source == other.source
    }

    /// A crate from git or a path may share no more than the name with the one that the advisories speak of.
    fn is_registered(&self) -> bool {
        let from_registry =
            |source: &String| source.starts_with("registry+") || source.starts_with("sparse+");
        self.source.as_ref().is_some_and(from_registry) && self.replace.is_none()
    }
}

/// Counts lines from where it last was; packages stand in the file in their order, so that is short.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    fn line_of(&mut self, offset: usize) -> u32 {
        if offset < self.offset {
            (self.offset, self.line) = (0, 1);
        }
        let between = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.offset = offset;
        u32::try_from(self.line).unwrap_or(u32::MAX)
    }
}
