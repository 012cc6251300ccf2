//! Samples and tests of the documents about an artifact: SBOM and provenance.

use std::collections::BTreeMap;
use std::sync::Arc;

use patchline_inventory::detector::{Installed, Relation, Scope};
use patchline_model::digest::{Commit, Digest};
use patchline_model::id::FindingId;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::service::{Build, CommandLine, Service};
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_model::stage::generate::{Candidate, Kind};
use serde_json::Value;

use crate::builder::Made;
use crate::listed::Listed;
use crate::provenance::provenance;
use crate::sbom::{Patched, cyclonedx};

pub(crate) fn commit() -> Commit {
    "b".repeat(40).parse().unwrap()
}

pub(crate) fn service() -> Service {
    Service {
        name: "notebook".parse().unwrap(),
        owner: "team-notebook".to_owned(),
        tier: 1.try_into().unwrap(),
        repository: "/srv/notebook".to_owned(),
        folder: String::new(),
        build: Build {
            prepare: None,
            command: CommandLine(["cargo", "build", "--release"].map(str::to_owned).to_vec()),
            artifact: "target/release/notebook".to_owned(),
        },
        test: None,
        agents: Vec::new(),
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    }
}

pub(crate) fn made() -> Made {
    let package = |name: &str, source: Option<&str>, checksum: Option<String>, needs: &[&str]| {
        let package = |name: &str| Package {
            ecosystem: Ecosystem::crates_io(),
            name: name.to_owned(),
            version: "1.0.0+x".to_owned(),
        };
        Installed {
            package: package(name),
            also: Vec::new(),
            location: Location { path: "Cargo.lock".to_owned(), line: None },
            relation: if source.is_none() { Relation::Own } else { Relation::Transitive },
            scope: if name == "two" { Scope::Dev } else { Scope::Normal },
            paths: Vec::new(),
            dependencies: needs.iter().map(|name| Arc::new(package(name))).collect(),
            checksum,
            source: source.map(str::to_owned),
            registered: source.is_some_and(|source| source.contains("crates.io-index")),
        }
    };
    Made {
        artifact: "/srv/builds/a/target/release/notebook".into(),
        name: "notebook".to_owned(),
        digest: Digest::of(b"notebook"),
        bytes: 8,
        second: Some(Digest::of(b"notebook")),
        tree: "/srv/builds/a".into(),
        log: "== build\n".to_owned(),
        command: service().build.command,
        isolation: "bubblewrap".to_owned(),
        toolchain: "rustc 1, cargo 1".to_owned(),
        started_epoch_ms: 1_000,
        finished_epoch_ms: 2_000,
        epoch_seconds: 1_709_210_096,
        environment: BTreeMap::new(),
        listed: Listed {
            packages: vec![
                package("notebook", None, None, &["one", "two"]),
                package(
                    "one",
                    Some("registry+https://example.org/crates.io-index"),
                    Some("c".repeat(64)),
                    &[],
                ),
                package("one", Some("git+https://example.org/one?rev=1#2"), None, &["one"]),
                package("two", Some("registry+https://example.org/other"), Some("d".repeat(64)), &[]),
            ],
            lockfiles: vec![("Cargo.lock".to_owned(), Digest::of(b"lock"))],
            unresolved: Vec::new(),
        },
    }
}

fn candidate() -> Candidate {
    Candidate {
        number: 1,
        fixer: "dependency".to_owned(),
        kind: Kind::Dependency,
        title: "Update one".to_owned(),
        rationale: String::new(),
        author: "patchline".to_owned(),
        branch: "patchline/P-1".to_owned(),
        base: "a".repeat(40).parse().unwrap(),
        commit: commit(),
        diff: Digest::of(b"diff"),
        files: Vec::new(),
        moves: Vec::new(),
        removes: vec![FindingId("1".to_owned())],
        leaves: Vec::new(),
    }
}

