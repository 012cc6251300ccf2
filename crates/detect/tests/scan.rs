//! A tree, scanned: what is found, what is left out, what is told.

use std::fs;
use std::path::Path;

use patchline_detect::{Advisories, DetectError, Scan, import, scan, scan_parts};
use patchline_model::scanning::Sources;
use tempfile::TempDir;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        write(folder.path(), path, text);
    }
    folder
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, text).expect("a file");
}

/// A lockfile in which `app` needs each of these from the registry.
fn lock(needs: &[&str]) -> String {
    let names: Vec<String> = needs.iter().map(|need| format!(" \"{need}\",\n")).collect();
    let mut text = format!(
        "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\ndependencies = [\n{}]\n",
        names.concat()
    );
    for (name, version) in needs.iter().filter_map(|need| need.split_once(' ')) {
        text +=
            &format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{REGISTRY}\"\n");
    }
    text
}

fn advisories(records: &[&str]) -> Advisories {
    let folder = tree(&[("in.jsonl", &records.join("\n"))]);
    let database = folder.path().join("database");
    import(&[folder.path().join("in.jsonl")], &database).expect("an import");
    let advisories = Advisories::open(&database).expect("a database");
    // What is open stays readable when the folder goes.
    advisories.check().expect("whole");
    advisories
}

/// A record on one line: id, aliases as JSON, package, and whatever its events are.
fn record(id: &str, aliases: &str, package: &str, events: &str, more: &str) -> String {
    format!(
        r#"{{"id": "{id}", "modified": "2024-05-06T07:08:09Z", "aliases": {aliases}, "summary": "{id} says so", "affected": [{{"package": {{"ecosystem": "crates.io", "name": "{package}"}}, "ranges": [{{"type": "SEMVER", "events": [{events}]}}]{more}}}]}}"#
    )
}

fn scanned(folder: &TempDir, advisories: &Advisories) -> Scan {
    scan(folder.path(), advisories).unwrap_or_else(|error| panic!("{error}: {:?}", error.hint()))
}

fn unresolved(scan: &Scan) -> Vec<String> {
    scan.unresolved.iter().map(|one| format!("{}: {}", one.path, one.what)).collect()
}

#[test]
fn the_built_in_record_finds_the_old_yaml_rust() {
    let folder = tree(&[("svc/Cargo.lock", &lock(&["yaml-rust 0.4.0"]))]);
    let scan = scanned(&folder, &Advisories::built_in());
    let [finding] = scan.findings.as_slice() else { panic!("{:?}", scan.findings) };
    assert_eq!(finding.id.0, "RUSTSEC-2018-0006:crates.io/yaml-rust@0.4.0:svc/Cargo.lock");
    assert_eq!(finding.aliases, ["CVE-2018-20993", "GHSA-hv87-47h9-jcvq"]);
    assert_eq!((finding.location.path.as_str(), finding.location.line), ("svc/Cargo.lock", Some(11)));
    assert_eq!(finding.paths, [["app 1.0.0", "yaml-rust 0.4.0"]]);
    assert_eq!(finding.fixed, ["0.4.1"]);
    assert_eq!(finding.severity, ["CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"]);
    assert_eq!(finding.informational, None);
    assert_eq!(scan.inventory.len(), 2);
    assert!(scan.unresolved.is_empty() && scan.advisories.only_built_in);
}

#[test]
fn a_fixed_version_a_git_package_and_a_path_package_are_no_findings() {
    let git = lock(&["yaml-rust 0.4.0"]).replace("registry+", "git+");
    let path = lock(&["yaml-rust 0.4.0"]).replace(&format!("source = \"{REGISTRY}\"\n"), "");
    let folder = tree(&[
        ("a/Cargo.lock", &lock(&["yaml-rust 0.4.1"])),
        ("b/Cargo.lock", &git),
        ("c/Cargo.lock", &path),
    ]);
    let scan = scanned(&folder, &Advisories::built_in());
    assert_eq!((scan.findings.len(), scan.inventory.len()), (0, 6));
}

