//! `Cargo.lock`, formats 1 to 4 (<https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html>; the format
//! itself is only written down in Cargo's `resolver/encode.rs`).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node, most_packages};
use crate::lockfile::cargo_toml::{self, Wants};
use crate::text::lines::Lines;
use crate::text::pile::push;
use crate::text::toml::toml_in_parts;

const MOST_DEPENDENCIES: usize = 1_000_000;
/// Bytes of a name or a version.
const LONGEST_WORD: usize = 256;
const NEWEST_FORMAT: i64 = 4;
const CONFLICT_MARKS: [&[u8]; 3] = [b"<<<<<<<", b"=======", b">>>>>>>"];

/// Reads `Cargo.lock`.
pub struct CargoLock;

impl Detector for CargoLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["Cargo.lock"],
            manifest: Some("Cargo.toml"),
            hint: "restore the file from version control, or make a new one with `cargo generate-lockfile`",
            is_fixed: true,
        }
    }

    fn neighbours(&self, path: &str, text: &str) -> Vec<String> {
        cargo_toml::others(path, text)
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        Ok(graph(path, text, neighbours)?.inventory(path))
    }
}

fn graph(path: &str, text: &str, neighbours: &Neighbours) -> Result<Graph, Broken> {
    let lock = Lock::parse(text)?;
    let edges = lock.edges(text)?;
    let direct = lock.direct(&edges, &cargo_toml::wants(path, neighbours));
    let mut lines = Lines::of(text);
    let node = |raw: &Raw| Node {
        name: raw.name.get_ref().clone(),
        version: raw.version.get_ref().clone(),
        line: Some(lines.line_of(raw.name.span().start)),
        is_own: raw.source.is_none(),
        checksum: raw.checksum.clone().or_else(|| lock.old_checksum(raw)),
        source: raw.source.clone(),
        registered: raw.is_registered(),
        ..Node::default()
    };
    let mut graph = Graph::of("crates.io", text.len());
    graph.nodes = lock.packages.iter().map(node).collect();
    (graph.edges, graph.direct) = (edges, direct);
    Ok(graph)
}

