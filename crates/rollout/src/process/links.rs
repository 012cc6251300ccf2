//! Where an instance finds the artifact in force: a link of its own, which changes its target whole or not at all.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The variable by which an instance knows its link.
pub const ARTIFACT_VARIABLE: &str = "PATCHLINE_ARTIFACT";

/// One link for each instance, named by its number. What a link says is what was asked of an instance, and never taken for
/// what it serves.
#[derive(Clone, Debug)]
pub struct Links {
    folder: PathBuf,
}

impl Links {
    pub fn in_folder(folder: PathBuf) -> Links {
        Links { folder }
    }

    pub fn path(&self, instance: u64) -> PathBuf {
        self.folder.join(instance.to_string())
    }

    /// Lets the link of an instance point at an artifact, in one step for whoever reads it.
    pub fn point(&self, instance: u64, artifact: &Path) -> io::Result<PathBuf> {
        let (path, new) = (self.path(instance), self.folder.join(format!("{instance}.new")));
        fs::create_dir_all(&self.folder)?;
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        symlink(artifact, &new)?;
        fs::rename(&new, &path)?;
        Ok(path)
    }

    pub fn target(&self, instance: u64) -> Option<PathBuf> {
        fs::read_link(self.path(instance)).ok()
    }

    /// Clears away what belongs to nobody.
    pub fn keep_only(&self, instances: &HashSet<u64>) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let is_kept = |name: &str| name.parse().is_ok_and(|instance| instances.contains(&instance));
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(is_kept) {
                // What can't be removed now is tried again later; it misleads nobody.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_repointed_and_cleared_away_with_its_instance() {
        let directory = tempfile::tempdir().expect("a directory");
        let links = Links::in_folder(directory.path().join("artifacts"));
        assert_eq!(links.target(1), None);
        for artifact in ["/one", "/two", "/one"] {
            let path = links.point(1, Path::new(artifact)).expect("it can be pointed");
            assert_eq!((path, links.target(1)), (links.path(1), Some(PathBuf::from(artifact))));
        }
        links.point(2, Path::new("/two")).expect("it can be pointed");
        // Left over by a host that was killed between both steps.
        symlink("/two", links.folder.join("1.new")).expect("it can be made");
        links.point(1, Path::new("/two")).expect("it can be pointed");
        links.keep_only(&HashSet::from([2]));
        assert_eq!((links.target(1), links.target(2)), (None, Some(PathBuf::from("/two"))));
    }
}