#[test]
fn a_lockfile_may_be_given_by_itself() {
    let folder = tree(&[("copy.Cargo.lock", &lock(&["yaml-rust 0.4.0"])), ("notes.txt", "")]);
    let found = scan(&folder.path().join("copy.Cargo.lock"), &Advisories::built_in()).expect("a scan");
    assert_eq!(found.findings[0].location.path, "copy.Cargo.lock");
    assert!(scan(&folder.path().join("notes.txt"), &Advisories::built_in()).is_err());
    assert!(scan(&folder.path().join("missing"), &Advisories::built_in()).is_err());
}

#[test]
fn what_is_built_or_vendored_is_left_out() {
    let broken = "no lockfile";
    let folder = tree(&[
        ("Cargo.lock", &lock(&[])),
        ("target/package/Cargo.lock", broken),
        (".git/Cargo.lock", broken),
        ("web/node_modules/x/Cargo.lock", broken),
        ("vendor/x/Cargo.lock", broken),
        ("vendor/x/.cargo-checksum.json", "{}"),
    ]);
    assert_eq!(scanned(&folder, &Advisories::built_in()).inventory.len(), 1);
}

#[test]
fn a_manifest_without_a_lockfile_beside_or_above_is_unresolved() {
    let folder = tree(&[
        ("whole/Cargo.toml", ""),
        ("whole/Cargo.lock", &lock(&[])),
        ("whole/member/Cargo.toml", ""),
        ("alone/Cargo.toml", ""),
    ]);
    let [only] = unresolved(&scanned(&folder, &Advisories::built_in())).try_into().expect("one");
    assert!(only.starts_with("alone/Cargo.toml: there is no `Cargo.lock` beside or above it; "), "{only}");
    assert!(only.contains("`cargo generate-lockfile`"), "{only}");
}

#[test]
fn a_tree_without_any_lockfile_is_not_clean() {
    let scan = scanned(&tree(&[("readme", "")]), &Advisories::built_in());
    let [only] = unresolved(&scan).try_into().expect("one");
    assert!(
        only.starts_with(".: there is no lockfile here; Patchline reads `Cargo.lock`, `package-lock.json`, "),
        "{only}"
    );
}

#[test]
fn links_lead_nowhere_out_of_the_tree() {
    let outside = tree(&[("Cargo.lock", &lock(&["yaml-rust 0.4.0"]))]);
    let folder = tree(&[("locks/prod", &lock(&["yaml-rust 0.4.0"])), ("in/x", ""), ("out/x", "")]);
    let link = |to: &Path, at: &str| std::os::unix::fs::symlink(to, folder.path().join(at)).expect("a link");
    link(&outside.path().join("Cargo.lock"), "out/Cargo.lock");
    link(outside.path(), "folder");
    link(folder.path(), "circle");
    link(Path::new("../locks/prod"), "in/Cargo.lock");
    let scan = scanned(&folder, &Advisories::built_in());
    let places: Vec<&str> = scan.findings.iter().map(|finding| finding.location.path.as_str()).collect();
    assert_eq!(places, ["in/Cargo.lock"]);
    assert_eq!(
        unresolved(&scan),
        ["out/Cargo.lock: it is a link to no file of this tree and was not followed"]
    );
}

#[test]
fn a_lockfile_that_is_cut_off_is_an_error_with_its_place_and_a_hint() {
    let folder = tree(&[("svc/Cargo.lock", "version = 4\n\n[[package]]\nname = \"yaml-ru")]);
    let error = scan(folder.path(), &Advisories::built_in()).expect_err("it is cut off");
    let at = folder.path().join("svc/Cargo.lock");
    assert_eq!(
        error.to_string(),
        format!("could not read `{}:4:16`: invalid basic string, expected `\"`", at.display())
    );
    let hint = "restore the file from version control, or make a new one with `cargo generate-lockfile`";
    assert_eq!(error.hint(), Some(hint));
    fs::write(&at, b"version = 4\nname = \"\xff\"\n").expect("a file");
    let error = scan(folder.path(), &Advisories::built_in()).expect_err("it is no text");
    assert_eq!(error.to_string(), format!("could not read `{}:2:9`: it is not UTF-8", at.display()));
}

