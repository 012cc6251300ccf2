//! How old advisories are. Old ones are no all-clear; whether they are a reason to fail is the user's to say.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::DetectError;
use crate::index::import_times::ImportTimes;
use crate::index::open::Advisories;
use crate::index::shelf::Shelf;
use crate::update::state::Updates;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The ages of the advisories in a folder.
pub struct Ages {
    updates: Updates,
    imported: ImportTimes,
    now: SystemTime,
}

impl Ages {
    pub fn of(directory: &Path, now: SystemTime) -> Result<Self, DetectError> {
        Ok(Self { updates: Updates::load(directory)?, imported: ImportTimes::load(directory)?, now })
    }

    pub fn updates(&self) -> &Updates {
        &self.updates
    }

    /// How long ago an ecosystem was last brought up to date; none for what comes with the binary.
    pub fn age(&self, shelf: &Shelf) -> Option<Duration> {
        let ecosystem = &shelf.base.header.ecosystem;
        let (written, fetched) = (shelf.imported()?, self.updates.fetched(ecosystem));
        // A file that was copied since is newer than what it holds.
        let imported = self.imported.at(ecosystem).map_or(written, |noted| noted.min(written));
        // What was imported later than it was fetched is as new as that; a clock that was set back makes nothing older.
        let at = imported.max(fetched.unwrap_or(SystemTime::UNIX_EPOCH));
        Some(self.now.duration_since(at).unwrap_or_default())
    }

    /// The ecosystems, of those that are needed by their names without a release, whose advisories are older than that; each
    /// with its age in days.
    pub fn old(
        &self,
        advisories: &Advisories,
        needed: impl Fn(&str) -> bool,
        days: u32,
    ) -> Vec<(&'static str, u64)> {
        let ages = advisories.ecosystems().filter(|name| needed(name));
        let ages = ages.filter_map(|name| Some((name, self.age(advisories.source(name)?)?)));
        ages.filter(|(_, age)| *age > DAY * days)
            .map(|(name, age)| (name, age.as_secs() / DAY.as_secs()))
            .collect()
    }
}

/// What is said of old advisories; none when there are none.
pub fn warning(old: &[(&str, u64)]) -> Option<String> {
    let most = old.iter().map(|(_, days)| days).max()?;
    let names: BTreeSet<&str> = old.iter().map(|(name, _)| *name).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!(
        "the advisories of {names} are up to {most} days old; `patchline db update` or `patchline db import` brings newer ones"
    ))
}
