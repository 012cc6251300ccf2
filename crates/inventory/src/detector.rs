//! What a reader of lockfiles must be able to do. The list of those that exist stands in `detectors.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::Location;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One kind of file that says which packages are in use. The walker does the reading; a detector only parses.
pub trait Detector: Sync {
    /// Which files it reads, and what to tell people about them.
    fn kind(&self) -> &'static Kind;

    /// Files without which this one can't be understood, below the root, in the order in which they are wanted. What
    /// those need in turn is asked of the same detector. What is missing is simply not handed over.
    fn neighbours(&self, _path: &str, _text: &str) -> Vec<String> {
        Vec::new()
    }

    /// All packages of one file, in its order. `path` goes into the locations as it is. Pure, and never panics, whatever
    /// the text.
    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken>;
}

/// The texts of neighbours by their paths below the root.
pub type Neighbours = BTreeMap<String, String>;

/// More neighbours of one file than this are not read.
const MOST_NEIGHBOURS: usize = 100;

/// The neighbours that a file and its neighbours ask for, as far as `read` has them; it is told how many bytes are left of
/// `bytes`.
pub fn gather(
    detector: &dyn Detector,
    path: &str,
    text: &str,
    bytes: u64,
    mut read: impl FnMut(&str, u64) -> Option<String>,
) -> Neighbours {
    let mut neighbours = Neighbours::new();
    let mut asked: BTreeSet<String> = BTreeSet::from([path.to_owned()]);
    let mut open = detector.neighbours(path, text);
    open.reverse();
    let mut left = bytes;
    while let Some(relative) = open.pop() {
        if asked.len() > MOST_NEIGHBOURS || !asked.insert(relative.clone()) {
            continue;
        }
        let Some(text) = read(&relative, left) else { continue };
        left = left.saturating_sub(text.len() as u64);
        let more = detector.neighbours(&relative, &text);
        open.extend(more.into_iter().rev());
        neighbours.insert(relative, text);
    }
    neighbours
}

/// The files of one detector.
#[derive(Debug)]
pub struct Kind {
    /// Names, as in `Cargo.lock`, in which `*` stands for anything; with `/` they match the end of a path.
    pub files: &'static [&'static str],
    /// The manifest that such a lockfile stands beside or above, as in `Cargo.toml`. Kinds may share one.
    pub manifest: Option<&'static str>,
    /// What to do when the lockfile is missing or broken.
    pub hint: &'static str,
    /// Whether Patchline changes such files: then half an answer about one on top is none, and an error.
    pub is_fixed: bool,
}

impl Kind {
    /// Whether it reads the file at this path below the root.
    pub fn claims(&self, relative: &str) -> bool {
        let name = relative.rsplit('/').next().unwrap_or(relative);
        self.files.iter().any(|pattern| match pattern.split_once('/') {
            None => fits(pattern, name),
            Some(_) => {
                let folders = pattern.matches('/').count() + 1;
                let mut parts: Vec<&str> = relative.rsplitn(folders + 1, '/').take(folders).collect();
                parts.reverse();
                let wanted: Vec<&str> = pattern.split('/').collect();
                wanted.len() == parts.len()
                    && wanted.iter().zip(&parts).all(|(pattern, part)| fits(pattern, part))
            }
        })
    }

    /// Whether it reads a file of this name that somebody handed over by itself. A copy may be named after its project,
    /// as in `notebook.Cargo.lock`.
    pub fn claims_copy(&self, name: &str) -> bool {
        let plain = |pattern: &&&str| !pattern.contains(['*', '/']);
        self.claims(name) || self.files.iter().filter(plain).any(|pattern| name.ends_with(pattern))
    }
}

/// Whether the name is what the pattern says, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(head) else { return false };
    match rest.contains('*') {
        false => name.ends_with(rest),
        true => name.char_indices().any(|(at, _)| fits(rest, &name[at..])),
    }
}

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub installed: Vec<Installed>,
    pub unresolved: Vec<Unresolved>,
}

