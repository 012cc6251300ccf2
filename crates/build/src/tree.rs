//! Trees on disk: a second one like the first, what cargo finds in them, and where two artifacts differ.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Folders nested deeper than this are refused.
const MAX_DEPTH: usize = 200;
/// How many bytes of two artifacts are compared to say where they differ.
const MAX_COMPARED: u64 = 256 * 1024 * 1024;
const MAX_TEXT: u64 = 1024 * 1024;

/// Copies a tree with its links, modes and times.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    copy_folder(from, to, MAX_DEPTH)
}

fn copy_folder(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    let depth = deeper(depth)?;
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&source, &target, depth)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
            let modified = entry.metadata()?.modified()?;
            File::open(&target)?.set_modified(modified)?;
        }
    }
    let modes = fs::metadata(from)?.permissions();
    fs::set_permissions(to, modes)
}

/// Gives every file of a fresh tree the commit's time, so that what looks at times sees the same ones everywhere.
pub(crate) fn set_times(tree: &Path, epoch_seconds: i64) -> io::Result<()> {
    let since = Duration::from_secs(epoch_seconds.max(0).unsigned_abs());
    set_times_below(tree, UNIX_EPOCH + since, MAX_DEPTH)
}

fn set_times_below(folder: &Path, time: SystemTime, depth: usize) -> io::Result<()> {
    let depth = deeper(depth)?;
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            set_times_below(&path, time, depth)?;
        } else if kind.is_file() {
            File::open(&path)?.set_modified(time)?;
        }
    }
    Ok(())
}

fn deeper(depth: usize) -> io::Result<usize> {
    depth
        .checked_sub(1)
        .ok_or_else(|| io::Error::other(format!("folders are nested deeper than {MAX_DEPTH}")))
}

/// The texts of the cargo configurations that apply in this folder of the tree.
pub(crate) fn cargo_configurations(tree: &Path, folder: &str, cargo_home: Option<&Path>) -> Vec<String> {
    let place = tree.join(folder);
    let folders = place.ancestors().take_while(|folder| folder.starts_with(tree));
    let hidden = folders.map(|folder| folder.join(".cargo"));
    let homes = hidden.chain(cargo_home.map(Path::to_owned));
    homes
        .flat_map(|home| ["config", "config.toml"].map(|name| home.join(name)))
        .filter_map(|path| text(&path))
        .collect()
}

/// Says where two files differ first, for whoever has to find out why.
pub(crate) fn difference(first: &Path, second: &Path) -> io::Result<String> {
    let bytes =
        |path: &Path| Ok::<_, io::Error>(BufReader::new(File::open(path)?).take(MAX_COMPARED).bytes());
    let (mut left, mut right) = (bytes(first)?, bytes(second)?);
    for place in 0_u64.. {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => break,
            (one, other) if one == other => {}
            (None, Some(_)) | (Some(_), None) => return Ok(format!("one of them ends at byte {place}")),
            (Some(_), Some(_)) => return Ok(format!("the first difference is at byte {place}")),
        }
    }
    Ok(format!("no difference within the first {MAX_COMPARED} bytes"))
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_TEXT).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::{copy, difference};

    #[test]
    fn a_copy_has_the_links_modes_and_times_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/run.sh"), "x").unwrap();
        fs::set_permissions(from.join("deep/run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("deep/run.sh", from.join("link")).unwrap();
        copy(&from, &to).unwrap();
        let (old, new) = (fs::metadata(from.join("deep/run.sh")), fs::metadata(to.join("deep/run.sh")));
        let (old, new) = (old.unwrap(), new.unwrap());
        assert_eq!(new.permissions().mode() & 0o777, 0o750);
        assert_eq!(old.modified().unwrap(), new.modified().unwrap());
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("deep/run.sh"));
        assert!(copy(&from, &to).is_err(), "it never writes into what is there");
    }

    #[test]
    fn two_files_differ_where_they_differ() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let check = |left: &str, right: &str, words: &str| {
            fs::write(&one, left).unwrap();
            fs::write(&two, right).unwrap();
            assert!(difference(&one, &two).unwrap().contains(words));
        };
        check("abc", "abd", "at byte 2");
        check("abc", "ab", "ends at byte 2");
        check("abc", "abc", "no difference");
    }
}
