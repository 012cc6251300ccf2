//! Patchline's own repository against a few records of our own, of which one speaks of a crate that is really in use.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::text;
use crate::site::{Site, text_of};

const RECORDS: &str = include_str!("records.jsonl");
const HIT: &str = "TEST-2026-0001";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The version of serde in use, and the line that names it.
fn serde() -> (String, usize) {
    let lock = fs::read_to_string(repository().join("Cargo.lock")).unwrap();
    let line = lock.lines().position(|line| line == "name = \"serde\"").unwrap();
    let version = lock.lines().nth(line + 1).and_then(|line| line.split('"').nth(1)).unwrap();
    (version.to_owned(), line + 1)
}

/// A version above the one in use, whatever that is.
fn above() -> String {
    let (version, _) = serde();
    let major: u32 = version.split('.').next().unwrap().parse().unwrap();
    format!("{}.0.0", major + 1)
}

fn site() -> Site {
    Site::with(&RECORDS.replace("ABOVE", &above()))
}

#[track_caller]
fn report(format: &str) -> String {
    site().scan(1, &["--format", format, text(&repository())]).out
}

fn value(format: &str) -> Value {
    serde_json::from_str(&report(format)).unwrap()
}

/// The record's findings in our lockfile; the lockfiles of the examples and of the fuzz targets have serde, too.
fn in_lock(findings: &Value, path: impl Fn(&Value) -> &str) -> Vec<Value> {
    let all = findings.as_array().unwrap().iter();
    all.filter(|finding| path(finding) == "Cargo.lock").cloned().collect()
}

#[test]
fn the_table_tells_where_how_and_what_to_do() {
    let (version, line) = serde();
    let table = report("table");
    for part in [
        format!("{HIT}  serde {version} of crates.io, direct\n  Text that nests deeply"),
        "also known as TEST-CVE-2026-1".to_owned(),
        format!("at Cargo.lock:{line}\n  path patchline"),
        format!("fixed in {}", above()),
    ] {
        assert!(table.contains(&part), "`{part}` is not in\n{table}");
    }
    assert!(!table.contains("TEST-2026-0002") && !table.contains("TEST-2026-0003"), "{table}");
}

#[test]
fn the_json_has_every_field_that_scripts_were_promised() {
    let (version, line) = serde();
    let value = value("json");
    let [finding] = in_lock(&value["findings"], |one| text_of(&one["source"]["path"])).try_into().unwrap();
    assert_eq!(finding["id"], HIT);
    assert_eq!(finding["aliases"], serde_json::json!(["TEST-CVE-2026-1"]));
    let package = serde_json::json!({ "ecosystem": "crates.io", "name": "serde", "version": version });
    assert_eq!(finding["package"], package);
    assert_eq!(finding["source"], serde_json::json!({ "path": "Cargo.lock", "line": line }));
    assert_eq!((&finding["relation"], &finding["scope"]), (&"direct".into(), &"normal".into()));
    let way = finding["paths"][0].as_array().unwrap();
    assert_eq!(way.last().unwrap(), &Value::from(format!("serde {version}")));
    assert_eq!(finding["fixed"], serde_json::json!([above()]));
    assert!(text_of(&finding["severity"][0]).starts_with("CVSS:3.1/"));
    assert_eq!(
        (&finding["priority"]["action"], &finding["informational"]),
        (&"schedule".into(), &Value::Null)
    );
    let summary = &value["summary"];
    assert_eq!(summary["findings"].as_u64(), Some(value["findings"].as_array().unwrap().len() as u64));
    assert_eq!(summary["unresolved"].as_u64(), Some(value["unresolved"].as_array().unwrap().len() as u64));
    assert!(
        summary["packages"].as_u64().unwrap() > 100 && summary["actions"]["schedule"].as_u64() >= Some(1)
    );
}

#[test]
fn sarif_has_a_rule_a_place_and_a_fingerprint() {
    let (version, line) = serde();
    let report = value("sarif");
    let run = &report["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["id"] == HIT).unwrap();
    assert_eq!(rule["properties"]["security-severity"], "7.5");
    assert!(text_of(&rule["help"]["text"]).contains(&format!("serde {version}: fixed in {}", above())));
    let uri = |one: &'_ Value| one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
    let results = run["results"].as_array().unwrap();
    let mut own = results.iter().filter(|one| uri(one) == "Cargo.lock");
    let (result, None) = (own.next().unwrap(), own.next()) else { panic!("{results:?}") };
    assert_eq!((&result["ruleId"], &result["level"]), (&HIT.into(), &"error".into()));
    assert_eq!(rules[result["ruleIndex"].as_u64().unwrap() as usize]["id"], HIT);
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["region"]["startLine"].as_u64(), Some(line as u64));
    assert!(run["originalUriBaseIds"].get(text_of(&place["artifactLocation"]["uriBaseId"])).is_some());
    let prints: BTreeSet<&str> =
        results.iter().map(|one| text_of(&one["partialFingerprints"]["primaryLocationLineHash"])).collect();
    assert_eq!(prints.len(), results.len(), "no two results are one");
}

