//! A folder on the disk as a system's files.

use std::fs;
use std::path::PathBuf;

use patchline_model::failure::in_full;

use crate::container::files::Files;
use crate::ordinary;

/// A folder; its path has no link in it.
pub struct Folder {
    pub path: PathBuf,
}

impl Files for Folder {
    fn link(&self, path: &str) -> Option<String> {
        fs::read_link(self.path.join(path)).ok().map(|target| target.to_string_lossy().into_owned())
    }

    fn bytes(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let whole = self.path.join(path);
        if fs::symlink_metadata(&whole).is_err() {
            return Ok(None);
        }
        match ordinary::read(&whole, most) {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) => Err(format!("it is larger than {} MiB", most >> 20)),
            Err(error) => Err(in_full(&error)),
        }
    }

    fn names(&self, folder: &str, most: usize) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path.join(folder)) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(most).collect();
        names.sort();
        names
    }

    fn label(&self, path: &str) -> String {
        path.to_owned()
    }
}
