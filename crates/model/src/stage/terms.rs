//! What a person states about a patch when it is opened, beside what it is for.

use serde::{Deserialize, Serialize};

use crate::id::PatchId;
use crate::service::Name;

/// Nothing is stated of most patches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Why running the old version again does not undo it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_only: Option<String>,
    /// The set that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Membership>,
    /// The patch that it repeats elsewhere, or undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The older patch, still under way, whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<PatchId>,
}

/// Who takes a patch's place, and whether it has come so far that it may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    pub by: PatchId,
    pub is_ready: bool,
}

/// What a patch comes from when it comes from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The same fix for another branch.
    Backport(PatchId),
    /// That patch's change taken out again.
    Revert(PatchId),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Backport(patch) => write!(f, "backport of {patch}"),
            Self::Revert(patch) => write!(f, "revert of {patch}"),
        }
    }
}

/// A place in a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub name: Name,
    /// These are promoted before it begins, and taken back after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<PatchId>,
}

impl Terms {
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}
