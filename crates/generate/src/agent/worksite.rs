//! Where an agent's change comes to be: a worktree of its own, and what lay in it before anybody changed anything.

use std::fs;
use std::path::{Path, PathBuf};

use patchline_model::failure::Failure;
use patchline_sandbox::git::Git;

use crate::failures::{of_file, of_git};
use crate::fixer::Request;

/// A worktree of the base, to be removed when the work in it is done.
pub(crate) struct Worksite {
    pub(crate) git: Git,
    pub(crate) path: PathBuf,
    /// What git took for changed from the beginning.
    pub(crate) unchanged: Vec<String>,
    /// What tells git where the repository is.
    link: Vec<u8>,
}

impl Worksite {
    /// Makes it anew, whatever lay there.
    pub(crate) async fn open(request: &Request, path: &Path) -> Result<Self, Failure> {
        let git = Git::at(&request.repository);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| of_file("make the folder for worktrees", error))?;
        }
        git.worktree_add(path, request.base.as_str()).await.map_err(of_git)?;
        let link = fs::read(path.join(".git")).map_err(|error| of_file("read a worktree", error))?;
        let unchanged = git.touched(path).await.map_err(of_git)?;
        Ok(Self { git, path: path.to_owned(), unchanged, link })
    }

    /// Whether nobody has touched the link to the repository.
    pub(crate) fn is_linked(&self) -> bool {
        let path = self.path.join(".git");
        let plain = fs::symlink_metadata(&path).is_ok_and(|found| {
            found.is_file() && usize::try_from(found.len()).is_ok_and(|length| length == self.link.len())
        });
        plain && fs::read(&path).is_ok_and(|link| link == self.link)
    }

    /// What could not be removed is replaced by the next run, and is no reason to lose this one's answer.
    pub(crate) async fn close(self) {
        drop(self.git.worktree_remove(&self.path).await);
    }
}
