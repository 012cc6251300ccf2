//! The index against a matcher that shares nothing with it but the order of versions: written from the OSV text alone, over
//! the records' own JSON.

#[path = "index/slow.rs"]
mod slow;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use patchline_detect::{Advisories, import};
use patchline_model::package::{Ecosystem, Package};
use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};
use serde_json::{Value, json};

use slow::{Slow, affects};

/// Records in the shapes of real databases, one a line.
const SHAPES: &str = include_str!("index/shapes.jsonl");

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn imported(records: &[Value]) -> Advisories {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let path = folder.path().join("all.jsonl");
    fs::write(&path, lines.join("\n")).expect("a file");
    import(&[path], &folder.path().join("database")).expect("an import");
    // What is open stays readable when the folder goes.
    let advisories = Advisories::open(&folder.path().join("database")).expect("a database");
    advisories.check().expect("whole");
    advisories
}

/// All packages of the records, each with the versions that the records name and some around them.
fn questions(records: &[Value]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut questions: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for part in records.iter().flat_map(slow::parts) {
        let Some(package) = slow::package(part) else { continue };
        let versions = questions.entry(package).or_default();
        versions.extend(["0", "0.0.0", "1.0.0", "999999.0.0", "not a version"].map(str::to_owned));
        for version in slow::versions(part) {
            versions.extend([format!("{version}.1"), format!("{version}-1"), format!("{version}rc1")]);
            versions.insert(version);
        }
    }
    questions
}

/// The names of all that the index says: of each problem, and of what it leaves open.
fn said(advisories: &Advisories, package: &Package) -> (BTreeSet<String>, BTreeSet<String>) {
    let answer = advisories.of(package).unwrap_or_else(|error| panic!("{package}: {error}"));
    let names = answer
        .problems
        .iter()
        .flat_map(|problem| [std::slice::from_ref(&problem.advisory), &problem.aliases].concat());
    let open = answer.unresolved.iter().filter_map(|what| what.split(": ").next()).map(str::to_owned);
    (names.collect(), open.collect())
}

/// Every record that the slow matcher finds is named, every record that is named as a hit was found, and what is open is
/// open to both. Returns how many questions were asked.
fn agree(records: &[Value], advisories: &Advisories, most_versions: usize) -> usize {
    let mut by_package: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for record in records {
        let packages: BTreeSet<_> = slow::parts(record).filter_map(slow::package).collect();
        packages.into_iter().for_each(|package| by_package.entry(package).or_default().push(record));
    }
    let mut asked = 0;
    for ((ecosystem, name), versions) in questions(records) {
        let about = &by_package[&(ecosystem.clone(), name.clone())];
        let step = versions.len().div_ceil(most_versions);
        for version in versions.into_iter().step_by(step) {
            asked += 1;
            let package = Package { ecosystem: Ecosystem(ecosystem.clone()), name: name.clone(), version };
            let (named, open) = said(advisories, &package);
            let answers: Vec<Slow> = about.iter().map(|record| affects(record, &package)).collect();
            let hits = || about.iter().zip(&answers).filter(|(_, answer)| **answer == Slow::Yes);
            // A record that does not hit may still be told as another name of one that does.
            let told: BTreeSet<&str> = hits().flat_map(|(record, _)| slow::names(record)).collect();
            for (record, answer) in about.iter().zip(&answers) {
                let id = record["id"].as_str().expect("an id");
                match answer {
                    Slow::Yes => assert!(named.contains(id), "{package} is not said to have {id}"),
                    Slow::No => {
                        assert!(!named.contains(id) || told.contains(id), "{package} is said to have {id}");
                        assert!(!open.contains(id), "{id} is left open for {package}");
                    }
                    Slow::Unknown => {
                        assert!(
                            open.contains(id) || !named.is_empty(),
                            "{id} is not left open for {package}"
                        );
                    }
                }
            }
        }
    }
    asked
}

#[test]
fn the_index_and_the_slow_matcher_agree_on_records_in_real_shapes() {
    let records = records(SHAPES);
    assert!(agree(&records, &imported(&records), usize::MAX) > 200);
}

