//! The advisory database through the binary: fetched from a mirror, held back and let in, old, damaged.

#[path = "binary/run.rs"]
#[allow(dead_code, reason = "other tests make more of it")]
mod run;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use run::{Ran, check, patchline, text};
use tempfile::TempDir;

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.put("project/Cargo.lock", LOCK.as_bytes());
        place
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    /// A mirror with one record, which was changed on this day.
    fn publish(&self, ecosystem: &str, day: u8, events: &str) {
        let record = format!(
            r#"{{"id": "X-1", "modified": "2024-01-{day:02}T00:00:00Z", "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "a"}}, "ranges": [{{"type": "SEMVER", "events": [{events}]}}]}}]}}"#
        );
        self.put(&format!("bucket/{ecosystem}/X-1.json"), record.as_bytes());
        self.put(&format!("bucket/{ecosystem}/all.zip"), &zip_of("X-1.json", record.as_bytes()));
        let feed = format!("2024-01-{day:02}T00:00:00Z,X-1\n");
        self.put(&format!("bucket/{ecosystem}/modified_id.csv"), feed.as_bytes());
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32, says: &[&str]) -> Ran {
        let (data, bucket) = (self.0.path().join("data"), self.0.path().join("bucket"));
        let mut command = patchline(&["--data", text(&data)]);
        for variable in ["PATCHLINE_STALE", "PATCHLINE_STALE_AFTER"] {
            command.env_remove(variable);
        }
        check(command.env("PATCHLINE_OSV_MIRROR", bucket).args(arguments), code, says)
    }

    #[track_caller]
    fn scan(&self, more: &[&str], code: i32, says: &[&str]) -> Ran {
        let project = self.0.path().join("project");
        self.run(&[&["scan", text(&project)], more].concat(), code, says)
    }

    fn index(&self, ecosystem: &str) -> std::path::PathBuf {
        self.0.path().join("data/advisories").join(format!("{ecosystem}.index"))
    }
}

/// A zip of one entry that is stored as it is.
fn zip_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let crc = {
        let mut hasher = flate2::Crc::new();
        hasher.update(bytes);
        hasher.sum()
    };
    let (two, four) = (u16::to_le_bytes, u32::to_le_bytes);
    let sizes = [four(crc), four(bytes.len() as u32), four(bytes.len() as u32)].concat();
    let common =
        [&two(20)[..], &two(0), &two(0), &two(0), &two(33), &sizes, &two(name.len() as u16), &two(0)]
            .concat();
    let local = [&b"PK\x03\x04"[..], &common, name.as_bytes(), bytes].concat();
    let central = [&b"PK\x01\x02"[..], &two(20), &common, &[0; 14], name.as_bytes()].concat();
    let end = [
        &b"PK\x05\x06"[..],
        &[0; 4],
        &two(1),
        &two(1),
        &four(central.len() as u32),
        &four(local.len() as u32),
        &two(0),
    ]
    .concat();
    [local, central, end].concat()
}

fn age(path: &Path, days: u64) {
    let at = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 60);
    File::options().write(true).open(path).expect("a file").set_modified(at).expect("a time");
}

const MENDED: &str = r#"{"introduced": "0"}, {"fixed": "2.0.0"}"#;

