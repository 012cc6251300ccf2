//! A copy of a side's tree that a check may change: what was built stays as it was.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use patchline_model::failure::{Failure, FailureClass};
use tempfile::TempDir;

use crate::check::Side;

/// Bytes and entries of a tree that is copied, and how deep it may be.
const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;
const MAX_ENTRIES: usize = 500_000;
const MAX_DEPTH: usize = 200;

/// Goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
}

struct Room {
    bytes: u64,
    entries: usize,
}

impl Scratch {
    /// Copies the side's tree beside it, with what the build left, links, modes and times.
    pub(crate) async fn of(side: &Side) -> Result<Self, Failure> {
        let from = side.tree.clone();
        let copied = tokio::task::spawn_blocking(move || Self::copy(&from)).await;
        let copied = copied.map_err(|error| Failure::transient(format!("a copy was broken off: {error}")))?;
        copied.map_err(|error| {
            let text = format!("could not copy the tree {}: {error}", side.tree.display());
            Failure::transient(text).of(FailureClass::Storage)
        })
    }

    fn copy(from: &Path) -> io::Result<Self> {
        let beside = from.parent().unwrap_or(from);
        let folder = tempfile::Builder::new().prefix("scratch-").tempdir_in(beside)?;
        let mut room = Room { bytes: MAX_BYTES, entries: MAX_ENTRIES };
        copy_folder(from, &folder.path().join("tree"), &mut room, MAX_DEPTH)?;
        Ok(Self { folder })
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Where a file of the side's tree lies here.
    pub(crate) fn place(&self, side: &Side, path: &Path) -> PathBuf {
        self.tree().join(path.strip_prefix(&side.tree).unwrap_or(path))
    }

    /// Gives a file these contents, or takes it away. A path that leads out, also by a link, is an error.
    pub(crate) fn set(&self, path: &str, contents: Option<&[u8]>) -> io::Result<()> {
        let target = inside(&self.tree(), path)?;
        match (contents, fs::symlink_metadata(&target)) {
            (_, Ok(found)) if !found.is_file() => {
                return Err(io::Error::other(format!("`{path}` is not an ordinary file")));
            }
            (None, Err(_)) => return Ok(()),
            (None, Ok(_)) => return fs::remove_file(&target),
            (Some(_), Ok(_) | Err(_)) => {}
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(target, contents.unwrap_or_default())
    }
}

/// The path below the folder; no part of it may be a link that exists.
fn inside(folder: &Path, path: &str) -> io::Result<PathBuf> {
    let mut at = folder.to_owned();
    for part in Path::new(path).components() {
        let Component::Normal(name) = part else {
            return Err(io::Error::other(format!("`{path}` leads out of the repository")));
        };
        at.push(name);
        if fs::symlink_metadata(&at).is_ok_and(|found| found.is_symlink()) {
            return Err(io::Error::other(format!("`{path}` goes through a link")));
        }
    }
    Ok(at)
}

fn copy_folder(from: &Path, to: &Path, room: &mut Room, depth: usize) -> io::Result<()> {
    let depth = depth.checked_sub(1).ok_or_else(|| io::Error::other("its folders are nested too deep"))?;
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        room.entries =
            room.entries.checked_sub(1).ok_or_else(|| io::Error::other("it has too many files"))?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            copy_folder(&source, &target, room, depth)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            let found = entry.metadata()?;
            room.bytes =
                room.bytes.checked_sub(found.len()).ok_or_else(|| io::Error::other("it is too large"))?;
            fs::copy(&source, &target)?;
            File::open(&target)?.set_modified(found.modified()?)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Scratch;
    use crate::sample::side;

    #[tokio::test]
    async fn a_copy_changes_and_the_tree_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("src")).unwrap();
        fs::write(tree.join("src/a"), "a").unwrap();
        std::os::unix::fs::symlink("/etc", tree.join("link")).unwrap();
        let scratch = Scratch::of(&side(&tree)).await.unwrap();
        scratch.set("src/a", Some(b"b")).unwrap();
        scratch.set("new/b", Some(b"b")).unwrap();
        assert_eq!(fs::read(scratch.tree().join("src/a")).unwrap(), b"b");
        scratch.set("src/a", None).unwrap();
        for path in ["../x", "/x", "link/x", "link", "src"] {
            assert!(scratch.set(path, Some(b"")).is_err(), "{path}");
        }
        assert_eq!(fs::read(tree.join("src/a")).unwrap(), b"a");
        let place = scratch.tree();
        drop(scratch);
        assert!(!place.exists() && tree.join("src/a").exists());
    }
}
