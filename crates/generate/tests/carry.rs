//! Changes carried to other branches, with real git.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands, also in its helpers")]

use std::fs;
use std::path::Path;
use std::process::Command;

use patchline_generate::carry::{Carried, Carry, backport, revert};
use patchline_model::failure::Failure;
use tempfile::TempDir;

const WITHOUT: &str = "fn parse(text: &str) -> u32 {\n    text.len()\n}\n\nfn main() {\n    start();\n}\n";
const BUG: &str =
    "fn parse(text: &str) -> u32 {\n    text.trim().parse().unwrap()\n}\n\nfn main() {\n    start();\n}\n";
const FIXED: &str = "fn parse(text: &str) -> u32 {\n    text.trim().parse().unwrap_or(0)\n}\n\nfn main() {\n    start();\n}\n";
const OTHERWISE: &str = "fn parse(text: &str) -> u32 {\n    text.trim_end().parse().unwrap()\n}\n\nfn main() {\n    start();\n}\n";

/// A repository in which `before` was followed by the bug, and the bug by its fix; and a branch off one of them.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.git(&["init", "--quiet", "--initial-branch=main"]);
        for (text, tag) in [(WITHOUT, "before"), (BUG, "bug"), (FIXED, "fix")] {
            world.commit("src.rs", text, tag);
        }
        world
    }

    fn commit(&self, path: &str, text: &str, tag: &str) {
        fs::write(self.path().join(path), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", tag]);
        self.git(&["tag", tag]);
    }

    /// A branch off a tag, with one more file on it.
    fn branch(&self, from: &str, changes: &[(&str, &str)]) -> String {
        self.git(&["checkout", "--quiet", "-b", "release", from]);
        for (path, text) in changes {
            self.commit(path, text, "on-release");
        }
        self.git(&["rev-parse", "HEAD"])
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("repository")
    }

    fn git(&self, arguments: &[&str]) -> String {
        fs::create_dir_all(self.path()).unwrap();
        let mut git = Command::new("git");
        git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
        let output = git.args(arguments).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn carry(&self, onto: &str) -> Carry {
        let commit = |revision: &str| self.git(&["rev-parse", revision]).parse().unwrap();
        Carry {
            repository: self.path(),
            from: commit("bug"),
            to: commit("fix"),
            onto: commit(onto),
            worktree: self.folder.path().join("work").join("carried"),
            message: "Do not panic\n\nPatchline-Backport-Of: P-7\n".to_owned(),
            author: "Patchline <patchline@localhost>".to_owned(),
            committed_at: 1_700_000_000,
        }
    }

    fn shown(&self, commit: &str) -> String {
        self.git(&["show", &format!("{commit}:src.rs")]) + "\n"
    }
}

async fn carried(world: &World, onto: &str) -> Carried {
    backport(&world.carry(onto)).await.unwrap()
}

#[tokio::test]
async fn a_branch_with_the_problem_gets_the_fix_on_top_and_the_same_commit_each_time() {
    let world = World::new();
    let tip = world.branch("bug", &[("other", "x")]);
    let Carried::Commit(commit) = carried(&world, &tip).await else { panic!("it carries over") };
    assert_eq!(world.shown(commit.as_str()), FIXED);
    assert_eq!(world.git(&["rev-parse", &format!("{commit}^")]), tip);
    assert!(!world.carry(&tip).worktree.exists(), "nothing is left behind");
    assert_eq!(carried(&world, &tip).await, Carried::Commit(commit));
    assert_eq!(world.git(&["status", "--porcelain"]), "", "the checkout is as it was");
}

#[tokio::test]
async fn a_branch_from_before_the_problem_is_not_affected_and_says_by_which_commit() {
    let world = World::new();
    let tip = world.branch("before", &[("other", "x")]);
    let Carried::NotNeeded(why) = carried(&world, &tip).await else { panic!("it is not affected") };
    let origin = world.git(&["rev-parse", "bug"]);
    assert!(why.contains(&origin[..10]), "{why}");
}

#[tokio::test]
async fn the_problem_is_known_again_where_it_came_by_another_commit() {
    let world = World::new();
    let tip = world.branch("before", &[("src.rs", BUG)]);
    assert!(matches!(carried(&world, &tip).await, Carried::Commit(_)));
}

#[tokio::test]
async fn a_branch_that_has_the_fix_needs_none() {
    let world = World::new();
    let tip = world.branch("bug", &[("src.rs", FIXED)]);
    assert_eq!(carried(&world, &tip).await, Carried::NotNeeded("it has the fix already".to_owned()));
}

#[tokio::test]
async fn what_contradicts_is_left_for_a_person_and_not_thrown_away_by_the_next_run() {
    let world = World::new();
    let tip = world.branch("bug", &[("src.rs", OTHERWISE)]);
    assert_eq!(carried(&world, &tip).await, Carried::Conflict { files: vec!["src.rs".to_owned()] });
    let text = fs::read_to_string(world.carry(&tip).worktree.join("src.rs")).unwrap();
    assert!(text.contains("<<<<<<<") && text.contains("unwrap_or(0)") && text.contains("trim_end"), "{text}");
    let Failure { message, .. } = backport(&world.carry(&tip)).await.unwrap_err();
    assert!(message.contains("may hold what a person settled"), "{message}");
}

#[tokio::test]
async fn a_change_is_taken_out_again_once() {
    let world = World::new();
    let Carried::Commit(commit) = revert(&world.carry("fix")).await.unwrap() else { panic!("it goes") };
    assert_eq!(world.shown(commit.as_str()), BUG);
    let again = revert(&world.carry(commit.as_str())).await.unwrap();
    assert_eq!(again, Carried::NotNeeded("nothing of the change is left in it".to_owned()));
}

#[tokio::test]
async fn a_change_to_a_file_that_is_not_there_is_refused_by_name() {
    let world = World::new();
    world.branch("bug", &[]);
    world.git(&["rm", "--quiet", "src.rs"]);
    world.git(&["commit", "--quiet", "--message", "gone"]);
    let failure = backport(&world.carry("release")).await.unwrap_err();
    assert!(failure.message.contains("src.rs") && failure.hint.is_some(), "{failure:?}");
    assert!(!Path::new(&world.carry("release").worktree).exists());
}
