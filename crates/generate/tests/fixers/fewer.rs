//! What can't be cleared goes to a version with fewer known problems, with the real cargo and npm.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cargo::{DEFAULT, index, project as of_cargo};
use crate::npm::{fixer as npm, project as of_npm, registry};
use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix};
use patchline_generate::fixer::Known;
use patchline_generate::{CargoFixer, Request};
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::package::Package;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::Candidate;
use patchline_sandbox::Sandbox;
use serde_json::{Value, json};

/// The advisories of packages at their versions.
#[derive(Debug)]
struct Several(BTreeMap<(String, String), Vec<String>>);

impl Known for Several {
    fn problems(&self, package: &Package) -> Result<Vec<String>, Failure> {
        let key = (package.name.clone(), package.version.clone());
        Ok(self.0.get(&key).cloned().unwrap_or_default())
    }
}

/// Asks for all that is known of what is installed. Lines as in `a 1.0.0 X-1 X-2`.
fn request(scene: &Scene, (ecosystem, path): (&str, &str), installed: &[&str], known: &[&str]) -> Request {
    let words = |line: &&str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let known: Vec<Vec<String>> = known.iter().map(words).collect();
    let known = known.iter().map(|line| ((line[0].clone(), line[1].clone()), line[2..].to_vec()));
    let known = Several(known.collect());
    let installed: Vec<(&str, &str)> = installed.iter().map(|one| one.split_once(' ').unwrap()).collect();
    let mut request = scene.request(ecosystem, path, &installed, &Bad::default());
    let all = std::mem::take(&mut request.findings);
    for finding in all {
        let found = known.problems(finding.package.as_ref().unwrap()).unwrap();
        request.findings.extend(found.into_iter().map(|advisory| {
            let id = FindingId(format!("{} {advisory}", finding.id.0));
            Finding { id, advisory, ..finding.clone() }
        }));
    }
    Request { known: Arc::new(known), ..request }
}

fn crates(lines: &[&str]) -> (Server, Scene) {
    let shop = index(lines);
    let settings = format!(
        "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+{}/\"\n",
        shop.url()
    );
    let scene = of_cargo(&settings, DEFAULT);
    (shop, scene)
}

const CRATES: (&str, &str) = ("crates.io", "Cargo.lock");
const PACKAGES: (&str, &str) = ("npm", "package-lock.json");

fn removes(candidate: &Candidate) -> Vec<&str> {
    candidate.removes.iter().map(|id| id.0.as_str()).collect()
}

fn leaves(candidate: &Candidate) -> Vec<String> {
    candidate.leaves.iter().map(|(id, why)| format!("{id}: {why}")).collect()
}

#[tokio::test]
async fn cargo_takes_the_version_with_the_fewest_and_says_what_stays() {
    if !has("cargo") {
        return;
    }
    let (_shop, scene) = crates(&[
        "inner 0.4.0: extra ^1",
        "inner 0.4.1: extra ^1",
        "inner 0.4.2: extra ^1",
        "inner 0.4.3: extra ^1",
        "extra 1.0.0",
    ]);
    let known = ["inner 0.4.0 X-1 X-2 X-3", "inner 0.4.1 X-1 X-2", "inner 0.4.2 X-2", "inner 0.4.3 X-2 X-4"];
    let request = request(&scene, CRATES, &["inner 0.4.0"], &known);
    let made = candidate(&CargoFixer::new(Sandbox::probe()), &request).await;
    assert_eq!(moves(&made), ["inner 0.4.0 -> 0.4.2"]);
    assert_eq!(removes(&made), ["inner@0.4.0 X-1", "inner@0.4.0 X-3"]);
    let why = "`inner 0.4.2`, which comes in its place, has it as well; no version of `inner` above 0.4.0 is free of known problems";
    assert_eq!(leaves(&made), [format!("inner@0.4.0 X-2: {why}")]);
    let told = "inner 0.4.2 has fewer known problems than 0.4.0, and no other. Nothing else moves.";
    assert!(made.rationale.starts_with(told), "{}", made.rationale);
    assert_eq!(made.title, "Update inner from 0.4.0 to 0.4.2 (X-1, X-3)");
    scene.assert_untouched();
}

