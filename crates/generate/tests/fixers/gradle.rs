//! The Gradle fixer, with a real Gradle 8.4 that `gradle.py` puts together from what Maven's repository has, and repositories
//! that lie in the build's own folder. Where it can't be had, the tests say so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use patchline_generate::{Fixer as _, GradleFixer, Request};
use patchline_sandbox::Sandbox;
use tokio::sync::OnceCell;

use crate::scene::{Bad, Scene, candidate, has, moves, no_fix};

static GRADLE: OnceCell<Option<PathBuf>> = OnceCell::const_new();

/// Put together once for all runs of the tests.
async fn gradle() -> Option<GradleFixer> {
    let made = GRADLE.get_or_init(|| async {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gradle-8.4");
        if !Sandbox::probe().is_isolated() {
            eprintln!("skipped: without namespaces no build's script is run");
            return None;
        }
        let is_there = home.join("classes.jsa").exists();
        if !is_there && (!has("mvn") || !has("python3")) {
            return None;
        }
        if is_there {
            return Some(home.join("bin/gradle"));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixers/gradle.py");
        let made = Command::new("python3").arg(script).arg(&home).output().unwrap();
        if !made.status.success() {
            eprintln!("skipped: no Gradle could be put together: {}", String::from_utf8_lossy(&made.stdout));
            eprintln!("{}", String::from_utf8_lossy(&made.stderr));
            return None;
        }
        Some(home.join("bin/gradle"))
    });
    Some(GradleFixer::with(Sandbox::probe(), made.await.clone()?))
}

/// A build with a repository of artifacts as in `a 1.2: b 1.0, c 2.0`, of the group `t`.
fn build(shop: &[&str], files: &[(&str, &str)]) -> Scene {
    let mut all: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in shop {
        let (head, required) = line.split_once(':').unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').unwrap();
        let required = required.split(',').filter_map(|one| one.trim().split_once(' '));
        let required: String = required
            .map(|(name, version)| format!("<dependency><groupId>t</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"))
            .collect();
        let pom = format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>{name}</artifactId><version>{version}</version><dependencies>{required}</dependencies></project>"
        );
        all.insert(format!("shop/t/{name}/{version}/{name}-{version}.pom"), pom);
        versions.entry(name).or_default().push(version);
    }
    for (name, versions) in versions {
        let list: String = versions.iter().map(|version| format!("<version>{version}</version>")).collect();
        let text = format!(
            "<metadata><groupId>t</groupId><artifactId>{name}</artifactId><versioning><versions>{list}</versions></versioning></metadata>"
        );
        all.insert(format!("shop/t/{name}/maven-metadata.xml"), text);
    }
    if !all.contains_key("settings.gradle") {
        all.insert("settings.gradle".to_owned(), settings(""));
    }
    let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Scene::of(&all)
}

fn settings(more: &str) -> String {
    format!(
        "dependencyResolutionManagement {{ repositories {{ maven {{ url = file('shop') }} }} }}\nrootProject.name = 'app'\n{more}"
    )
}

/// A script that locks what it runs with.
fn script(rest: &str) -> String {
    format!(
        "plugins {{ id 'java-library' }}\n\nconfigurations.runtimeClasspath {{ resolutionStrategy.activateDependencyLocking() }}\n\n{rest}"
    )
}

/// As Gradle writes it.
fn lock(locked: &[&str]) -> String {
    let lines: String = locked.iter().map(|module| format!("t:{module}=runtimeClasspath\n")).collect();
    format!(
        "# This is a Gradle generated file for dependency locking.\n# Manual edits can break the build and are not advised.\n# This file is expected to be part of source control.\n{lines}empty=\n"
    )
}

fn request(scene: &Scene, lockfile: &str, installed: &[(&str, &str)], bad: &[(&str, &str)]) -> Request {
    scene.request("Maven", lockfile, installed, &Bad::of(bad))
}

