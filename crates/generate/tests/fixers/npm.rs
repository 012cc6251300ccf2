//! The npm fixer, with the real npm and a registry on loopback.

use std::collections::BTreeMap;
use std::net::TcpListener;

use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix};
use crate::shop::shop;
use flate2::Compression;
use flate2::write::GzEncoder;
use patchline_generate::changelog::shipped::excerpt;
use patchline_generate::{Fixer as _, NpmFixer, Proposal, Request};
use patchline_sandbox::Sandbox;
use serde_json::{Value, json};

/// A registry with lines as in `a 1.2.0: b ^1, c ~2.0`.
pub fn registry(lines: &[&str]) -> Server {
    Server::of(pages(lines, "http://packages.example"))
}

/// Its pages, with archives at this address.
fn pages(lines: &[&str], archives: &str) -> BTreeMap<String, Vec<u8>> {
    let mut versions: BTreeMap<String, serde_json::Map<String, Value>> = BTreeMap::new();
    for line in lines {
        let (head, required) = line.split_once(':').unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').unwrap();
        let required = required.split(',').filter(|one| !one.trim().is_empty());
        let required: serde_json::Map<String, Value> = required
            .map(|one| one.trim().split_once(' ').unwrap())
            .map(|(called, range)| (called.to_owned(), json!(range)))
            .collect();
        let manifest = json!({
            "name": name, "version": version, "dependencies": required,
            "dist": { "tarball": format!("{archives}/{name}-{version}.tgz"), "integrity": format!("sha512-{name}{version}") },
        });
        versions.entry(name.to_owned()).or_default().insert(version.to_owned(), manifest);
    }
    let mut pages = BTreeMap::new();
    for (name, versions) in versions {
        let newest =
            versions.keys().max_by_key(|text| semver::Version::parse(text).unwrap()).unwrap().clone();
        for (version, manifest) in &versions {
            pages.insert(format!("/{name}/{version}"), manifest.to_string().into_bytes());
        }
        let document = json!({ "name": name, "dist-tags": { "latest": newest }, "versions": versions });
        pages.insert(format!("/{name}"), document.to_string().into_bytes());
    }
    pages
}

/// A lockfile of format 3 with what lines like `a 1.2.0: b ^1` say, each at the top or, as in `b>a 1.0.0`, within another.
fn lock(root: &Value, lines: &[&str]) -> String {
    let mut packages = serde_json::Map::new();
    packages.insert(String::new(), json!({ "name": "app", "dependencies": root }));
    for line in lines {
        let (head, required) = line.split_once(':').unwrap_or((line, ""));
        let (way, version) = head.split_once(' ').unwrap();
        let name = way.rsplit('>').next().unwrap();
        let place: Vec<String> = way.split('>').map(|name| format!("node_modules/{name}")).collect();
        let required = required.split(',').filter(|one| !one.trim().is_empty());
        let required: serde_json::Map<String, Value> = required
            .map(|one| one.trim().split_once(' ').unwrap())
            .map(|(called, range)| (called.to_owned(), json!(range)))
            .collect();
        let mut entry = json!({
            "version": version, "resolved": format!("http://packages.example/{name}-{version}.tgz"),
            "integrity": format!("sha512-{name}{version}"),
        });
        if !required.is_empty() {
            entry["dependencies"] = Value::Object(required);
        }
        packages.insert(place.join("/"), entry);
    }
    let lock = json!({ "name": "app", "lockfileVersion": 3, "requires": true, "packages": packages });
    serde_json::to_string_pretty(&lock).unwrap() + "\n"
}

pub fn project(server: &Server, root: &Value, lines: &[&str]) -> Scene {
    let manifest =
        serde_json::to_string_pretty(&json!({ "name": "app", "dependencies": root })).unwrap() + "\n";
    let settings = format!("registry={}\n", server.url());
    Scene::of(&[
        ("package.json", &manifest),
        ("package-lock.json", &lock(root, lines)),
        (".npmrc", &settings),
    ])
}

pub fn fixer() -> NpmFixer {
    NpmFixer::new(Sandbox::probe())
}

