//! The world fails: what a hand says when it could not do its job.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest text kept of one failure, in bytes.
const LONGEST_MESSAGE: usize = 4096;

/// Why a job could not be carried out, and whether trying again may help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// What it was that failed.
    #[serde(default)]
    pub class: FailureClass,
}

/// What it was that failed: decides the exit code, not whether to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// A program that is not installed.
    Tool,
    /// The network was needed and was not there.
    Network,
    /// A file of the project, or what was asked about it.
    Input,
    /// The disk, the data folder, the ledger.
    Storage,
    #[default]
    Other,
}

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The network, a busy tool, a full disk: later it may work.
    Transient,
    /// The same input will fail again.
    Permanent,
}

impl Failure {
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Transient,
            message: bounded(message.into()),
            hint: None,
            class: FailureClass::Other,
        }
    }

    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Permanent,
            message: bounded(message.into()),
            hint: None,
            class: FailureClass::Other,
        }
    }

    pub fn of(mut self, class: FailureClass) -> Self {
        self.class = class;
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(bounded(hint.into()));
        self
    }
}

/// An error with its causes, in one line: a failure is kept as text.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_MESSAGE {
        let mut end = LONGEST_MESSAGE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
