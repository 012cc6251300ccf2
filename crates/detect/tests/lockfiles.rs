//! Whole scans of real lockfiles against whole databases, row by row, against the matcher that is written straight from the
//! OSV text.

#[path = "index/slow.rs"]
#[expect(dead_code, reason = "the index is asked more")]
mod slow;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::env::var_os;
use std::fs;
use std::path::{Path, PathBuf};

use patchline_detect::{Advisories, Scan, import, scan};
use patchline_inventory::Installed;
use patchline_inventory::detectors::DETECTORS;
use patchline_inventory::name::normal;
use patchline_inventory::version::Scheme;
use patchline_model::package::Package;
use patchline_model::stage::detect::Finding;
use serde_json::Value;

use slow::{Slow, affects};

/// Records by ecosystem and normal name.
type Records = BTreeMap<(String, String), Vec<Value>>;

#[test]
fn every_scan_is_to_the_row_what_the_osv_text_says() {
    let (Some(databases), Some(lockfiles)) = (var_os("PATCHLINE_OSV"), var_os("PATCHLINE_LOCKFILES")) else {
        eprintln!(
            "skipped: PATCHLINE_OSV names no folder of OSV zips, or PATCHLINE_LOCKFILES none of lockfiles"
        );
        return;
    };
    let lockfiles = files(Path::new(&lockfiles));
    let mut rows = 0;
    for database in files(Path::new(&databases)) {
        let folder = tempfile::tempdir().expect("a folder");
        import(std::slice::from_ref(&database), folder.path()).unwrap_or_else(|error| panic!("{error}"));
        let (advisories, records) =
            (Advisories::open(folder.path()).expect("a database"), records(&database));
        for lockfile in &lockfiles {
            if !DETECTORS.iter().any(|detector| detector.kind().claims_copy(&name(lockfile))) {
                eprintln!("skipped: {} is no lockfile", name(lockfile));
                continue;
            }
            let scan = scan(lockfile, &advisories).unwrap_or_else(|error| panic!("{error}"));
            let (asked, found) = agree(&scan, &records);
            eprintln!("{} × {}: {asked} packages, {found} rows", name(lockfile), name(&database));
            rows += found;
        }
    }
    assert!(rows > 0, "nothing was found anywhere, so nothing was compared");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn records(database: &Path) -> Records {
    let mut archive = zip::ZipArchive::new(fs::File::open(database).expect("a file")).expect("a zip");
    let mut records = Records::new();
    for index in 0..archive.len() {
        let record: Value =
            serde_json::from_reader(archive.by_index(index).expect("an entry")).expect("JSON");
        let packages: BTreeSet<_> = slow::parts(&record).filter_map(slow::package).collect();
        packages.into_iter().for_each(|package| records.entry(package).or_default().push(record.clone()));
    }
    records
}

/// How many packages were asked for, and how many rows there are.
fn agree(scan: &Scan, records: &Records) -> (usize, usize) {
    let mut packages: BTreeMap<&Package, &Installed> = BTreeMap::new();
    for one in scan.inventory.iter().filter(|one| one.registered) {
        packages.entry(&one.package).or_insert(one);
    }
    let mut found: BTreeMap<&Package, Vec<&Finding>> = BTreeMap::new();
    for finding in &scan.findings {
        found.entry(finding.package.as_ref().expect("a package")).or_default().push(finding);
    }
    for package in found.keys() {
        assert!(packages.contains_key(package), "{package} is found and not there");
    }
    for package in packages.keys() {
        let named = (package.ecosystem.0.clone(), normal(&package.ecosystem, &package.name).into_owned());
        let about: Vec<&Value> = records.get(&named).into_iter().flatten().collect();
        let findings = found.get(package).map(Vec::as_slice).unwrap_or_default();
        compare(package, &about, findings, scan);
    }
    (packages.len(), scan.findings.len())
}

/// The findings of a package name just the records that affect it, and those that nobody can tell of are unresolved.
fn compare(package: &Package, about: &[&Value], findings: &[&Finding], scan: &Scan) {
    let hits: Vec<&Value> =
        about.iter().copied().filter(|record| affects(record, package) == Slow::Yes).collect();
    let expected: BTreeSet<&str> = hits.iter().flat_map(|record| slow::names(record)).collect();
    let told: BTreeSet<&str> = findings.iter().flat_map(|finding| names(finding)).collect();
    assert_eq!(told, expected, "{package}");
    for finding in findings {
        let names: BTreeSet<&str> = names(finding).collect();
        let members: Vec<&Value> = hits.iter().copied().filter(|record| names.contains(id(record))).collect();
        assert!(!members.is_empty(), "{package}: {} is no record", finding.advisory);
        assert_eq!(finding.fixed, fixed(package, &members), "{package}: {}", finding.advisory);
    }
    for record in about.iter().filter(|record| affects(record, package) == Slow::Unknown) {
        let says = format!("{package}: {}: ", id(record));
        let is_left = scan.unresolved.iter().any(|one| one.what.starts_with(&says));
        let is_unread = scan
            .unresolved
            .iter()
            .any(|one| one.what.starts_with(&format!("{package}: this is not a version")));
        assert!(is_left || is_unread || !findings.is_empty(), "{package}: {} is forgotten", id(record));
    }
}

fn names(finding: &Finding) -> impl Iterator<Item = &str> {
    [&finding.advisory].into_iter().chain(&finding.aliases).map(String::as_str)
}

fn id(record: &Value) -> &str {
    record["id"].as_str().expect("an id")
}

/// The versions above this one that some member calls fixed and none calls affected, lowest first, none twice.
fn fixed(package: &Package, members: &[&Value]) -> Vec<String> {
    let scheme = Scheme::of(&package.ecosystem).expect("an order");
    let order = |left: &str, right: &str| Some(scheme.parse(left)?.cmp(&scheme.parse(right)?));
    let is_it = |part: &&Value| {
        slow::package(part).is_some_and(|(ecosystem, name)| {
            ecosystem == package.ecosystem.0 && name == normal(&package.ecosystem, &package.name)
        })
    };
    let mut all: Vec<String> = Vec::new();
    for part in members.iter().flat_map(|record| slow::parts(record)).filter(is_it) {
        let ranges = part["ranges"].as_array().into_iter().flatten().filter(|range| range["type"] != "GIT");
        let events = ranges.flat_map(|range| range["events"].as_array().into_iter().flatten());
        all.extend(events.filter_map(|event| event["fixed"].as_str()).map(str::to_owned));
    }
    all.retain(|version| {
        let then = Package { version: version.clone(), ..package.clone() };
        order(version, &package.version) == Some(Ordering::Greater)
            && members.iter().all(|record| affects(record, &then) == Slow::No)
    });
    all.sort_by(|left, right| order(left, right).unwrap_or(Ordering::Equal));
    all.dedup_by(|left, right| order(left, right) == Some(Ordering::Equal));
    all
}
