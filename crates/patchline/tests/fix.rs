//! `fix` on real projects: what it leaves, what it leaves alone, and that it never says "all clear" without having looked.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "binary/cargo_project.rs"]
mod cargo_project;
#[path = "binary/run.rs"]
mod run;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cargo_project::{CLEAN, SETTINGS, VULNERABLE, cargo_project, git};
use crate::run::{Ran, check, json, patchline, run, text};

/// A project with this lockfile, and a data folder beside it.
fn project(lockfile: &str, files: &[(&str, &str)]) -> (TempDir, PathBuf, PathBuf) {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, lockfile, files);
    (folder, project, data)
}

/// Runs `fix`; `None` where cargo can reach neither a registry nor a cache, which is said.
fn fix(data: &Path, project: &Path, code: i32) -> Option<Ran> {
    let ran = run(&mut patchline(&["--data", text(data), "fix", "--format", "json", text(project)]));
    if ran.code == 5 {
        eprintln!("skipped: cargo can't get the crates: {}", ran.err);
        return None;
    }
    assert_eq!(ran.code, code, "{}\n{}", ran.out, ran.err);
    Some(ran)
}

/// Whether a conductor for the project says this on standard error, before it is killed.
fn serve_says(data: &Path, project: &Path, wanted: &str) -> bool {
    let said = data.with_file_name("said");
    let mut command = patchline(&["--data", text(data), "serve", "--listen", "127.0.0.1:0", text(project)]);
    command.stdout(Stdio::null()).stderr(File::create(&said).unwrap());
    let mut child = command.spawn().expect("the conductor starts");
    let deadline = Instant::now() + Duration::from_secs(120);
    let is_running = |child: &mut Child| child.try_wait().expect("it can be waited for").is_none();
    let is_said = || fs::read_to_string(&said).unwrap_or_default().contains(wanted);
    while !is_said() && is_running(&mut child) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().and_then(|()| child.wait()).expect("it ends");
    is_said()
}

#[test]
fn a_fix_is_a_branch_with_one_line_moved_and_a_second_run_changes_nothing() {
    let (_folder, project, data) = project(VULNERABLE, &[]);
    fs::write(project.join("src/main.rs"), "fn main() { /* not committed */ }\n").unwrap();
    let Some(first) = fix(&data, &project, 0) else { return };
    assert!(first.err.contains("changes that are not committed"), "{}", first.err);
    let value = json(&first);
    assert_eq!(value["patches"][0]["outcome"], "handed_over", "{value}");
    assert_eq!(git(&project, &["diff", "--name-only", "main", "patchline/P-1"]), "Cargo.lock\n");
    let message = git(&project, &["log", "-1", "--format=%B", "patchline/P-1"]);
    for trailer in ["Patchline-Patch: P-1", "Fixes: RUSTSEC-2018-0006"] {
        assert!(message.contains(trailer), "{message}");
    }
    assert_eq!(git(&project, &["status", "--porcelain"]), " M src/main.rs\n", "the checkout is as it was");
    assert_eq!(git(&project, &["branch", "--show-current"]), "main\n");
    assert_eq!(git(&project, &["worktree", "list"]).lines().count(), 1, "no worktree is left");

    let built: Vec<_> = fs::read_dir(data.join("builds/small")).unwrap().collect();
    assert!(built.is_empty(), "no built tree is left: {built:?}");

    let branches = git(&project, &["for-each-ref"]);
    git(&project, &["branch", "--quiet", "-D", "patchline/P-1"]);
    let second = fix(&data, &project, 0).expect("it asks cargo for nothing");
    assert!(second.err.contains("P-1 has answered this already"), "{}", second.err);
    assert_eq!(git(&project, &["for-each-ref"]), branches, "the branch is back and nothing else has come");
}

#[test]
fn a_dry_run_says_what_would_move_and_leaves_nothing() {
    let (_folder, project, data) = project(VULNERABLE, &[]);
    let refs = git(&project, &["for-each-ref"]);
    let arguments = ["--data", text(&data), "fix", "--dry-run", "--format", "json", text(&project)];
    let ran = run(&mut patchline(&arguments));
    if ran.code == 5 {
        eprintln!("skipped: cargo can't get the crates: {}", ran.err);
        return;
    }
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told = &json(&ran)["patches"][0];
    assert_eq!(
        told["changes"],
        serde_json::json!([{ "package": "yaml-rust", "from": "0.4.0", "to": "0.4.1", "rung": "in_range" }])
    );
    assert_eq!(told["diff"]["files"], 1);
    assert_eq!(git(&project, &["for-each-ref"]), refs);
    assert_eq!(git(&project, &["worktree", "list"]).lines().count(), 1);
    let status = run(&mut patchline(&["--data", text(&data), "status", "--format", "json"]));
    assert_eq!(json(&status)["patches"], serde_json::json!([]), "{}", status.out);
}

