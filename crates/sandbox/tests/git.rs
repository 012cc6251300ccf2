//! git, on small repositories of its own.
#![allow(clippy::unwrap_used)] // This is a test: it may stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchline_sandbox::{Git, GitError};
use tempfile::TempDir;

const AUTHOR: &str = "Ada <ada@example.org>";

struct Repository {
    folder: TempDir,
    git: Git,
}

impl Repository {
    /// With one commit of `a` and `folder/b`, and a hook that fails everything.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        let new = Self { folder, git };
        new.run(&["init", "--quiet", "--initial-branch=main"]);
        fs::create_dir(new.path("folder")).unwrap();
        fs::write(new.path("a"), "one\n").unwrap();
        fs::write(new.path("folder/b"), "two\n").unwrap();
        new.run(&["add", "--all"]);
        new.run(&[
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.org",
            "commit",
            "--quiet",
            "-m",
            "First, é",
        ]);
        for hook in ["pre-commit", "post-checkout", "reference-transaction"] {
            fs::write(new.path(&format!(".git/hooks/{hook}")), "#!/bin/sh\necho ran >> hooked; exit 1\n")
                .unwrap();
            let mode = Command::new("chmod")
                .arg("+x")
                .arg(new.path(&format!(".git/hooks/{hook}")))
                .status()
                .unwrap();
            assert!(mode.success());
        }
        new
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        let command = command.arg("-C").arg(self.folder.path()).args(arguments);
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn untouched(&self) -> String {
        self.run(&["-c", "core.hooksPath=/dev/null", "status", "--porcelain", "--branch"])
    }

    async fn change(&self, worktree: &Path) -> String {
        let head = self.git.head().await.unwrap();
        self.git.worktree_add(worktree, &head).await.unwrap();
        fs::write(worktree.join("a"), "changed\n").unwrap();
        fs::write(worktree.join("new"), "new\n").unwrap();
        fs::remove_file(worktree.join("folder/b")).unwrap();
        self.git.commit_all(worktree, "Change\n\nbody\n", AUTHOR, 1_000_000_000).await.unwrap()
    }
}

