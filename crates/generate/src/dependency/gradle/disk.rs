//! Files of a worktree in which foreign scripts have run: these may have put links anywhere, which must lead nobody out of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use patchline_model::failure::{Failure, FailureClass};

use crate::failures::of_file;

/// Bytes of a file that a script left.
const LARGEST: u64 = 64 << 20;

/// What an ordinary file holds; none where there is no such file.
pub(crate) fn read(worktree: &Path, path: &str) -> Result<Option<String>, Failure> {
    let place = place(worktree, path)?;
    let about = place.symlink_metadata();
    if !about.is_ok_and(|about| about.is_file() && about.len() <= LARGEST) {
        return Ok(None);
    }
    // What is no text is none of ours.
    Ok(fs::read_to_string(&place).ok())
}

/// An ordinary file with this text, whatever was there.
pub(crate) fn write(worktree: &Path, path: &str, text: &str) -> Result<(), Failure> {
    if read(worktree, path)?.is_some_and(|now| now == text) {
        return Ok(());
    }
    remove(worktree, path)?;
    let failed = |error| of_file(&format!("write `{path}`"), error);
    let file = fs::OpenOptions::new().write(true).create_new(true).open(place(worktree, path)?);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

/// Nothing at this place.
pub(crate) fn remove(worktree: &Path, path: &str) -> Result<(), Failure> {
    let place = place(worktree, path)?;
    let removed = match place.symlink_metadata() {
        Ok(about) if about.is_dir() => fs::remove_dir_all(&place),
        Ok(_) => fs::remove_file(&place),
        Err(_) => Ok(()),
    };
    removed.map_err(|error| of_file(&format!("remove `{path}`"), error))
}

/// The place of a path, in a folder that is really there.
fn place(worktree: &Path, path: &str) -> Result<PathBuf, Failure> {
    let place = worktree.join(path);
    let folder = place.parent().unwrap_or(worktree);
    let is_own = folder.canonicalize().is_ok_and(|real| real == folder && real.starts_with(worktree));
    is_own.then_some(place.clone()).ok_or_else(|| {
        Failure::permanent(format!("could not use `{path}`: the build's own scripts moved its folder away"))
            .of(FailureClass::Input)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{read, remove, write};

    #[test]
    fn a_link_leads_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (tree, outside) = (root.join("tree"), root.join("outside"));
        fs::create_dir_all(tree.join("lib")).unwrap();
        fs::write(&outside, "theirs").unwrap();
        symlink(&outside, tree.join("a")).unwrap();
        symlink(&root, tree.join("b")).unwrap();
        assert_eq!(read(&tree, "a").unwrap(), None);
        write(&tree, "a", "ours").unwrap();
        assert_eq!(read(&tree, "a").unwrap().as_deref(), Some("ours"));
        assert!(write(&tree, "b/outside", "ours").is_err() && remove(&tree, "b/outside").is_err());
        assert_eq!(fs::read_to_string(&outside).unwrap(), "theirs");
        write(&tree, "lib/c", "1").unwrap();
        remove(&tree, "lib").unwrap();
        assert!(write(&tree, "lib/c", "2").is_err());
    }
}