#[tokio::test]
async fn one_copy_moves_within_its_range_and_nothing_else_changes() {
    if !has("npm") {
        return;
    }
    let shop = registry(&["a 1.0.0", "a 1.0.1", "a 1.0.2", "top 1.0.0: a ^1.0.0", "top 1.1.0: a ^1.0.0"]);
    let root = json!({ "top": "^1.0.0" });
    let scene = project(&shop, &root, &["a 1.0.0", "top 1.0.0: a ^1.0.0"]);
    let bad = Bad::of(&[("a", "1.0.0")]);
    let made = candidate(&fixer(), &scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad)).await;
    assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1"]);
    assert_eq!(made.files, ["package-lock.json"]);
    let read =
        |commit: &str| -> Value { serde_json::from_str(&scene.show(commit, "package-lock.json")).unwrap() };
    let mut expected = read("main");
    expected["packages"]["node_modules/a"] = json!({
        "version": "1.0.1", "resolved": "http://packages.example/a-1.0.1.tgz", "integrity": "sha512-a1.0.1",
    });
    assert_eq!(read(made.commit.as_str()), expected);
    scene.assert_untouched();
    let asked = shop.asked.lock().unwrap();
    assert!(!asked.iter().any(|path| path == "/top"), "what need not move is not asked about: {asked:?}");
}