/// One package as a lockfile pins it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    pub package: Package,
    /// What else advisories may file it under: other streams of its distribution, another of its names.
    #[serde(default)]
    pub also: Vec<Package>,
    pub location: Location,
    pub relation: Relation,
    pub scope: Scope,
    /// The shortest ways from a root package to this one, `name version` each, roots and itself included. At most
    /// ten; none when the way is longer than 128 steps or the lockfile is so large that writing them all down would not end.
    pub paths: Vec<Vec<Arc<str>>>,
    pub dependencies: Vec<Arc<Package>>,
    /// As the lockfile states it: SHA-256 in hex for Cargo.
    pub checksum: Option<String>,
    /// Where it comes from, in the lockfile's words; none where it doesn't say, or for a package of the repository itself.
    pub source: Option<String>,
    /// Whether it comes from the ecosystem's registry. Only then do the advisories speak of it.
    pub registered: bool,
}

/// How near a package is to the repository's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// A package of the repository itself.
    Own,
    /// The repository's own code names it.
    Direct,
    /// Only other packages need it.
    Transitive,
    /// The file doesn't tell.
    Unknown,
}

/// What a package is there for, the widest use first: a package with several uses has the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Normal,
    Optional,
    Peer,
    Build,
    Test,
    Dev,
}

/// What the scan saw and cannot judge. Never good news, and never a guess.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unresolved {
    /// Relative to the root that was scanned.
    pub path: String,
    pub line: Option<u32>,
    /// The package in question, where it is one.
    pub package: Option<String>,
    pub what: String,
}

impl Unresolved {
    /// About a whole file or folder.
    pub fn of(path: &str, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, package: None, what: what.into() }
    }

    /// About a package that is in use at a version that nobody knows.
    pub fn package(path: &str, line: Option<u32>, package: &str, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, package: Some(package.to_owned()), what: what.into() }
    }
}

/// Why a lockfile cannot be read; line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {what}")]
pub struct Broken {
    pub line: u32,
    pub column: u32,
    pub what: String,
}

impl Broken {
    /// What is wrong at this byte of the text.
    pub fn at(text: &str, offset: usize, what: impl Into<String>) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let newlines = before.iter().filter(|byte| **byte == b'\n').count();
        let characters = String::from_utf8_lossy(&before[line_start..]).chars().count();
        Self { line: count(newlines) + 1, column: count(characters) + 1, what: what.into() }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1)
}

/// The ecosystem of this OSV name.
pub fn ecosystem(name: &str) -> Ecosystem {
    Ecosystem(name.to_owned())
}

/// The path below the root that `relative` means in the file at `path`; none when it leads out of the tree.
pub fn beside(path: &str, relative: &str) -> Option<String> {
    if relative.starts_with('/') || relative.contains(['\\', '\0']) || relative.len() > 4096 {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{Kind, beside};

    #[track_caller]
    fn check(files: &'static [&'static str], path: &str, claims: bool, claims_copy: bool) {
        let kind = Kind { files, manifest: None, hint: "", is_fixed: false };
        assert_eq!((kind.claims(path), kind.claims_copy(path)), (claims, claims_copy), "{path}");
    }

    #[test]
    fn files_are_claimed_by_name_by_pattern_and_by_folder() {
        check(&["Cargo.lock"], "a/b/Cargo.lock", true, true);
        check(&["Cargo.lock"], "notebook.Cargo.lock", false, true);
        check(&["requirements*.txt"], "x/requirements-dev.txt", true, true);
        check(&["requirements*.txt"], "x/requirements.in", false, false);
        check(&["*.a*.b"], "x.a1.b", true, true);
        check(&[".github/workflows/*.yml"], "x/.github/workflows/ci.yml", true, true);
        check(&[".github/workflows/*.yml"], "workflows/ci.yml", false, false);
        check(&[".github/workflows/*.yml"], ".github/workflows/deep/ci.yml", false, false);
    }

    #[test]
    fn a_neighbour_never_lies_outside_of_the_tree() {
        let found =
            [("a/b.txt", "../c.txt"), ("b.txt", "./d/c.txt"), ("a/b.txt", "../../c.txt"), ("b", "/etc/x")]
                .map(|(path, relative)| beside(path, relative));
        assert_eq!(found, [Some("c.txt".to_owned()), Some("d/c.txt".to_owned()), None, None]);
    }
}
