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

    /// The purl type of this ecosystem; `generic` where the purl specification names none.
    pub fn purl_type(&self) -> &str {
        match self.0.as_str() {
            "crates.io" => "cargo",
            "npm" => "npm",
            "PyPI" => "pypi",
            "Go" => "golang",
            "Maven" => "maven",
            "RubyGems" => "gem",
            "NuGet" => "nuget",
            "Packagist" => "composer",
            _ => "generic",
        }
    }
}

/// One package at one version. The version is text: which scheme orders it, the ecosystem says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    pub ecosystem: Ecosystem,
    pub name: String,
    pub version: String,
}

impl Package {
    /// The package URL, as in `pkg:cargo/yaml-rust@0.4.0`.
    pub fn purl(&self) -> String {
        let encode =
            |text: &str| text.replace('%', "%25").replace('@', "%40").replace('+', "%2B").replace(' ', "%20");
        format!("pkg:{}/{}@{}", self.ecosystem.purl_type(), encode(&self.name), encode(&self.version))
    }
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
