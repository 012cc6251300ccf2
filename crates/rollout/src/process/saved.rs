//! The host's files: its settings, what it wants and what it has started, written so that a crash leaves the old or the new.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use patchline_model::cohort::Token;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::fence::Fence;
use crate::process::identity::Identity;
use crate::process::spec::{DesiredArms, Unfit};

const MAX_FILE_BYTES: u64 = 4 << 20;

/// `state.json`: what the next host needs to go on where this one stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The identities below mean something only while the machine has not been started again.
    pub boot_id: String,
    /// Where the proxy listened.
    #[serde(default)]
    pub port: Option<u16>,
    /// The number of the next instance.
    #[serde(default)]
    pub next_instance: u64,
    #[serde(default)]
    pub desired: Option<DesiredArms>,
    /// What an earlier host knew is lost: what runs is kept until the first order says what of it is wanted.
    #[serde(default)]
    pub is_lost: bool,
    #[serde(default)]
    pub fence: Fence,
    #[serde(default)]
    pub instances: Vec<SavedInstance>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedInstance {
    pub instance: u64,
    pub marker: String,
    pub version: String,
    pub label: String,
    /// Its own among all instances, where they have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Token>,
    pub port: u16,
    #[serde(flatten)]
    pub identity: Identity,
}

impl Saved {
    /// What an earlier version wrote, or a damaged disk holds, is within all limits before it is obeyed.
    pub fn check(&self) -> Result<(), Unfit> {
        self.desired.as_ref().map_or(Ok(()), DesiredArms::check)
    }
}

/// The names of everything in the directory of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub directory: PathBuf,
}

impl Files {
    pub fn new(directory: impl Into<PathBuf>) -> Files {
        Files { directory: directory.into() }
    }

    pub fn spec(&self) -> PathBuf {
        self.directory.join("host.json")
    }

    pub fn state(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    pub fn history(&self) -> PathBuf {
        self.directory.join("history.json")
    }

    pub fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    pub fn start_error(&self) -> PathBuf {
        self.directory.join("start-error")
    }

    pub fn host_log(&self) -> PathBuf {
        self.directory.join("host.log")
    }

    pub fn links(&self) -> PathBuf {
        self.directory.join("artifacts")
    }

    pub fn logs(&self) -> PathBuf {
        self.directory.join("log")
    }
}

/// The control socket, by a name that is short enough for any directory (`sun_path` holds 108 bytes). The name works
/// while the file that comes with it is open.
pub fn control_socket(directory: &Path) -> io::Result<(PathBuf, File)> {
    use std::os::fd::AsRawFd;
    let directory = File::open(directory)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", directory.as_raw_fd()));
    Ok((path, directory))
}

/// Reads a JSON file; `None` when there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes a JSON file: when this returns, the new one will be there after any crash; before, the old one or the new.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(value)?;
    let directory = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut temporary = path.to_owned().into_os_string();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn what_was_written_is_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Files::new(directory.path()).state();
        assert_eq!(read_json::<Saved>(&path).expect("no file is fine"), None);
        let identity = Identity { pid: 7, start_time: 8 };
        let instance = SavedInstance {
            instance: 3,
            marker: "m".to_owned(),
            version: "v".to_owned(),
            label: "l".to_owned(),
            name: None,
            port: 9,
            identity,
        };
        let saved = Saved { port: Some(4), instances: vec![instance], ..Saved::default() };
        write_json(&path, &saved).expect("it can be written");
        assert_eq!(read_json::<Saved>(&path).expect("it can be read"), Some(saved));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_and_no_more(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("state.json");
            fs::write(&path, bytes).expect("it can be written");
            let _ = read_json::<Saved>(&path);
        }
    }
}
