//! The fixer for `composer.lock`, with the real Composer and a repository on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use patchline_generate::{ComposerFixer, Fixer as _, Proposal};
use patchline_sandbox::Sandbox;
use serde_json::{Map, Value, json};

use crate::index::zip;
use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix, refusing};

const PUBLISHED: [&str; 11] = [
    "t/a 1.0.0: t/b >=1",
    "t/a v1.1.0: t/b >=1",
    "t/a 2.0.0-RC1: t/b >=1",
    "t/a 2.0.0: t/b >=2",
    "t/b 1.0.0",
    "t/b 2.0.0",
    "t/top 1.0.0: t/a <1.1",
    "t/top 1.1.0: t/a <2",
    "t/top 1.2.0: t/a ^1 || ^2, ext-none *",
    "t/z 1.0.0",
    "t/z 1.1.0",
];

fn fixer() -> Option<ComposerFixer> {
    has("composer").then(|| ComposerFixer::new(Sandbox::probe()))
}

/// A repository with lines as in `t/a 1.2.0: t/b ^1, php >=8`.
fn shop(lines: &[&str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (mut packages, mut pages) = (BTreeMap::<&str, Vec<Value>>::new(), BTreeMap::<String, Vec<u8>>::new());
    for line in lines {
        let (head, required) = line.split_once(": ").unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').unwrap();
        let required = required.split(", ").filter_map(|one| one.split_once(' '));
        let required: Map<String, Value> =
            required.map(|(name, range)| (name.to_owned(), json!(range))).collect();
        let place = format!("/dist/{}-{version}.zip", name.replace('/', "-"));
        let manifest = json!({ "name": name }).to_string();
        pages.insert(place.to_lowercase(), zip(&[("composer.json".to_owned(), manifest)]));
        // The newest comes first, and says all.
        packages.entry(name).or_default().insert(0, json!({
            "name": name, "version": version, "type": "library", "require": required, "time": "2020-01-01T00:00:00+00:00",
            "dist": { "type": "zip", "url": format!("{url}{place}"), "reference": format!("{name}{version}"), "shasum": "" },
        }));
    }
    for (name, versions) in packages {
        let document = json!({ "packages": { name: versions }, "minified": "composer/2.0" });
        pages.insert(format!("/p2/{name}.json"), document.to_string().into_bytes());
    }
    let root = json!({ "packages": [], "metadata-url": "/p2/%package%.json" });
    pages.insert("/packages.json".to_owned(), root.to_string().into_bytes());
    Server::on(listener, pages)
}

/// A `composer.json` with lines for what it asks for, and more of its own.
fn manifest(url: &str, asks: &[&str], more: &str) -> String {
    let asks: Vec<String> = asks
        .iter()
        .map(|one| one.split_once(' ').unwrap())
        .map(|(name, range)| format!("      \"{name}\":  \"{range}\""))
        .collect();
    format!(
        "{{\n   \"name\": \"us/app\",\n   \"require\": {{\n{}\n   }},\n   \"repositories\": [{{\"type\": \"composer\", \"url\": \"{url}\"}}, {{\"packagist.org\": false}}],\n   \"config\": {{\"secure-http\": false}}{more}\n}}\n",
        asks.join(",\n")
    )
}

fn run(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("composer");
    command.args(arguments).current_dir(folder).env("COMPOSER_HOME", folder.join("home"));
    command.env("COMPOSER_ALLOW_SUPERUSER", "1").env("COMPOSER_NO_INTERACTION", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What it writes into a lockfile of this manifest, with these versions.
fn lock(url: &str, text: &str, locked: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let fixed = ["--no-install", "--no-scripts", "--no-plugins", "--no-audit", "--ignore-platform-reqs"];
    fs::write(folder.path().join("composer.json"), manifest(url, locked, "")).unwrap();
    run(folder.path(), &[&["update"], &fixed[..]].concat());
    // What is locked already stays.
    fs::write(folder.path().join("composer.json"), text).unwrap();
    run(folder.path(), &[&["update", "--lock"], &fixed[..]].concat());
    fs::read_to_string(folder.path().join("composer.lock")).unwrap()
}

struct Project {
    manifest: String,
    lock: String,
}

impl Project {
    fn of(shop: &Server, asks: &[&str], locked: &[&str], more: &str) -> Self {
        let manifest = manifest(&shop.url(), asks, more);
        let lock = lock(&shop.url(), &manifest, locked);
        Self { manifest, lock }
    }

    fn scene(&self) -> Scene {
        Scene::of(&[("composer.json", &self.manifest), ("composer.lock", &self.lock)])
    }
}

#[tokio::test]
async fn a_package_moves_within_its_range_and_nothing_else_changes() {
    let Some(fixer) = fixer() else { return };
    let shop = shop(&PUBLISHED);
    let scripts = ",\n   \"scripts\": {\"pre-update-cmd\": \"false\", \"post-update-cmd\": \"false\"}";
    let project =
        Project::of(&shop, &["t/a ^1.0", "t/z ^1.0"], &["t/a 1.0.0", "t/b 1.0.0", "t/z 1.0.0"], scripts);
    // A script that ran would fail. Another Composer wrote the lockfile.
    let before = project
        .lock
        .replace("\"plugin-api-version\": \"", "\"plugin-api-version\": \"9.")
        .replace("\"stability-flags\": []", "\"stability-flags\": {}");
    let scene = Scene::of(&[("composer.json", &project.manifest), ("composer.lock", &before)]);
    let request =
        scene.request("Packagist", "composer.lock", &[("t/a", "1.0.0")], &Bad::of(&[("t/a", "1.0.0")]));
    let made = candidate(&fixer, &request).await;
    assert_eq!(
        (moves(&made), made.files.clone()),
        (vec!["t/a 1.0.0 -> v1.1.0".to_owned()], vec!["composer.lock".to_owned()])
    );
    let after = scene.show(made.commit.as_str(), "composer.lock");
    let differ: Vec<&str> = before
        .lines()
        .zip(after.lines())
        .filter(|(old, new)| old != new)
        .map(|(_, new)| new.trim())
        .collect();
    let place = format!("\"url\": \"{}/dist/t-a-v1.1.0.zip\",", shop.url());
    assert_eq!(differ, ["\"version\": \"v1.1.0\",", &place, "\"reference\": \"t/av1.1.0\","]);
    assert_eq!(before.lines().count(), after.lines().count());
    scene.assert_untouched();
    assert_eq!(candidate(&fixer, &request).await.commit, made.commit, "asked again it answers the same");
}

#[tokio::test]
async fn what_requires_too_little_is_lifted_and_what_is_required_comes_along() {
    let Some(fixer) = fixer() else { return };
    let shop = shop(&PUBLISHED);
    let project = Project::of(&shop, &["t/top ^1.0"], &["t/top 1.0.0", "t/a 1.0.0", "t/b 1.0.0"], "");
    let scene = project.scene();
    let bad = Bad::of(&[("t/a", "1.0.0"), ("t/a", "v1.1.0")]);
    let made =
        candidate(&fixer, &scene.request("Packagist", "composer.lock", &[("t/a", "1.0.0")], &bad)).await;
    assert_eq!(moves(&made), ["t/a 1.0.0 -> 2.0.0", "t/b 1.0.0 -> 2.0.0", "t/top 1.0.0 -> 1.2.0"]);
    assert_eq!(made.files, ["composer.lock"]);
    assert!(
        made.rationale.contains(
            "t/a 2.0.0 is the smallest version without a known problem that fits, a major upgrade."
        ),
        "{}",
        made.rationale
    );
    scene.assert_untouched();
}

#[tokio::test]
async fn the_manifest_is_widened_only_where_it_must_be_and_its_digest_with_it() {
    let Some(fixer) = fixer() else { return };
    let shop = shop(&PUBLISHED);
    let project = Project::of(&shop, &["t/a ^1.0", "t/z ^1.0"], &["t/a 1.0.0", "t/b 1.0.0", "t/z 1.0.0"], "");
    let scene = project.scene();
    let bad = Bad::of(&[("t/a", "1.0.0"), ("t/a", "v1.1.0")]);
    let made =
        candidate(&fixer, &scene.request("Packagist", "composer.lock", &[("t/a", "1.0.0")], &bad)).await;
    assert_eq!(moves(&made), ["t/a 1.0.0 -> 2.0.0", "t/b 1.0.0 -> 2.0.0"]);
    let after = scene.show(made.commit.as_str(), "composer.json");
    assert_eq!(after, project.manifest.replace("\"t/a\":  \"^1.0\"", "\"t/a\":  \"^2.0\""));
    let expected = lock(&shop.url(), &after, &["t/a 2.0.0", "t/b 2.0.0", "t/z 1.0.0"]);
    assert_eq!(scene.show(made.commit.as_str(), "composer.lock"), expected);
    assert!(made.rationale.contains("composer.json now takes t/a 2.0.0."), "{}", made.rationale);
    scene.assert_untouched();
}

#[tokio::test]
async fn what_can_not_move_is_left_with_the_reason() {
    let Some(fixer) = fixer() else { return };
    let shop = shop(&[
        "t/a 1.0.0",
        "t/a 2.0.0",
        "t/top 1.0.0: t/a ^1.0",
        "t/c 1.0.0",
        "t/d 1.0.0: php >=7.2",
        "t/d 1.1.0: php >=99",
    ]);
    let locked = ["t/top 1.0.0", "t/a 1.0.0", "t/c 1.0.0", "t/d 1.0.0"];
    let project = Project::of(&shop, &["t/top *", "t/c ^1", "t/d ^1", "php >=7.1"], &locked, "");
    let scene = project.scene();
    let bad = [("t/a", "1.0.0"), ("t/c", "1.0.0"), ("t/d", "1.0.0")];
    let request = scene.request("Packagist", "composer.lock", &bad, &Bad::of(&bad));
    let expected = [
        "`t/top 1.0.0` requires `t/a ^1.0`, and 2.0.0 would do and is the newest",
        "no version of `t/c` above 1.0.0 is free of known problems",
        "`t/d 1.1.0` would do, but asks for PHP >=99, and 7.2.0 must do here",
    ];
    assert_eq!(no_fix(&fixer, &request).await, expected);
    scene.assert_untouched();
}

#[tokio::test]
async fn what_composer_can_not_be_asked_for_is_left() {
    let Some(fixer) = fixer() else { return };
    let shop = shop(&PUBLISHED);
    let good = Project::of(&shop, &["t/a ^1.0"], &["t/a 1.0.0", "t/b 1.0.0"], "");
    let check = |from: &'static str, to: &'static str, then: &'static str| {
        let (fixer, manifest, lock) = (fixer.clone(), good.manifest.replace(from, to), good.lock.clone());
        async move {
            let scene = Scene::of(&[("composer.json", &manifest), ("composer.lock", &lock)]);
            let request = scene.request(
                "Packagist",
                "composer.lock",
                &[("t/a", "1.0.0")],
                &Bad::of(&[("t/a", "1.0.0")]),
            );
            let reasons = no_fix(&fixer, &request).await.join(" / ");
            assert!(reasons.contains(then), "{reasons}");
            scene.assert_untouched();
        }
    };
    check(
        "[{\"type\"",
        "[{\"type\": \"path\", \"url\": \"./own\"}, {\"type\"",
        "a repository of the type `path`",
    )
    .await;
    check(
        "[{\"type\"",
        "[{\"type\": \"composer\", \"url\": \"http://u:p@r.example\"}, {\"type\"",
        "`r.example` is set up with a password",
    )
    .await;
    check("\"t/a\":  \"^1.0\"", "\"t/a\":  \"^1.0.0\"", "run `composer update --lock`").await;
}

#[tokio::test]
async fn a_repository_that_does_not_answer_or_wants_a_password_is_named() {
    let Some(fixer) = fixer() else { return };
    let shop = shop(&PUBLISHED);
    let good = Project::of(&shop, &["t/a ^1.0"], &["t/a 1.0.0", "t/b 1.0.0"], "");
    let check = |url: String, then: String| {
        let (fixer, manifest, lock) =
            (fixer.clone(), good.manifest.replace(&shop.url(), &url), good.lock.clone());
        async move {
            let scene = Scene::of(&[("composer.json", &manifest), ("composer.lock", &lock)]);
            let request = scene.request(
                "Packagist",
                "composer.lock",
                &[("t/a", "1.0.0")],
                &Bad::of(&[("t/a", "1.0.0")]),
            );
            match fixer.propose(&request).await {
                Err(failure) => {
                    let told = format!("{} ({})", failure.message, failure.hint.clone().unwrap_or_default());
                    assert!(told.contains(&then), "{failure:?}");
                }
                Ok(Proposal::NoFix { reasons, log }) => panic!("{reasons:?}\n{log}"),
                Ok(Proposal::Candidate { candidate, .. }) => panic!("{candidate:?}"),
            }
            scene.assert_untouched();
        }
    };
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(format!("http://{gone}"), format!("could not fetch `http://{gone}/packages.json`")).await;
    let rubbish = Server::of(BTreeMap::from([("/packages.json".to_owned(), "<html>")]));
    check(rubbish.url(), format!("could not read what `{}/packages.json` answers", rubbish.url())).await;
    let old = Server::of(BTreeMap::from([("/packages.json".to_owned(), "{\"packages\": []}")]));
    check(old.url(), "it has no `metadata-url`".to_owned()).await;
    check(refusing(), "a repository that wants a password or a token can't be asked here".to_owned()).await;
}