#[test]
fn aliases_make_one_finding_under_the_name_of_the_ecosystems_own_database() {
    let zero_to = |fixed: &str| format!(r#"{{"introduced": "0"}}, {{"fixed": "{fixed}"}}"#);
    let informational = r#", "database_specific": {"informational": "unsound"}"#;
    let advisories = advisories(&[
        &record(
            "GHSA-1",
            r#"["CVE-1"]"#,
            "a",
            &zero_to("2.0.0"),
            r#", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/A"}]"#,
        ),
        &record(
            "RUSTSEC-2020-0001",
            r#"["CVE-1"]"#,
            "a",
            &format!(r#"{}, {{"introduced": "1.5.0"}}, {{"fixed": "2.1.0"}}"#, zero_to("1.1.0")),
            informational,
        ),
        &record("RUSTSEC-2020-0009", r#"["CVE-9"]"#, "a", r#"{"introduced": "0"}"#, informational),
    ]);
    let scan = scanned(&tree(&[("Cargo.lock", &lock(&["a 1.0.0"]))]), &advisories);
    let [both, other] = scan.findings.as_slice() else { panic!("{:?}", scan.findings) };
    assert_eq!(
        (both.advisory.as_str(), both.summary.as_str()),
        ("RUSTSEC-2020-0001", "RUSTSEC-2020-0001 says so")
    );
    assert_eq!(both.aliases, ["CVE-1", "GHSA-1"]);
    assert_eq!(both.severity, ["CVSS:3.1/A"]);
    // 1.1.0 is within what the other advisory says, 2.0.0 within the second range of its own.
    assert_eq!(both.fixed, ["2.1.0"]);
    assert_eq!(both.informational, None, "one of the two calls it a vulnerability");
    assert_eq!(
        (other.advisory.as_str(), other.informational.as_deref()),
        ("RUSTSEC-2020-0009", Some("unsound"))
    );
    assert!(other.fixed.is_empty());
}

#[test]
fn two_records_of_one_database_stay_two_even_with_a_common_alias() {
    let all = r#"{"introduced": "0"}"#;
    let advisories = advisories(&[
        &record("RUSTSEC-2026-0001", r#"["GHSA-1"]"#, "a", all, ""),
        &record("RUSTSEC-2026-0002", r#"["GHSA-1"]"#, "a", all, ""),
        &record("GHSA-1", r#"["RUSTSEC-2026-0001", "RUSTSEC-2026-0002", "CVE-1"]"#, "a", all, ""),
    ]);
    let scan = scanned(&tree(&[("Cargo.lock", &lock(&["a 1.0.0"]))]), &advisories);
    let said: Vec<_> =
        scan.findings.iter().map(|one| (one.advisory.as_str(), one.aliases.join(" "))).collect();
    let aliases = "CVE-1 GHSA-1".to_owned();
    assert_eq!(said, [("RUSTSEC-2026-0001", aliases.clone()), ("RUSTSEC-2026-0002", aliases)]);
}

#[test]
fn what_no_scheme_can_order_is_unresolved() {
    let advisories = advisories(&[
        &record("RUSTSEC-2020-0001", "[]", "a", r#"{"introduced": "0"}, {"fixed": "1.1"}"#, ""),
        &record("RUSTSEC-2020-0002", "[]", "b", r#"{"introduced": "0"}"#, ""),
    ]);
    let folder = tree(&[("Cargo.lock", &lock(&["a 1.0.0", "b 1.0", "c v1"]))]);
    let scan = scanned(&folder, &advisories);
    assert!(scan.findings.is_empty());
    assert_eq!(
        unresolved(&scan),
        [
            "Cargo.lock: a 1.0.0: RUSTSEC-2020-0001: \"1.1\" is not a version",
            "Cargo.lock: b 1.0: this is not a version of crates.io",
            "Cargo.lock: c v1: this is not a version of crates.io",
        ]
    );
}

#[test]
fn a_second_scan_says_the_same() {
    let folder =
        tree(&[("b/Cargo.lock", &lock(&["yaml-rust 0.4.0"])), ("a/Cargo.lock", &lock(&["yaml-rust 0.3.0"]))]);
    let (first, second) =
        (scanned(&folder, &Advisories::built_in()), scanned(&folder, &Advisories::built_in()));
    assert_eq!(first, second);
    let places: Vec<&str> = first.findings.iter().map(|finding| finding.location.path.as_str()).collect();
    assert_eq!(places, ["a/Cargo.lock", "b/Cargo.lock"]);
}

#[test]
fn parts_come_in_the_order_of_their_files_and_are_together_the_whole() {
    let advisories = advisories(&[
        &record("R-1", "[]", "a", r#"{"introduced": "0"}"#, ""),
        &record("R-2", "[]", "b", r#"{"introduced": "0"}"#, "").replace("crates.io", "PyPI"),
    ]);
    // Both read a file that is no lockfile by its name.
    let mut files = vec![
        ("x/requirements.txt".to_owned(), "-r ../common.in\nc==1.0\n".to_owned()),
        ("y/requirements.txt".to_owned(), "-r ../common.in\n".to_owned()),
        ("common.in".to_owned(), "b==1.0\n".to_owned()),
        ("odd/Cargo.lock".to_owned(), "version = 9\n".to_owned()),
        ("Cargo.lock".to_owned(), lock(&["a 1.0.0"])),
    ];
    files.extend((0..100).map(|number| {
        let version = format!("a 1.0.{number}");
        (format!("service-{number:03}/Cargo.lock"), lock(&[&version]))
    }));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let folder = tree(&files);
    let whole = scanned(&folder, &advisories);
    let mut parts: Vec<Scan> = Vec::new();
    let sources = Sources::default();
    scan_parts(folder.path(), &advisories, &sources, |part| part, &mut |part| {
        parts.push(part);
        Ok::<(), DetectError>(())
    })
    .expect("a scan");
    let rest = parts.pop().expect("a part for all else");
    assert_eq!(
        rest.findings.iter().map(|one| one.id.0.as_str()).collect::<Vec<_>>(),
        ["R-2:PyPI/b@1.0:common.in"]
    );
    assert!(unresolved(&rest).iter().any(|one| one.starts_with("odd/Cargo.lock: ")), "{:?}", rest.unresolved);
    let places: Vec<&str> = parts
        .iter()
        .flat_map(|part| part.findings.first())
        .map(|finding| finding.location.path.as_str())
        .collect();
    assert!(places.len() == 101 && places.is_sorted(), "{places:?}");
    parts.push(rest);
    let mut ids: Vec<&str> =
        parts.iter().flat_map(|part| &part.findings).map(|finding| finding.id.0.as_str()).collect();
    ids.sort_unstable();
    let mut all: Vec<&str> = whole.findings.iter().map(|finding| finding.id.0.as_str()).collect();
    all.sort_unstable();
    assert_eq!(ids, all);
    let count = |of: fn(&Scan) -> usize| parts.iter().map(of).sum::<usize>();
    assert_eq!(count(|part| part.inventory.len()), whole.inventory.len());
    assert_eq!(count(|part| part.unresolved.len()), whole.unresolved.len());
}

#[test]
fn an_odd_lockfile_below_is_named_and_the_rest_is_scanned() {
    let advisories = advisories(&[&record("R-1", "[]", "inner", r#"{"introduced": "0"}"#, "")]);
    let files =
        [("Cargo.lock", lock(&["inner 1.0.0"])), ("tests/odd/Cargo.lock", "version = 9\n".to_owned())];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let folder = tree(&files);
    let seen = scanned(&folder, &advisories);
    assert_eq!(seen.findings.len(), 1);
    let named = unresolved(&seen);
    assert!(named.len() == 1 && named[0].starts_with("tests/odd/Cargo.lock: "), "{named:?}");
    write(folder.path(), "Cargo.lock", "version = 9\n");
    assert!(scan(folder.path(), &advisories).is_err(), "the one on top is not left out");
}

#[test]
fn a_lockfile_that_is_a_pipe_is_refused_and_not_waited_for() {
    let folder = tree(&[]);
    let pipe = folder.path().join("x.Cargo.lock");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    let error = scan(&pipe, &advisories(&[&record("R-1", "[]", "inner", "", "")])).expect_err("no file");
    assert!(error.to_string().contains("not an ordinary file"), "{error}");
}
