//! What is known of the updates: from where, when, how far, what is held back, and what was let in all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::note::Note;

const FORMAT: u32 = 1;
const NOTE: Note = Note {
    name: "updates.json",
    largest: 16 << 20,
    hint: "remove the file; the next `patchline db update` takes a snapshot",
};

/// By ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    format: u32,
    pub ecosystems: BTreeMap<String, Followed>,
}

/// An ecosystem that is kept up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Followed {
    /// From where it was last fetched.
    pub mirror: String,
    /// When that was, in seconds since 1970.
    pub at: u64,
    /// The time of the newest change that was taken in, as the feed has it; none before the first.
    pub newest: Option<String>,
    /// What the last snapshot is known by.
    pub snapshot: Option<String>,
    /// Records that the feed named and the mirror did not have: they are asked for again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: BTreeSet<String>,
    /// Records that are not taken in, by id.
    pub held: BTreeMap<String, Held>,
    /// Records that a person let in, by id, with the change that they saw.
    pub accepted: BTreeMap<String, String>,
}

/// A record that is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    pub modified: String,
    pub why: String,
}

impl Default for Updates {
    fn default() -> Self {
        Self { format: FORMAT, ecosystems: BTreeMap::new() }
    }
}

impl Updates {
    pub fn load(directory: &Path) -> Result<Self, DetectError> {
        let updates = NOTE.read::<Self>(directory)?.unwrap_or_default();
        match updates.format {
            FORMAT => Ok(updates),
            other => Err(NOTE.broken(directory, format!("its format is {other}, not {FORMAT}"))),
        }
    }

    pub fn save(&self, directory: &Path) -> Result<(), DetectError> {
        NOTE.write(directory, self)
    }

    pub fn of(&mut self, ecosystem: &str) -> &mut Followed {
        self.ecosystems.entry(ecosystem.to_owned()).or_default()
    }

    /// When this ecosystem was last fetched, or found to be up to date.
    pub fn fetched(&self, ecosystem: &str) -> Option<SystemTime> {
        let followed = self.ecosystems.get(ecosystem)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(followed.at))
    }
}

/// Where the text of a record lies that is held back.
pub fn held_path(directory: &Path, ecosystem: &str, id: &str) -> PathBuf {
    directory.join("held").join(ecosystem).join(format!("{id}.json"))
}
