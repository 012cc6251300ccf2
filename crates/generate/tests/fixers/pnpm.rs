//! The pnpm fixer, with the real pnpm and a registry on loopback.

use std::path::Path;

use patchline_generate::{Fixer as _, PnpmFixer};
use patchline_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::scene::{Bad, Scene, Server, candidate, moves, no_fix, tool};
use crate::shop::{read, shop};

/// A lockfile of format 9. Of the repository's own packages lines as in `packages/x: a ^1.0.0 1.0.2`, of the others as in
/// `top 1.0.0: a 1.0.2`.
fn lock(own: &[&str], lines: &[&str]) -> String {
    let settings = "settings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n";
    let mut text = format!("lockfileVersion: '9.0'\n\n{settings}\nimporters:\n");
    for line in own {
        let (folder, wanted) = line.split_once(':').unwrap();
        text += &format!("\n  {folder}:\n    dependencies:\n");
        for one in wanted.split(',') {
            let parts: Vec<&str> = one.split_whitespace().collect();
            text += &format!(
                "      {}:\n        specifier: '{}'\n        version: {}\n",
                parts[0], parts[1], parts[2]
            );
        }
    }
    text += "\npackages:\n";
    for (name, version, _) in lines.iter().map(|line| read(line)) {
        text += &format!("\n  {name}@{version}:\n    resolution: {{integrity: sha512-{name}{version}}}\n");
    }
    text += "\nsnapshots:\n";
    for (name, version, required) in lines.iter().map(|line| read(line)) {
        let mut needs = String::new();
        for (called, version) in &required {
            needs += &format!("      {called}: {}\n", version.as_str().unwrap());
        }
        let needs =
            if needs.is_empty() { " {}\n".to_owned() } else { format!("\n    dependencies:\n{needs}") };
        text += &format!("\n  {name}@{version}:{needs}");
    }
    text
}

fn manifest(name: &str, wanted: &Value) -> String {
    serde_json::to_string_pretty(&json!({ "name": name, "version": "1.0.0", "dependencies": wanted }))
        .unwrap()
        + "\n"
}

fn scene(server: &Server, wanted: &Value, lock: &str, more: &[(&str, &str)]) -> Scene {
    let (manifest, settings) = (manifest("app", wanted), format!("registry={}\n", server.url()));
    let files = [("package.json", manifest.as_str()), ("pnpm-lock.yaml", lock), (".npmrc", &settings)];
    Scene::of(&[&files, more].concat())
}

fn fixer(program: &Path) -> PnpmFixer {
    PnpmFixer::at(Sandbox::probe(), program)
}

