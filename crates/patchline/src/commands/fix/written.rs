//! New texts of files as a commit on top of the base, which then is a person's change like any other.

use std::path::Path;

use patchline_conductor::failures::git_failure;
use patchline_conductor::home::Home;
use patchline_model::actor::Actor;
use patchline_model::digest::Commit;
use patchline_model::stage::detect::Subject;
use patchline_sandbox::{Git, GitError};

use crate::exit::Trouble;

/// What the patch is for. The files are ordinary ones of the base.
pub async fn subject(
    title: String,
    changed: &[(String, String)],
    git: &Git,
    base: &Commit,
    by: &Actor,
    home: &Home,
) -> Result<Subject, Trouble> {
    let author = format!("{} <{}@localhost>", by.name(), by.name());
    let worktree = home.root().join("work").join(format!("written-{}", std::process::id()));
    git.worktree_add(&worktree, base.as_str()).await.map_err(failed)?;
    let made = commit(git, &worktree, changed, base, (&title, &author)).await;
    // What could not be removed is replaced by the next run.
    drop(git.worktree_remove(&worktree).await);
    let commit = made?.parse().map_err(|error| Trouble::input(format!("git answered {error}")))?;
    Ok(Subject::Change { report: title.clone(), title, answers: Vec::new(), commit, author })
}

async fn commit(
    git: &Git,
    worktree: &Path,
    changed: &[(String, String)],
    base: &Commit,
    (title, author): (&str, &str),
) -> Result<String, Trouble> {
    for (path, text) in changed {
        std::fs::write(worktree.join(path), text)
            .map_err(|error| Trouble::storage(format!("could not write `{path}`: {error}")))?;
    }
    let files: Vec<&str> = changed.iter().map(|(path, _)| path.as_str()).collect();
    let time = git.commit_time(base.as_str()).await.map_err(failed)?;
    git.commit_files(worktree, &files, title, author, time).await.map_err(failed)
}

fn failed(error: GitError) -> Trouble {
    git_failure(&error).into()
}
