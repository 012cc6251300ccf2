//! Places, and text that would like to be more than text.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::cargo_project::{CLEAN, VULNERABLE, cargo_project};
use crate::run::{check, json, patchline, text};
use crate::site::{Site, text_of};

const EVIL: &str = r#"{"id": "TEST-EVIL", "modified": "2026-01-02T03:04:05Z", "summary": "a | b\n| c | <img src=x> [click](https://x.invalid) @team \u001b[2J", "affected": [{"package": {"ecosystem": "crates.io", "name": "yaml-rust"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]}"#;

fn sarif(site: &Site, path: &str) -> Value {
    let report: Value = json(&site.scan(1, &["--format", "sarif", path]));
    report["runs"][0]["results"].clone()
}

#[test]
fn places_of_several_paths_begin_at_the_nearest_folder_above_them() {
    let (folder, site) = (TempDir::new().unwrap(), Site::with(EVIL));
    for name in ["one/app", "two/app"] {
        cargo_project(&folder.path().join(name), VULNERABLE, &[]);
    }
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let (one, two) = (path("one/app"), path("two/app/Cargo.lock"));
    assert_eq!(site.found(1, &[&one])[1], "TEST-EVIL Cargo.lock:17");
    let found = site.found(1, &[&one, &two]);
    assert!(found.contains(&"TEST-EVIL one/app/Cargo.lock:17".to_owned()), "{found:?}");
    assert!(found.contains(&"TEST-EVIL two/app/Cargo.lock:17".to_owned()), "{found:?}");
    assert_eq!(found.len(), 4);
    // What is named twice is told once.
    assert_eq!(site.found(1, &[&one, &path("one")]).len(), 2);
    site.scan_at(folder.path(), 3, &["could not read `missing`"], &["one", "missing"]);
}

#[test]
fn lines_say_what_the_json_says_and_the_last_one_how_much() {
    let (folder, site) = (TempDir::new().unwrap(), Site::with(EVIL));
    for number in 0..30 {
        cargo_project(&folder.path().join(format!("team/service-{number:02}")), VULNERABLE, &[]);
    }
    fs::write(folder.path().join("team/package.json"), "{}").unwrap();
    let path = text(folder.path()).to_owned();
    let whole = site.value(1, &[&path]);
    let out = site.scan(1, &["--format", "jsonl", &path]).out;
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str| lines.iter().filter_map(|line| line.get(key)).cloned().collect::<Vec<Value>>();
    // What is due is due from now on.
    let all_undated = |findings: Vec<Value>| findings.into_iter().map(undated).collect::<Vec<Value>>();
    let findings = whole["findings"].as_array().unwrap().clone();
    assert_eq!(all_undated(of("finding")), all_undated(findings));
    assert_eq!(&of("unresolved"), whole["unresolved"].as_array().unwrap());
    assert_eq!(lines.last().unwrap()["summary"], whole["summary"]);
    // A scan that fails has no last line.
    fs::write(folder.path().join("team/service-20/Cargo.lock"), "version = 9\n").unwrap();
    let out = site.scan(3, &["--format", "jsonl", &path]).out;
    assert!(!out.contains("\"summary\":{\"findings\""), "{out}");
}

fn undated(mut finding: Value) -> Value {
    finding["priority"]["due"] = Value::Null;
    let reasons = finding["priority"]["reasons"].as_array_mut().unwrap();
    reasons.retain(|reason| !text_of(reason).starts_with("Due "));
    finding
}

#[test]
fn sarif_tells_places_from_the_top_of_the_repository() {
    let (folder, site) = (TempDir::new().unwrap(), Site::with(EVIL));
    cargo_project(folder.path(), CLEAN, &[("a b/Cargo.lock", VULNERABLE)]);
    let results = sarif(&site, text(&folder.path().join("a b")));
    let place = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(place["uri"], "a%20b/Cargo.lock");
}