#[test]
fn what_the_shapes_are_there_for() {
    let advisories = imported(&records(SHAPES));
    let check = |ecosystem: &str, package: &str, then: &[&str], open: &[&str]| {
        let (name, version) = package.split_once(' ').expect("a name and a version");
        let package = Package {
            ecosystem: Ecosystem(ecosystem.to_owned()),
            name: name.to_owned(),
            version: version.to_owned(),
        };
        let answer = advisories.of(&package).expect("an answer");
        let said: Vec<&str> = answer.problems.iter().map(|problem| problem.advisory.as_str()).collect();
        let left: Vec<&str> = answer.unresolved.iter().filter_map(|what| what.split(": ").next()).collect();
        assert_eq!((said, left), (then.to_vec(), open.to_vec()), "{package} of {ecosystem}");
    };
    // Ranges of commits come first and hide nothing.
    check("PyPI", "octoprint 1.8.2", &["PYSEC-2022-1"], &[]);
    check("PyPI", "OctoPrint 1.8.3", &[], &[]);
    // Listed versions are compared as Python does, names by PEP 503.
    check("PyPI", "Some.Package 1.0", &["PYSEC-2023-2"], &[]);
    check("PyPI", "some_package 1.0.0", &["PYSEC-2023-2"], &[]);
    check("PyPI", "some-package 1.0.1", &[], &[]);
    // npm means versions to the letter where they are listed.
    check("npm", "evil 1.0.0", &["MAL-2024-1"], &[]);
    check("npm", "evil 1.0.0+build", &[], &[]);
    // Several pairs in one range, and the same package twice in one record.
    check("Go", "stdlib 1.20.3", &["GO-2023-1"], &[]);
    check("Go", "stdlib 1.20.4", &[], &[]);
    check("Go", "stdlib 1.21.0", &["GO-2023-1"], &[]);
    check("Go", "stdlib 1.30.5", &["GO-2023-1"], &[]);
    // Releases of a distribution are ecosystems of their own.
    check("Debian:12", "openssl 3.0.11-1~deb12u1", &["DSA-5532-1"], &[]);
    check("Debian:12", "openssl 3.0.11-1~deb12u2", &[], &[]);
    check("Debian:11", "openssl 3.0.11-1~deb12u1", &[], &[]);
    check("Alpine:v3.19", "busybox 1.36.1-r14", &["ALPINE-1"], &[]);
    check("Alpine:v3.19", "busybox 1.36.1-r15", &[], &[]);
    // The last affected version is affected, the first limited one is not.
    check("Maven", "org.example:lib 2.0", &["GHSA-last"], &[]);
    check("Maven", "org.example:lib 2.0.1", &[], &[]);
    check("RubyGems", "limited 1.9.9", &["GHSA-limit"], &[]);
    check("RubyGems", "limited 2.0.0", &[], &[]);
    // Withdrawn records and those with nothing in them say nothing.
    check("npm", "withdrawn 1.0.0", &[], &[]);
    check("npm", "empty 1.0.0", &[], &[]);
    // What can't be read is left open, but for what hits elsewhere.
    check("npm", "odd 1.0.0", &[], &["GHSA-odd"]);
    check("npm", "odd 3.0.0", &["GHSA-odd"], &[]);
    check("npm", "later 1.0.0", &[], &["GHSA-later"]);
    // Case is no matter to NuGet, and is one to npm.
    check("NuGet", "newtonsoft.json 12.0.3", &["GHSA-nuget"], &[]);
    check("npm", "Evil 1.0.0", &[], &[]);
}

#[test]
fn the_index_and_the_slow_matcher_agree_on_whole_databases() {
    let Some(folder) = std::env::var_os("PATCHLINE_OSV") else {
        eprintln!("skipped: PATCHLINE_OSV names no folder of OSV zips");
        return;
    };
    let database = tempfile::tempdir().expect("a folder");
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "zip"))
        .collect();
    paths.sort();
    import(&paths, database.path()).unwrap_or_else(|error| panic!("{error}"));
    let advisories = Advisories::open(database.path()).expect("a database");
    for path in paths {
        let records = zipped(&path);
        let asked = agree(&records, &advisories, 24);
        eprintln!("{}: {} records, {asked} questions", path.display(), records.len());
        assert!(asked > 0, "{} holds nothing to ask", path.display());
    }
}

fn zipped(path: &Path) -> Vec<Value> {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).expect("a file")).expect("a zip");
    let mut records = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).expect("an entry");
        records.push(serde_json::from_reader(entry).expect("JSON"));
    }
    records
}

fn versions() -> impl Strategy<Value = String> {
    let tail =
        prop_oneof![Just(""), Just(".0"), Just("-1"), Just("-rc.1"), Just("a1"), Just("+x"), Just(" z")];
    (0_u8..3, 0_u8..3, tail).prop_map(|(major, minor, tail)| format!("{major}.{minor}{tail}"))
}

fn part() -> impl Strategy<Value = Value> {
    let ecosystem = prop_oneof![
        Just("npm"),
        Just("PyPI"),
        Just("Maven"),
        Just("Debian:12"),
        Just("RubyGems"),
        Just("crates.io")
    ];
    let name = prop_oneof![Just("a"), Just("A"), Just("a-b"), Just("a_b")];
    let bound = prop_oneof![1 => Just("0".to_owned()), 5 => versions()];
    let kind = prop_oneof![3 => Just("introduced"), 3 => Just("fixed"), 1 => Just("last_affected"), 1 => Just("limit")];
    let event = (kind, bound).prop_map(|(kind, at)| json!({ kind: at }));
    let kind = prop_oneof![5 => Just("ECOSYSTEM"), 1 => Just("GIT"), 1 => Just("NEW")];
    let range = (kind, prop::collection::vec(event, 0..6))
        .prop_map(|(kind, events)| json!({"type": kind, "events": events}));
    let lists = (prop::collection::vec(range, 0..3), prop::collection::vec(versions(), 0..4));
    (ecosystem, name, lists).prop_map(|(ecosystem, name, (ranges, versions))| {
        json!({"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, "versions": versions})
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_index_and_the_slow_matcher_agree_on_anything(all in prop::collection::vec((prop::collection::vec(part(), 0..4), 0..4_u8), 1..6)) {
        let records: Vec<Value> = all.into_iter().enumerate().map(|(number, (affected, withdrawn))| {
            let mut record = json!({"id": format!("X-{number}"), "modified": "2024-01-01T00:00:00Z", "affected": affected});
            if withdrawn == 0 {
                record["withdrawn"] = json!("2024-01-01T00:00:00Z");
            }
            record
        }).collect();
        agree(&records, &imported(&records), usize::MAX);
    }
}
