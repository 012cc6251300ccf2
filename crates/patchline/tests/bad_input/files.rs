//! Files that are wrong: settings, lockfiles, advisories, the ledger.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::cargo_project::{CLEAN, SETTINGS, VULNERABLE, cargo_project};
use crate::run::{check, patchline, text};

const INPUT: i32 = 3;

/// An advisory of our own about a package that the vulnerable project has.
const ADVISORY: &str = r#"{
  "id": "EXAMPLE-2026-0001", "modified": "2026-01-02T03:04:05Z", "published": "2026-01-02T03:04:05Z",
  "summary": "An example",
  "affected": [{
    "package": { "ecosystem": "crates.io", "name": "linked-hash-map" },
    "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0.0.0-0" }, { "fixed": "0.6.0" }] }]
  }]
}"#;

/// `fix` with these settings ends before anything is done, and says so.
#[track_caller]
fn check_settings(settings: &str, says: &[&str]) {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, CLEAN, &[("patchline.toml", settings)]);
    for command in ["fix", "serve"] {
        check(&mut patchline(&["--data", text(&data), command, text(&project)]), INPUT, says);
    }
    assert!(!data.exists(), "nothing was begun");
}

#[test]
fn a_wrong_key_is_shown_with_file_line_caret_and_the_right_one() {
    let settings = SETTINGS.replace("owner =", "ovner =");
    check_settings(&settings, &["patchline.toml:3", "ovner", "^^^^^", "hint: did you mean `owner`?"]);
}

#[test]
fn a_wrong_value_is_shown_where_it_stands() {
    let settings = SETTINGS.replace("tier = 3", "tier = 7");
    check_settings(&settings, &["patchline.toml:4:8", "7 is not a tier", "^"]);
}

#[test]
fn settings_that_are_no_toml_are_shown_where_they_break() {
    let settings = SETTINGS.replace("[build]", "[build");
    check_settings(&settings, &["patchline.toml:6", "^"]);
}

#[test]
fn a_lockfile_that_was_cut_off_is_named_with_line_and_column() {
    let folder = TempDir::new().unwrap();
    let end = VULNERABLE.find("57ab38ee").unwrap();
    fs::write(folder.path().join("Cargo.lock"), &VULNERABLE[..end]).unwrap();
    let data = folder.path().join("data");
    let line = VULNERABLE[..end].lines().count();
    let place = format!("Cargo.lock:{line}:");
    check(&mut patchline(&["--data", text(&data), "scan", text(folder.path())]), INPUT, &[&place, "hint: "]);
}

#[test]
fn a_folder_outside_of_git_can_t_be_fixed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"small\"\n").unwrap();
    let data = folder.path().join("data");
    let fix = &mut patchline(&["--data", text(&data), "fix", text(folder.path())]);
    check(fix, INPUT, &["not a git repository", "hint: ", "git init"]);
}

#[test]
fn an_import_that_fails_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let (data, project) = (folder.path().join("data"), folder.path().join("project"));
    cargo_project(&project, VULNERABLE, &[]);
    let good = file(folder.path(), "good.json", ADVISORY.as_bytes());
    let import = |what: &str| patchline(&["--data", text(&data), "db", "import", what]);
    check(&mut import(&good), 0, &[]);
    let before = content(&data.join("advisories"));
    assert!(!before.is_empty(), "the import left something");

    let bad: [(&str, &[u8], &str); 5] = [
        ("all.zip", b"this is no zip", "not a zip file"),
        ("cut-off.zip", b"PK\x03\x04\x14\x00\x00\x00", "not a zip file"),
        ("notes.txt", b"remember the milk", "not clear what it is"),
        ("none.json", b"{\"id\": ", "none.json"),
        ("lines.jsonl", b"", "no records"),
    ];
    for (name, bytes, says) in bad {
        let path = file(folder.path(), name, bytes);
        check(&mut import(&path), INPUT, &["error: ", says]);
        assert_eq!(content(&data.join("advisories")), before, "{name} has changed the advisories");
    }
    check(&mut import("/nowhere/all.zip"), INPUT, &["could not read `/nowhere/all.zip`"]);
    // A good file beside a bad one is not taken in either.
    let bad = file(folder.path(), "all.zip", b"this is no zip");
    check(&mut patchline(&["--data", text(&data), "db", "import", &good, &bad]), INPUT, &[]);
    assert_eq!(content(&data.join("advisories")), before);

    let scan = check(&mut patchline(&["--data", text(&data), "scan", text(&project)]), 1, &[]);
    assert!(scan.out.contains("EXAMPLE-2026-0001"), "what was imported is still used: {}", scan.out);
}

#[test]
fn advisories_that_were_damaged_are_not_used_in_silence() {
    let folder = TempDir::new().unwrap();
    let (data, project) = (folder.path().join("data"), folder.path().join("project"));
    cargo_project(&project, VULNERABLE, &[]);
    let good = file(folder.path(), "good.json", ADVISORY.as_bytes());
    check(&mut patchline(&["--data", text(&data), "db", "import", &good]), 0, &[]);
    let advisories = data.join("advisories");
    for (name, mut bytes) in content(&advisories) {
        // The second block says which versions of the package are affected; the lock is empty.
        if let Some(byte) = bytes.get_mut(4096) {
            *byte ^= 1;
            fs::write(advisories.join(name), bytes).unwrap();
        }
    }
    let scan = &mut patchline(&["--data", text(&data), "scan", text(&project)]);
    check(scan, INPUT, &["could not use the advisories", "hint: "]);
}

#[test]
fn a_ledger_that_is_none_is_named() {
    let folder = TempDir::new().unwrap();
    let ledger = file(folder.path(), "ledger.sqlite", &[b'x'; 8192]);
    check(
        &mut patchline(&["--data", text(folder.path()), "status"]),
        6,
        &[&ledger, "not a database", "hint: "],
    );
    assert_eq!(fs::read(&ledger).unwrap(), [b'x'; 8192], "it is left as it was");
}

#[test]
fn a_line_that_is_no_window_is_named_by_its_number() {
    let folder = TempDir::new().unwrap();
    let lines = file(folder.path(), "lines", b"\nnonsense\n");
    let input = fs::File::open(lines).unwrap();
    let output = patchline(&["judge", "--stdin"]).stdin(input).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(INPUT), "{said}");
    assert!(said.contains("standard input, line 2"), "{said}");
}

#[test]
fn a_window_with_more_errors_than_requests_is_named_and_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let lines = b"{\"type\":\"start\"}\n{\"type\":\"window\",\"canary\":{\"n\":27,\"errors\":30},\"baseline\":{\"n\":470}}\n";
    let input = fs::File::open(file(folder.path(), "lines", lines)).unwrap();
    let output = patchline(&["judge", "--stdin"]).stdin(input).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(INPUT), "{said}");
    for part in [
        "standard input, line 2",
        "canary: 30 errors in 27 requests",
        "hint: errors are some of the requests",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    text(&path).to_owned()
}

/// Every file of a folder with its bytes.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    entries.filter(|path| path.is_file()).map(|path| (named(&path), fs::read(&path).unwrap())).collect()
}
