//! `fix --from`: a person's change, as a branch, a commit or a diff, on its way through the same line as all others.

use std::io::Read as _;
use std::path::Path;

use patchline_conductor::failures::git_failure;
use patchline_conductor::home::Home;
use patchline_model::actor::Actor;
use patchline_model::digest::Commit;
use patchline_model::service::Service;
use patchline_model::stage::detect::Subject;
use patchline_sandbox::{Git, GitError};

use crate::cli::FixArguments;
use crate::exit::Trouble;

/// Longer diffs are no patches.
const LARGEST: u64 = 32 << 20;

/// What the patch is for, with the change as a commit on top of the base.
pub async fn subject(
    from: &str,
    arguments: &FixArguments,
    service: &Service,
    base: &Commit,
    by: &Actor,
    home: &Home,
) -> Result<Subject, Trouble> {
    let git = Git::at(Path::new(&service.repository));
    let revision = git.resolve(from).await;
    let is_file = from == "-" || Path::new(from).is_file();
    let change = match (is_file, revision) {
        (true, Ok(_)) => {
            return Err(Trouble::usage(format!("`{from}` is a file and a branch at once"))
                .hint(format!("name the file as `./{from}`, or the branch as `refs/heads/{from}`")));
        }
        (true, Err(_)) => of_diff(from, &git, base, by, home).await?,
        (false, Ok(commit)) => of_commit(from, &git, base, &commit).await?,
        (false, Err(error)) => {
            return Err(Trouble::input(format!("could not take `{from}`: {error}"))
                .hint("`--from` wants a branch, a commit, or a file with a diff"));
        }
    };
    let Change { commit, title, author } = change;
    Ok(Subject::Change {
        title: arguments.title.clone().unwrap_or(title),
        report: arguments.title.clone().unwrap_or_else(|| from.to_owned()),
        answers: arguments.only.clone(),
        commit,
        author,
    })
}

struct Change {
    commit: Commit,
    title: String,
    author: String,
}

async fn of_commit(from: &str, git: &Git, base: &Commit, commit: &str) -> Result<Change, Trouble> {
    if commit == base.as_str() {
        return Err(Trouble::input(format!(
            "`{from}` is the base itself, {}: it changes nothing",
            base.short()
        ))
        .hint("name what it builds on with `--base`, as in `--base main`"));
    }
    if !git.is_ancestor(base.as_str(), commit).await.map_err(failed)? {
        return Err(Trouble::input(format!("`{from}` does not build on the base, {}", base.short()))
            .hint("rebase it, or name what it builds on with `--base`"));
    }
    Ok(Change {
        commit: parsed(commit)?,
        title: git.log_subject(commit).await.map_err(failed)?,
        author: git.author_of(commit).await.map_err(failed)?,
    })
}

async fn of_diff(from: &str, git: &Git, base: &Commit, by: &Actor, home: &Home) -> Result<Change, Trouble> {
    let text = read(from)?;
    let Head { title, author } = head(&text);
    let title = title.unwrap_or_else(|| format!("Apply {}", if from == "-" { "a diff" } else { from }));
    let author = author.unwrap_or_else(|| format!("{} <{}@localhost>", by.name(), by.name()));
    let worktree = home.root().join("work").join(format!("from-{}", std::process::id()));
    git.worktree_add(&worktree, base.as_str()).await.map_err(failed)?;
    let made = async {
        let files = git.apply(&worktree, &text, false).await.map_err(|error| {
            Trouble::input(format!("could not apply `{from}` to {}: {error}", base.short()))
                .hint("make the diff against that commit, or name another one with `--base`")
        })?;
        if !files.is_empty() {
            let text = format!("`{from}` does not fit {}: both change {}", base.short(), files.join(", "));
            return Err(Trouble::input(text).hint("bring it up to date, or name its own base with `--base`"));
        }
        let time = git.commit_time(base.as_str()).await.map_err(failed)?;
        git.commit_all(&worktree, &title, &author, time).await.map_err(failed)
    };
    let made = made.await;
    // What could not be removed is replaced by the next run.
    drop(git.worktree_remove(&worktree).await);
    Ok(Change { commit: parsed(&made?)?, title, author })
}

fn read(from: &str) -> Result<String, Trouble> {
    let unreadable = |error: std::io::Error| Trouble::input(format!("could not read `{from}`: {error}"));
    let mut text = String::new();
    let read = match from {
        "-" => std::io::stdin().take(LARGEST + 1).read_to_string(&mut text),
        path => std::fs::File::open(path).map_err(unreadable)?.take(LARGEST + 1).read_to_string(&mut text),
    };
    read.map_err(unreadable)?;
    match text.len() as u64 > LARGEST {
        true => Err(Trouble::input(format!("`{from}` has more than {LARGEST} bytes"))),
        false => Ok(text),
    }
}

/// What `git format-patch` writes before a diff.
#[derive(Debug, Default, PartialEq)]
struct Head {
    title: Option<String>,
    author: Option<String>,
}

fn head(text: &str) -> Head {
    let lines =
        text.lines().take(100).take_while(|line| !line.starts_with("diff ") && !line.starts_with("--- "));
    let mut head = Head::default();
    for line in lines {
        if let Some(subject) = line.strip_prefix("Subject: ") {
            let tagged = subject.strip_prefix('[').and_then(|rest| rest.split_once("] "));
            head.title = Some(tagged.map_or(subject, |(_, title)| title).trim().to_owned());
        } else if let Some(author) = line.strip_prefix("From: ").filter(|author| author.contains('<')) {
            head.author = Some(author.trim().to_owned());
        }
    }
    head
}

fn parsed(commit: &str) -> Result<Commit, Trouble> {
    commit.parse().map_err(|error| Trouble::input(format!("git answered {error}")))
}

fn failed(error: GitError) -> Trouble {
    git_failure(&error).into()
}

#[cfg(test)]
mod tests {
    use super::{Head, head};

    #[test]
    fn a_mailed_patch_says_who_and_what() {
        let text = "From 1234 Mon Sep 17\nFrom: Ada <ada@example.org>\nSubject: [PATCH 1/2] Bound it\n\ndiff --git a b\n";
        let told =
            Head { title: Some("Bound it".to_owned()), author: Some("Ada <ada@example.org>".to_owned()) };
        assert_eq!(head(text), told);
        assert_eq!(head("diff --git a/x b/x\nSubject: no\n"), Head::default());
    }
}
