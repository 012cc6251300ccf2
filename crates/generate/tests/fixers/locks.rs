//! The fixers for `uv.lock` and `poetry.lock`, with the real tools and an index on loopback.

use std::fs;
use std::path::Path;
use std::process::Command;

use patchline_generate::LockFixer;
use patchline_sandbox::Sandbox;

use crate::index::index;
use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix};

const PUBLISHED: [&str; 9] = [
    "a 1.0: b>=1",
    "a 1.1: b>=1",
    "a 2.0: b>=2",
    "b 1.0",
    "b 2.0",
    "top 1.0: a<1.1",
    "top 1.1: a<2",
    "top 1.2: a<3",
    "z 1.0",
];

fn fixers() -> Vec<(&'static str, LockFixer)> {
    let all = [("uv", LockFixer::uv(Sandbox::probe())), ("poetry", LockFixer::poetry(Sandbox::probe()))];
    all.into_iter().filter(|(tool, _)| has(tool)).collect()
}

fn lockfile(tool: &str) -> String {
    format!("{tool}.lock")
}

/// A project that asks for this, and is locked to it with versions that stay until somebody moves them.
fn project(tool: &str, shop: &Server, asks: &[&str], locked: &[&str]) -> Scene {
    let index = match tool {
        "uv" => format!("[[tool.uv.index]]\nurl = \"{}/simple\"\ndefault = true\n", shop.url()),
        _ => format!(
            "[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = \"here\"\nurl = \"{}/simple/\"\npriority = \"primary\"\n",
            shop.url()
        ),
    };
    let manifest = |asks: &[&str]| {
        let asks: String = asks.iter().map(|one| format!("    \"{one}\", # keep me\n")).collect();
        format!(
            "[project]\nname = \"app\"\nversion = \"0.1.0\"\nrequires-python = \">=3.8,<4.0\"\ndependencies = [\n{asks}]\n{index}"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let lock = |text: String| {
        fs::write(folder.path().join("pyproject.toml"), &text).unwrap();
        run(tool, folder.path());
        text
    };
    // First the versions, and then without their pins: what is locked already stays.
    let pinned: Vec<&str> = asks.iter().chain(locked).copied().collect();
    lock(manifest(&pinned));
    let manifest = lock(manifest(asks));
    let lock = fs::read_to_string(folder.path().join(lockfile(tool))).unwrap();
    Scene::of(&[("pyproject.toml", &manifest), (&lockfile(tool), &lock)])
}

fn run(tool: &str, folder: &Path) {
    let mut command = Command::new(tool);
    command.arg("lock").current_dir(folder).env("UV_CACHE_DIR", folder.join("cache"));
    command.env("POETRY_CACHE_DIR", folder.join("cache")).env("POETRY_NO_INTERACTION", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn one_package_moves_within_its_range_and_nothing_else_changes() {
    for (tool, fixer) in fixers() {
        let shop = index(&PUBLISHED);
        let scene = project(tool, &shop, &["a>=1", "z"], &["a==1.0", "b==1.0"]);
        let bad = Bad::of(&[("a", "1.0")]);
        let request = scene.request("PyPI", &lockfile(tool), &[("a", "1.0")], &bad);
        let made = candidate(&fixer, &request).await;
        assert_eq!(moves(&made), ["a 1.0 -> 1.1"], "{tool}");
        assert_eq!(made.files, [lockfile(tool)]);
        let (before, after) =
            (scene.show("main", &lockfile(tool)), scene.show(made.commit.as_str(), &lockfile(tool)));
        let differ = before.lines().zip(after.lines()).filter(|(old, new)| old != new).count();
        assert!(before.lines().count() == after.lines().count() && differ <= 4, "{tool}: {after}");
        scene.assert_untouched();
        assert_eq!(candidate(&fixer, &request).await.commit, made.commit, "{tool}: asked again");
    }
}

#[tokio::test]
async fn what_requires_too_little_is_lifted_and_what_is_required_comes_along() {
    for (tool, fixer) in fixers() {
        let shop = index(&PUBLISHED);
        let scene = project(tool, &shop, &["top", "z"], &["top==1.0", "b==1.0"]);
        let bad = Bad::of(&[("a", "1.0"), ("a", "1.1")]);
        let made = candidate(&fixer, &scene.request("PyPI", &lockfile(tool), &[("a", "1.0")], &bad)).await;
        assert_eq!(moves(&made), ["a 1.0 -> 2.0", "b 1.0 -> 2.0", "top 1.0 -> 1.2"], "{tool}");
        assert_eq!(made.files, [lockfile(tool)]);
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn the_manifest_is_widened_only_where_it_must_be() {
    for (tool, fixer) in fixers() {
        let shop = index(&PUBLISHED);
        let scene = project(tool, &shop, &["a>=1,<1.1", "z"], &["b==1.0"]);
        let bad = Bad::of(&[("a", "1.0"), ("a", "1.1")]);
        let made = candidate(&fixer, &scene.request("PyPI", &lockfile(tool), &[("a", "1.0")], &bad)).await;
        assert_eq!(moves(&made), ["a 1.0 -> 2.0", "b 1.0 -> 2.0"], "{tool}");
        assert_eq!(made.files.len(), 2);
        let (before, after) =
            (scene.show("main", "pyproject.toml"), scene.show(made.commit.as_str(), "pyproject.toml"));
        assert_eq!(after, before.replace("<1.1", "<3.0"), "{tool}");
        assert!(made.rationale.contains("a major upgrade"), "{}", made.rationale);
    }
}

#[tokio::test]
async fn what_can_not_move_is_left_with_the_reason() {
    for (tool, fixer) in fixers() {
        let shop = index(&["a 1.0", "a 2.0", "top 1.0: a<2", "c 1.0"]);
        let scene = project(tool, &shop, &["top", "c"], &[]);
        let bad = Bad::of(&[("a", "1.0"), ("c", "1.0")]);
        let request = scene.request("PyPI", &lockfile(tool), &[("a", "1.0"), ("c", "1.0")], &bad);
        let expected = [
            "`top 1.0` requires `a <2`, and 2.0 would do and is the newest",
            "no version of `c` above 1.0 is free of known problems",
        ];
        assert_eq!(no_fix(&fixer, &request).await, expected, "{tool}");
        scene.assert_untouched();
    }
}
