//! Typed identities. A `JobId` is derived from what is owed, so asking twice is asking once.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The patch, shown as `P-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PatchId(pub u64);

/// The stages in the order in which a patch walks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Detect,
    Triage,
    Generate,
    Build,
    Verify,
    Approve,
    Rollout,
    Review,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 8] = [
        Stage::Detect,
        Stage::Triage,
        Stage::Generate,
        Stage::Build,
        Stage::Verify,
        Stage::Approve,
        Stage::Rollout,
        Stage::Review,
    ];

    /// The name in JSON, on the command line and in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Detect => "detect",
            Stage::Triage => "triage",
            Stage::Generate => "generate",
            Stage::Build => "build",
            Stage::Verify => "verify",
            Stage::Approve => "approve",
            Stage::Rollout => "rollout",
            Stage::Review => "review",
        }
    }
}

/// What the world owes a patch: patch, stage, and the how-manieth attempt (the number of events that the stage has
/// seen). The same state always derives the same id, and every event of the stage makes a new one; so a late or a
/// doubled answer is recognised by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    pub patch: PatchId,
    pub stage: Stage,
    pub attempt: u32,
}

/// A finding's identity: the same problem in the same place has the same id in every scan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

/// Text that is not a patch id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a patch id; they look like `P-7`")]
pub struct NotAPatchId(pub String);

impl fmt::Display for PatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P-{}", self.0)
    }
}

impl FromStr for PatchId {
    type Err = NotAPatchId;

    /// Reads `P-7`, `p-7` and `7`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("P-").or_else(|| text.strip_prefix("p-")).unwrap_or(text);
        let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(number) if only_digits => Ok(PatchId(number)),
            _ => Err(NotAPatchId(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.patch, self.stage, self.attempt)
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAPatchId, PatchId};

    #[test]
    fn a_patch_id_reads_what_it_writes() {
        assert_eq!("P-7".parse(), Ok(PatchId(7)));
        assert_eq!("7".parse(), Ok(PatchId(7)));
        assert_eq!(PatchId(7).to_string(), "P-7");
    }

    #[test]
    fn other_text_is_refused_by_name() {
        for text in ["", "P-", "P-+7", "Q-7", "P-99999999999999999999"] {
            assert_eq!(text.parse::<PatchId>(), Err(NotAPatchId(text.to_owned())));
        }
    }
}
