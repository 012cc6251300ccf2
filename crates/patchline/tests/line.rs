//! `line` and `freeze` with the real binary: who holds what is said, signed, and lifted again.
#![allow(dead_code, reason = "the module serves several test files, and each uses its part")]

#[path = "binary/run.rs"]
mod run;

use std::path::Path;

use run::{check, json, patchline, run, text};
use serde_json::json;

const USAGE: i32 = 2;
const REFUSED: i32 = 7;

fn says(folder: &Path, arguments: &[&str], parts: &[&str]) {
    let ran = run(patchline(&["--data", text(folder)]).args(arguments));
    assert_eq!(ran.code, 0, "{arguments:?}\n{}\n{}", ran.out, ran.err);
    for part in parts {
        assert!(ran.out.contains(part), "{arguments:?} does not say `{part}`:\n{}", ran.out);
    }
}

#[test]
fn the_line_stops_once_and_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let stop = ["line", "stop", "--by", "Ann", "--reason", "the database burns"];
    says(folder, &["line", "status"], &["the line runs"]);
    says(folder, &stop, &["Ann stops the line for every service: the database burns"]);
    says(folder, &stop, &["nothing changes"]);
    says(folder, &["status"], &["STOPPED: Ann stopped the line for every service", "no patches yet"]);
    let ran = run(&mut patchline(&["--data", text(folder), "line", "status", "--format", "json"]));
    let told = json(&ran);
    assert_eq!(told["line"]["version"], json!(1));
    assert!(told["events"][0]["evidence"].is_string(), "it is signed: {told}");
    let one = ["line", "stop", "--by", "Bob", "--reason", "x", "--service", "notebok"];
    check(patchline(&["--data", text(folder)]).args(one), 0, &["no patch of a service `notebok` is known"]);
    let start = ["line", "start", "--by", "Ann"];
    check(patchline(&["--data", text(folder)]).args(start), 0, &["still stopped for notebok: x (Bob)"]);
    says(
        folder,
        &["line", "start", "--by", "Ann", "--service", "notebok"],
        &["starts the line for notebok again"],
    );
    says(folder, &["line", "status"], &["the line runs", "Bob stops the line for notebok", "[signed "]);
}

#[test]
fn a_freeze_is_listed_until_it_is_lifted() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    says(folder, &["freeze", "list"], &["no freeze"]);
    let add = ["freeze", "add", "--by", "Ann", "--reason", "the sale", "--tier", "1", "--except", "hotfix"];
    let until = ["--from", "2099-11-27T00:00[America/New_York]", "--until", "2099-11-28T00:00:00Z"];
    says(folder, &[&add[..], &until[..]].concat(), &["(F-1): the sale", "2099-11-27T05:00:00.000Z"]);
    says(
        folder,
        &["freeze", "list"],
        &["frozen later: F-1 holds every service of tier 1", "except for hotfixes"],
    );
    says(folder, &["freeze", "lift", "F-1", "--by", "Ann"], &["Ann lifts the freeze F-1"]);
    says(folder, &["freeze", "lift", "F-1", "--by", "Ann"], &["nothing changes"]);
    says(folder, &["freeze", "list"], &["no freeze"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |arguments: &[&str], code: i32, parts: &[&str]| {
        check(patchline(&["--data", text(folder.path())]).args(arguments), code, parts);
    };
    refused(&["line", "stop", "--by", "Ann"], USAGE, &["--reason"]);
    refused(&["line", "stop", "--by", "Ann", "--reason", " "], REFUSED, &["needs a reason"]);
    refused(&["line", "stop", "--reason", "x"], USAGE, &["who are you?"]);
    refused(&["line", "stop", "--by", "Ann", "--reason", "x", "--service", "A B"], USAGE, &["is not a name"]);
    refused(&["freeze", "lift", "F-7", "--by", "Ann"], REFUSED, &["there is no freeze F-7"]);
    let freeze = |until: &str, code: i32, part: &str| {
        refused(&["freeze", "add", "--by", "Ann", "--reason", "x", "--until", until], code, &[part]);
    };
    freeze("2001-01-01T00:00:00Z", REFUSED, "never be in force");
    freeze("2099-01-01T00:00", USAGE, "with its offset or zone");
    freeze("2099-01-01T00:00[Mars/Olympus]", USAGE, "with its offset or zone");
}
