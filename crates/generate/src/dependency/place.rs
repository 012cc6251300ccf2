//! Where a lockfile lies in a commit, and a worktree to change it in.

use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::git::Git;

use crate::failures::{of_file, of_git};
use crate::fixer::Request;

/// The folder of the first of these files: the service's own, or the nearest above it, as in a workspace; and the file.
pub(crate) async fn folder_of(
    request: &Request,
    files: &[&str],
    hint: &str,
) -> Result<(String, String), Failure> {
    let (git, folder) = (Git::at(&request.repository), &request.folder);
    let plain =
        Path::new(folder).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err(Failure::permanent(format!(
            "could not use the folder `{folder}`: it leads out of the repository"
        )));
    }
    let clean: PathBuf = Path::new(folder).components().filter(|part| *part != Component::CurDir).collect();
    for folder in clean.ancestors() {
        for file in files {
            let path = folder.join(file);
            let there = git.show(request.base.as_str(), &path.to_string_lossy()).await.map_err(of_git)?;
            if there.is_some() {
                return Ok((folder.to_string_lossy().into_owned(), (*file).to_owned()));
            }
        }
    }
    let message =
        format!("could not find a `{}` for `{folder}` in the commit {}", files[0], request.base.short());
    Err(Failure::permanent(message).with_hint(hint))
}

/// An ordinary file of the worktree, of at most so many bytes: a link would lead out of it.
pub(crate) fn read_file(folder: &Path, name: &str, largest: u64) -> Result<String, Failure> {
    let place = folder.join(name);
    if !place.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Err(Failure::permanent(format!("could not use `{name}`: it is no ordinary file here"))
            .of(FailureClass::Input)
            .with_hint(format!("commit `{name}`")));
    }
    let mut text = String::new();
    let read = fs::File::open(&place).and_then(|file| file.take(largest + 1).read_to_string(&mut text));
    read.map_err(|error| of_file(&format!("read `{name}`"), error))?;
    if text.len() as u64 > largest {
        return Err(Failure::permanent(format!("could not use `{name}`: it has more than {largest} bytes")));
    }
    Ok(text)
}

/// A worktree of the base, to be removed when the work in it is done.
pub(crate) struct Worktree {
    pub(crate) git: Git,
    pub(crate) path: PathBuf,
}

impl Worktree {
    pub(crate) async fn add(request: &Request) -> Result<Self, Failure> {
        let git = Git::at(&request.repository);
        fs::create_dir_all(&request.work).map_err(|error| of_file("make the folder for worktrees", error))?;
        let path = request.work.join(format!("{}-{}", request.patch, request.number));
        git.worktree_add(&path, request.base.as_str()).await.map_err(of_git)?;
        Ok(Self { git, path })
    }

    /// What could not be removed is replaced by the next run, and is no reason to lose this one's answer.
    pub(crate) async fn remove(self) {
        drop(self.git.worktree_remove(&self.path).await);
    }
}
