//! When each ecosystem was last taken in. It stands in a file beside the indexes, since their own times are new again when
//! they are copied: old advisories must not become fresh ones by that.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::note::Note;

const NOTE: Note = Note {
    name: "import-times.json",
    largest: 1 << 20,
    hint: "delete it; the advisories are then as old as their files",
};

/// By ecosystem, in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImportTimes(BTreeMap<String, u64>);

impl ImportTimes {
    /// What was noted; nothing where an earlier version has imported.
    pub fn load(directory: &Path) -> Result<Self, DetectError> {
        Ok(NOTE.read(directory)?.unwrap_or_default())
    }

    /// When this ecosystem was taken in.
    pub fn at(&self, ecosystem: &str) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_secs(*self.0.get(ecosystem)?))
    }

    /// Notes that these were taken in now. Whoever calls holds the lock.
    pub fn note<'a>(directory: &Path, ecosystems: impl Iterator<Item = &'a str>) -> Result<(), DetectError> {
        let mut imported = Self::load(directory)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        imported.0.extend(ecosystems.map(|name| (name.to_owned(), now)));
        NOTE.write(directory, &imported)
    }
}
