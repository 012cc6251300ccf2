//! Analyzers, programs that say what is wrong with code: how one is run, and what it says of one finding.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::time::Seconds;

/// How an analyzer is run on a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analyzer {
    pub name: String,
    pub command: Vec<String>,
    /// The file that it writes, below the service's folder; without one its output is the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    #[serde(default, skip_serializing_if = "Format::is_usual")]
    pub format: Format,
    /// Changes the files in place; `{rules}` and `{files}` stand for those of the findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    pub deadline: Seconds,
}

/// In what form a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// SARIF 2.1.0
    #[default]
    Sarif,
    /// ESLint's own JSON, which has the fixes that its SARIF lacks
    Eslint,
    /// What cargo writes with `--message-format json`
    Cargo,
}

/// What an analyzer says of one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// As the report names it.
    pub tool: String,
    /// The service's analyzer that found it; none where the report was made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzer: Option<String>,
    pub rule: String,
    pub level: Level,
    /// `security-severity` in tenths, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_tenths: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The same for the same problem wherever it moves in its file; several places may share it.
    pub print: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// How bad the analyzer says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Error,
    Warning,
    Note,
    None,
}

/// Where in the file, in lines and code points from 1; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Region {
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

/// What the report says would remove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    pub summary: String,
    pub files: Vec<FixedFile>,
}

/// The changes to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedFile {
    /// Relative to the repository's top.
    pub path: String,
    /// What the places are counted in.
    pub of: Digest,
    /// In order, none over another.
    pub edits: Vec<Edit>,
}

/// What takes the place of the bytes from `start` to before `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub start: u32,
    pub end: u32,
    pub text: String,
}

impl Format {
    pub const NAMES: [(&'static str, Self); 3] =
        [("sarif", Self::Sarif), ("eslint", Self::Eslint), ("cargo", Self::Cargo)];

    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Level {
    /// The word of SARIF.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
            Self::None => "none",
        }
    }
}

impl Analysis {
    /// As in `8.8`.
    pub fn severity(&self) -> Option<String> {
        self.severity_tenths.map(|tenths| format!("{}.{}", tenths / 10, tenths % 10))
    }
}
