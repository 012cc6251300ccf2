//! Updates from a mirror: a folder, and a server of this machine. Nothing is replaced unless what came is whole and makes
//! sense, and what broke off is taken up again.

#[path = "../../connect/tests/local/server.rs"]
mod server;

use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use patchline_connect::{Client, Settings};
use patchline_detect::index::intake::Limits;
use patchline_detect::update::accept::accept;
use patchline_detect::update::mirror::Mirror;
use patchline_detect::update::run::{self, Updated};
use patchline_detect::update::state::Updates;
use patchline_detect::{Advisories, DetectError};
use patchline_model::package::{Ecosystem, Package};
use serde_json::{Value, json};
use server::{Asked, Reply, Server, answer, bytes};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

struct Place {
    folder: TempDir,
    limits: Limits,
}

impl Place {
    fn new() -> Self {
        let limits = Limits { delta_from: 0, ..Limits::default() };
        Self { folder: tempfile::tempdir().expect("a folder"), limits }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("database")
    }

    fn bucket(&self) -> PathBuf {
        self.folder.path().join("bucket")
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.bucket().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    /// The bucket has these records; in its snapshot are those that changed by this day.
    fn publish(&self, ecosystem: &str, records: &[Value], by: u8) {
        let time = |record: &Value| record["modified"].as_str().expect("a time").to_owned();
        let mut feed: Vec<String> = Vec::new();
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for record in records {
            let id = record["id"].as_str().expect("an id");
            feed.push(format!("{},{id}\n", time(record)));
            self.put(&format!("{ecosystem}/{id}.json"), record.to_string().as_bytes());
            if time(record) < format!("2024-01-{:02}T", by + 1) {
                zip.start_file(format!("{id}.json"), SimpleFileOptions::default()).expect("an entry");
                zip.write_all(record.to_string().as_bytes()).expect("bytes");
            }
        }
        feed.sort_by(|left, right| right.cmp(left));
        self.put(&format!("{ecosystem}/modified_id.csv"), feed.concat().as_bytes());
        self.put(&format!("{ecosystem}/all.zip"), &zip.finish().expect("a zip").into_inner());
        self.put("ecosystems.txt", b"npm\nPyPI\nDebian\nDebian:12\nNobody's\n");
    }

    fn update(&self, mirror: &str) -> Result<Updated, DetectError> {
        let settings = Settings {
            wait: Duration::ZERO,
            silence: Duration::from_millis(500),
            tries: 1,
            ..Settings::default()
        };
        let mirror = Mirror::of(mirror, Client::new(settings).expect("a client"));
        block_on(run::update(&self.database(), &mirror, "npm", &self.limits))
    }

    fn update_from_folder(&self) -> Updated {
        self.update(&self.bucket().display().to_string()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn ids(&self, name: &str) -> Vec<String> {
        let package = Package {
            ecosystem: Ecosystem("npm".to_owned()),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
        };
        let answer = Advisories::open(&self.database()).expect("a database").of(&package).expect("an answer");
        answer.problems.iter().map(|problem| problem.advisory.clone()).collect()
    }

    /// All files of the database that a scan reads.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let Ok(entries) = fs::read_dir(self.database()) else { return Vec::new() };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let is_read = |path: &PathBuf| path.extension().is_some_and(|end| end == "index" || end == "delta");
        let mut files: Vec<_> =
            paths.filter(is_read).map(|path| (path.clone(), fs::read(path).expect("a file"))).collect();
        files.sort();
        files
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

fn record(id: &str, day: u8, name: &str) -> Value {
    json!({"id": id, "modified": format!("2024-01-{day:02}T00:00:00Z"), "affected": [
        {"package": {"ecosystem": "npm", "name": name}, "ranges": [{"type": "SEMVER",
            "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]})
}

#[test]
fn a_snapshot_comes_first_then_what_changed_and_then_nothing() {
    let place = Place::new();
    place.publish("npm", &[record("X-1", 1, "a"), record("X-2", 2, "a"), record("X-3", 3, "a")], 2);
    let first = place.update_from_folder();
    // What the snapshot lacked came by itself.
    assert_eq!((first.snapshot, first.records, place.ids("a").len()), (true, 3, 3));
    let base = place.files();
    let mut withdrawn = record("X-1", 5, "a");
    withdrawn["withdrawn"] = json!("2024-01-05T00:00:00Z");
    place.publish(
        "npm",
        &[withdrawn, record("X-2", 2, "a"), record("X-3", 3, "a"), record("X-4", 5, "b")],
        2,
    );
    let second = place.update_from_folder();
    assert_eq!((second.snapshot, second.records, second.missing), (false, 2, 0));
    assert_eq!(
        (place.ids("a"), place.ids("b")),
        (vec!["X-2".to_owned(), "X-3".to_owned()], vec!["X-4".to_owned()])
    );
    assert_eq!(place.files()[1], base[1], "the large file is as it was");
    let third = place.update_from_folder();
    assert_eq!((third.snapshot, third.records), (false, 0));
    let updates = Updates::load(&place.database()).expect("it is noted");
    assert_eq!(updates.ecosystems["npm"].newest.as_deref(), Some("2024-01-05T00:00:00Z"));
}

#[test]
fn a_snapshot_that_lags_far_behind_is_told_and_made_good_later() {
    let place = Place::new();
    let mut all = vec![record("X-1", 1, "a")];
    all.extend((0..2001).map(|number| record(&format!("Y-{number}"), 3, "b")));
    place.publish("npm", &all, 1);
    let first = place.update_from_folder();
    assert_eq!((first.snapshot, first.behind), (true, 2001));
    assert_eq!((place.ids("a").len(), place.ids("b").len()), (1, 0));
    place.publish("npm", &all, 3);
    let second = place.update_from_folder();
    assert_eq!((second.snapshot, second.behind), (true, 0));
    assert_eq!(place.ids("b").len(), 2001);
}

#[test]
fn an_update_is_of_its_ecosystem_alone() {
    let place = Place::new();
    let mut both = record("X-1", 1, "a");
    let affected = both["affected"].as_array_mut().expect("a list");
    affected.push(json!({"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1.0"]}));
    place.publish("npm", &[both], 1);
    place.update_from_folder();
    let advisories = Advisories::open(&place.database()).expect("a database");
    assert!(advisories.knows(&Ecosystem("npm".to_owned())));
    assert!(!advisories.knows(&Ecosystem("PyPI".to_owned())), "a part is no all-clear for the rest");
}

#[test]
fn without_any_said_those_there_are_updated_and_else_all_that_are_listed() {
    let place = Place::new();
    place.publish("npm", &[record("X-1", 1, "a")], 1);
    let mirror = Mirror::Folder(place.bucket());
    let listed = || block_on(run::ecosystems(&place.database(), &mirror)).expect("names");
    assert_eq!(listed(), ["Debian", "PyPI", "npm"]);
    place.update_from_folder();
    assert_eq!(listed(), ["npm"]);
    let error = block_on(run::update(&place.database(), &mirror, "Nobody's", &place.limits));
    assert!(error.expect_err("it is refused").to_string().contains("have no order here"));
}

/// Serves the bucket as it is, as an object store does; `otherwise` may answer first.
fn serve(
    place: &Place,
    otherwise: impl Fn(&Asked, usize) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let bucket = Arc::new(place.bucket());
    Server::new(move |asked, number| {
        if let Some(reply) = otherwise(asked, number) {
            return reply;
        }
        let Ok(body) = fs::read(bucket.join(asked.path.trim_start_matches('/'))) else {
            return answer("404 Not Found", &[], b"");
        };
        let etag = format!("\"{:x}\"", body.len());
        let from = asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        match from.and_then(|from| from.parse::<usize>().ok()) {
            Some(from) if asked.header("if-range") == Some(&etag) => {
                let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
                answer("206 Partial Content", &[("etag", &etag), ("content-range", &range)], &body[from..])
            }
            _ => answer("200 OK", &[("etag", &etag)], &body),
        }
    })
}

#[test]
fn a_snapshot_that_broke_off_is_taken_up_again() {
    let place = Place::new();
    place.publish("npm", &[record("X-1", 1, "a"), record("X-2", 2, "b")], 2);
    let whole = fs::read(place.bucket().join("npm/all.zip")).expect("a zip");
    let etag = format!("\"{:x}\"", whole.len());
    let half = bytes("200 OK", &[("etag", &etag)], &whole[..whole.len() / 2], whole.len());
    let server = serve(&place, move |asked, number| {
        (asked.path == "/npm/all.zip" && number < 2).then(|| Reply::Bytes(half.clone()))
    });
    let error = place.update(&server.url("")).expect_err("it broke off");
    assert!(
        error.to_string().starts_with(&format!("could not fetch `{}`", server.url("/npm/all.zip"))),
        "{error}"
    );
    assert!(place.files().is_empty());
    let updated = place.update(&server.url("")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((updated.records, place.ids("a")), (2, vec!["X-1".to_owned()]));
    let range = format!("bytes={}-", whole.len() / 2);
    assert!(
        server.asked().iter().any(|asked| asked.header("range") == Some(&range)),
        "only the rest is fetched"
    );
    assert_eq!(fs::read_dir(place.database().join("incoming")).expect("a folder").count(), 0);
}

#[test]
fn what_makes_no_sense_is_named_and_changes_nothing() {
    let place = Place::new();
    let first = [record("X-1", 1, "a")];
    place.publish("npm", &first, 1);
    place.update_from_folder();
    place.publish("npm", &[record("X-1", 1, "a"), record("X-2", 2, "a")], 1);
    let before = place.files();
    let check = |path: &'static str, reply: fn() -> Reply, then: &str| {
        let server = serve(&place, move |asked, _| (asked.path == path).then(reply));
        let error = place.update(&server.url("")).expect_err("it is refused");
        assert!(error.to_string().contains(&server.url(path)), "{error}");
        assert!(error.to_string().contains(then), "{error}");
        assert!(error.hint().is_some());
        assert_eq!(place.files(), before);
    };
    let page = || answer("200 OK", &[], b"<html>Sign in</html>");
    check("/npm/modified_id.csv", page, "line 1 is not `<time>,<id>`");
    check("/npm/X-2.json", page, "it is not the OSV record of this id");
    check("/npm/X-2.json", || answer("503 Busy", &[], b""), "answered 503");
    check("/npm/X-2.json", || Reply::Silence(Vec::new()), "fell silent");
    check("/npm/X-2.json", || Reply::Bytes(bytes("200 OK", &[], b"{", 900)), "broke off");
    check(
        "/npm/X-2.json",
        || answer("200 OK", &[("x-goog-hash", "crc32c=AAAAAA==")], b"{}"),
        "does not have the checksum",
    );
    // A record that is named and not there is told, and no reason to leave out the others.
    let server =
        serve(&place, |asked, _| (asked.path == "/npm/X-2.json").then(|| answer("404 Not Found", &[], b"")));
    let updated = place.update(&server.url("")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((updated.records, updated.missing), (0, 1));
    // It is asked for again, though the feed says nothing new: with another one, and until it is there.
    place.publish("npm", &[record("X-1", 1, "a"), record("X-2", 2, "a"), record("X-3", 3, "a")], 1);
    let server =
        serve(&place, |asked, _| (asked.path == "/npm/X-2.json").then(|| answer("404 Not Found", &[], b"")));
    let updated = place.update(&server.url("")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((updated.records, updated.missing), (1, 1));
    let updated = place.update_from_folder();
    assert_eq!((updated.snapshot, updated.records, updated.missing), (false, 1, 0));
    assert_eq!(place.ids("a"), ["X-1", "X-2", "X-3"]);
    assert_eq!(place.update_from_folder().records, 0);
}

#[test]
fn what_is_newer_than_the_snapshot_is_counted_once() {
    let place = Place::new();
    // The snapshot has an older word on what changed after it.
    place.publish("npm", &[record("X-1", 1, "a"), record("X-2", 1, "a")], 1);
    let zip = fs::read(place.bucket().join("npm/all.zip")).expect("the snapshot");
    place.publish("npm", &[record("X-1", 1, "a"), record("X-2", 2, "b"), record("X-3", 2, "c")], 2);
    place.put("npm/all.zip", &zip);
    let updated = place.update_from_folder();
    assert_eq!((updated.snapshot, updated.records), (true, 3));
    assert_eq!(place.ids("b"), ["X-2"]);
}

#[test]
fn a_snapshot_that_is_none_is_refused_and_fetched_anew() {
    let place = Place::new();
    place.publish("npm", &[record("X-1", 1, "a")], 1);
    let server = serve(&place, |asked, number| {
        (asked.path == "/npm/all.zip" && number < 2)
            .then(|| answer("200 OK", &[("etag", "\"1\"")], b"PK no zip"))
    });
    let error = place.update(&server.url("")).expect_err("it is refused");
    assert!(error.to_string().contains("it is not a zip file"), "{error}");
    assert!(place.files().is_empty());
    assert_eq!(place.update(&server.url("")).unwrap_or_else(|error| panic!("{error}")).records, 1);
}

#[test]
fn more_changes_than_are_fetched_one_by_one_bring_a_snapshot() {
    let place = Place::new();
    place.publish("npm", &[record("X-0", 1, "a")], 1);
    place.update_from_folder();
    let many: Vec<Value> = (0..2100).map(|number| record(&format!("X-{number}"), 2, "a")).collect();
    place.publish("npm", &many, 2);
    let updated = place.update_from_folder();
    assert_eq!((updated.snapshot, updated.records), (true, 2100));
}

#[test]
fn a_slip_of_the_database_is_held_back_until_a_person_lets_it_in() {
    let place = Place::new();
    let mut filler: Vec<Value> =
        (0..200).map(|number| record(&format!("F-{number}"), 1, &format!("f{number}"))).collect();
    filler.push(record("X-1", 1, "a"));
    place.publish("npm", &filler, 1);
    place.update_from_folder();
    let endless = |id: &str, day: u8, name: &str| {
        let mut record = record(id, day, name);
        record["affected"][0]["ranges"][0]["events"] = json!([{"introduced": "0"}]);
        record
    };
    let mut broad = record("X-3", 2, "b0");
    broad["affected"] = (0..60)
        .map(|number| json!({"package": {"ecosystem": "npm", "name": format!("b{number}")}, "versions": ["1.0.0"]}))
        .collect();
    let with = |more: &[Value]| [&filler[..200], more].concat();
    // A known record without its end, a new one without one, and one that names packages without number.
    place.publish("npm", &with(&[endless("X-1", 2, "a"), endless("MAL-2", 2, "evil"), broad]), 1);
    let updated = place.update_from_folder();
    let why: Vec<(&str, &str)> =
        updated.held.iter().map(|(id, held)| (id.as_str(), held.why.as_str())).collect();
    assert_eq!(
        why,
        [
            ("X-1", "it now affects every version of a, and did not before"),
            ("X-3", "it newly names 60 packages, of 201 that are named at all"),
        ]
    );
    assert_eq!(
        (place.ids("a"), place.ids("evil"), place.ids("b7")),
        (vec!["X-1".to_owned()], vec!["MAL-2".to_owned()], vec![])
    );
    assert!(place.update_from_folder().held.is_empty(), "it is not news a second time");
    let held = || Updates::load(&place.database()).expect("it is noted").ecosystems["npm"].held.len();
    assert_eq!(held(), 2);
    assert_eq!(accept(&place.database(), "X-3", &place.limits).expect("it is let in"), ["npm"]);
    assert_eq!((place.ids("b7"), held()), (vec!["X-3".to_owned()], 1));
    assert!(accept(&place.database(), "X-3", &place.limits).is_err(), "it is not held back any more");
    // The database mends its record, and the wait is over.
    place.publish("npm", &with(&[record("X-1", 3, "a"), endless("MAL-2", 2, "evil")]), 1);
    place.update_from_folder();
    assert_eq!((place.ids("a"), held()), (vec!["X-1".to_owned()], 0));
}
