//! What a reader of lockfiles must be able to do. The list of those that exist stands in `scan.rs`.

use patchline_model::package::Package;
use patchline_model::stage::detect::Location;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One kind of lockfile. The walker does the reading; a detector only parses.
pub trait Detector: Sync {
    /// The name that a lockfile of this kind always has, as in `Cargo.lock`.
    fn lockfile(&self) -> &'static str;

    /// The manifest that such a lockfile stands beside or above, as in `Cargo.toml`.
    fn manifest(&self) -> &'static str;

    /// What to do when the lockfile is missing or broken.
    fn hint(&self) -> &'static str;

    /// All packages of one lockfile, in its order. `path` goes into the locations as it is. Pure, and never panics,
    /// whatever the text.
    fn parse(&self, path: &str, text: &str) -> Result<Vec<Installed>, Broken>;
}

/// One package as a lockfile pins it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    pub package: Package,
    pub location: Location,
    /// The shortest ways from a root package to this one, `name version` each, roots and itself included. At most
    /// ten; none when the way is longer than 128 steps or the lockfile is so large that writing them all down would not end.
    pub paths: Vec<Vec<String>>,
    pub dependencies: Vec<Package>,
    /// As the lockfile states it: SHA-256 in hex for Cargo.
    pub checksum: Option<String>,
    /// Where it comes from, in the lockfile's words; none for a package of the repository itself.
    pub source: Option<String>,
    /// Whether it comes from the ecosystem's registry. Only then do the advisories speak of it.
    pub registered: bool,
}

/// What the scan saw and cannot judge. Never good news, and never a guess.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unresolved {
    /// Relative to the root that was scanned.
    pub path: String,
    pub what: String,
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