#[test]
fn a_lockfile_that_lies_elsewhere_is_left_by_name_while_the_own_one_is_fixed() {
    let fuzz = [("fuzz/Cargo.lock", VULNERABLE)];
    let (_folder, project, data) = project(VULNERABLE, &fuzz);
    let Some(ran) = fix(&data, &project, 0) else { return };
    assert_eq!(json(&ran)["patches"][0]["outcome"], "handed_over");
    assert_eq!(git(&project, &["diff", "--name-only", "main", "patchline/P-1"]), "Cargo.lock\n");
    let report = fs::read_to_string(data.join("reports/P-1.md")).unwrap();
    assert!(report.contains("fuzz"), "{report}");
}

#[test]
fn lockfiles_without_a_fixer_are_no_obstacle_even_when_they_are_broken() {
    let others = [("package-lock.json", "{ broken"), ("requirements.txt", "flask\n"), ("package.json", "{}")];
    let (_folder, project, data) = project(VULNERABLE, &others);
    let Some(ran) = fix(&data, &project, 0) else { return };
    assert_eq!(json(&ran)["patches"][0]["outcome"], "handed_over");
    assert_eq!(git(&project, &["diff", "--name-only", "main", "patchline/P-1"]), "Cargo.lock\n");
}

#[test]
fn other_lockfiles_are_no_answer_for_a_cargo_project() {
    let lock = r#"{ "lockfileVersion": 3, "packages": { "node_modules/a": { "version": "1.0.0" } } }"#;
    let (_folder, project, data) = project(CLEAN, &[("package-lock.json", lock)]);
    git(&project, &["rm", "--quiet", "--cached", "Cargo.lock"]);
    git(&project, &["commit", "--quiet", "--message", "No lockfile"]);
    let fix = &mut patchline(&["--data", text(&data), "fix", text(&project)]);
    check(fix, 3, &["no lockfile could be read in the commit", "commit `Cargo.lock`"]);
}

#[test]
fn where_only_another_lockfile_is_vulnerable_it_says_where_to_go() {
    let (_folder, project, data) = project(CLEAN, &[("fuzz/Cargo.lock", VULNERABLE)]);
    check(
        &mut patchline(&["--data", text(&data), "fix", text(&project)]),
        1,
        &["stands in `fuzz/Cargo.lock`", "`patchline fix fuzz`"],
    );
}

#[test]
fn a_member_of_a_workspace_is_held_against_the_workspaces_lockfile() {
    let member = [("member/patchline.toml", SETTINGS), ("member/src/main.rs", "fn main() {}\n")];
    let (_folder, project, data) = project(VULNERABLE, &member);
    let ran = run(&mut patchline(&["--data", text(&data), "fix", text(&project.join("member"))]));
    assert!(ran.out.contains("1 finding in 3 packages"), "{}\n{}", ran.out, ran.err);
}

#[test]
fn without_a_lockfile_in_the_commit_nothing_is_all_clear() {
    let (_folder, project, data) = project(CLEAN, &[]);
    git(&project, &["rm", "--quiet", "--cached", "Cargo.lock"]);
    git(&project, &["commit", "--quiet", "--message", "No lockfile"]);
    check(
        &mut patchline(&["--data", text(&data), "fix", text(&project)]),
        3,
        &["no lockfile could be read in the commit", "commit `Cargo.lock`"],
    );
}

#[test]
fn a_name_that_nothing_bears_is_no_good_news() {
    let (_folder, project, data) = project(VULNERABLE, &[]);
    let arguments = ["--data", text(&data), "fix", "--only", "nonsuch", text(&project)];
    check(&mut patchline(&arguments), 3, &["`nonsuch` names no finding here"]);
}

