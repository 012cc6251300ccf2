//! What the rules about a diff are given, and what they complain of.

use std::fs;
use std::io::Read as _;

use patchline_model::stage::generate::Kind;

use crate::check::{Case, Side};
use crate::diff::Diff;

/// Larger files are not read as text.
const MAX_TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// A patch as the rules see it.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) case: &'a Case,
    pub(crate) diff: &'a Diff,
}

/// One thing that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Where, as in a path with a line.
    pub(crate) place: String,
    pub(crate) why: String,
    pub(crate) refused: bool,
}

impl Given<'_> {
    /// What a machine made must not do what a person may have meant.
    pub(crate) fn by_person(&self) -> bool {
        self.case.candidate.fixer == "person"
    }

    pub(crate) fn is_dependency_fix(&self) -> bool {
        self.case.candidate.kind == Kind::Dependency
    }

    /// A file of one side; none where it is missing, no ordinary file, too large, or no text.
    pub(crate) fn text(&self, side: &Side, path: &str) -> Option<String> {
        let path = side.tree.join(path);
        let found = fs::symlink_metadata(&path).ok()?;
        if !found.is_file() || found.len() > MAX_TEXT_BYTES {
            return None;
        }
        let mut text = String::new();
        fs::File::open(path).ok()?.take(MAX_TEXT_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

impl Complaint {
    pub(crate) fn refused(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.into(), why: why.into(), refused: true }
    }

    pub(crate) fn told(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.into(), why: why.into(), refused: false }
    }

    /// Refused of a machine, told of a person.
    pub(crate) fn unless_meant(given: Given<'_>, place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.into(), why: why.into(), refused: !given.by_person() }
    }
}