#[test]
fn a_fingerprint_stays_when_lines_move() {
    let (folder, site) = (TempDir::new().unwrap(), Site::with(EVIL));
    cargo_project(folder.path(), VULNERABLE, &[]);
    let prints = |_: u8| {
        let results = sarif(&site, text(folder.path()));
        let of = |one: &Value| {
            (one["partialFingerprints"].clone(), one["locations"][0]["physicalLocation"]["region"].clone())
        };
        results.as_array().unwrap().iter().map(of).unzip::<Value, Value, Vec<Value>, Vec<Value>>()
    };
    let (before, lines) = prints(1);
    fs::write(folder.path().join("Cargo.lock"), format!("# A line more.\n{VULNERABLE}")).unwrap();
    let (after, moved) = prints(2);
    assert_eq!(before, after);
    assert_ne!(lines, moved);
}

#[test]
fn what_an_advisory_says_is_text_and_nothing_more() {
    let (folder, site) = (TempDir::new().unwrap(), Site::with(EVIL));
    cargo_project(folder.path(), VULNERABLE, &[]);
    let markdown = site.scan(1, &["--format", "markdown", text(folder.path())]).out;
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 4, "{markdown}");
    for part in ["<img", "[click]", "@team", "https://x"] {
        assert!(!markdown.contains(part), "`{part}` is in\n{markdown}");
    }
    let table = site.scan(1, &[text(folder.path())]).out;
    assert!(!table.contains('\u{1b}') && table.contains("a | b | c | <img src=x>"), "{table}");
    let rule = json(&site.scan(1, &["--format", "sarif", text(folder.path())]));
    let rules = rule["runs"][0]["tool"]["driver"]["rules"].clone();
    let evil = rules.as_array().unwrap().iter().find(|rule| rule["id"] == "TEST-EVIL").unwrap();
    assert!(!text_of(&evil["help"]["markdown"]).contains("<img"), "{evil}");
}

#[test]
fn settings_may_say_which_hosts_are_private_and_nothing_else() {
    let lock = VULNERABLE.replace(
        "registry+https://github.com/rust-lang/crates.io-index",
        "sparse+https://crates.corp.invalid/",
    );
    let (folder, site) = (TempDir::new().unwrap(), Site::with(EVIL));
    cargo_project(folder.path(), &lock, &[]);
    let unmatched = site.value(0, &[text(folder.path())]);
    assert!(
        unmatched["unresolved"]
            .to_string()
            .contains("it comes from a private registry (`crates.corp.invalid`)")
    );
    let settings = folder.path().join("patchline.toml");
    fs::write(&settings, "[scan]\nmirrors = [\"crates.corp.invalid\"]\n").unwrap();
    assert_eq!(site.found(1, &[text(folder.path())]).len(), 2);
    fs::write(&settings, "[scan]\nmirrors = [\"https://crates.corp.invalid\"]\n").unwrap();
    site.scan_at(folder.path(), 3, &["this is not a host", "^", "hint: a name alone"], &["."]);
}

#[test]
fn the_network_is_never_used_and_help_says_so_with_the_exit_codes() {
    let (folder, site) = (TempDir::new().unwrap(), Site::with(EVIL));
    cargo_project(folder.path(), VULNERABLE, &[]);
    let plain = site.scan(1, &[text(folder.path())]).out;
    assert_eq!(site.scan(1, &["--offline", text(folder.path())]).out, plain);
    let nothing = TempDir::new().unwrap();
    let built_in = &mut patchline(&[
        "--data",
        text(nothing.path()),
        "scan",
        "--offline",
        "--format",
        "sarif",
        text(folder.path()),
    ]);
    check(built_in, 1, &["only the built-in advisories are there"]);
    let help = check(&mut patchline(&["scan", "--help"]), 0, &[]).out;
    for part in ["--offline", "--changed <REV>", "Exit codes:", "cyclonedx"] {
        assert!(help.contains(part), "`{part}` is not in\n{help}");
    }
}