#[tokio::test]
async fn what_pins_it_is_lifted_and_what_nothing_pins_any_more_is_overridden() {
    if !has("npm") {
        return;
    }
    let shop = registry(&[
        "a 1.0.0",
        "a 1.0.1",
        "b 1.0.0",
        "b 1.0.1",
        "b 3.0.0",
        "top 1.0.0: a 1.0.0",
        "top 1.1.0: a ~1.0.1",
        "old 1.0.0: b 1.0.0",
    ]);
    let root = json!({ "top": "^1.0.0", "old": "^1.0.0", "b": "^3.0.0" });
    let scene = project(
        &shop,
        &root,
        &["a 1.0.0", "b 3.0.0", "old 1.0.0: b 1.0.0", "old>b 1.0.0", "top 1.0.0: a 1.0.0"],
    );
    let bad = Bad::of(&[("a", "1.0.0"), ("b", "1.0.0")]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0"), ("b", "1.0.0")], &bad);
    let made = candidate(&fixer(), &request).await;
    assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1", "b 1.0.0 -> 1.0.1", "top 1.0.0 -> 1.1.0"]);
    assert_eq!(made.removes.len(), 2);
    let manifest: Value = serde_json::from_str(&scene.show(made.commit.as_str(), "package.json")).unwrap();
    assert_eq!(manifest["overrides"], json!({ "b@1.0.0": "1.0.1" }));
    assert_eq!(manifest["dependencies"], root, "the range for the good copy stays");
    scene.assert_untouched();
}

#[tokio::test]
async fn an_override_of_what_the_project_asks_for_itself_names_who_else_asks() {
    if !has("npm") {
        return;
    }
    let shop = registry(&["b 1.0.0", "b 1.0.1", "old 1.0.0: b 1.0.0"]);
    let root = json!({ "old": "^1.0.0", "b": "^1.0.0" });
    let scene = project(&shop, &root, &["b 1.0.0", "old 1.0.0: b 1.0.0"]);
    let bad = Bad::of(&[("b", "1.0.0")]);
    let made = candidate(&fixer(), &scene.request("npm", "package-lock.json", &[("b", "1.0.0")], &bad)).await;
    assert_eq!(moves(&made), ["b 1.0.0 -> 1.0.1"]);
    let manifest: Value = serde_json::from_str(&scene.show(made.commit.as_str(), "package.json")).unwrap();
    assert_eq!(manifest["overrides"], json!({ "old": { "b": "1.0.1" } }));
    assert_eq!(manifest["dependencies"], root);
}

#[tokio::test]
async fn the_manifest_is_widened_only_where_it_must_be_and_a_second_run_finds_nothing_to_do() {
    if !has("npm") {
        return;
    }
    let shop = registry(&["a 1.0.0", "a 2.0.1", "c 1.0.0"]);
    let root = json!({ "a": "~1.0.0", "c": "^1.0.0" });
    let scene = project(&shop, &root, &["a 1.0.0", "c 1.0.0"]);
    let bad = Bad::of(&[("a", "1.0.0")]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad);
    let made = candidate(&fixer(), &request).await;
    assert_eq!(made.files, ["package-lock.json", "package.json"]);
    assert!(made.rationale.contains("a major upgrade"), "{}", made.rationale);
    let (before, after) =
        (scene.show("main", "package.json"), scene.show(made.commit.as_str(), "package.json"));
    assert_eq!(after, before.replace("~1.0.0", "~2.0.1"));
    let again = candidate(&fixer(), &request).await;
    assert_eq!(again.commit, made.commit, "asked again it answers the same");
}

#[tokio::test]
async fn without_a_good_version_the_way_to_it_is_named() {
    if !has("npm") {
        return;
    }
    let shop = registry(&["a 1.0.0", "a 1.0.1", "top 1.0.0: a 1.0.0"]);
    let scene = project(&shop, &json!({ "top": "^1.0.0" }), &["a 1.0.0", "top 1.0.0: a 1.0.0"]);
    let bad = Bad::of(&[("a", "1.0.0"), ("a", "1.0.1")]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad);
    let why = no_fix(&fixer(), &request).await;
    assert_eq!(why, ["no version of `a` above 1.0.0 is free of known problems"]);
    scene.assert_untouched();
}

#[tokio::test]
async fn a_registry_that_answers_nonsense_or_nothing_is_an_error_that_names_it() {
    if !has("npm") {
        return;
    }
    let nonsense = Server::of(BTreeMap::from([("/a".to_owned(), "<html>sign in</html>".to_owned())]));
    let scene = project(&nonsense, &json!({ "a": "^1.0.0" }), &["a 1.0.0"]);
    let bad = Bad::of(&[("a", "1.0.0")]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad);
    let failure = fixer().propose(&request).await.expect_err("it is no registry");
    assert!(failure.message.contains(&format!("{}/a", nonsense.url())), "{}", failure.message);
    assert!(failure.hint.is_some());
    scene.assert_untouched();
}

#[tokio::test]
async fn no_script_of_a_project_or_a_package_runs() {
    if !has("npm") {
        return;
    }
    let shop = registry(&["a 1.0.0", "a 1.0.1"]);
    let flag = tempfile::tempdir().unwrap();
    let touch = format!("touch {}", flag.path().join("ran").display());
    let root = json!({ "a": "^1.0.0" });
    let manifest = json!({ "name": "app", "dependencies": root, "scripts": { "preinstall": touch, "postinstall": touch, "prepare": touch } });
    let settings = format!("registry={}\nignore-scripts=false\n", shop.url());
    let scene = Scene::of(&[
        ("package.json", &(manifest.to_string() + "\n")),
        ("package-lock.json", &lock(&root, &["a 1.0.0"])),
        (".npmrc", &settings),
    ]);
    let bad = Bad::of(&[("a", "1.0.0")]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad);
    // Without namespaces nothing but npm's own word would keep the script from the folder.
    let proposal = NpmFixer::new(Sandbox::plain()).propose(&request).await.unwrap();
    assert!(matches!(proposal, Proposal::Candidate { .. }));
    assert!(!flag.path().join("ran").exists());
}

#[tokio::test]
async fn what_comes_within_another_moves_with_that_if_the_newer_one_brings_a_better_one() {
    if !has("npm") {
        return;
    }
    let server = shop(&[
        "a 1.0.0",
        "a 1.0.1",
        "top 1.0.0: a ^1.0.0 / a 1.0.0",
        "top 1.1.0: a ^1.0.0 / a 1.0.1",
        "z 1.0.0",
        "z 1.0.1",
    ]);
    let root = json!({ "top": "^1.0.0", "z": "^1.0.0" });
    let mut before: Value =
        serde_json::from_str(&lock(&root, &["top 1.0.0: a ^1.0.0", "top>a 1.0.0", "z 1.0.0"])).unwrap();
    before["packages"]["node_modules/top"]["bundleDependencies"] = json!(["a"]);
    before["packages"]["node_modules/top/node_modules/a"] = json!({ "version": "1.0.0", "inBundle": true });
    let manifest = json!({ "name": "app", "dependencies": root }).to_string();
    let (before, settings) = (before.to_string(), format!("registry={}\n", server.url()));
    let files = [("package.json", manifest.as_str()), ("package-lock.json", &before), (".npmrc", &settings)];
    let all = [("a", "1.0.0"), ("z", "1.0.0")];
    let scene = Scene::of(&files);
    let request = scene.request("npm", "package-lock.json", &all, &Bad::of(&all));
    let made = candidate(&fixer(), &request).await;
    assert_eq!(moves(&made), ["top 1.0.0 -> 1.1.0", "z 1.0.0 -> 1.0.1", "a 1.0.0 -> 1.0.1"]);
    let scene = Scene::of(&files);
    let bad = Bad::of(&[("a", "1.0.0"), ("a", "1.0.1"), ("z", "1.0.0")]);
    let made = candidate(&fixer(), &scene.request("npm", "package-lock.json", &all, &bad)).await;
    assert_eq!(moves(&made), ["z 1.0.0 -> 1.0.1"], "nothing moves in vain");
    let why = "`a 1.0.0` comes within `top 1.0.0`; 1.1.0, the newest that could take its place, brings `a 1.0.1`, which has a known problem too";
    assert_eq!(made.leaves.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>(), [why]);
    scene.assert_untouched();
}

#[tokio::test]
async fn what_would_come_along_at_a_lower_version_is_held_by_an_override() {
    if !has("npm") {
        return;
    }
    let shop = registry(&[
        "a 1.0.0",
        "a 1.0.1",
        "lie 3.1.1",
        "lie 3.3.0",
        "top 1.0.0: a 1.0.0, lie ^3.0.0",
        "top 1.1.0: a 1.0.1, zip 1.0.0",
        "zip 1.0.0: lie 3.1.1",
    ]);
    let root = json!({ "top": "^1.0.0" });
    let lines = ["a 1.0.0", "lie 3.3.0", "top 1.0.0: a 1.0.0, lie ^3.0.0"];
    let scene = project(&shop, &root, &lines);
    let bad = Bad::of(&[("a", "1.0.0")]);
    let made = candidate(&fixer(), &scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad)).await;
    assert_eq!(made.removes.len(), 1, "{:?}", made.leaves);
    let manifest: Value = serde_json::from_str(&scene.show(made.commit.as_str(), "package.json")).unwrap();
    assert_eq!(manifest["overrides"], json!({ "zip": { "lie": "3.3.0" } }));
    let lock: Value = serde_json::from_str(&scene.show(made.commit.as_str(), "package-lock.json")).unwrap();
    assert_eq!(lock["packages"]["node_modules/lie"]["version"], "3.3.0");
    assert!(made.rationale.contains("lie 3.3.0 comes by an override"), "{}", made.rationale);
    scene.assert_untouched();
}

