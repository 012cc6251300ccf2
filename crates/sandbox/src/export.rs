//! Files of a commit, written where they are wanted: all, or some after the others.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::ask::{Ask, scratch_folder};
use crate::git_error::GitError;

/// A command line has an end: of the longest names that are possible, these take less than one megabyte.
const FILES_AT_ONCE: usize = 200;

/// A commit and the folder that its files are written into.
pub struct Export {
    purpose: String,
    /// The commit's tree as an index.
    scratch: TempDir,
    git: PathBuf,
    folder: PathBuf,
}

impl Export {
    pub(crate) async fn of(
        purpose: String,
        git: PathBuf,
        commit: &str,
        folder: &Path,
    ) -> Result<Self, GitError> {
        let scratch = scratch_folder(&purpose)?;
        let export = Self { purpose, scratch, git, folder: folder.to_owned() };
        export.ask(&["read-tree", &(commit.to_owned() + "^{tree}")]).bytes().await?;
        Ok(export)
    }

    /// Writes all files.
    pub async fn all(&self) -> Result<(), GitError> {
        self.ask(&["checkout-index", "--all", "--force"]).bytes().await.map(drop)
    }

    /// Writes these files, named from the top of the tree; one that the commit does not have is an error.
    pub async fn files(&self, files: &[String]) -> Result<(), GitError> {
        for some in files.chunks(FILES_AT_ONCE) {
            let mut ask = self.ask(&["checkout-index", "--force", "--"]);
            ask.arguments.extend(some.iter().map(Into::into));
            ask.bytes().await?;
        }
        Ok(())
    }

    fn ask(&self, arguments: &[&str]) -> Ask {
        Ask::new(&self.purpose, &self.folder, arguments).detached(
            &self.git,
            self.scratch.path(),
            &self.folder,
        )
    }
}
