//! What comes later and is little lies over what is there: asked, both are as one file of all of it, whatever interrupts.

use std::fs;
use std::path::{Path, PathBuf};

use patchline_detect::index::build::import_within;
use patchline_detect::index::intake::Limits;
use patchline_detect::{Advisories, Answer, Imported, Shelf};
use patchline_model::package::{Ecosystem, Package};
use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};
use serde_json::{Value, json};
use tempfile::TempDir;

/// However small a file is, what comes later lies over it.
fn over() -> Limits {
    Limits { delta_from: 0, ..Limits::default() }
}

/// Whatever comes goes into the file.
fn into() -> Limits {
    Limits { delta_from: u64::MAX, ..Limits::default() }
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("database")
    }

    fn import(&self, records: &[Value], limits: &Limits) -> Imported {
        let lines: Vec<String> = records.iter().map(Value::to_string).collect();
        let path = self.0.path().join("records.jsonl");
        fs::write(&path, lines.join("\n")).expect("a file");
        import_within(&[path], &self.database(), limits).unwrap_or_else(|error| panic!("{error}"))
    }

    fn has_delta(&self, ecosystem: &str) -> bool {
        self.database().join(format!("{ecosystem}.delta")).exists()
    }

    fn ids(&self, ecosystem: &str, name: &str) -> Vec<String> {
        ask(&self.database(), ecosystem, name, "1.0.0").problems.into_iter().map(|one| one.advisory).collect()
    }
}

fn ask(directory: &Path, ecosystem: &str, name: &str, version: &str) -> Answer {
    let package = Package {
        ecosystem: Ecosystem(ecosystem.to_owned()),
        name: name.to_owned(),
        version: version.to_owned(),
    };
    let advisories = Advisories::open(directory).unwrap_or_else(|error| panic!("{error}"));
    Answer::clone(&advisories.of(&package).unwrap_or_else(|error| panic!("{error}")))
}

fn record(id: &str, day: u8, ecosystem: &str, name: &str) -> Value {
    json!({"id": id, "modified": format!("2024-01-{day:02}T00:00:00Z"), "affected": [
        {"package": {"ecosystem": ecosystem, "name": name}, "versions": ["1.0.0"]}]})
}

#[test]
fn a_newer_record_wins_a_withdrawn_one_hides_and_an_older_one_changes_nothing() {
    let place = Place::new();
    let all: Vec<Value> = (1..5).map(|number| record(&format!("X-{number}"), 5, "npm", "a")).collect();
    place.import(&all, &over());
    let base = fs::read(place.database().join("npm.index")).expect("the file");
    let mut withdrawn = record("X-2", 6, "npm", "a");
    withdrawn["withdrawn"] = json!("2024-01-06T00:00:00Z");
    let delta = [
        record("X-1", 6, "npm", "b"),
        withdrawn,
        record("X-3", 4, "npm", "b"),
        record("X-4", 6, "PyPI", "a"),
        record("X-5", 6, "npm", "a"),
    ];
    place.import(&delta, &over());
    assert_eq!(fs::read(place.database().join("npm.index")).expect("the file"), base, "it is not touched");
    let check = |place: &Place| {
        assert_eq!(place.ids("npm", "a"), ["X-3", "X-5"]);
        assert_eq!(place.ids("npm", "b"), ["X-1"]);
        assert_eq!(place.ids("PyPI", "a"), ["X-4"]);
    };
    check(&place);
    // Another one over it, and then all of it into one.
    place.import(&[record("X-6", 6, "npm", "c")], &over());
    check(&place);
    assert!(place.has_delta("npm"));
    place.import(&[record("X-6", 7, "npm", "c")], &into());
    check(&place);
    assert!(!place.has_delta("npm"));
    assert_eq!(place.ids("npm", "c"), ["X-6"]);
}

#[test]
fn what_left_an_ecosystem_may_come_back() {
    let place = Place::new();
    place.import(&[record("X-1", 1, "npm", "a"), record("X-2", 1, "npm", "a")], &over());
    place.import(&[record("X-1", 2, "PyPI", "a")], &over());
    assert_eq!(place.ids("npm", "a"), ["X-2"]);
    place.import(&[record("X-3", 3, "npm", "c")], &over());
    assert_eq!(place.ids("npm", "a"), ["X-2"], "another one over it does not bring it back");
    place.import(&[record("X-1", 3, "npm", "a")], &over());
    assert_eq!(place.ids("npm", "a"), ["X-1", "X-2"]);
}

#[test]
fn past_its_limits_it_goes_into_the_file_below() {
    let place = Place::new();
    place.import(&[record("X-1", 1, "npm", "a")], &over());
    let few = Limits { delta_records: 2, ..over() };
    place.import(&[record("X-2", 1, "npm", "a"), record("X-3", 1, "npm", "a")], &few);
    assert!(place.has_delta("npm"));
    place.import(&[record("X-4", 1, "npm", "a")], &few);
    assert!(!place.has_delta("npm"));
    assert_eq!(place.ids("npm", "a"), ["X-1", "X-2", "X-3", "X-4"]);
}

