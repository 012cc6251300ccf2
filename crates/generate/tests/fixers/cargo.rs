//! The cargo fixer, with the real cargo and a sparse index on loopback.

use std::collections::BTreeMap;

use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix};
use patchline_generate::CargoFixer;
use patchline_sandbox::Sandbox;
use serde_json::json;

/// An index with lines as in `inner 1.2.0: extra ^1`; a star behind the version stands for a yanked one.
pub fn index(lines: &[&str]) -> Server {
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let (head, required) = line.split_once(':').unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').unwrap();
        let required = required.split(',').filter_map(|one| one.trim().split_once(' '));
        let required = required.map(|(name, range)| {
            json!({ "name": name, "req": range, "features": [], "optional": false, "default_features": true, "target": null, "kind": "normal" })
        });
        let line = json!({
            "name": name, "vers": version.trim_end_matches('*'), "deps": required.collect::<Vec<_>>(),
            "cksum": "0".repeat(64), "features": {}, "yanked": version.ends_with('*'),
        });
        let page = pages.entry(format!("/{}/{}/{name}", &name[..2], &name[2..4])).or_default();
        page.push_str(&format!("{line}\n"));
    }
    pages.insert("/config.json".to_owned(), json!({ "dl": "http://127.0.0.1:1/dl" }).to_string());
    Server::of(pages)
}

pub fn project(settings: &str, source: &str) -> Scene {
    let lock = format!(
        "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"inner\",\n]\n\n\
         [[package]]\nname = \"extra\"\nversion = \"1.0.0\"\nsource = \"{source}\"\nchecksum = \"{zeros}\"\n\n\
         [[package]]\nname = \"inner\"\nversion = \"0.4.0\"\nsource = \"{source}\"\nchecksum = \"{zeros}\"\ndependencies = [\n \"extra\",\n]\n",
        zeros = "0".repeat(64)
    );
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n\n[dependencies]\ninner = \"0.4\"\n";
    Scene::of(&[
        ("Cargo.toml", manifest),
        ("Cargo.lock", &lock),
        ("src/lib.rs", ""),
        (".cargo/config.toml", settings),
    ])
}

/// As lockfiles name the default registry, whatever answers in its place.
pub const DEFAULT: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[tokio::test]
async fn a_sparse_index_in_place_of_the_default_registry_is_asked() {
    if !has("cargo") {
        return;
    }
    let shop = index(&[
        "inner 0.4.0: extra ^1",
        "inner 0.4.1*: extra ^1",
        "inner 0.4.2-rc.1: extra ^1",
        "inner 0.4.3: extra ^1.1",
        "extra 1.0.0",
        "extra 1.1.0",
        "extra 1.2.0",
    ]);
    let settings = format!(
        "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+{}/\"\n",
        shop.url()
    );
    let scene = project(&settings, DEFAULT);
    let bad = Bad::of(&[("inner", "0.4.0")]);
    let request = scene.request("crates.io", "Cargo.lock", &[("inner", "0.4.0")], &bad);
    let fixer = CargoFixer::new(Sandbox::probe());
    let made = candidate(&fixer, &request).await;
    assert_eq!(moves(&made), ["extra 1.0.0 -> 1.1.0", "inner 0.4.0 -> 0.4.3"]);
    assert_eq!(made.files, ["Cargo.lock"]);
    assert_eq!(candidate(&fixer, &request).await, made);
    scene.assert_untouched();
}

#[tokio::test]
async fn what_comes_along_with_a_problem_of_its_own_is_no_candidate() {
    if !has("cargo") {
        return;
    }
    let shop = index(&["inner 0.4.0: extra ^1", "inner 0.4.1: fresh ^1", "extra 1.0.0", "fresh 1.0.0"]);
    let settings = format!(
        "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+{}/\"\n",
        shop.url()
    );
    let scene = project(&settings, DEFAULT);
    let bad = Bad::of(&[("inner", "0.4.0"), ("fresh", "1.0.0")]);
    let request = scene.request("crates.io", "Cargo.lock", &[("inner", "0.4.0")], &bad);
    let reasons = no_fix(&CargoFixer::new(Sandbox::probe()), &request).await;
    assert_eq!(reasons, ["`fresh 1.0.0` would bring X-fresh in"]);
    scene.assert_untouched();
}