#[tokio::test]
async fn each_choice_moves_within_its_own_range_and_nothing_else_changes() {
    let server =
        shop(&["a 1.0.0", "a 1.0.1", "a 1.1.0", "a 1.2.0", "top 1.0.0: a ^1.0.0", "z 1.0.0", "z 1.1.0"]);
    let before = lock(
        &[".: top ^1.0.0 1.0.0, z ^1.0.0 1.0.0", "packages/x: a ~1.0.0 1.0.0"],
        &["a 1.0.0", "top 1.0.0: a 1.0.0", "z 1.0.0"],
    );
    let member = manifest("x", &json!({ "a": "~1.0.0" }));
    let workspace = ("pnpm-workspace.yaml", "packages:\n  - packages/* # all\n");
    for major in [9, 10] {
        let Some(pnpm) = tool("pnpm", major) else { continue };
        let root = json!({ "top": "^1.0.0", "z": "^1.0.0" });
        let scene = scene(&server, &root, &before, &[("packages/x/package.json", &member), workspace]);
        let bad = Bad::of(&[("a", "1.0.0")]);
        let request = scene.request("npm", "pnpm-lock.yaml", &[("a", "1.0.0")], &bad);
        let made = candidate(&fixer(&pnpm), &request).await;
        assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1"]);
        assert_eq!(made.files, ["pnpm-lock.yaml"]);
        let after = scene.show(made.commit.as_str(), "pnpm-lock.yaml");
        let expected = before.replace("a@1.0.0", "a@1.0.1").replace("a1.0.0", "a1.0.1");
        let expected = expected
            .replace("a: 1.0.0", "a: 1.0.1")
            .replace("'~1.0.0'\n        version: 1.0.0", "~1.0.0\n        version: 1.0.1");
        assert_eq!(after.trim_end(), expected.replace("'^1.0.0'", "^1.0.0").trim_end());
        let again = candidate(&fixer(&pnpm), &request).await;
        assert_eq!(again.commit, made.commit, "asked again it answers the same");
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn what_pins_it_is_lifted_and_what_nothing_lifts_is_overridden() {
    let server = shop(&[
        "a 1.0.0",
        "a 1.0.1",
        "a 1.5.0",
        "b 1.0.0",
        "b 1.0.1",
        "b 3.0.0",
        "top 1.0.0: a 1.0.0",
        "top 1.1.0: a ^1.0.1",
        "old 1.0.0: b 1.0.0",
    ]);
    let before = lock(
        &[".: b ^3.0.0 3.0.0, old ^1.0.0 1.0.0, top ^1.0.0 1.0.0"],
        &["a 1.0.0", "b 1.0.0", "b 3.0.0", "old 1.0.0: b 1.0.0", "top 1.0.0: a 1.0.0"],
    );
    let root = json!({ "b": "^3.0.0", "old": "^1.0.0", "top": "^1.0.0" });
    let bad = Bad::of(&[("a", "1.0.0"), ("b", "1.0.0")]);
    for major in [9, 10] {
        let Some(pnpm) = tool("pnpm", major) else { continue };
        let scene = scene(&server, &root, &before, &[]);
        let request = scene.request("npm", "pnpm-lock.yaml", &[("a", "1.0.0"), ("b", "1.0.0")], &bad);
        let made = candidate(&fixer(&pnpm), &request).await;
        assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1", "b 1.0.0 -> 1.0.1", "top 1.0.0 -> 1.1.0"]);
        assert_eq!(made.files, ["package.json", "pnpm-lock.yaml"]);
        let manifest: Value =
            serde_json::from_str(&scene.show(made.commit.as_str(), "package.json")).unwrap();
        assert_eq!(manifest["pnpm"], json!({ "overrides": { "b@1.0.0": "1.0.1" } }));
        assert_eq!(manifest["dependencies"], root, "the range for the good copy stays");
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn catalogs_and_overrides_change_where_they_stand_and_comments_stay() {
    let Some(pnpm) = tool("pnpm", 10) else { return };
    let server = shop(&[
        "a 1.0.0",
        "a 2.0.0",
        "b 1.0.0",
        "b 1.0.1",
        "c 1.0.0",
        "c 1.0.1",
        "old 1.0.0: b ^1.0.0, c 1.0.0",
    ]);
    let settings = "packages:\n  - packages/* # all\n# what all use\ncatalog:\n  a: ~1.0.0 # soon 2\noverrides:\n  b: 1.0.0 # held\n";
    let before = lock(
        &[".: a catalog: 1.0.0, old ^1.0.0 1.0.0"],
        &["a 1.0.0", "b 1.0.0", "c 1.0.0", "old 1.0.0: b 1.0.0, c 1.0.0"],
    );
    let before = before.replace(
        "importers:",
        "catalogs:\n  default:\n    a:\n      specifier: ~1.0.0\n      version: 1.0.0\n\noverrides:\n  b: 1.0.0\n\nimporters:",
    );
    let root = json!({ "a": "catalog:", "old": "^1.0.0" });
    let scene = scene(&server, &root, &before, &[("pnpm-workspace.yaml", settings)]);
    let all = [("a", "1.0.0"), ("b", "1.0.0"), ("c", "1.0.0")];
    let made = candidate(&fixer(&pnpm), &scene.request("npm", "pnpm-lock.yaml", &all, &Bad::of(&all))).await;
    assert_eq!(moves(&made), ["a 1.0.0 -> 2.0.0", "b 1.0.0 -> 1.0.1", "c 1.0.0 -> 1.0.1"]);
    assert_eq!(made.files, ["pnpm-lock.yaml", "pnpm-workspace.yaml"]);
    assert!(made.rationale.contains("Overrides of the project move along: b 1.0.1."), "{}", made.rationale);
    let expected = settings
        .replace("~1.0.0 #", "~2.0.0 #")
        .replace("b: 1.0.0 # held\n", "b: 1.0.1 # held\n  'c@1.0.0': 1.0.1\n");
    assert_eq!(scene.show(made.commit.as_str(), "pnpm-workspace.yaml"), expected);
    scene.assert_untouched();
}

#[tokio::test]
async fn without_a_good_version_the_way_to_it_is_named() {
    let Some(pnpm) = tool("pnpm", 9) else { return };
    let server = shop(&["a 1.0.0", "a 1.0.1", "top 1.0.0: a 1.0.0"]);
    let before = lock(&[".: top ^1.0.0 1.0.0"], &["a 1.0.0", "top 1.0.0: a 1.0.0"]);
    let scene = scene(&server, &json!({ "top": "^1.0.0" }), &before, &[]);
    let bad = Bad::of(&[("a", "1.0.0"), ("a", "1.0.1")]);
    let why = no_fix(&fixer(&pnpm), &scene.request("npm", "pnpm-lock.yaml", &[("a", "1.0.0")], &bad)).await;
    assert_eq!(why, ["no version of `a` above 1.0.0 is free of known problems"]);
    scene.assert_untouched();
}

#[tokio::test]
async fn neither_scripts_nor_code_of_the_project_run() {
    let Some(pnpm) = tool("pnpm", 9) else { return };
    let server = shop(&["a 1.0.0", "a 1.0.1"]);
    let flag = tempfile::tempdir().unwrap();
    let ran = flag.path().join("ran");
    let touch = format!("touch {}", ran.display());
    let manifest = json!({ "name": "app", "dependencies": { "a": "^1.0.0" },
        "scripts": { "preinstall": touch, "postinstall": touch, "prepare": touch, "pnpm:devPreinstall": touch } });
    let (before, settings) = (
        lock(&[".: a ^1.0.0 1.0.0"], &["a 1.0.0"]),
        format!("registry={}\nignore-scripts=false\n", server.url()),
    );
    let text = manifest.to_string() + "\n";
    let files = [("package.json", text.as_str()), ("pnpm-lock.yaml", &before), (".npmrc", &settings)];
    let (bad, plain) = (Bad::of(&[("a", "1.0.0")]), PnpmFixer::at(Sandbox::plain(), &pnpm));
    let scene = Scene::of(&files);
    // Without namespaces nothing but pnpm's own word would keep the script from the folder.
    candidate(&plain, &scene.request("npm", "pnpm-lock.yaml", &[("a", "1.0.0")], &bad)).await;
    let hook =
        format!("require('fs').writeFileSync({:?}, ''); module.exports = {{}};\n", ran.display().to_string());
    let scene = Scene::of(&[&files[..], &[(".pnpmfile.cjs", hook.as_str())]].concat());
    let why = no_fix(&plain, &scene.request("npm", "pnpm-lock.yaml", &[("a", "1.0.0")], &bad)).await;
    assert!(why[0].contains("`.pnpmfile.cjs`"), "{why:?}");
    assert!(!ran.exists());
}

#[tokio::test]
async fn another_pnpm_than_the_projects_is_named_with_what_to_install() {
    let Some(pnpm) = tool("pnpm", 9) else { return };
    let server = shop(&["a 1.0.0", "a 1.0.1"]);
    let before = lock(&[".: a ^1.0.0 1.0.0"], &["a 1.0.0"]);
    for (lock, asked, hint) in [
        (before.replace("'9.0'", "'6.0'"), "npm@1.0.0", "pnpm@8"),
        (before.clone(), "pnpm@10.1.0", "pnpm@10"),
    ] {
        let manifest =
            json!({ "name": "app", "dependencies": { "a": "^1.0.0" }, "packageManager": asked }).to_string();
        let settings = format!("registry={}\n", server.url());
        let scene =
            Scene::of(&[("package.json", &manifest), ("pnpm-lock.yaml", &lock), (".npmrc", &settings)]);
        let request = scene.request("npm", "pnpm-lock.yaml", &[("a", "1.0.0")], &Bad::of(&[("a", "1.0.0")]));
        let failure = fixer(&pnpm).propose(&request).await.expect_err("it is another one");
        assert!(failure.hint.as_ref().is_some_and(|said| said.contains(hint)), "{failure:?}");
        scene.assert_untouched();
    }
}
