//! How a service wants its patches looked at beyond reproducers: how its tests are read, hunks, coverage, speed, analyzers,
//! registries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::analyzer::Analyzer;
use crate::scanning::Scanning;

/// More runs of a suite on each side, where a test fails with the patch and not on the base.
const RERUNS: u32 = 2;

/// Each of it may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verification {
    /// What the suite writes; by its command where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The files that the suite leaves, as a pattern of paths below the service's folder; else its output is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reruns: Option<u32>,
    #[serde(skip_serializing_if = "Strictness::is_usual")]
    pub unneeded_hunks: Strictness,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bench: Option<Bench>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Migrations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// What looks at the code, of the base and of each patch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analyzers: Vec<Analyzer>,
    /// How its packages are matched, at the base and with each patch.
    #[serde(skip_serializing_if = "Scanning::is_usual")]
    pub scanning: Scanning,
}

/// In what form a suite says how its tests ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `cargo test`
    Cargo,
    /// `cargo nextest run`
    Nextest,
    /// `go test -json`
    Go,
    /// `pytest -rA`
    Pytest,
    /// Test Anything Protocol
    Tap,
    /// The `spec` reporter of node
    Spec,
    /// The JSON of jest and vitest
    Jest,
    /// JUnit XML
    Junit,
    /// Nothing but its exit code
    Exit,
}

/// What becomes of a patch that does what it should not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    #[default]
    Warn,
    Refuse,
}

/// What runs the tests and writes which lines ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    pub command: Vec<String>,
    /// lcov or Cobertura: a pattern of paths below the service's folder.
    pub report: String,
    /// The part of the changed lines that must have run; without it those that did not are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
}

/// What is timed on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// `{artifact}` stands for the path of the built artifact.
    pub command: Vec<String>,
    /// Pairs of runs, base and patch.
    pub pairs: u32,
    /// A patch that is shown to take longer than this many times the base's time is refused.
    pub max_ratio: f64,
}

/// What changes the schema of the service's PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrations {
    /// Patterns of paths below the service's folder.
    pub files: Vec<String>,
    /// What is applied before them, as the roles that a hosted database has: patterns as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<String>,
    /// Of one that keeps others from a table while it is rewritten or read through.
    #[serde(default, skip_serializing_if = "Strictness::is_usual")]
    pub blocking: Strictness,
    /// Of one that takes data away, or whose way down does not lead back.
    #[serde(default, skip_serializing_if = "Strictness::is_usual")]
    pub irreversible: Strictness,
}

/// What says how what others see of the service's code changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// With `{base}` or `{patch}`, the folders of both sides, it compares them; else it lists one side.
    pub command: Vec<String>,
}

/// Text that names no format.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a format of test results; there are {names}", names = Format::NAMES.map(|(name, _)| format!("`{name}`")).join(", "))]
pub struct NotAFormat(pub String);

impl Verification {
    pub fn analyzer(&self, name: &str) -> Option<&Analyzer> {
        self.analyzers.iter().find(|analyzer| analyzer.name == name)
    }

    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    pub fn reruns(&self) -> u32 {
        self.reruns.unwrap_or(RERUNS)
    }
}

impl Strictness {
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Format {
    const NAMES: [(&'static str, Self); 9] = [
        ("cargo", Self::Cargo),
        ("nextest", Self::Nextest),
        ("go", Self::Go),
        ("pytest", Self::Pytest),
        ("tap", Self::Tap),
        ("spec", Self::Spec),
        ("jest", Self::Jest),
        ("junit", Self::Junit),
        ("exit", Self::Exit),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

impl FromStr for Format {
    type Err = NotAFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, format)| *format).ok_or_else(|| NotAFormat(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Verification};

    #[test]
    fn what_is_usual_leaves_no_trace_and_an_old_record_has_none() {
        assert_eq!(serde_json::to_string(&Verification::default()).unwrap(), "{}");
        assert!(serde_json::from_str::<Verification>("{}").unwrap().is_usual());
    }

    #[test]
    fn each_format_has_a_name_and_is_stored_by_it() {
        for (name, format) in Format::NAMES {
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{name}\""));
            assert_eq!(name.parse(), Ok(format));
        }
        let wrong = "xunit".parse::<Format>().unwrap_err().to_string();
        assert!(wrong.contains("`xunit`") && wrong.contains("`junit`"), "{wrong}");
    }
}
