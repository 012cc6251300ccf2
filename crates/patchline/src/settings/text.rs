//! Small text files of a project that we do not know: bounded, and nothing that could block.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use crate::exit::Trouble;

/// Larger than any sensible settings.
const LARGEST: u64 = 1024 * 1024;

/// The whole file.
pub fn read(path: &Path) -> Result<String, Trouble> {
    let failed =
        |error: std::io::Error| Trouble::input(format!("could not read {}: {error}", path.display()));
    // A pipe or a device would block, or never end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Trouble::input(format!("{} is not an ordinary file", path.display())));
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(Trouble::input(format!("{} is larger than {LARGEST} bytes", path.display())));
    }
    Ok(text)
}
