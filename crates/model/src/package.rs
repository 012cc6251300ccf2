//! Packages as ecosystems name them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ecosystem by its OSV name, as in `crates.io`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ecosystem(pub String);

impl Ecosystem {
    pub fn crates_io() -> Self {
        Self("crates.io".to_owned())
    }
}

/// One package at one version. The version is text: which scheme orders it, the ecosystem says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    pub ecosystem: Ecosystem,
    pub name: String,
    pub version: String,
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}
