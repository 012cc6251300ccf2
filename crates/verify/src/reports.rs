//! The files that a suite or a coverage tool leaves: found by a pattern, taken away before a run, read after it, bounded.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use patchline_model::stage::safety::fits;

/// Entries of the tree that are looked at, and how deep.
const MAX_ENTRIES: usize = 500_000;
const MAX_DEPTH: usize = 40;
/// Reports, and bytes of one and of all of them.
const MAX_REPORTS: usize = 20_000;
const MAX_BYTES: u64 = 64 * 1024 * 1024;
const MAX_ALL_BYTES: u64 = 256 * 1024 * 1024;

/// The ordinary files below the folder whose path fits the pattern, sorted. Links are not followed.
fn found(folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
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
            if entries > MAX_ENTRIES || found.len() > MAX_REPORTS {
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

/// Takes away what an earlier run left or the repository holds: only what the next run writes is its report.
pub(crate) fn clear(folder: &Path, pattern: &str) -> io::Result<usize> {
    let old = found(folder, pattern)?;
    old.iter().try_for_each(fs::remove_file)?;
    Ok(old.len())
}

pub(crate) fn read(folder: &Path, pattern: &str) -> io::Result<Vec<String>> {
    let mut rest = MAX_ALL_BYTES;
    let mut texts = Vec::new();
    for path in found(folder, pattern)? {
        let mut bytes = Vec::new();
        fs::File::open(&path)?.take(MAX_BYTES.min(rest) + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES.min(rest) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(io::Error::other(format!("the report `{name}` is too large")));
        }
        rest -= bytes.len() as u64;
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{clear, read};

    #[test]
    fn what_lay_there_before_is_not_this_runs_report() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("module/target/surefire-reports");
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("TEST-a.xml"), "old").unwrap();
        fs::write(at.join("a.txt"), "text").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", at.join("TEST-link.xml")).unwrap();
        let pattern = "**/target/*-reports/TEST-*.xml";
        assert_eq!(read(folder.path(), pattern).unwrap(), ["old"]);
        assert_eq!(clear(folder.path(), pattern).unwrap(), 1);
        fs::write(at.join("TEST-b.xml"), "new").unwrap();
        assert_eq!(read(folder.path(), pattern).unwrap(), ["new"]);
        assert!(read(&folder.path().join("nowhere"), pattern).unwrap().is_empty());
    }
}
