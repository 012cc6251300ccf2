//! The demo from its first line to its last, on the real thing: one patch is promoted, one comes back by itself, no user
//! request is lost, and nothing is left behind.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "binary/processes.rs"]
#[expect(dead_code, reason = "the test with kills looks at more of a process")]
mod processes;
#[path = "binary/run.rs"]
#[expect(dead_code, reason = "the tests of bad input hold more against what should be")]
mod run;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use patchline_model::id::Stage;
use processes::{Guard, wait_until_gone};
use run::{json, patchline};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

const LOOK_EVERY: Duration = Duration::from_millis(50);

#[test]
fn the_demo_promotes_one_patch_and_takes_the_other_back() {
    let folder = tempfile::Builder::new().prefix("patchline-demo-test-").tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let _guard = Guard(root.clone());
    if let Err(why) = fetch(&root.join("fetched")) {
        eprintln!("skipped: cargo can't get the crates of the example: {why}");
        return;
    }
    let temporary = root.join("temporary");
    fs::create_dir_all(&temporary).unwrap();

    let play = || run::run(patchline(&["demo", "--format", "json"]).env("TMPDIR", &temporary));
    let mut ran = play();
    // One good canary in a hundred may be taken back, by the plan's own word: a second in a row is no chance.
    if ran.code == 1 && json(&ran)["patches"][0]["outcome"] == "rolled_back" {
        eprintln!("a false alarm, within alpha; once more: {}", ran.out);
        ran = play();
    }
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(ran.out.lines().count(), 1, "one JSON object and nothing else: {}", ran.out);
    let value = json(&ran);
    let patches = value["patches"].as_array().unwrap();
    assert_eq!(patches.len(), 2, "{value}");
    check_patch(&patches[0], "promoted");
    check_patch(&patches[1], "rolled_back");
    eprintln!("from the verdict until the bad version had no share: {} s", patches[1]["rollback_seconds"]);

    wait_until_gone(&temporary, |_| false);
    wait_until_empty(&temporary);
}

#[track_caller]
fn check_patch(patch: &Value, outcome: &str) {
    let is_good = outcome == "promoted";
    assert_eq!(patch["outcome"], outcome, "{patch}");
    assert!(patch["id"].as_str().unwrap().starts_with("P-"), "{patch}");
    assert!(!patch["title"].as_str().unwrap().is_empty(), "{patch}");
    let stages = patch["stages"].as_object().unwrap();
    let known: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
    assert!(stages.keys().all(|name| known.contains(&name.as_str())), "{patch}");
    assert!(stages.values().all(|seconds| seconds.as_f64().is_some_and(|seconds| seconds >= 0.0)), "{patch}");
    for stage in ["generate", "build", "verify", "rollout"] {
        assert!(stages.contains_key(stage), "{stage} has no time: {patch}");
    }
    assert_eq!(patch["rollback_seconds"].is_null(), is_good, "{patch}");
    let requests = |name: &str| patch[name].as_u64().unwrap();
    assert!(requests("requests_total") > 0, "{patch}");
    assert_eq!(requests("requests_failed_by_shift"), 0, "{patch}");
    assert_eq!(requests("requests_failed_by_canary") > 0, !is_good, "{patch}");
}

/// Has cargo fetch what the example needs before and after its fix; from the network only what is not on this machine.
fn fetch(folder: &Path) -> Result<(), String> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/notebook");
    fs::create_dir_all(folder.join("src")).unwrap();
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(example.join(file), folder.join(file)).unwrap();
    }
    fs::create_dir_all(folder.join("src/bin")).unwrap();
    for file in ["src/main.rs", "src/bin/reproduce.rs"] {
        fs::write(folder.join(file), "fn main() {}\n").unwrap();
    }
    try_both(folder, &["fetch", "--locked"])?;
    try_both(folder, &["update", "--package", "yaml-rust", "--precise", "0.4.1"])?;
    try_both(folder, &["fetch", "--locked"])
}

fn try_both(folder: &Path, words: &[&str]) -> Result<(), String> {
    let cargo = |more: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(words).args(more).current_dir(folder).env("CARGO_NET_RETRY", "0");
        let output = command.output().map_err(|error| error.to_string())?;
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said()) }
    };
    cargo(&["--offline"]).or_else(|_| cargo(&[]))
}

/// What a process that was just ending had in the folder is gone with it.
#[track_caller]
fn wait_until_empty(folder: &Path) {
    let begun = Instant::now();
    loop {
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "left behind: {left:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}