#[tokio::test]
async fn where_two_commits_part_is_their_newest_common_one() {
    let repository = Repository::new();
    let plain = |words: &[&str]| {
        let settings =
            ["-c", "core.hooksPath=/dev/null", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
        repository.run(&[&settings, words].concat())
    };
    let first = repository.git.head().await.unwrap();
    plain(&["commit", "--quiet", "--allow-empty", "-m", "Second"]);
    let second = repository.git.head().await.unwrap();
    plain(&["checkout", "--quiet", "-b", "side", &first]);
    plain(&["commit", "--quiet", "--allow-empty", "-m", "Side"]);
    let side = repository.git.head().await.unwrap();
    plain(&["checkout", "--quiet", "--orphan", "other"]);
    plain(&["commit", "--quiet", "--allow-empty", "-m", "Other"]);
    let other = repository.git.head().await.unwrap();
    let part = async |one: &str, two: &str| repository.git.merge_base(one, two).await.unwrap();
    assert_eq!(part(&second, &side).await, Some(first.clone()));
    assert_eq!(part(&second, &first).await, Some(first.clone()));
    assert_eq!(part(&second, &other).await, None);
    assert!(repository.git.merge_base(&first, "nowhere").await.is_err());
    assert!(!repository.git.is_shallow().await.unwrap());
    fs::write(repository.path(".git/shallow"), format!("{second}\n")).unwrap();
    assert!(repository.git.is_shallow().await.unwrap());
}

#[tokio::test]
async fn the_files_of_the_checkout_are_those_that_could_be_committed() {
    let repository = Repository::new();
    fs::write(repository.path(".gitignore"), "*.log\n").unwrap();
    fs::write(repository.path("folder/é new"), "").unwrap();
    fs::write(repository.path("some.log"), "").unwrap();
    let mut files = repository.git.files().await.unwrap();
    files.sort();
    assert_eq!(files, [".gitignore", "a", "folder/b", "folder/é new"]);
}

#[tokio::test]
async fn a_repository_is_found_and_read() {
    let repository = Repository::new();
    let git = &repository.git;
    let real = repository.folder.path().canonicalize().unwrap();
    assert_eq!(Git::top(&repository.path("folder")).await.unwrap(), real);
    assert!(git.is_repository().await.unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(!Git::at(elsewhere.path()).is_repository().await.unwrap());
    assert!(Git::top(elsewhere.path()).await.unwrap_err().hint().unwrap().contains("git init"));

    let head = git.head().await.unwrap();
    assert_eq!(head, repository.run(&["rev-parse", "HEAD"]).trim());
    assert_eq!(git.resolve(&head[..8]).await.unwrap(), head);
    assert_eq!(git.log_subject("main").await.unwrap(), "First, é");
    assert_eq!(git.author_of("main").await.unwrap(), AUTHOR);
    assert!(git.commit_time("main").await.unwrap() > 1_700_000_000);
    assert_eq!(git.show(&head, "folder/b").await.unwrap().as_deref(), Some(b"two\n".as_slice()));
    assert_eq!(git.show(&head, "folder").await.unwrap(), None);
    assert_eq!(git.show(&head, "*").await.unwrap(), None);
    let inside = Git::at(&repository.path("folder"));
    assert_eq!(inside.show(&head, "a").await.unwrap().as_deref(), Some(b"one\n".as_slice()));
    let first = async |paths: &[&str], most| git.first_file(&head, paths, most).await.unwrap();
    let is = |name: &str, bytes: Option<&[u8]>| Some((name.to_owned(), bytes.map(<[u8]>::to_owned)));
    assert_eq!(first(&["*", "folder/b", "a"], 4).await, is("folder/b", Some(b"two\n")));
    assert_eq!(first(&["folder", "a", "folder/b"], 3).await, is("a", None));
    assert_eq!(first(&["folder", "b"], 4).await, None);
    for revision in ["nothing", "--all", "HEAD~7", "a\nb"] {
        let error = git.resolve(revision).await.unwrap_err().to_string();
        assert!(error.starts_with("could not find the commit `"), "{error}");
    }
}

#[tokio::test]
async fn what_was_touched_is_told_before_git_takes_it_in_and_counted_afterwards() {
    let repository = Repository::new();
    let (git, out) = (&repository.git, tempfile::tempdir().unwrap());
    let worktree = out.path().join("tree");
    let base = git.head().await.unwrap();
    git.worktree_add(&worktree, &base).await.unwrap();
    assert!(git.touched(&worktree).await.unwrap().is_empty());
    let objects = || repository.run(&["count-objects"]);
    let before = objects();
    fs::write(worktree.join("a"), "one\ntwo\n").unwrap();
    fs::remove_file(worktree.join("folder/b")).unwrap();
    fs::write(worktree.join("new\tname"), "1\n2\n").unwrap();
    fs::write(worktree.join("blob"), [0; 100]).unwrap();
    // Another `.git` in the worktree leads nobody astray.
    fs::write(worktree.join(".git"), "gitdir: /nowhere\n").unwrap();
    assert_eq!(git.touched(&worktree).await.unwrap(), ["a", "blob", "folder/b", "new\tname"]);
    assert_eq!(objects(), before, "nothing was taken in");

    let commit = git.commit_all(&worktree, "Touched", AUTHOR, 1_700_000_000).await.unwrap();
    let counted = git.changed_lines(&base, &commit).await.unwrap();
    let counted: Vec<_> = counted.iter().map(|(name, lines)| (name.as_str(), *lines)).collect();
    assert_eq!(counted, [("a", Some(1)), ("blob", None), ("folder/b", Some(1)), ("new\tname", Some(2))]);
    assert_eq!(git.tree_files(&commit).await.unwrap(), ["a", "blob", "new\tname"]);
    git.worktree_remove(&worktree).await.unwrap();

    // What only the index of the worktree has is touched, too.
    git.worktree_add(&worktree, &base).await.unwrap();
    let diff = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+1\n";
    assert!(git.apply(&worktree, diff, false).await.unwrap().is_empty());
    assert_eq!(git.touched(&worktree).await.unwrap(), ["a"]);
    git.worktree_remove(&worktree).await.unwrap();
}

#[tokio::test]
async fn a_tree_is_written_out_and_nothing_else_moves() {
    let repository = Repository::new();
    fs::write(repository.path("a"), "the user is at work here\n").unwrap();
    let before = (repository.untouched(), fs::read(repository.path(".git/index")).unwrap());
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("deep/tree");
    repository.git.export("main", &target).await.unwrap();
    assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(target.join("folder/b")).unwrap(), "two\n");
    assert!(!target.join(".git").exists());
    assert_eq!((repository.untouched(), fs::read(repository.path(".git/index")).unwrap()), before);
}

#[tokio::test]
async fn only_the_files_of_a_tree_that_are_named_are_written() {
    let repository = Repository::new();
    let out = tempfile::tempdir().unwrap();
    let export = repository.git.open("main", out.path()).await.unwrap();
    assert!(!out.path().join("a").exists());
    export.files(&["folder/b".to_owned()]).await.unwrap();
    assert_eq!(fs::read_to_string(out.path().join("folder/b")).unwrap(), "two\n");
    assert!(!out.path().join("a").exists());
    assert!(export.files(&["nowhere".to_owned()]).await.is_err());
    export.all().await.unwrap();
    assert_eq!(fs::read_to_string(out.path().join("a")).unwrap(), "one\n");
}

#[tokio::test]
async fn the_same_change_is_the_same_commit_and_no_hook_runs() {
    let repository = Repository::new();
    let git = &repository.git;
    let before = repository.untouched();
    let work = tempfile::tempdir().unwrap();
    let first = repository.change(&work.path().join("one")).await;
    let second = repository.change(&work.path().join("two")).await;
    assert_eq!(first, second);
    let head = git.head().await.unwrap();
    assert_eq!(git.changed_files(&head, &first).await.unwrap(), ["a", "folder/b", "new"]);
    let diff = git.diff(&head, &first).await.unwrap();
    assert!(diff.starts_with("diff --git a/a b/a\nindex ") && diff.contains("\n+changed\n"), "{diff}");
    assert_eq!(git.author_of(&first).await.unwrap(), AUTHOR);
    assert_eq!(git.commit_time(&first).await.unwrap(), 1_000_000_000);
    assert!(git.is_ancestor(&head, &first).await.unwrap() && !git.is_ancestor(&first, &head).await.unwrap());
    assert_eq!(repository.untouched(), before);
    assert!(!repository.path("hooked").exists() && !work.path().join("one/hooked").exists());

    git.worktree_remove(&work.path().join("one")).await.unwrap();
    fs::remove_dir_all(work.path().join("two")).unwrap();
    git.worktree_remove(&work.path().join("two")).await.unwrap();
    git.worktree_remove(&work.path().join("two")).await.unwrap();
    assert_eq!(repository.run(&["worktree", "list"]).lines().count(), 1);
    assert!(!work.path().join("one").exists());
}

#[tokio::test]
async fn only_what_was_changed_is_committed() {
    let repository = Repository::new();
    let git = |arguments: &[&str]| repository.run(&[&["-c", "core.hooksPath=/dev/null"], arguments].concat());
    // A file that git would write with other line ends, if it were added again.
    fs::write(repository.path("lines"), "one\r\n").unwrap();
    git(&["add", "lines"]);
    fs::write(repository.path(".gitattributes"), "lines text\n").unwrap();
    git(&["update-index", "--add", ".gitattributes"]);
    git(&["-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "Second"]);
    let (work, git) = (tempfile::tempdir().unwrap(), &repository.git);
    let worktree = work.path().join("one");
    git.worktree_add(&worktree, "main").await.unwrap();
    let before = git.changes(&worktree).await.unwrap();
    assert!(before == ["lines"] || before.is_empty(), "{before:?}");
    fs::write(worktree.join("a"), "changed\n").unwrap();
    fs::write(worktree.join("new"), "new\n").unwrap();
    assert_eq!(
        git.changes(&worktree).await.unwrap(),
        [&["a".to_owned()], &before[..], &["new".to_owned()]].concat()
    );
    let commit = git.commit_files(&worktree, &["a"], "x", AUTHOR, 0).await.unwrap();
    assert_eq!(git.changed_files("main", &commit).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn nothing_to_commit_is_said() {
    let repository = Repository::new();
    let work = tempfile::tempdir().unwrap();
    let worktree = work.path().join("one");
    repository.git.worktree_add(&worktree, "main").await.unwrap();
    let error = repository.git.commit_all(&worktree, "x", AUTHOR, 0).await.unwrap_err().to_string();
    assert!(error.ends_with(": nothing has changed"), "{error}");
    let error = repository.git.commit_all(work.path(), "x", AUTHOR, 0).await.unwrap_err().to_string();
    assert!(error.ends_with("not a worktree of the repository"), "{error}");
}

#[tokio::test]
async fn a_leftover_of_a_killed_run_is_replaced() {
    let repository = Repository::new();
    let work = tempfile::tempdir().unwrap();
    let worktree = work.path().join("one");
    repository.git.worktree_add(&worktree, "main").await.unwrap();
    // As if it had been killed in the middle: locked, and without its `.git`.
    let entry = repository.path(".git/worktrees/one");
    fs::write(entry.join("locked"), "initializing\n").unwrap();
    fs::remove_file(worktree.join(".git")).unwrap();
    fs::write(worktree.join("rubbish"), "").unwrap();
    repository.git.worktree_add(&worktree, "main").await.unwrap();
    assert!(!worktree.join("rubbish").exists());
    assert_eq!(fs::read_to_string(worktree.join("a")).unwrap(), "one\n");
    assert_eq!(repository.run(&["worktree", "list"]).lines().count(), 2);
}

#[tokio::test]
async fn a_git_folder_planted_in_a_worktree_is_not_believed() {
    let repository = Repository::new();
    let work = tempfile::tempdir().unwrap();
    let worktree = work.path().join("one");
    repository.git.worktree_add(&worktree, "main").await.unwrap();
    let planted = Repository::new();
    let trace = work.path().join("evil");
    planted.run(&["config", "filter.evil.clean", &format!("touch {}; cat", trace.display())]);
    fs::write(worktree.join(".git"), format!("gitdir: {}\n", planted.path(".git").display())).unwrap();
    fs::write(worktree.join(".gitattributes"), "* filter=evil\n").unwrap();
    fs::write(worktree.join("a"), "changed\n").unwrap();
    let commit = repository.git.commit_all(&worktree, "x", AUTHOR, 0).await.unwrap();
    let head = repository.git.head().await.unwrap();
    assert!(repository.git.is_ancestor(&head, &commit).await.unwrap());
    assert!(!trace.exists());
}

#[tokio::test]
async fn a_branch_is_set_unless_somebody_stands_on_it() {
    let repository = Repository::new();
    let git = &repository.git;
    let work = tempfile::tempdir().unwrap();
    let commit = repository.change(&work.path().join("one")).await;
    let head = git.head().await.unwrap();
    assert_eq!(git.branch("patchline/P-7").await.unwrap(), None);
    for target in [&head, &commit] {
        git.branch_set("patchline/P-7", target).await.unwrap();
        assert_eq!(git.branch("patchline/P-7").await.unwrap().as_ref(), Some(target));
    }
    assert!(matches!(git.branch_set("main", &commit).await, Err(GitError::Refused { .. })));
    assert_eq!(git.head().await.unwrap(), head);
    for name in ["-d", "a..b", ""] {
        assert!(git.branch_set(name, &commit).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_worktree_that_is_away_for_now_is_kept() {
    let repository = Repository::new();
    let disk = tempfile::tempdir().unwrap();
    let (theirs, away) = (disk.path().join("theirs"), disk.path().join("away"));
    fs::remove_dir_all(repository.path(".git/hooks")).unwrap();
    repository.run(&["worktree", "add", "--quiet", "--detach", theirs.to_str().unwrap()]);
    fs::write(theirs.join("staged"), "work\n").unwrap();
    repository.run(&["-C", theirs.to_str().unwrap(), "add", "staged"]);
    fs::rename(&theirs, &away).unwrap();
    let ours = disk.path().join("ours");
    for _ in 0..2 {
        repository.change(&ours).await;
        fs::remove_dir_all(&ours).unwrap();
    }
    repository.git.worktree_remove(&ours).await.unwrap();
    fs::rename(&away, &theirs).unwrap();
    let status = repository.run(&["-C", theirs.to_str().unwrap(), "status", "--porcelain"]);
    assert_eq!(status, "A  staged\n");
    assert_eq!(repository.run(&["worktree", "list"]).lines().count(), 2, "and nothing of ours is left");
}

#[tokio::test]
async fn a_repository_of_another_user_comes_with_a_hint() {
    let repository = Repository::new();
    // Only root can give a folder away; everybody else owns what they made.
    if std::os::unix::fs::chown(repository.folder.path(), Some(65_534), None).is_err() {
        return;
    }
    let error = repository.git.head().await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("safe.directory")), "{error}: {:?}", error.hint());
}
