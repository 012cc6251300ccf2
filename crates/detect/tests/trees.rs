//! Trees of several ecosystems: what is entered, what lies beside what, and what a broken file does to the rest.

use std::fs;
use std::path::Path;

use patchline_detect::{Advisories, DetectError, Scan, scan};
use tempfile::TempDir;

const LOCK: &str = r#"{ "lockfileVersion": 3, "packages": { "node_modules/a": { "version": "1.0.0" } } }"#;
const CARGO: &str = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\n";

fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn scanned(path: &Path) -> Result<Scan, DetectError> {
    scan(path, &Advisories::built_in())
}

/// The packages as `path name version`, then what is unresolved as `path: what`.
#[track_caller]
fn check(files: &[(&str, &str)], then: &[&str]) {
    let folder = tree(files);
    let scan = scanned(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let packages = scan.inventory.iter().map(|one| format!("{} {}", one.location.path, one.package));
    // Only crates.io is built in, and each tree here would say of its ecosystems that they are not.
    let others =
        scan.unresolved.iter().filter(|one| !one.what.contains("there are no advisories of it here"));
    let unresolved = others.map(|one| format!("{}: {}", one.path, one.what));
    let said: Vec<String> = packages.chain(unresolved).collect();
    assert_eq!(said, then);
}

#[test]
fn folders_that_git_ignores_are_not_entered_and_a_lockfile_counts_all_the_same() {
    check(
        &[
            (".gitignore", "/out/\nbuilt\n!kept/built\npackage-lock.json\n"),
            ("package-lock.json", LOCK),
            ("out/package-lock.json", LOCK),
            ("x/built/package-lock.json", LOCK),
            ("kept/.gitignore", "!built\n"),
            ("kept/built/package-lock.json", LOCK),
            ("x/out/package-lock.json", LOCK),
        ],
        &[
            "kept/built/package-lock.json a 1.0.0",
            "package-lock.json a 1.0.0",
            "x/out/package-lock.json a 1.0.0",
        ],
    );
}

#[test]
fn what_a_file_includes_is_read_where_it_lies_and_never_outside() {
    let outside = tree(&[("outside.txt", "evil==1.0\n")]);
    let folder = tree(&[
        (
            "app/requirements.txt",
            "-r ../common/base.txt\n-r ../../outside.txt\n-r link.txt\n-r requirements-dev.txt\n",
        ),
        ("app/requirements-dev.txt", "pytest==7.0\n"),
        ("common/base.txt", "six==1.16.0\n"),
    ]);
    let link = folder.path().join("app/link.txt");
    std::os::unix::fs::symlink(outside.path().join("outside.txt"), link).expect("a link");
    let scan = scanned(folder.path()).expect("a scan");
    let packages: Vec<String> =
        scan.inventory.iter().map(|one| format!("{} {}", one.location.path, one.package)).collect();
    assert_eq!(packages, ["app/requirements-dev.txt pytest 7.0", "common/base.txt six 1.16.0"]);
    let missing: Vec<Option<u32>> =
        scan.unresolved.iter().map(|one| one.line).filter(Option::is_some).collect();
    assert_eq!(missing, [Some(2), Some(3)], "{:?}", scan.unresolved);
}

#[test]
fn an_ecosystem_without_advisories_is_named_and_not_taken_for_clean() {
    let folder = tree(&[("package-lock.json", LOCK)]);
    let said = scanned(folder.path()).expect("it can be read").unresolved;
    let said: Vec<&str> = said.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(said, ["1 packages of npm were not judged: there are no advisories of it here"]);
}

#[test]
fn a_broken_file_of_another_ecosystem_hides_nothing() {
    let folder = tree(&[("Cargo.lock", CARGO), ("package-lock.json", "{ \"packages\": ")]);
    let seen = scanned(folder.path()).expect("the Cargo part counts");
    assert_eq!(seen.inventory.len(), 1);
    assert!(
        seen.unresolved[0].what.contains("package-lock.json:1:15`: it ends too early"),
        "{:?}",
        seen.unresolved
    );
    fs::remove_file(folder.path().join("Cargo.lock")).expect("it was there");
    let error = scanned(folder.path()).expect_err("nothing could be read");
    assert!(error.hint().is_some_and(|hint| hint.contains("npm install")), "{error}");
    fs::write(folder.path().join("Cargo.lock"), "broken").expect("a file");
    fs::write(folder.path().join("package-lock.json"), LOCK).expect("a file");
    assert!(scanned(folder.path()).is_err(), "what Patchline fixes is read or an error");
}

#[test]
fn a_manifest_wants_any_of_its_lockfiles_and_asks_once() {
    check(
        &[
            ("a/package.json", "{}"),
            ("a/yarn.lock", "x@1:\n  version \"1.0.0\"\n"),
            ("a/inner/package.json", "{}"),
            ("b/package.json", "{}"),
        ],
        &[
            "a/yarn.lock x 1.0.0",
            "b/package.json: there is no `package-lock.json` beside or above it; restore the file from version \
             control, or make a new one with `npm install --package-lock-only`",
        ],
    );
}

#[test]
fn many_files_are_read_on_several_threads_and_told_in_order() {
    let names: Vec<String> = (0..60).map(|number| format!("p{number:02}/package-lock.json")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), LOCK)).collect();
    let folder = tree(&files);
    let (first, second) = (scanned(folder.path()).expect("a scan"), scanned(folder.path()).expect("a scan"));
    assert_eq!(first, second);
    let places: Vec<&str> = first.inventory.iter().map(|one| one.location.path.as_str()).collect();
    assert_eq!(places, names);
}

#[test]
fn a_single_file_has_the_neighbours_beside_it_and_a_copy_has_none() {
    let manifest = r#"{ "dependencies": { "x": "1" } }"#;
    let lock = "x@1:\n  version \"1.0.0\"\n";
    let folder = tree(&[("yarn.lock", lock), ("copy.yarn.lock", lock), ("package.json", manifest)]);
    let relation = |name: &str| {
        let scan = scanned(&folder.path().join(name)).expect("a scan");
        format!("{:?}", scan.inventory[0].relation)
    };
    assert_eq!([relation("yarn.lock"), relation("copy.yarn.lock")], ["Direct", "Unknown"]);
}