#[tokio::test]
async fn a_version_that_broke_a_rule_is_followed_by_another_and_the_rest_is_kept() {
    if !has("npm") {
        return;
    }
    // What is bad lies deeper than anybody looks before npm is asked.
    let shop = registry(&[
        "a 1.0.0",
        "a 1.0.1",
        "top 1.0.0: a 1.0.0",
        "top 1.1.0: a 1.0.1, one 1.0.0",
        "top 1.2.0: a 1.0.1",
        "one 1.0.0: two 1.0.0",
        "two 1.0.0: three 1.0.0",
        "three 1.0.0: four 1.0.0",
        "four 1.0.0: five 1.0.0",
        "five 1.0.0",
        "z 1.0.0",
        "z 1.0.1",
    ]);
    let root = json!({ "top": "^1.0.0", "z": "^1.0.0" });
    let scene = project(&shop, &root, &["a 1.0.0", "top 1.0.0: a 1.0.0", "z 1.0.0"]);
    let bad = Bad::of(&[("a", "1.0.0"), ("z", "1.0.0"), ("five", "1.0.0")]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0"), ("z", "1.0.0")], &bad);
    let made = candidate(&fixer(), &request).await;
    assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1", "top 1.0.0 -> 1.2.0", "z 1.0.0 -> 1.0.1"]);
    scene.assert_untouched();
}

#[tokio::test]
async fn in_an_old_format_a_lift_may_bring_something_new_along() {
    if !has("npm") {
        return;
    }
    let shop =
        registry(&["a 1.0.0", "a 1.0.1", "new 1.0.0", "top 1.0.0: a 1.0.0", "top 1.1.0: a 1.0.1, new 1.0.0"]);
    let root = json!({ "top": "^1.0.0" });
    let entry = |name: &str, version: &str| {
        json!({
            "version": version, "resolved": format!("http://packages.example/{name}-{version}.tgz"),
            "integrity": format!("sha512-{name}{version}"),
        })
    };
    let mut top = entry("top", "1.0.0");
    top["requires"] = json!({ "a": "1.0.0" });
    let before = json!({
        "name": "app", "lockfileVersion": 1, "requires": true,
        "dependencies": { "a": entry("a", "1.0.0"), "top": top },
    });
    let manifest = json!({ "name": "app", "dependencies": root }).to_string();
    let (before, settings) = (before.to_string(), format!("registry={}\n", shop.url()));
    let scene = Scene::of(&[
        ("package.json", manifest.as_str()),
        ("package-lock.json", &before),
        (".npmrc", &settings),
    ]);
    let bad = Bad::of(&[("a", "1.0.0")]);
    let made = candidate(&fixer(), &scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad)).await;
    assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1", "top 1.0.0 -> 1.1.0", "new none -> 1.0.0"]);
    let lock: Value = serde_json::from_str(&scene.show(made.commit.as_str(), "package-lock.json")).unwrap();
    assert_eq!(lock["lockfileVersion"], 1);
    scene.assert_untouched();
}