#[tokio::test]
async fn with_cargo_what_is_cleared_stays_so_where_fewer_would_break_a_rule() {
    if !has("cargo") {
        return;
    }
    let (_shop, scene) = crates(&[
        "inner 0.4.0: extra ^1",
        "inner 0.4.1: extra ^1, fresh ^1",
        "extra 1.0.0",
        "extra 1.0.1",
        "fresh 1.0.0",
    ]);
    let known = ["inner 0.4.0 X-1 X-2", "inner 0.4.1 X-1", "extra 1.0.0 X-3", "fresh 1.0.0 X-4"];
    let all = request(&scene, CRATES, &["inner 0.4.0", "extra 1.0.0"], &known);
    let fixer = CargoFixer::new(Sandbox::probe());
    let made = candidate(&fixer, &all).await;
    assert_eq!(moves(&made), ["extra 1.0.0 -> 1.0.1"]);
    assert_eq!(removes(&made), ["extra@1.0.0 X-3"]);
    let why = "no version of `inner` above 0.4.0 is free of known problems";
    assert_eq!(leaves(&made), ["X-1", "X-2"].map(|id| format!("inner@0.4.0 {id}: {why}")));
    let alone = request(&scene, CRATES, &["inner 0.4.0"], &known);
    assert_eq!(no_fix(&fixer, &alone).await, [why]);
    scene.assert_untouched();
}

#[tokio::test]
async fn npm_takes_fewer_on_top_of_what_is_cleared() {
    if !has("npm") {
        return;
    }
    let shop = registry(&["a 1.0.0", "a 1.0.1", "a 1.0.2", "b 1.0.0", "b 1.0.1"]);
    let scene = of_npm(&shop, &json!({ "a": "^1.0.0", "b": "^1.0.0" }), &["a 1.0.0", "b 1.0.0"]);
    let known = ["a 1.0.0 X-1 X-2 X-3", "a 1.0.1 X-2", "a 1.0.2 X-2 X-3", "b 1.0.0 X-4"];
    let request = request(&scene, PACKAGES, &["a 1.0.0", "b 1.0.0"], &known);
    let made = candidate(&npm(), &request).await;
    assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1", "b 1.0.0 -> 1.0.1"]);
    assert_eq!(removes(&made), ["a@1.0.0 X-1", "a@1.0.0 X-3", "b@1.0.0 X-4"]);
    let why = "`a 1.0.1`, which comes in its place, has it as well; no version of `a` above 1.0.0 is free of known problems";
    assert_eq!(leaves(&made), [format!("a@1.0.0 X-2: {why}")]);
    let told = "a 1.0.1 has fewer known problems than 1.0.0, and no other.";
    assert!(made.rationale.contains(told), "{}", made.rationale);
    let lock: Value = serde_json::from_str(&scene.show(made.commit.as_str(), "package-lock.json")).unwrap();
    assert_eq!(lock["packages"]["node_modules/a"]["version"], "1.0.1");
    scene.assert_untouched();
}

#[tokio::test]
async fn with_npm_what_is_cleared_stays_so_where_fewer_would_break_a_rule() {
    if !has("npm") {
        return;
    }
    // What the newer version brings in the end lies deeper than the choice looks.
    let shop = registry(&[
        "a 1.0.0",
        "a 1.0.1: c ^1.0.0",
        "b 1.0.0",
        "b 1.0.1",
        "c 1.0.0: d ^1.0.0",
        "d 1.0.0: e ^1.0.0",
        "e 1.0.0: f ^1.0.0",
        "f 1.0.0: g ^1.0.0",
        "g 1.0.0",
    ]);
    let scene = of_npm(&shop, &json!({ "a": "^1.0.0", "b": "^1.0.0" }), &["a 1.0.0", "b 1.0.0"]);
    let known = ["a 1.0.0 X-1 X-2", "a 1.0.1 X-2", "b 1.0.0 X-4", "g 1.0.0 X-5"];
    let request = request(&scene, PACKAGES, &["a 1.0.0", "b 1.0.0"], &known);
    let made = candidate(&npm(), &request).await;
    assert_eq!(moves(&made), ["b 1.0.0 -> 1.0.1"]);
    assert_eq!(removes(&made), ["b@1.0.0 X-4"]);
    let why = "no version of `a` above 1.0.0 is free of known problems";
    assert_eq!(leaves(&made), ["X-1", "X-2"].map(|id| format!("a@1.0.0 {id}: {why}")));
    scene.assert_untouched();
}
