//! What asking one agent came to. It is kept beside the work: asked once, an agent is not asked again after a crash, for it
//! would answer otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::failures::of_file;

/// Bytes of a record that is read back.
const LARGEST: u64 = 4 << 20;

/// One agent and its answer, as they stand in the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub agent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of the task as it was given.
    pub prompt: Digest,
    /// Of all rounds, as the endpoint counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    pub rounds: u32,
    pub milliseconds: u64,
    /// What stood between it and this machine, the network included.
    pub isolation: String,
    pub answer: Answer,
}

/// What it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A change within its budget.
    Commit(Commit),
    /// No candidate, and why.
    Refused(String),
}

/// A record, the task, and what the agent wrote meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub record: Record,
    pub task: String,
    pub log: String,
}

impl Kept {
    /// What was kept of this agent; what can't be read is not there, and it is asked again.
    pub(crate) fn read(folder: &Path, position: usize, agent: &str) -> Option<Self> {
        let path = place(folder, position, agent);
        if fs::metadata(&path).ok()?.len() > LARGEST {
            return None;
        }
        let kept: Self = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        (kept.record.agent == agent).then_some(kept)
    }

    pub(crate) fn write(&self, folder: &Path, position: usize) -> Result<(), Failure> {
        let path = place(folder, position, &self.record.agent);
        let bytes = serde_json::to_vec(self).map_err(|error| Failure::permanent(error.to_string()))?;
        let beside = path.with_extension("new");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&beside, bytes))
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(|error| of_file("keep what an agent answered", error))
    }
}

fn place(folder: &Path, position: usize, agent: &str) -> PathBuf {
    folder.join(format!("{position}-{agent}.json"))
}
