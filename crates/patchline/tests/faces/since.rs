//! `scan --changed`: what a range of commits brought in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cargo_project::{CLEAN, VULNERABLE, cargo_project, git};
use crate::run::{check, patchline, text};
use crate::site::Site;

const HIT: &str = "RUSTSEC-2018-0006";

/// A record that speaks of nothing here; the built-in one is enough.
const RECORD: &str = r#"{"id": "TEST-1", "modified": "2026-01-02T03:04:05Z", "affected": [{"package": {"ecosystem": "crates.io", "name": "patchline-nowhere"}, "versions": ["1.0.0"]}]}"#;

/// A repository whose first commit has a vulnerable lockfile in `old`, and whose second one has another on top.
struct Story {
    _folder: TempDir,
    top: PathBuf,
    site: Site,
}

impl Story {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let top = folder.path().join("project");
        cargo_project(&top, CLEAN, &[("old/Cargo.lock", VULNERABLE), (".gitignore", "ignored\n")]);
        let story = Self { _folder: folder, top, site: Site::with(RECORD) };
        story.write("Cargo.lock", VULNERABLE);
        story.commit();
        story
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self) {
        git(&self.top, &["add", "--all"]);
        git(&self.top, &["commit", "--quiet", "--message", "More"]);
    }

    /// The places that are found.
    #[track_caller]
    fn check(&self, path: &str, range: &str, then: &[&str]) {
        let path = self.top.join(path);
        let code = i32::from(!then.is_empty());
        let found = self.site.found(code, &["--changed", range, text(&path)]);
        let then: Vec<String> = then.iter().map(|place| format!("{HIT} {place}")).collect();
        assert_eq!(found, then, "{range}");
    }
}

#[test]
fn only_what_a_range_brought_in_is_told() {
    let story = Story::new();
    story.check("", "HEAD~1", &["Cargo.lock:17"]);
    story.check("", "HEAD~1..HEAD", &["Cargo.lock:17"]);
    story.check("", "HEAD~1..", &["Cargo.lock:17"]);
    story.check("Cargo.lock", "HEAD~1", &["Cargo.lock:17"]);
    story.check("old", "HEAD~1", &[]);
    story.check("", "HEAD", &[]);
    story.check("", "HEAD..HEAD~1", &[]);
    let value = story.site.value(1, &["--changed", "HEAD~1", text(&story.top)]);
    assert_eq!(value["summary"]["since"], git(&story.top, &["rev-parse", "HEAD~1"]).trim());
    let table = story.site.scan(1, &["--changed", "HEAD~1", text(&story.top)]).out;
    assert!(table.contains("1 finding new or changed since "), "{table}");
}

#[test]
fn what_is_not_committed_counts_where_a_revision_stands_alone() {
    let story = Story::new();
    story.write("new/Cargo.lock", VULNERABLE);
    story.write("ignored/Cargo.lock", VULNERABLE);
    story.check("", "HEAD", &["new/Cargo.lock:17"]);
    story.check("", "HEAD~1..HEAD", &["Cargo.lock:17"]);
    // The checkout is as it was.
    assert_eq!(git(&story.top, &["status", "--porcelain"]), "?? new/\n");
}

#[test]
fn another_order_brings_in_nothing_and_another_use_is_a_change() {
    let story = Story::new();
    let parts: Vec<&str> = VULNERABLE.split("\n\n").collect();
    let turned = [parts[0], parts[3].trim_end(), parts[2], parts[1], ""].join("\n\n");
    story.write("Cargo.lock", &turned);
    story.check("", "HEAD", &[]);
    // Nobody names it any more, so it is another's.
    let parts = [
        "version = 4",
        "[[package]]\nname = \"between\"\nversion = \"1.0.0\"\nsource = \"git+https://git.invalid/between\"\ndependencies = [\n \"yaml-rust\",\n]",
        parts[1],
        &parts[2].replace("yaml-rust", "between"),
        parts[3],
    ];
    let deeper = parts.join("\n\n");
    story.write("Cargo.lock", &deeper);
    story.check("", "HEAD", &["Cargo.lock:25"]);
}

#[test]
fn a_branch_is_compared_with_where_it_left_and_not_with_what_came_after() {
    let story = Story::new();
    git(&story.top, &["switch", "--quiet", "--create", "side", "HEAD~1"]);
    story.write("side/Cargo.lock", VULNERABLE);
    story.commit();
    story.check("", "main", &["side/Cargo.lock:17"]);
    story.check("", "side..main", &["Cargo.lock:17"]);
    story.check("", "main...side", &["side/Cargo.lock:17"]);
}

#[test]
fn what_can_not_be_compared_is_said() {
    let story = Story::new();
    let check_wrong = |folder: &Path, range: &str, says: &[&str]| {
        story.site.scan_at(folder, 3, says, &["--changed", range, "."]);
    };
    check_wrong(&story.top, "nowhere", &["could not find the commit `nowhere`", "hint: "]);
    story.site.scan_at(&story.top, 3, &["that is not a revision"], &["--changed=--all", "."]);
    let apart = TempDir::new().unwrap();
    fs::write(apart.path().join("Cargo.lock"), CLEAN).unwrap();
    check_wrong(apart.path(), "HEAD", &["not a git repository", "hint: "]);
    git(&story.top, &["switch", "--quiet", "--orphan", "other"]);
    story.write("Cargo.lock", CLEAN);
    story.commit();
    check_wrong(&story.top, "main", &["share no history"]);
    git(&story.top, &["switch", "--quiet", "main"]);
    let shallow = TempDir::new().unwrap();
    let from = format!("file://{}", text(&story.top));
    git(shallow.path(), &["clone", "--quiet", "--depth", "1", "--branch", "main", &from, "."]);
    check_wrong(
        shallow.path(),
        "HEAD~1",
        &["could not find the commit `HEAD~1`", "hint: this clone is shallow"],
    );
    let mut without: Command = patchline(&["scan", "--changed", "HEAD", text(&story.top)]);
    check(without.env("PATH", "/nowhere"), 4, &["could not find `git`"]);
}

#[test]
fn a_lockfile_that_could_not_be_read_before_is_new_as_a_whole() {
    let story = Story::new();
    story.write("Cargo.lock", "no lockfile");
    story.commit();
    story.write("Cargo.lock", VULNERABLE);
    let scan = story.site.scan_at(&story.top, 1, &["counts as new"], &["--changed", "HEAD", "."]);
    assert!(scan.out.contains("at Cargo.lock:17"), "{}", scan.out);
}
