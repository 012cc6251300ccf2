//! Bounded log files: the host's own and those of its instances.
//!
//! Instances write to their file directly, for a pipe would break when the host dies and take them with it. So a file
//! that has grown too long is copied aside and cut to nothing; who appends to it goes on at its beginning.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

/// A log file is rotated when it is longer; one old one is kept.
pub const MAX_LOG_BYTES: u64 = 1 << 20;

const MAX_LOG_FILES: usize = 32;
const MAX_LINE_BYTES: usize = 2_000;

/// The host's own log.
#[derive(Debug)]
pub struct Log {
    file: Mutex<File>,
    path: PathBuf,
}

impl Log {
    pub fn open(path: PathBuf) -> io::Result<Log> {
        Ok(Log { file: Mutex::new(append(&path)?), path })
    }

    /// Writes one line. What cannot be written is lost: a full disk must not stop the host.
    pub fn line(&self, text: &str) {
        let seconds = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let text: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_LINE_BYTES).collect();
        if let Ok(mut file) = self.file.lock() {
            let _ = file.write_all(format!("{seconds} {text}\n").as_bytes());
        }
    }

    pub fn rotate(&self) {
        let _ = rotate(&self.path);
    }
}

/// Opens a file to append to, for its owner alone.
pub fn append(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(path)
}

/// The log of all instances of a version. The version is a digest; only what is harmless in a file name is kept of it.
pub fn instance_log(directory: &Path, version: &str) -> PathBuf {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    directory.join(format!("{}.log", version.chars().map(harmless).take(80).collect::<String>()))
}

/// Rotates what has grown too long and removes the oldest when there are too many.
pub fn tidy(directory: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            rotate(&entry.path())?;
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    let too_many = files.len().saturating_sub(MAX_LOG_FILES);
    for (_, path) in files.into_iter().take(too_many) {
        fs::remove_file(&path)?;
        let _ = fs::remove_file(old(&path));
    }
    Ok(())
}

fn rotate(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.len() <= MAX_LOG_BYTES {
        return Ok(());
    }
    let mut from = File::open(path)?;
    let mut to = File::options().write(true).create(true).truncate(true).mode(0o600).open(old(path))?;
    // The newest part, should an instance have written faster than anyone looked.
    let length = from.metadata()?.len();
    io::Seek::seek(&mut from, io::SeekFrom::Start(length.saturating_sub(MAX_LOG_BYTES)))?;
    io::copy(&mut io::Read::take(&mut from, MAX_LOG_BYTES), &mut to)?;
    File::options().write(true).open(path)?.set_len(0)
}

fn old(path: &Path) -> PathBuf {
    path.with_extension("log.old")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_cut_and_its_writer_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = instance_log(directory.path(), "sha256:ab/../c");
        assert_eq!(path.file_name().expect("a name"), "sha256_ab____c.log");
        let mut writer = append(&path).expect("it opens");
        writer.write_all(&vec![b'x'; 3 << 20]).expect("it can be written");
        tidy(directory.path()).expect("it can be tidied");
        writer.write_all(b"after").expect("it can be written");
        assert_eq!(fs::read(&path).expect("it is there"), b"after");
        assert_eq!(fs::metadata(old(&path)).expect("the old one is there").len(), MAX_LOG_BYTES);
    }
}