#[derive(Default, Deserialize)]
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
        let broken = |offset: usize, message: &str| {
            let line_start =
                text.as_bytes()[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let is_conflict =
                CONFLICT_MARKS.iter().any(|mark| text.as_bytes()[line_start..].starts_with(mark));
            Broken::at(text, offset, if is_conflict { "a merge conflict is left in it" } else { message })
        };
        let most = most_packages(text.len());
        let mut lock = Self::default();
        toml_in_parts(text, &["[[package]]"], broken, |start, part: Self| lock.add(start, part, text))?;
        lock.packages.extend(lock.root.take());
        if let Some(version) =
            lock.version.as_ref().filter(|version| !(1..=NEWEST_FORMAT).contains(version.get_ref()))
        {
            let what =
                format!("its format, version {}, is not one of 1 to {NEWEST_FORMAT}", version.get_ref());
            return Err(Broken::at(text, version.span().start, what));
        }
        // Of an empty workspace there is nothing but the format.
        if lock.packages.is_empty() && lock.version.is_none() {
            return Err(Broken::at(text, text.len(), "it ends without any package"));
        }
        let dependencies: usize = lock.packages.iter().map(|package| package.dependencies.len()).sum();
        if lock.packages.len() > most || dependencies > MOST_DEPENDENCIES {
            let what = format!(
                "it has more than {most} packages in {} bytes, or {MOST_DEPENDENCIES} dependencies; make it anew with Cargo",
                text.len()
            );
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

    /// Takes in what one part of the text says.
    fn add(&mut self, start: usize, part: Self, text: &str) -> Result<(), Broken> {
        let is_twice =
            part.version.is_some() && self.version.is_some() || part.root.is_some() && self.root.is_some();
        if is_twice {
            return Err(Broken::at(text, start, "what follows here stands in it twice"));
        }
        let moved = |span: std::ops::Range<usize>| start + span.start..start + span.end;
        self.version = self
            .version
            .take()
            .or(part.version.map(|version| Spanned::new(moved(version.span()), version.into_inner())));
        self.root = self.root.take().or(part.root.map(|raw| raw.moved(start)));
        part.packages.into_iter().for_each(|raw| push(&mut self.packages, raw.moved(start)));
        self.metadata.extend(part.metadata);
        Ok(())
    }

    /// For each package the packages that it depends on.
    fn edges(&self, text: &str) -> Result<Vec<Vec<usize>>, Broken> {
        let mut known = Known::default();
        for (node, package) in self.packages.iter().enumerate() {
            if !known.add(package, node) {
                let what =
                    format!("{} {} stands here twice", package.name.get_ref(), package.version.get_ref());
                return Err(Broken::at(text, package.name.span().start, what));
            }
        }
        self.packages.iter().map(|package| Self::edges_of(package, &known, text)).collect()
    }

    fn edges_of(package: &Raw, known: &Known<'_>, text: &str) -> Result<Vec<usize>, Broken> {
        let mut edges = Vec::new();
        for wanted in package.dependencies.iter().chain(&package.replace) {
            let node = known.find(wanted.get_ref()).map_err(|why| {
                let what = format!("the dependency {:?} {why}", wanted.get_ref());
                Broken::at(text, wanted.span().start, what)
            })?;
            edges.push(node);
        }
        edges.sort_unstable();
        edges.dedup();
        Ok(edges)
    }

    /// What the repository's own packages need, and what for: where no manifest tells, without any limit.
    fn direct(&self, edges: &[Vec<usize>], wants: &Wants) -> Vec<(usize, Scope)> {
        let mut direct = Vec::new();
        let own = self.packages.iter().zip(edges).filter(|(package, _)| package.source.is_none());
        for (package, needs) in own {
            let wanted = wants.get(package.name.get_ref());
            let scope =
                |need: &usize| wanted.and_then(|wanted| wanted.get(self.packages[*need].name.get_ref()));
            direct.extend(needs.iter().map(|need| (*need, scope(need).copied().unwrap_or(Scope::Normal))));
        }
        direct
    }

    /// The checksum as format 1 keeps it, apart from the package.
    fn old_checksum(&self, package: &Raw) -> Option<String> {
        let source = package.source.as_ref()?;
        let key = format!("checksum {} {} ({source})", package.name.get_ref(), package.version.get_ref());
        self.metadata.get(&key).and_then(Value::as_str).filter(|text| *text != "<none>").map(str::to_owned)
    }
}

impl Raw {
    /// The same in a text that begins so many bytes earlier.
    fn moved(mut self, start: usize) -> Self {
        let all = [&mut self.name, &mut self.version]
            .into_iter()
            .chain(&mut self.dependencies)
            .chain(&mut self.replace);
        for word in all {
            let span = word.span();
            *word = Spanned::new(start + span.start..start + span.end, std::mem::take(word.get_mut()));
        }
        self.dependencies.shrink_to_fit();
        self
    }

    /// A crate from git or a path may share no more than the name with the one that the advisories speak of, and so may
    /// one from a company's own registry. What a mirror gave instead of crates.io is written down as from crates.io.
    fn is_registered(&self) -> bool {
        self.source.as_deref().is_some_and(is_crates_io) && self.replace.is_none()
    }
}

/// Whether a source is that of crates.io, by whichever of its two protocols.
pub fn is_crates_io(source: &str) -> bool {
    if let Some(index) = source.strip_prefix("registry+") {
        return index.trim_end_matches('/').ends_with("://github.com/rust-lang/crates.io-index");
    }
    let host = source.strip_prefix("sparse+https://").and_then(|address| address.split('/').next());
    host.is_some_and(|host| host.ends_with(".crates.io"))
}

/// The packages by everything that a dependency may say of them; however many share a name, each is found at once.
#[derive(Default)]
struct Known<'a> {
    exact: HashMap<(&'a str, &'a str, Option<&'a str>), usize>,
    /// By the source without the commit.
    bare: HashMap<(&'a str, &'a str, &'a str), Few>,
    versioned: HashMap<(&'a str, &'a str), Few>,
    named: HashMap<&'a str, Few>,
}

/// The first of some packages, the first of those without a source, and how many there are of each.
#[derive(Default)]
struct Few {
    all: (usize, usize),
    local: (usize, usize),
}

impl Few {
    fn add(&mut self, node: usize, is_local: bool) {
        for (first, count) in [Some(&mut self.all), is_local.then_some(&mut self.local)].into_iter().flatten()
        {
            *first = if *count == 0 { node } else { *first };
            *count += 1;
        }
    }

    /// The one that is meant. Format 1 writes the source unless there is none.
    fn only(&self) -> Result<usize, &'static str> {
        match (self.all, self.local) {
            ((node, 1), _) | ((_, 2..), (node, 1)) => Ok(node),
            (_, _) => Err("may be one of several packages"),
        }
    }
}

impl<'a> Known<'a> {
    /// Whether it is new.
    fn add(&mut self, package: &'a Raw, node: usize) -> bool {
        let (name, version) = (package.name.get_ref().as_str(), package.version.get_ref().as_str());
        let source = package.source.as_deref();
        if let Some(source) = source {
            self.bare.entry((name, version, bare(source))).or_default().add(node, false);
        }
        self.versioned.entry((name, version)).or_default().add(node, source.is_none());
        self.named.entry(name).or_default().add(node, source.is_none());
        self.exact.insert((name, version, source), node).is_none()
    }

    /// The package that `name`, `name version` or `name version (source)` means.
    fn find(&self, wanted: &str) -> Result<usize, &'static str> {
        let mut words = wanted.splitn(3, ' ');
        let (name, version) = (words.next().unwrap_or(""), words.next());
        let source = words.next().and_then(|text| text.strip_prefix('(')?.strip_suffix(')'));
        let found = match (version, source) {
            (Some(version), Some(source)) => {
                if let Some(node) = self.exact.get(&(name, version, Some(source))) {
                    return Ok(*node);
                }
                self.bare.get(&(name, version, bare(source)))
            }
            (Some(version), None) => self.versioned.get(&(name, version)),
            (None, _) => self.named.get(name),
        };
        found.ok_or("is not among the packages; the file may be cut off")?.only()
    }
}

fn bare(source: &str) -> &str {
    source.split('#').next().unwrap_or(source)
}
