//! Ordinary files: what is opened can be read to an end.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::DetectError;

/// All bytes of an ordinary file; none when it has more than may be.
pub fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, DetectError> {
    let file = open(path)?;
    // A little more than it should have, so that its end is met without another look.
    let length = file.metadata().map_err(DetectError::read(path))?.len().min(most) + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(most + 1).read_to_end(&mut bytes).map_err(DetectError::read(path))?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Opens a file that can be read to an end. A pipe or a device is refused, and never blocks: what was opened is asked
/// what it is, so nothing can be put in its place in between.
pub fn open(path: &Path) -> Result<File, DetectError> {
    let flags =
        i32::try_from((OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(DetectError::read(path))?;
    if !file.metadata().map_err(DetectError::read(path))?.is_file() {
        let what = "it is not an ordinary file".to_owned();
        return Err(DetectError::Scan { path: path.to_owned(), what });
    }
    Ok(file)
}
