//! The files of a folder whose paths fit a pattern.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use patchline_model::stage::safety::fits;

/// Entries of the tree that are looked at, how deep, and files that are found.
const MAX_ENTRIES: usize = 500_000;
const MAX_DEPTH: usize = 40;
const MAX_FILES: usize = 20_000;

/// The ordinary files below the folder whose path fits the pattern, sorted. Links are not followed.
pub(crate) fn found(folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0_usize)];
    let mut entries = 0;
    while let Some((at, depth)) = open.pop() {
        let listed = match fs::read_dir(&at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            listed => listed?,
        };
        for entry in listed {
            let entry = entry?;
            entries += 1;
            if entries > MAX_ENTRIES || found.len() > MAX_FILES {
                return Err(io::Error::other(format!("too many files to look for `{pattern}`")));
            }
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() && depth < MAX_DEPTH && entry.file_name() != ".git" {
                open.push((path, depth + 1));
            } else if kind.is_file() {
                let within = path.strip_prefix(folder).unwrap_or(&path);
                if within.to_str().is_some_and(|within| fits(pattern, within)) {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    Ok(found)
}
