//! Small files of JSON beside the indexes.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::DetectError;
use crate::index::file::{Beside, sync};

/// One such file.
pub struct Note {
    pub name: &'static str,
    /// In bytes; what is larger is refused.
    pub largest: u64,
    /// What to do when it is damaged.
    pub hint: &'static str,
}

impl Note {
    fn path(&self, directory: &Path) -> PathBuf {
        directory.join(self.name)
    }

    /// What it says; none where there is no such file.
    pub fn read<T: DeserializeOwned>(&self, directory: &Path) -> Result<Option<T>, DetectError> {
        let path = self.path(directory);
        let bytes = match fs::metadata(&path).map(|data| data.len()) {
            Ok(length) if length > self.largest => return Err(self.broken(directory, "it is too large")),
            Ok(_) => fs::read(&path).map_err(DetectError::read(&path))?,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DetectError::read(&path)(error)),
        };
        let said = serde_json::from_slice(&bytes);
        said.map(Some).map_err(|error| self.broken(directory, format!("it can't be read: {error}")))
    }

    pub fn broken(&self, directory: &Path, what: impl Into<String>) -> DetectError {
        DetectError::Advisories { path: self.path(directory), what: what.into(), hint: self.hint }
    }

    /// Takes the place of what it said before, in one step and for good.
    pub fn write(&self, directory: &Path, value: &impl Serialize) -> Result<(), DetectError> {
        let (beside, mut file) = Beside::create(self.path(directory))?;
        let text = serde_json::to_vec_pretty(value).expect("texts and numbers are JSON");
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(DetectError::write(beside.partial()))?;
        beside.take_place()?;
        sync(directory)
    }
}
