//! The last thing that a foreign program wrote to a file, bounded: what a person looks for first.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Of the end of the file so much is looked at.
const MAX_BYTES: u64 = 64 * 1024;
const LONGEST: usize = 200;

/// The last line that is not blank. Only of an ordinary file.
pub(crate) fn last_words(path: &Path) -> String {
    let plain = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let text = if plain { end_of(path).unwrap_or_default() } else { Vec::new() };
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    last.trim().chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

fn end_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
