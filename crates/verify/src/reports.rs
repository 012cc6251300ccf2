//! The files that a suite or a coverage tool leaves: found by a pattern, taken away before a run, read after it, bounded.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::found::found;

/// Bytes of one report and of all of them.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
const MAX_ALL_BYTES: u64 = 256 * 1024 * 1024;

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
