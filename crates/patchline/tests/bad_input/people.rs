//! People who ask for what can't be: of a patch that is not there, in the wrong stage, of their own work, of what has
//! changed since they looked.

use std::path::Path;
use std::time::{Duration, Instant};

use patchline_model::event::{Event, Fact};
use patchline_model::patch::Patch;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::review;

use crate::processes::{Guard, wait_until_gone};
use crate::run::{check, patchline, text};
use crate::site::{DEVELOPER, REVIEWER, Site};

const USAGE: i32 = 2;
const REFUSED: i32 = 7;

const PATIENCE: Duration = Duration::from_secs(120);

const LOOK_EVERY: Duration = Duration::from_millis(20);

#[test]
fn what_does_not_exist_can_t_be_steered() {
    let folder = tempfile::TempDir::new().unwrap();
    for command in ["pause", "resume", "promote", "rollback", "abort", "approve"] {
        let arguments = ["--data", text(folder.path()), command, "P-9", "--by", "Ann"];
        check(&mut patchline(&arguments), REFUSED, &["P-9 does not exist"]);
    }
    let review = ["--data", text(folder.path()), "review", "P-9", "--by", "Ann", "--note", "all well"];
    check(&mut patchline(&review), REFUSED, &["P-9 does not exist"]);
    check(
        &mut patchline(&["--data", text(folder.path()), "explain", "P-9"]),
        REFUSED,
        &["P-9 does not exist"],
    );
}

#[test]
fn people_are_refused_with_the_reason() {
    let folder = tempfile::Builder::new().prefix("patchline-people-").tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let change = site.project.change(1, true);
    let id = site.open(&change);
    let mut conductor = site.serve();
    let begun = Instant::now();
    while !matches!(asks(&site.patch(id)), Some(Answer::Needs(_))) {
        assert!(begun.elapsed() < PATIENCE, "nobody was asked to approve:\n{}", site.story());
        std::thread::sleep(LOOK_EVERY);
    }
    conductor.kill().unwrap();
    conductor.wait().unwrap();

    let ask = |arguments: &[&str], by: &str, code: i32, says: &[&str]| {
        asked(&site.data(), arguments, by, code, says);
    };
    let before = site.events(id).unwrap();
    ask(&["approve", "P-1"], DEVELOPER, REFUSED, &["wrote this patch", "hint: "]);
    ask(&["approve", "P-1"], "DANA@example.com", REFUSED, &["wrote this patch"]);
    let other = format!("sha256:{}", "0".repeat(64));
    ask(&["approve", "P-1", "--dossier", &other], REVIEWER, REFUSED, &["has changed since it was shown"]);
    ask(&["approve", "P-1", "--dossier", "seen it"], REVIEWER, USAGE, &["error: "]);
    ask(&["approve", "P-1", "--emergency", "it is exploited"], DEVELOPER, REFUSED, &["wrote this patch"]);
    ask(&["approve", "P-1", "--emergency", " "], REVIEWER, REFUSED, &["needs a reason"]);
    ask(&["review", "P-1", "--note", "all well"], REVIEWER, REFUSED, &["owes no review"]);
    ask(&["promote", "P-1"], REVIEWER, REFUSED, &["P-1 is not approved yet", "hint: "]);
    ask(&["resume", "P-1"], REVIEWER, 0, &[]);
    let unnamed = &mut patchline(&["--data", text(&site.data()), "approve", "P-1"]);
    check(unnamed, USAGE, &["who are you?", "hint: ", "--by"]);
    assert_eq!(site.events(id).unwrap(), before, "what was refused has left no trace");

    for command in ["approve", "pause", "resume"] {
        let before = site.events(id).unwrap().len();
        ask(&[command, "P-1"], REVIEWER, 0, &[]);
        ask(&[command, "P-1"], REVIEWER, 0, &[]);
        assert_eq!(site.events(id).unwrap().len(), before + 1, "asking twice is asking once: {command}");
    }
    for command in ["abort", "rollback"] {
        ask(&[command, "P-1", "--reason", "not today"], REVIEWER, 0, &[]);
        ask(&[command, "P-1", "--reason", "not today"], REVIEWER, 0, &[]);
    }
    let ended = |event: &&Event| matches!(event.fact, Fact::Review(review::Event::Ended(_)));
    assert_eq!(site.events(id).unwrap().iter().filter(ended).count(), 1);
    ask(&["approve", "P-1"], "Kim <kim@example.com>", REFUSED, &["P-1 has ended"]);
    ask(&["pause", "P-1"], REVIEWER, REFUSED, &["P-1 has ended"]);
    site.stop();
    wait_until_gone(&root, |_| false);
}

/// What the policy has answered.
fn asks(patch: &Patch) -> Option<&Answer> {
    patch.approve.decision.as_ref().map(|decision| &decision.answer)
}

#[track_caller]
fn asked(data: &Path, arguments: &[&str], by: &str, code: i32, says: &[&str]) {
    let arguments = [&["--data", text(data)], arguments, &["--by", by]].concat();
    check(&mut patchline(&arguments), code, says);
}