#[test]
fn cyclonedx_has_every_package_by_its_purl_and_refers_to_nothing_else() {
    let (version, _) = serde();
    let bom = value("cyclonedx");
    let components = bom["components"].as_array().unwrap();
    let mut known: BTreeSet<&str> = components.iter().map(|one| text_of(&one["bom-ref"])).collect();
    assert_eq!(known.len(), components.len());
    known.insert(text_of(&bom["metadata"]["component"]["bom-ref"]));
    assert!(components.iter().all(|one| text_of(&one["purl"]).starts_with("pkg:")));
    for dependency in bom["dependencies"].as_array().unwrap() {
        let needs = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
        needs.for_each(|one| assert!(known.contains(text_of(one)), "{one} is no component"));
    }
    let vulnerabilities = bom["vulnerabilities"].as_array().unwrap();
    let vulnerability = vulnerabilities.iter().find(|one| one["id"] == HIT).unwrap();
    let purl = format!("pkg:cargo/serde@{version}");
    let affected = vulnerability["affects"].as_array().unwrap();
    assert!(affected.iter().any(|one| one["ref"] == purl.as_str()), "{vulnerability}");
    assert_eq!(vulnerability["ratings"][0]["severity"], "high");
}

#[test]
fn spdx_has_every_package_by_its_purl_and_relates_nothing_else() {
    let (version, _) = serde();
    let document = value("spdx");
    let packages = document["packages"].as_array().unwrap();
    let mut known: BTreeSet<&str> = packages.iter().map(|one| text_of(&one["SPDXID"])).collect();
    assert_eq!(known.len(), packages.len());
    known.insert("SPDXRef-DOCUMENT");
    for relationship in document["relationships"].as_array().unwrap() {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(known.contains(text_of(&relationship[end])), "{relationship}");
        }
    }
    let purl = format!("pkg:cargo/serde@{version}");
    let locators = |one: &'_ Value| -> Vec<String> {
        let references = one["externalRefs"].as_array().unwrap().iter();
        references.map(|one| text_of(&one["referenceLocator"]).to_owned()).collect()
    };
    assert!(packages.iter().all(|one| locators(one)[0].starts_with("pkg:")));
    assert!(
        packages.iter().any(|one| locators(one) == [purl.as_str(), HIT]),
        "no package is said to have it"
    );
}

#[test]
fn markdown_is_short_and_names_the_place() {
    let (version, line) = serde();
    let report = report("markdown");
    let row = report.lines().find(|row| row.contains(&format!("`Cargo.lock:{line}`"))).unwrap();
    for part in [
        format!("schedule<br>high 7.5 | {HIT} (TEST-CVE-2026-1)"),
        format!("`serde {version}`<br>direct"),
        format!("`{}`", above()),
    ] {
        assert!(row.contains(&part), "`{part}` is not in\n{row}");
    }
}

#[test]
fn the_same_scan_gives_the_same_bytes_but_for_the_time_that_spdx_demands() {
    let (site, root) = (site(), repository());
    for format in ["table", "json", "sarif", "cyclonedx", "spdx", "markdown"] {
        let timeless = |_: u8| {
            let out = site.scan(1, &["--format", format, text(&root)]).out;
            let is_time =
                |line: &&str| !line.contains("\"created\": ") && !line.contains("\"documentNamespace\": ");
            // Due dates are told by the day, and in JSON by the millisecond.
            out.lines().filter(is_time).map(without_due).collect::<Vec<String>>()
        };
        assert_eq!(timeless(1), timeless(2), "{format}");
    }
}

/// A line without the numbers after `"due":`.
fn without_due(line: &str) -> String {
    let mut parts = line.split("\"due\":");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + part.trim_start_matches(|sign: char| sign.is_ascii_digit()))
}

#[test]
fn a_scan_of_our_own_bills_finds_the_same() {
    let (site, root) = (site(), repository());
    // Ways begin at the folder that a bill is about, so they are longer there.
    let fields = ["id", "aliases", "package", "fixed", "severity", "informational", "relation", "scope"];
    let told = |value: &Value| -> BTreeSet<String> {
        let findings = value["findings"].as_array().unwrap().iter();
        let row =
            |one: &Value| fields.iter().map(|key| one[key].to_string()).collect::<Vec<String>>().join(" ");
        findings.map(row).collect()
    };
    let there = site.value(1, &[text(&root)]);
    assert!(told(&there).len() > 1, "{there:?}");
    for (format, name) in [("cyclonedx", "bom.json"), ("spdx", "own.spdx.json")] {
        let folder = TempDir::new().unwrap();
        let bill = site.scan(1, &["--format", format, text(&root)]).out;
        fs::write(folder.path().join(name), bill).unwrap();
        let back = site.value(1, &[text(folder.path())]);
        assert_eq!(told(&back), told(&there), "{format}");
        assert_eq!(back["unresolved"], serde_json::json!([]), "{format}");
    }
}