#[test]
fn one_problem_told_in_both_files_is_one() {
    let place = Place::new();
    let mut ghsa = record("GHSA-1", 1, "npm", "a");
    ghsa["aliases"] = json!(["CVE-1"]);
    place.import(&[ghsa], &over());
    let mut other = record("MAL-1", 2, "npm", "a");
    other["aliases"] = json!(["CVE-1"]);
    place.import(&[other], &over());
    let answer = ask(&place.database(), "npm", "a", "1.0.0");
    assert_eq!(answer.problems.len(), 1, "{answer:?}");
    assert_eq!(answer.problems[0].aliases, ["CVE-1", "MAL-1"]);
}

#[test]
fn whatever_ends_an_import_both_files_belong_together() {
    let place = Place::new();
    let (below, above) = (place.database().join("npm.index"), place.database().join("npm.delta"));
    place.import(&[record("X-1", 1, "npm", "a")], &over());
    place.import(&[record("X-2", 2, "npm", "a")], &over());
    let (old, delta) = (fs::read(&below).expect("the file"), fs::read(&above).expect("the file"));
    place.import(&[record("X-3", 3, "npm", "a")], &into());
    let new = fs::read(&below).expect("the file");
    // Ended after the new file took its place, and before the small one was taken away.
    fs::write(&above, &delta).expect("a file");
    assert_eq!(place.ids("npm", "a"), ["X-1", "X-2", "X-3"]);
    place.import(&[record("X-4", 4, "npm", "a")], &over());
    assert_eq!(place.ids("npm", "a"), ["X-1", "X-2", "X-3", "X-4"]);
    // Ended before: what is beside is of no matter.
    fs::write(&below, &old).expect("a file");
    fs::write(&above, &delta).expect("a file");
    fs::write(place.database().join("npm.index.partial"), &new[..5000]).expect("a file");
    assert_eq!(place.ids("npm", "a"), ["X-1", "X-2"]);
    // Files of different days are no database.
    let check = |below: Option<&[u8]>, above: &[u8]| {
        match below {
            Some(bytes) => fs::write(place.database().join("npm.index"), bytes).expect("a file"),
            None => fs::remove_file(place.database().join("npm.index")).expect("removed"),
        }
        fs::write(place.database().join("npm.delta"), above).expect("a file");
        let advisories = Advisories::open(&place.database()).expect("it is not needed yet");
        let error = advisories.check().expect_err("it is refused").to_string();
        assert!(error.contains("npm.delta`: it"), "{error}");
    };
    place.import(&[record("X-5", 5, "npm", "a")], &into());
    place.import(&[record("X-6", 6, "npm", "a")], &over());
    let later = fs::read(&above).expect("the file");
    check(Some(&old), &later);
    check(None, &later);
    let mut changed = delta.clone();
    changed[100] ^= 1;
    check(Some(&old), &changed);
}

fn version() -> impl Strategy<Value = String> {
    (0_u8..3, 0_u8..3).prop_map(|(major, minor)| format!("{major}.{minor}.0"))
}

/// A record of few ids, so that later ones meet earlier ones. Aliases are shared within one package alone: across files,
/// records are joined by what both of them are called.
fn any_record() -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("a"), Just("b")];
    let ecosystem = prop_oneof![3 => Just("npm"), 1 => Just("PyPI")];
    let part = (ecosystem, name, version(), prop::collection::vec(version(), 0..2)).prop_map(
        |(ecosystem, name, fixed, versions)| {
            json!({"package": {"ecosystem": ecosystem, "name": name}, "versions": versions,
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]})
        },
    );
    let parts = prop::collection::vec(part, 1..3);
    (0_u8..6, 1_u8..9, parts, 0_u8..5).prop_map(|(id, day, affected, withdrawn)| {
        let mut record = json!({"id": format!("X-{id}"), "modified": format!("2024-01-{day:02}T00:00:00Z"),
            "affected": affected});
        if withdrawn == 0 {
            record["withdrawn"] = json!("2024-01-31T00:00:00Z");
        }
        record
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, cases: 24, ..Default::default() })]

    #[test]
    fn in_layers_or_in_one_file_the_answers_are_the_same(steps in prop::collection::vec(prop::collection::vec(any_record(), 1..4), 2..5)) {
        let (layered, whole) = (Place::new(), Place::new());
        for step in &steps {
            layered.import(step, &over());
            whole.import(step, &into());
        }
        for ecosystem in ["npm", "PyPI"] {
            for name in ["a", "b"] {
                for version in ["0.0.0", "0.1.0", "1.0.0", "2.1.0", "9.0.0"] {
                    let answers = [&layered, &whole].map(|place| ask(&place.database(), ecosystem, name, version));
                    assert_eq!(answers[0], answers[1], "{ecosystem} {name} {version}");
                }
            }
        }
        let advisories = Advisories::open(&layered.database()).expect("a database");
        advisories.check().expect("whole");
        assert!(advisories.sources().flat_map(Shelf::layers).all(|image| image.verify().is_ok()));
    }
}
