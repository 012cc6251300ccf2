//! What triage can answer.

use serde::{Deserialize, Serialize};

/// What to do about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    NotAffected,
    Watch,
    Schedule,
    ActNow,
}

impl Action {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Action::NotAffected => "not affected",
            Action::Watch => "watch",
            Action::Schedule => "schedule",
            Action::ActNow => "act now",
        }
    }
}