#[tokio::test]
async fn each_version_is_changed_on_the_lowest_rung_that_does() {
    let Some(fixer) = gradle().await else { return };
    let shop = [
        "a 1.0: b 1.0",
        "a 1.1: b 1.0",
        "a 2.0: b 1.1",
        "b 1.0",
        "b 1.1", // b is lifted by a
        "c 1.0: d 1.0",
        "d 1.0",
        "d 1.1", // d gets a constraint
        "e 1.0",
        "e 1.1",
        "e 1.2",
        "e 2.0", // e moves within its range
        "f 1.0",
        "f 1.1",
        "f 1.2-rc1",
        "f 1.2",
        "g 1.0",
        "g 1.2", // f and g share a version
        "h 1.0",
        "h 1.1",
        "i 1.0",
        "i 1.1",
    ];
    let catalog = "[versions]\nfg = \"1.0\" # of both\nhh = \"1.0\"\n\n[libraries]\nlib-f = { module = \"t:f\", version.ref = \"fg\" }\nlib-g = { group = \"t\", name = \"g\", version.ref = \"fg\" }\nlib-h = { module = \"t:h\", version.ref = \"hh\" } # stays\n";
    let app = script(
        "dependencies {\n    implementation project(':lib')\n    implementation \"t:a:$a\" // as tested\n    implementation libs.lib.f\n    runtimeOnly 't:e:[1.0,2.0)'\n}\n",
    );
    let lib = script(
        "dependencies {\n  api 't:c:1.0'\n  api libs.lib.g; api libs.lib.h\n  api group: 't', name: 'i', version: '1.0'\n}\n",
    );
    let before_app = lock(&["a:1.0", "b:1.0", "c:1.0", "d:1.0", "e:1.0", "f:1.0", "g:1.0", "h:1.0", "i:1.0"]);
    let before_lib = lock(&["c:1.0", "d:1.0", "g:1.0", "h:1.0", "i:1.0"]);
    let settings = settings("include 'lib'\n");
    let scene = build(
        &shop,
        &[
            ("settings.gradle", &settings),
            ("gradle.properties", "# ours\na=1.0\norg.gradle.jvmargs=-Xmx1g\n"),
            ("gradle/libs.versions.toml", catalog),
            ("build.gradle", &app),
            ("lib/build.gradle", &lib),
            ("gradle.lockfile", &before_app),
            ("lib/gradle.lockfile", &before_lib),
        ],
    );
    let installed = [("t:b", "1.0"), ("t:d", "1.0"), ("t:e", "1.0"), ("t:f", "1.0"), ("t:i", "1.0")];
    let bad =
        [("t:b", "1.0"), ("t:d", "1.0"), ("t:e", "1.0"), ("t:f", "1.0"), ("t:f", "1.1"), ("t:i", "1.0")];
    let made = candidate(&fixer, &request(&scene, "gradle.lockfile", &installed, &bad)).await;
    let expected = [
        "t:a 1.0 -> 2.0",
        "t:b 1.0 -> 1.1",
        "t:d 1.0 -> 1.1",
        "t:e 1.0 -> 1.1",
        "t:f 1.0 -> 1.2",
        "t:g 1.0 -> 1.2",
        "t:i 1.0 -> 1.1",
    ];
    assert_eq!(moves(&made), expected, "{}", made.rationale);
    let rungs: BTreeSet<String> =
        made.moves.iter().filter_map(|step| Some(format!("{} {:?}", step.package, step.rung?))).collect();
    let expected = ["t:a Lift", "t:d Override", "t:e InRange", "t:f Relax", "t:i Relax"];
    assert_eq!(rungs, expected.map(str::to_owned).into());
    let show = |path: &str| scene.show(made.commit.as_str(), path);
    assert_eq!(show("gradle.properties"), "# ours\na=2.0\norg.gradle.jvmargs=-Xmx1g\n");
    assert_eq!(show("gradle/libs.versions.toml"), catalog.replace("fg = \"1.0\"", "fg = \"1.2\""));
    assert_eq!(show("build.gradle"), app);
    let constraint = "version: '1.1'\n  constraints {\n    api 't:d:1.1'\n  }\n";
    assert_eq!(show("lib/build.gradle"), lib.replace("version: '1.0'\n", constraint));
    let after = lock(&["a:2.0", "b:1.1", "c:1.0", "d:1.1", "e:1.1", "f:1.2", "g:1.2", "h:1.0", "i:1.1"]);
    assert_eq!(show("gradle.lockfile"), after);
    assert_eq!(show("lib/gradle.lockfile"), lock(&["c:1.0", "d:1.1", "g:1.2", "h:1.0", "i:1.1"]));
    scene.assert_untouched();
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_taken_and_what_can_not_be_fixed_says_why() {
    let Some(fixer) = gradle().await else { return };
    let shop = [
        "a 1.0: b 1.0",
        "a 1.1: b 2.0",
        "a 1.2: b 1.0",
        "b 1.0",
        "b 2.0", // 1.1 brings a problem in
        "c 1.0: d 1.0",
        "d 1.0",
        "d 1.1", // the build forces d
        "e 1.0",
    ];
    let app = script(
        "configurations.all { resolutionStrategy.force 't:d:1.0' }\n\ndependencies {\n    implementation(\"t:a:1.0\")\n    implementation 't:c:1.0'\n    implementation 't:e:1.0'\n}\n",
    );
    let before = lock(&["a:1.0", "b:1.0", "c:1.0", "d:1.0", "e:1.0"]);
    let scene = build(&shop, &[("build.gradle", &app), ("gradle.lockfile", &before)]);
    let installed = [("t:a", "1.0"), ("t:d", "1.0"), ("t:e", "1.0"), ("t:x", "1.0")];
    let bad = [("t:a", "1.0"), ("t:b", "2.0"), ("t:d", "1.0"), ("t:e", "1.0"), ("t:x", "1.0")];
    let made = candidate(&fixer, &request(&scene, "gradle.lockfile", &installed, &bad)).await;
    assert_eq!(moves(&made), ["t:a 1.0 -> 1.2"], "{}", made.rationale);
    assert_eq!(scene.show(made.commit.as_str(), "build.gradle"), app.replace("t:a:1.0", "t:a:1.2"));
    let why: BTreeMap<&str, &str> =
        made.leaves.iter().map(|(id, why)| (id.0.as_str(), why.as_str())).collect();
    assert_eq!(
        why["t:d@1.0"],
        "with `t:d 1.1` Gradle would take `t:d 1.0` still: `t:c 1.0` asks for it at `1.0`, a rule of the build has the last word, project `:` asks for it at `1.1`"
    );
    assert_eq!(
        why["t:e@1.0"],
        "no version of `t:e` above 1.0 is free of known problems; project `:` asks for it at `1.0`"
    );
    assert_eq!(
        why["t:x@1.0"],
        "`gradle.lockfile` has `t:x 1.0` for a configuration that the build no longer has"
    );
    scene.assert_untouched();
}

#[tokio::test]
async fn a_build_that_is_not_in_order_is_left_as_it_is() {
    let Some(fixer) = gradle().await else { return };
    let check = async |rest: &str, locked: &[&str], then: &str| {
        let (app, before) = (script(rest), lock(locked));
        let shop = ["a 1.0", "a 1.1"];
        let scene = build(
            &shop,
            &[
                ("build.gradle", &app),
                ("gradle.lockfile", &before),
                (
                    "gradle/wrapper/gradle-wrapper.properties",
                    "distributionUrl=https\\://x.example/gradle-7.6.1-bin.zip\n",
                ),
            ],
        );
        let reasons =
            no_fix(&fixer, &request(&scene, "gradle.lockfile", &[("t:a", "1.0")], &[("t:a", "1.0")])).await;
        let said = reasons.join(" / ");
        assert!(said.contains(then), "{said}");
        scene.assert_untouched();
    };
    let good = "dependencies {\n    implementation 't:a:1.0'\n}\n";
    check(good, &["a:0.9"], "the lockfiles don't go with the build").await;
    check(
        "dependencies {\n    implementation nonsense\n",
        &["a:1.0"],
        "the build's wrapper is for Gradle 7.6.1",
    )
    .await;
    // A script is a program: it sees no secrets of ours, and what it writes to itself is seen.
    let hostile = format!(
        "{good}if (new File(System.getenv('HOME') ?: '/', '.cargo').exists()) throw new GradleException('a home')\nnew File(rootDir, 'gradle.properties').text = 'a=2'\nbuildFile << '// more\\n'\n"
    );
    check(&hostile, &["a:1.0"], "the build's own scripts change `build.gradle` while Gradle runs").await;
}

#[tokio::test]
async fn a_repository_that_does_not_answer_and_a_missing_gradle_are_failures() {
    let Some(fixer) = gradle().await else { return };
    let missing = GradleFixer::with(Sandbox::probe(), PathBuf::from("gradle-that-is-nowhere"));
    let app = script(
        "repositories { maven { url = 'http://127.0.0.1:1/'; allowInsecureProtocol = true } }\ndependencies {\n    implementation 't:a:1.0'\n}\n",
    );
    let before = lock(&["a:1.0"]);
    let scene = build(&[], &[("build.gradle", &app), ("gradle.lockfile", &before), ("settings.gradle", "")]);
    let request = request(&scene, "gradle.lockfile", &[("t:a", "1.0")], &[("t:a", "1.0")]);
    let failure = missing.propose(&request).await.unwrap_err();
    assert!(failure.message.contains("could not find `gradle-that-is-nowhere`"), "{failure:?}");
    let failure = fixer.propose(&request).await.unwrap_err();
    assert!(failure.message.starts_with("Gradle could not reach a repository: "), "{failure:?}");
    scene.assert_untouched();
}