#[test]
fn nothing_to_fix_is_0_and_is_asked_once() {
    let (_folder, project, data) = project(CLEAN, &[]);
    for _ in 0..2 {
        let ran = fix(&data, &project, 0).expect("it asks cargo for nothing");
        assert_eq!(json(&ran)["patches"][0]["outcome"], "nothing_to_do");
        assert_eq!(json(&ran)["patches"][0]["id"], "P-1");
        assert!(ran.err.contains("only the built-in advisories"), "{}", ran.err);
    }
}

#[test]
fn fix_goes_by_what_the_settings_say_of_registries() {
    let elsewhere = "registry+https://mirror.invalid/index";
    let lockfile = VULNERABLE.replace("registry+https://github.com/rust-lang/crates.io-index", elsewhere);
    let only = "RUSTSEC-2018-0006";
    for (scan, is_found) in [("", false), ("[scan]\nmirrors = [\"mirror.invalid\"]\n", true)] {
        for service in ["", SETTINGS] {
            let (_folder, project, data) =
                project(&lockfile, &[("patchline.toml", &format!("{service}{scan}"))]);
            if service.is_empty() && scan.is_empty() {
                fs::remove_file(project.join("patchline.toml")).unwrap();
            }
            let arguments = ["--data", text(&data), "fix", "--dry-run", "--only", only, text(&project)];
            let ran = run(&mut patchline(&arguments));
            let is_unknown = ran.err.contains("names no finding here");
            assert_eq!(!is_unknown, is_found, "{service}{scan}: {} {}", ran.out, ran.err);
        }
    }
}

#[test]
fn advisories_that_are_too_old_for_the_settings_are_no_all_clear() {
    let record = r#"{"id": "TEST-1", "modified": "2026-01-02T03:04:05Z", "affected": [{"package": {"ecosystem": "crates.io", "name": "patchline-nowhere"}, "versions": ["1.0.0"]}]}"#;
    // What was imported a moment ago is older than no day at all.
    let scan = |stale: &str| format!("[scan]\nstale_after_days = 0\nstale = \"{stale}\"\n");
    let (folder, project, data) = project(CLEAN, &[("patchline.toml", &scan("error"))]);
    let records = folder.path().join("records.jsonl");
    fs::write(&records, record).unwrap();
    check(&mut patchline(&["--data", text(&data), "db", "import", text(&records)]), 0, &[]);
    let says = ["the advisories of crates.io are up to 0 days old", "hint: "];
    check(&mut patchline(&["--data", text(&data), "fix", text(&project)]), 3, &says);
    check(&mut patchline(&["--data", text(&data), "scan", text(&project)]), 8, &says);
    let arguments = ["--data", text(&data), "scan", "--stale-after", "1", text(&project)];
    assert!(!check(&mut patchline(&arguments), 0, &[]).err.contains("days old"));
    fs::write(project.join("patchline.toml"), scan("warn")).unwrap();
    let old = "warning: the advisories of crates.io are up to 0 days old; `patchline db update`";
    check(&mut patchline(&["--data", text(&data), "scan", text(&project)]), 0, &[old]);
    let ran = fix(&data, &project, 0).expect("it asks cargo for nothing");
    assert_eq!(json(&ran)["patches"][0]["outcome"], "nothing_to_do");
    assert_eq!(ran.err.matches(old).count(), 1, "{}", ran.err);
    check(&mut patchline(&["--data", text(&data), "fix", "--dry-run", text(&project)]), 0, &[old]);
    assert!(serve_says(&data, &project, "warning: small: the advisories of crates.io are up to 0 days old"));
    // A person's change that says what it answers is held against the same advisories.
    git(&project, &["switch", "--quiet", "--create", "mine"]);
    fs::write(project.join("src/main.rs"), "fn main() { /* mine */ }\n").unwrap();
    git(&project, &["commit", "--quiet", "--message", "Mine", "src/main.rs"]);
    git(&project, &["switch", "--quiet", "main"]);
    let from = ["--data", text(&data), "fix", "--from", "mine", "--only", "TEST-1", text(&project)];
    check(&mut patchline(&from), 3, &[old, "`TEST-1` names no finding here"]);
    fs::write(project.join("patchline.toml"), scan("warn").replace("= 0", "= 1")).unwrap();
    let ran = fix(&data, &project, 0).expect("it asks cargo for nothing");
    assert!(!ran.err.contains("days old"), "{}", ran.err);
}
