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
    let said =
        Move { package: "yaml".to_owned(), from: Some("0.4.0".to_owned()), to: Some("0.3.0".to_owned()) };
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
