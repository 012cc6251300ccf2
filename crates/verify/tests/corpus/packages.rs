//! Candidates that move packages: down, unasked, into another advisory, or in the lockfile only.

use patchline_model::id::FindingId;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Kind, Move};
use patchline_model::stage::verify::CheckResult::{Failed, Passed, Warned};

use crate::project::{Project, report};

/// A `Cargo.lock` with these packages: name, version, what it needs.
pub fn lock(packages: &[(&str, &str, &[&str])]) -> String {
    let mut text = "version = 4\n".to_owned();
    for (name, version, needs) in packages {
        let source = if *name == "app" {
            ""
        } else {
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"
        };
        let needs: Vec<String> = needs.iter().map(|name| format!(" \"{name}\",\n")).collect();
        let needs =
            if needs.is_empty() { String::new() } else { format!("dependencies = [\n{}]\n", needs.concat()) };
        text.push_str(&format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}{needs}"));
    }
    text
}

pub fn locked(advisory: &str, name: &str, version: &str) -> Finding {
    let package =
        Package { ecosystem: Ecosystem::crates_io(), name: name.to_owned(), version: version.to_owned() };
    Finding {
        id: FindingId(format!("{advisory}/{name}/{version}")),
        source: Source::Lockfile,
        package: Some(package),
        paths: vec![vec!["app 0.1.0".to_owned(), format!("{name} {version}")]],
        ..report(advisory)
    }
}

const BEFORE: [(&str, &str, &[&str]); 4] = [
    ("app", "0.1.0", &["yaml", "time"]),
    ("yaml", "0.4.0", &["map"]),
    ("map", "0.5.0", &[]),
    ("time", "0.1.40", &[]),
];

/// A fix of `yaml`, as this lockfile.
pub fn fix(after: &[(&str, &str, &[&str])]) -> Project {
    let yaml = locked("R-2", "yaml", "0.4.0");
    Project::new().with("Cargo.lock", &lock(&BEFORE)).patched("Cargo.lock", &lock(after)).set(|case| {
        case.candidate.kind = Kind::Dependency;
        case.candidate.fixer = "cargo".to_owned();
        case.candidate.removes = vec![yaml.id.clone()];
        case.before = vec![yaml.clone()];
        case.findings = vec![yaml];
    })
}

/// The lockfile before with one package at another version.
fn with(name: &str, version: &'static str) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    let to = |(own, old, needs)| if own == name { (own, version, needs) } else { (own, old, needs) };
    BEFORE.into_iter().map(to).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_move_up_and_only_with_the_fix() {
    let mut both = with("yaml", "0.4.1");
    both[3].1 = "0.1.45";
    let mut added = with("yaml", "0.4.1");
    added.push(("miner", "1.0.0", &[]));
    for (what, after, result, words) in [
        ("as it should be", with("yaml", "0.4.1"), Passed, "1 file changed"),
        ("down", with("yaml", "0.3.9"), Failed, "yaml moves down from 0.4.0 to 0.3.9"),
        ("another one", both, Failed, "moves `time`, which the fix does not need"),
        ("a new one that nothing needs", added, Failed, "moves `miner`, which the fix does not need"),
    ] {
        fix(&after).check(what, "diff", result, words).await;
    }
    let said = Move {
        package: "yaml".to_owned(),
        from: Some("0.4.0".to_owned()),
        to: Some("0.3.0".to_owned()),
        rung: None,
    };
    let project = fix(&with("yaml", "0.4.1")).set(|case| case.candidate.moves = vec![said]);
    project.check("down by its own word", "diff", Failed, "yaml moves down from 0.4.0 to 0.3.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scans_of_both_sides_are_compared() {
    let after = with("yaml", "0.4.1");
    let still = fix(&after).set(|case| case.after = vec![locked("R-2", "yaml", "0.4.1")]);
    still.check("still vulnerable", "re-scan", Failed, "still found").await;
    let new = fix(&after).set(|case| case.after = vec![locked("R-3", "map", "0.5.0")]);
    new.check("another vulnerability", "re-scan", Failed, "brings in `R-3 map`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_must_be_gone_from_what_is_built() {
    let list = "target/release/deps/yaml-1.d";
    let of = |version: &str| format!("x: /registry/src/index/yaml-{version}/src/lib.rs\n");
    let after = with("yaml", "0.4.1");
    let project = fix(&after).with(list, &of("0.4.0")).patched(list, &of("0.4.1"));
    project.check("gone", "before-after", Passed, "1 finding shown on the base and gone").await;
    let project = fix(&after).with(list, &of("0.4.0"));
    project
        .check("vendored", "before-after", Failed, "yaml 0.4.0 is gone from the lockfile only: compiled for")
        .await;
    fix(&after)
        .check("nothing to look at", "before-after", Warned, "shown only by the version being gone")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_about_moved_packages_is_told_with_both_versions() {
    let vendored = |version: &str, licence: &str| {
        format!("[package]\nname = \"yaml\"\nversion = \"{version}\"\nlicense = \"{licence}\"\n")
    };
    let manifest = "vendor/yaml/Cargo.toml";
    let moved = |licence: &str| {
        let project = fix(&with("yaml", "0.4.1")).with(manifest, &vendored("0.4.0", "MIT"));
        project.patched(manifest, &vendored("0.4.1", licence))
    };
    moved("MIT").check("the same licence", "re-scan", Passed, "gone, and nothing new is found").await;
    let words = "yaml 0.4.0 to 0.4.1: the licence changes from MIT to AGPL-3.0-only";
    moved("AGPL-3.0-only").check("another licence", "re-scan", Warned, words).await;
    let script = moved("MIT").patched("vendor/yaml/build.rs", "fn main() {}\n");
    script.check("a build script", "re-scan", Warned, "yaml 0.4.0 to 0.4.1: runs `build.rs`").await;
    // `hashmap` is needed by two, and so known.
    let like = [
        ("app", "0.1.0", &["yaml", "hashmap", "time"][..]),
        ("yaml", "0.4.1", &["hashmap", "hashmop"][..]),
        ("hashmap", "0.5.0", &[]),
        ("hashmop", "0.0.1", &[]),
        ("time", "0.1.40", &[]),
    ];
    let before = lock(&[
        ("app", "0.1.0", &["yaml", "hashmap", "time"]),
        ("yaml", "0.4.0", &["hashmap"]),
        ("hashmap", "0.5.0", &[]),
        ("time", "0.1.40", &[]),
    ]);
    let project = fix(&like).with("Cargo.lock", &before).patched("Cargo.lock", &lock(&like));
    project
        .check(
            "a name like another",
            "re-scan",
            Warned,
            "hashmop: is new, and its name is nearly that of `hashmap`",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_script_of_npm_is_told() {
    let lock = |version: &str, script: &str| {
        format!(
            "{{\"name\": \"app\", \"lockfileVersion\": 3, \"packages\": {{\"\": {{\"name\": \"app\", \"dependencies\": {{\"left\": \"*\"}}}},
  \"node_modules/left\": {{\"version\": \"{version}\", \"license\": \"MIT\"{script}}}}}}}\n"
        )
    };
    let project = Project::fixed().with("package-lock.json", &lock("1.0.0", ""));
    let project = project.patched("package-lock.json", &lock("1.0.1", ", \"hasInstallScript\": true"));
    let words = "left 1.0.0 to 1.0.1: runs `an install script`";
    project.check("an install script", "re-scan", Warned, words).await;
}
