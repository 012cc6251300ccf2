//! The files that a change may touch, with what they held before.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use patchline_model::failure::Failure;

use crate::failures::of_file;

/// Largest lockfile or manifest that is read, in bytes.
const LARGEST: u64 = 32 << 20;

pub(crate) struct Files {
    /// Nothing outside of it is read or written, whatever a lockfile names.
    worktree: PathBuf,
    pub(crate) lock: PathBuf,
    /// The folder of the lockfile and its `package.json`.
    pub(crate) folder: PathBuf,
    /// Nothing where there was no file.
    before: BTreeMap<PathBuf, Option<String>>,
}

impl Files {
    pub(crate) fn open(worktree: &Path, folder: &Path, lock: &str) -> Result<Self, Failure> {
        let path = folder.join(lock);
        let worktree = worktree.canonicalize().map_err(|error| of_file("find the worktree", error))?;
        let text = read(&path)?;
        let before = BTreeMap::from([(path.clone(), Some(text))]);
        Ok(Self { worktree, lock: path, folder: folder.to_owned(), before })
    }

    /// The lockfile as it stands.
    pub(crate) fn lock_now(&self) -> Result<String, Failure> {
        read(&self.lock)
    }

    /// What a file held before anything changed.
    pub(crate) fn original(&mut self, path: &Path) -> Result<String, Failure> {
        self.original_if_any(path)?.ok_or_else(|| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Failure::permanent(format!("could not use `{name}`: it is not there"))
        })
    }

    pub(crate) fn original_if_any(&mut self, path: &Path) -> Result<Option<String>, Failure> {
        if let Some(text) = self.before.get(path) {
            return Ok(text.clone());
        }
        let around = path.parent().and_then(|around| around.canonicalize().ok());
        if !around.is_some_and(|around| around.starts_with(&self.worktree)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(Failure::permanent(format!(
                "could not use `{name}`: it leads out of the repository"
            )));
        }
        let text = if path.symlink_metadata().is_ok() { Some(read(path)?) } else { None };
        self.before.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    /// Writes a file whose content before is kept.
    pub(crate) fn write(&mut self, path: &Path, text: &str) -> Result<(), Failure> {
        self.original_if_any(path)?;
        fs::write(path, text).map_err(|error| of_file("write a file of the worktree", error))
    }

    pub(crate) fn restore(&self) -> Result<(), Failure> {
        self.before.iter().try_for_each(|(path, text)| put_back(path, text.as_deref()))
    }

    /// Everything as it was but the lockfile.
    pub(crate) fn restore_manifests(&self) -> Result<(), Failure> {
        let manifests = self.before.iter().filter(|(path, _)| **path != self.lock);
        manifests.into_iter().try_for_each(|(path, text)| put_back(path, text.as_deref()))
    }
}

/// Files as they will be.
#[derive(Default)]
pub(crate) struct Texts(BTreeMap<PathBuf, String>);

impl Texts {
    /// Changes one; false where it can't be.
    pub(crate) fn change(
        &mut self,
        files: &mut Files,
        path: PathBuf,
        change: impl FnOnce(&str) -> Option<String>,
    ) -> Result<bool, Failure> {
        let text = match self.0.get(&path) {
            Some(text) => text.clone(),
            None => files.original_if_any(&path)?.unwrap_or_default(),
        };
        let changed = change(&text);
        let done = changed.is_some();
        self.0.extend(changed.map(|text| (path, text)));
        Ok(done)
    }

    pub(crate) fn write(self, files: &mut Files) -> Result<(), Failure> {
        self.0.iter().try_for_each(|(path, text)| files.write(path, text))
    }
}

fn put_back(path: &Path, text: Option<&str>) -> Result<(), Failure> {
    let done = match text {
        Some(text) => fs::write(path, text),
        None if path.symlink_metadata().is_ok() => fs::remove_file(path),
        None => Ok(()),
    };
    done.map_err(|error| of_file("write a file back", error))
}

/// An ordinary file of the worktree: a link would lead out of it.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Err(Failure::permanent(format!("could not use `{name}`: it is not an ordinary file")));
    }
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    read.map_err(|error| of_file(&format!("read `{name}`"), error))?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::permanent(format!("could not use `{name}`: it has more than {LARGEST} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Files;

    #[test]
    fn nothing_outside_of_the_worktree_is_read_or_written() {
        let folder = tempfile::tempdir().unwrap();
        let worktree = folder.path().join("worktree");
        fs::create_dir(&worktree).unwrap();
        for place in ["worktree/yarn.lock", "worktree/package.json", "package.json"] {
            fs::write(folder.path().join(place), "{}").unwrap();
        }
        symlink(folder.path(), worktree.join("link")).unwrap();
        symlink(folder.path().join("package.json"), worktree.join("linked.json")).unwrap();
        let mut files = Files::open(&worktree, &worktree, "yarn.lock").unwrap();
        assert!(files.write(&worktree.join("package.json"), "[]").is_ok());
        for place in ["../package.json", "link/package.json", "missing/package.json", "linked.json"] {
            let path = worktree.join(place);
            assert!(files.original_if_any(&path).is_err(), "{place}");
            assert!(files.write(&path, "[]").is_err(), "{place}");
        }
        files.restore().unwrap();
        assert_eq!(fs::read_to_string(worktree.join("package.json")).unwrap(), "{}");
        assert_eq!(fs::read_to_string(folder.path().join("package.json")).unwrap(), "{}");
    }
}