#[tokio::test]
async fn the_changelog_of_what_came_is_kept_and_a_rehearsal_asks_for_none() {
    if !has("npm") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut pages = pages(&["a 1.0.0", "a 1.0.1"], &address);
    let text = b"# Changes\n\n## 1.0.1\n\nNo more holes.\n\n## 1.0.0\n\nThe first.\n";
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    archive.append_data(&mut header, "package/CHANGES.md", text.as_slice()).unwrap();
    pages.insert("/a-1.0.1.tgz".to_owned(), archive.into_inner().unwrap().finish().unwrap());
    let server = Server::on(listener, pages);
    let scene = project(&server, &json!({ "a": "^1.0.0" }), &["a 1.0.0"]);
    let bad = Bad::of(&[("a", "1.0.0")]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &bad);
    let asked = || server.asked.lock().unwrap().iter().any(|path| path.ends_with(".tgz"));
    candidate(&fixer(), &Request { branch: None, ..request.clone() }).await;
    assert!(!asked());
    let found = candidate(&fixer(), &request).await;
    assert!(asked());
    let package = request.findings[0].package.clone().unwrap();
    let (file, excerpt) = excerpt(&request.cache, &package, "1.0.1").unwrap();
    assert_eq!(file, "CHANGES.md");
    let sections: Vec<_> =
        excerpt.sections.iter().map(|one| (one.version.as_str(), one.lines.join("|"))).collect();
    assert_eq!(sections, [("1.0.1", "No more holes.".to_owned())]);
    assert!(!found.rationale.contains("holes"), "{}", found.rationale);
    scene.assert_untouched();
}

#[tokio::test]
async fn a_copy_that_fits_no_more_is_replaced_though_npm_leaves_it_to_its_next_run() {
    if !has("npm") {
        return;
    }
    let server = registry(&[
        "a 1.0.0: t ^2.0.0",
        "a 1.0.1: t ^4.0.0",
        "b 1.0.0: t ^4.0.0",
        "b 1.0.1",
        "t 2.0.5",
        "t 4.0.0",
    ]);
    let root = json!({ "a": "^1.0.0", "b": "^1.0.0" });
    let lines = ["a 1.0.0: t ^2.0.0", "a>t 2.0.5", "b 1.0.0: t ^4.0.0", "t 4.0.0"];
    let scene = project(&server, &root, &lines);
    let installed = [("a", "1.0.0"), ("b", "1.0.0")];
    let request = scene.request("npm", "package-lock.json", &installed, &Bad::of(&installed));
    let found = candidate(&fixer(), &request).await;
    let lock: Value = serde_json::from_str(&scene.show(found.commit.as_str(), "package-lock.json")).unwrap();
    let places = lock["packages"].as_object().unwrap().iter().filter(|(place, _)| place.ends_with("/t"));
    let places: Vec<_> =
        places.map(|(place, entry)| (place.as_str(), entry["version"].as_str().unwrap())).collect();
    assert_eq!(places, [("node_modules/t", "4.0.0")]);
}

#[tokio::test]
async fn a_version_that_a_stranger_published_is_pointed_out() {
    if !has("npm") {
        return;
    }
    let mut pages = pages(&["a 1.0.0", "a 1.0.1"], "http://packages.example");
    for (version, by) in [("1.0.0", "ann"), ("1.0.1", "eve")] {
        let page = pages.get_mut(&format!("/a/{version}")).unwrap();
        let mut manifest: Value = serde_json::from_slice(page).unwrap();
        manifest["_npmUser"] = json!({ "name": by });
        *page = manifest.to_string().into_bytes();
    }
    let server = Server::of(pages);
    let scene = project(&server, &json!({ "a": "^1.0.0" }), &["a 1.0.0"]);
    let request = scene.request("npm", "package-lock.json", &[("a", "1.0.0")], &Bad::of(&[("a", "1.0.0")]));
    let found = candidate(&fixer(), &request).await;
    let told = "a 1.0.1 was published by `eve`, who was not among those who maintained 1.0.0.";
    assert!(found.rationale.ends_with(told), "{}", found.rationale);
}