fn finding(id: &str, advisory: &str) -> Finding {
    Finding {
        id: FindingId(id.to_owned()),
        source: Source::Report,
        advisory: advisory.to_owned(),
        aliases: Vec::new(),
        summary: String::new(),
        package: None,
        location: Location { path: "Cargo.lock".to_owned(), line: None },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

fn document() -> Value {
    let (candidate, findings) = (candidate(), [finding("1", "RUSTSEC-2018-0006"), finding("2", "RUSTSEC-1")]);
    let patched = Patched { candidate: &candidate, findings: &findings };
    cyclonedx(&made(), &service(), &commit(), Some(patched))
}

#[test]
fn the_same_input_gives_the_same_document() {
    assert_eq!(document().to_string(), document().to_string());
    let other = Made { digest: Digest::of(b"other"), ..made() };
    let other = cyclonedx(&other, &service(), &commit(), None);
    assert_ne!(document()["serialNumber"], other["serialNumber"]);
    assert_eq!(document()["metadata"]["timestamp"], "2024-02-29T12:34:56.000Z");
}

#[test]
fn the_serial_number_is_a_uuid_of_version_8() {
    let serial = document()["serialNumber"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = serial.strip_prefix("urn:uuid:").unwrap().split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert!(parts[2].starts_with('8') && parts[3].starts_with(['8', '9', 'a', 'b']), "{serial}");
}

#[test]
fn every_reference_has_one_entry_and_means_one_thing() {
    let document = document();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut references: Vec<String> =
        document["components"].as_array().unwrap().iter().map(|part| text(&part["bom-ref"])).collect();
    references.push(text(&document["metadata"]["component"]["bom-ref"]));
    let mut entries: Vec<String> =
        document["dependencies"].as_array().unwrap().iter().map(|entry| text(&entry["ref"])).collect();
    references.sort();
    entries.sort();
    assert_eq!(references, entries);
    entries.dedup();
    assert_eq!(entries.len(), 5, "two packages of one name and version are told apart by their source");
    for entry in document["dependencies"].as_array().unwrap() {
        let known = entry["dependsOn"].as_array().unwrap().iter().all(|on| references.contains(&text(on)));
        assert!(known, "{entry}");
    }
    assert_eq!(document["dependencies"][0]["dependsOn"][0], "pkg:generic/notebook@1.0.0%2Bx");
}

#[test]
fn what_is_not_known_is_not_called_complete() {
    let check = |listed: Listed, aggregate: &str| {
        let document = cyclonedx(&Made { listed, ..made() }, &service(), &commit(), None);
        assert_eq!(document["compositions"][0]["aggregate"], aggregate);
    };
    check(made().listed, "complete");
    check(Listed { unresolved: vec!["x".to_owned()], ..made().listed }, "incomplete");
    check(Listed::default(), "unknown");
}

#[test]
fn packages_are_named_by_where_they_come_from() {
    let document = document();
    let purls: Vec<&str> = document["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["purl"].as_str().unwrap())
        .collect();
    let expected = [
        "pkg:cargo/one@1.0.0%2Bx",
        "pkg:cargo/one@1.0.0%2Bx?vcs_url=git%2Bhttps:%2F%2Fexample.org%2Fone%3Frev%3D1%232",
        "pkg:cargo/two@1.0.0%2Bx?repository_url=https:%2F%2Fexample.org%2Fother",
        "pkg:generic/notebook@1.0.0%2Bx",
    ];
    assert_eq!(purls, expected);
    assert_eq!(document["components"][0]["hashes"][0]["content"], "c".repeat(64));
    assert_eq!(document["components"][2]["scope"], "excluded", "it is there for tests");
}

#[test]
fn the_artifact_says_what_it_was_patched_with() {
    let document = document();
    let pedigree = &document["metadata"]["component"]["pedigree"];
    assert_eq!(pedigree["ancestors"][0]["version"], "a".repeat(40));
    assert_eq!(pedigree["patches"][0]["diff"]["url"], Digest::of(b"diff").as_str());
    let resolves = pedigree["patches"][0]["resolves"].as_array().unwrap();
    assert_eq!(resolves.len(), 1, "only what the candidate removes");
    assert_eq!(resolves[0]["id"], "RUSTSEC-2018-0006");
    let base = cyclonedx(&made(), &service(), &commit(), None);
    assert!(base["metadata"]["component"].get("pedigree").is_none());
}

#[test]
fn the_provenance_is_honest_about_isolation_and_rebuild() {
    let check = |made: Made, builder: &str, rebuilt: &str| {
        let predicate = provenance(&made, &service(), &commit(), "P-7/build/1");
        assert_eq!(predicate["runDetails"]["builder"]["id"], builder);
        assert_eq!(predicate["patchline_rebuilt"], rebuilt);
        predicate
    };
    let wrapped = "https://patchline.dev/builder/local-bubblewrap";
    let predicate = check(made(), wrapped, "identical");
    let source = &predicate["buildDefinition"]["resolvedDependencies"];
    assert_eq!(source[0]["digest"]["gitCommit"], commit().as_str());
    assert_eq!(source[1]["name"], "Cargo.lock");
    assert_eq!(source[1]["digest"]["sha256"], Digest::of(b"lock").hex());
    assert_eq!(predicate["runDetails"]["metadata"]["startedOn"], "1970-01-01T00:00:01.000Z");
    check(Made { second: Some(Digest::of(b"x")), ..made() }, wrapped, "different");
    let process = Made { isolation: "process".to_owned(), second: None, ..made() };
    check(process, "https://patchline.dev/builder/local-process", "not tried");
}
