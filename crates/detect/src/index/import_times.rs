//! When each ecosystem was last taken in. It stands in a file beside the indexes, since their own times are new again when
//! they are copied: old advisories must not become fresh ones by that.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::file::{Beside, sync};

const NAME: &str = "import-times.json";
const LARGEST: u64 = 1 << 20;
const HINT: &str = "delete it; the advisories are then as old as their files";

/// By ecosystem, in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImportTimes(BTreeMap<String, u64>);

impl ImportTimes {
    /// What was noted; nothing where an earlier version has imported.
    pub fn load(directory: &Path) -> Result<Self, DetectError> {
        let path = directory.join(NAME);
        let broken = |what: String| DetectError::Advisories { path: path.clone(), what, hint: HINT };
        let bytes = match fs::metadata(&path).map(|data| data.len()) {
            Ok(length) if length > LARGEST => return Err(broken("it is too large".to_owned())),
            Ok(_) => fs::read(&path).map_err(DetectError::read(&path))?,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(DetectError::read(&path)(error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| broken(format!("it can't be read: {error}")))
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
        let (beside, mut file) = Beside::create(directory.join(NAME))?;
        let text = serde_json::to_vec_pretty(&imported).expect("texts and numbers are JSON");
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(DetectError::write(beside.partial()))?;
        beside.take_place()?;
        sync(directory)
    }
}