#[test]
fn an_update_brings_what_a_scan_finds_and_holds_back_what_is_no_news() {
    let place = Place::new();
    place.publish("crates.io", 1, MENDED);
    let told = place.run(&["db", "update", "--ecosystem", "crates.io"], 0, &["updating crates.io from "]);
    assert!(told.out.contains("crates.io: a snapshot of 1 record\n"), "{}", told.out);
    assert!(place.scan(&[], 1, &[]).out.contains("fixed in 2.0.0"));
    let told = place.run(&["db", "update"], 0, &[]);
    assert!(told.out.contains("crates.io: nothing has changed"), "{}", told.out);
    place.publish("crates.io", 2, r#"{"introduced": "0"}"#);
    place.run(
        &["db", "update"],
        0,
        &["X-1 is held back: it now affects every version of a", "db accept X-1"],
    );
    let status = place.run(&["db", "status"], 0, &[]).out;
    assert!(
        status.contains("crates.io: X-1 is held back: ") && status.contains("up to date today with "),
        "{status}"
    );
    assert!(place.scan(&[], 1, &[]).out.contains("fixed in 2.0.0"), "it goes on as it was known");
    let told = place.run(&["db", "accept", "X-1"], 0, &[]);
    assert!(told.out.contains("X-1 counts now, in crates.io"), "{}", told.out);
    // Without a fix there is nothing to schedule.
    assert!(place.scan(&[], 0, &[]).out.contains("no fixed version is published"));
    place.run(&["db", "accept", "X-1"], 3, &["no record of this id is held back", "hint: "]);
    place.run(&["db", "update", "--mirror", "ftp://127.0.0.1"], 2, &["a mirror by `ftp`", "hint: "]);
    place.run(&["db", "update", "--ecosystem", "Rust"], 3, &["have no order here", "hint: "]);
    place.run(
        &["db", "update", "--mirror", "http://127.0.0.1:1"],
        5,
        &["could not fetch `http://127.0.0.1:1/", "hint: "],
    );
}

#[test]
fn old_advisories_are_a_warning_or_an_error_as_one_likes() {
    let place = Place::new();
    place.publish("crates.io", 1, MENDED);
    place.run(&["db", "update", "--ecosystem", "crates.io"], 0, &[]);
    let old = "the advisories of crates.io are up to ";
    assert!(!place.scan(&["--stale", "error"], 1, &[]).err.contains(old));
    // As if it had been imported, and long ago.
    fs::remove_file(place.0.path().join("data/advisories/updates.json")).expect("removed");
    age(&place.index("crates.io"), 9);
    place.scan(&[], 1, &["warning: the advisories of crates.io are up to 9 days old"]);
    assert!(!place.scan(&["--stale-after", "30", "--stale", "error"], 1, &[]).err.contains(old));
    let scan = place.scan(
        &["--stale", "error"],
        8,
        &["error: the advisories of crates.io are up to 9 days old", "hint: "],
    );
    assert!(scan.out.contains("fixed in 2.0.0"), "what was found is said all the same");
    place.run(&["db", "status"], 0, &["warning: the advisories of crates.io are up to 9 days old"]);
    // A copy of the folder is as old as what it holds, whatever the times of its files say.
    let noted = place.0.path().join("data/advisories/import-times.json");
    let long_ago = SystemTime::now() - Duration::from_secs(9 * 24 * 60 * 60 + 60);
    let seconds = long_ago.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    fs::write(&noted, format!("{{\"crates.io\": {seconds}}}")).expect("written");
    age(&place.index("crates.io"), 0);
    place.scan(&[], 1, &["warning: the advisories of crates.io are up to 9 days old"]);
    fs::write(&noted, "{").expect("written");
    place.scan(&[], 3, &["import-times.json", "it can't be read", "hint: delete it"]);
    fs::remove_file(&noted).expect("removed");
    age(&place.index("crates.io"), 9);
    // It is there again, and as new as it can be.
    place.run(&["db", "update"], 0, &[]);
    assert!(!place.scan(&["--stale", "error"], 1, &[]).err.contains(old));
}

#[test]
fn what_is_damaged_stops_only_the_scan_that_needs_it() {
    let place = Place::new();
    for ecosystem in ["crates.io", "npm"] {
        place.publish(ecosystem, 1, MENDED);
        place.run(&["db", "update", "--ecosystem", ecosystem], 0, &[]);
    }
    let whole = fs::read(place.index("npm")).expect("the file");
    for bytes in [&whole[..100], &[]] {
        fs::write(place.index("npm"), bytes).expect("a file");
        assert!(place.scan(&[], 1, &[]).out.contains("X-1"));
        let status = place.run(&["db", "status"], 3, &["npm.index", "hint: "]);
        assert!(status.out.contains("crates.io: 2 advisories"), "{}", status.out);
    }
    let needs = r#"{"lockfileVersion": 3, "packages": {"": {"name": "x", "version": "1.0.0", "dependencies": {"a": "1"}},
        "node_modules/a": {"version": "1.0.0", "resolved": "https://registry.invalid/a.tgz", "integrity": "sha512-x"}}}"#;
    place.put("project/package-lock.json", needs.as_bytes());
    place.scan(&[], 3, &["npm.index", "hint: "]);
}
