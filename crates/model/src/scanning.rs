//! How a service's packages are matched with advisories: which registries are the public ones, and how old advisories may be.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Days after which advisories are old, where nobody says otherwise.
const USUAL_DAYS: u32 = 7;

/// Each of it may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scanning {
    #[serde(flatten)]
    pub sources: Sources,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// What is known of hosts, by name, as in `npm.example.org` or `localhost:4873`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sources {
    /// They serve the public packages.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub mirrors: BTreeSet<String>,
    /// Their packages are not the public ones.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub private: BTreeSet<String>,
}

/// How new advisories must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Freshness {
    /// Days after which they are old; seven where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_after_days: Option<u32>,
    #[serde(skip_serializing_if = "Stale::is_usual")]
    pub stale: Stale,
}

/// What old advisories are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stale {
    #[default]
    Warn,
    Error,
}

impl Scanning {
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Freshness {
    pub fn days(&self) -> u32 {
        self.stale_after_days.unwrap_or(USUAL_DAYS)
    }

    /// What satisfies both: fewer days, and an error where one wants it.
    pub fn and(&self, other: &Self) -> Self {
        Self { stale_after_days: Some(self.days().min(other.days())), stale: self.stale.max(other.stale) }
    }
}

impl Stale {
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
