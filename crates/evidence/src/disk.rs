//! Writing files so that a crash at any point leaves either nothing or the whole file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::error::EvidenceError;

const NAME_TRIES: u32 = 16;
static NEXT_NAME: AtomicU64 = AtomicU64::new(0);

/// A file being written under a passing name. It holds a lock on itself while its writer lives, which is how
/// [`sweep`] tells what a crash left behind. Dropped unpublished, it vanishes.
pub(crate) struct Incoming {
    file: File,
    path: PathBuf,
}

impl Incoming {
    pub(crate) fn create(directory: &Path, prefix: &str, mode: u32) -> Result<Self, EvidenceError> {
        for _ in 0..NAME_TRIES {
            let path = directory.join(passing_name(prefix));
            let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
            let file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed("create", &path)(error)),
            };
            let incoming = Self { file, path };
            if incoming.claim()? {
                return Ok(incoming);
            }
        }
        let taken = io::Error::new(ErrorKind::AlreadyExists, "every passing name was taken");
        Err(failed("create a file in", directory)(taken))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), EvidenceError> {
        self.file.write_all(bytes).map_err(failed("write", &self.path))
    }

    /// Makes the bytes durable and moves them to `target`, over whatever stood there.
    pub(crate) fn replace(self, target: &Path) -> Result<(), EvidenceError> {
        self.sync()?;
        fs::rename(&self.path, target).map_err(failed("write", target))?;
        sync_directory(parent_of(target))
    }

    /// Makes the bytes durable and names them `target`, unless that name is taken: then nothing changes.
    pub(crate) fn publish_new(self, target: &Path) -> Result<(), EvidenceError> {
        self.sync()?;
        match fs::hard_link(&self.path, target) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("create", target)(error)),
        }
        sync_directory(parent_of(target))
    }

    /// Locks the file; false when a sweep in another process removed it between creation and lock.
    fn claim(&self) -> Result<bool, EvidenceError> {
        lock_file(&self.file, &self.path)?;
        let metadata = self.file.metadata().map_err(failed("inspect", &self.path))?;
        Ok(metadata.nlink() > 0)
    }

    fn sync(&self) -> Result<(), EvidenceError> {
        self.file.sync_all().map_err(failed("write to disk", &self.path))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After a rename the name is gone already; what cannot be removed now is swept later.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what crashed writers left under this prefix. A file whose writer lives is locked and stays.
/// Best effort: what cannot be removed today harms nobody and is tried again next time.
pub(crate) fn sweep(directory: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            remove_if_abandoned(&entry.path());
        }
    }
}

/// Waits for the exclusive lock on this file, which is created if need be. Dropping the file lets go, and so
/// does the death of the process.
pub(crate) fn lock(path: &Path) -> Result<File, EvidenceError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed("open lock file", path))?;
    lock_file(&file, path)?;
    Ok(file)
}

/// Creates the directory and its missing parents, each of them durable.
pub(crate) fn create_directories(path: &Path, mode: u32) -> Result<(), EvidenceError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    create_directories(parent, mode)?;
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(failed("create directory", path)(error)),
    }
    sync_directory(parent)
}

/// Makes a file durable that stands there already: whoever wrote it may not have.
pub(crate) fn sync_existing(path: &Path) -> Result<(), EvidenceError> {
    let file = open_plain(path).map_err(failed("read", path))?;
    file.sync_all().map_err(failed("write to disk", path))?;
    sync_directory(parent_of(path))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), EvidenceError> {
    let directory = File::open(path).map_err(failed("open directory", path))?;
    directory.sync_all().map_err(failed("write to disk", path))
}

/// Opens a plain file for reading. Pipes and devices are refused before they can block.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a plain file"));
    }
    File::open(path)
}

/// The whole file, refused by name when longer than the limit.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, EvidenceError> {
    let file = open_plain(path).map_err(failed("read", path))?;
    read_open(file, path, limit)
}

/// The same for a file that is open already.
pub(crate) fn read_open(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, EvidenceError> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    let size = bytes.len() as u64;
    if size > limit {
        return Err(EvidenceError::TooLarge { what: format!("`{}`", path.display()), size, limit });
    }
    Ok(bytes)
}

/// For `map_err`: what was tried, and where.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    move |source| EvidenceError::Disk { action, path: path.to_path_buf(), source }
}

pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn remove_if_abandoned(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    if file.try_lock().is_ok() {
        let _ = fs::remove_file(path);
    }
}

fn lock_file(file: &File, path: &Path) -> Result<(), EvidenceError> {
    loop {
        match file.lock() {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("lock", path)(error)),
        }
    }
}

fn passing_name(prefix: &str) -> String {
    let count = NEXT_NAME.fetch_add(1, Ordering::Relaxed);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{prefix}{}-{count}-{}", process::id(), since.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_a_sweep_took_before_it_was_locked_is_not_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let incoming = Incoming::create(directory.path(), "new-", 0o600).unwrap();
        assert!(incoming.claim().unwrap());
        fs::remove_file(&incoming.path).unwrap();
        assert!(!incoming.claim().unwrap());
    }

    #[test]
    fn a_name_that_is_taken_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        for text in ["first", "second"] {
            let mut incoming = Incoming::create(directory.path(), "new-", 0o600).unwrap();
            incoming.write(text.as_bytes()).unwrap();
            incoming.publish_new(&target).unwrap();
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "first");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "passing names are gone");
    }
}
