//! The yarn fixer, with the real yarn 1 and berry and a registry on loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchline_generate::{Fixer as _, YarnFixer};
use patchline_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::scene::{Bad, Scene, Server, candidate, moves, no_fix, tool};
use crate::shop::{read, shop};

const YARNS: [u32; 3] = [1, 3, 4];

/// The yarn that is here with the format of its lockfile, which yarn 1 has none of, and the key of its cache.
fn yarn(major: u32) -> Option<(PathBuf, Format)> {
    let yarn = tool("yarn", major)?;
    if major == 1 {
        return Some((yarn, None));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("package.json"), "{}").unwrap();
    fs::write(folder.path().join("yarn.lock"), "").unwrap();
    let mut command = Command::new(&yarn);
    command.args(["install", "--mode=update-lockfile"]).current_dir(folder.path());
    command.env("YARN_ENABLE_IMMUTABLE_INSTALLS", "0").env("YARN_GLOBAL_FOLDER", folder.path());
    assert!(command.output().unwrap().status.success());
    let lock = fs::read_to_string(folder.path().join("yarn.lock")).unwrap();
    let of = |key: &str| lock.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::to_owned);
    // It names no key where it keeps nothing.
    let key = of("cacheKey: ").unwrap_or_else(|| if major == 3 { "8" } else { "10c0" }.to_owned());
    Some((yarn, Some((of("version: ").unwrap().parse().unwrap(), key))))
}

type Format = Option<(u32, String)>;

/// A lockfile with what lines say as in `a@^1.0.0,~1.0.0 1.0.0: b ^1`.
fn lock(format: &Format, server: &Server, own: &[(&str, &str, &Value)], lines: &[&str]) -> String {
    let mut blocks: Vec<String> = Vec::new();
    for (name, version, required) in lines.iter().map(|line| read(line)) {
        let (name, ranges) = name.split_once('@').unwrap();
        let sign = if format.as_ref().is_none_or(|(format, _)| *format < 8) { "" } else { "npm:" };
        let heads: Vec<String> = ranges
            .split(',')
            .map(|range| format!("{name}@{}{range}", if format.is_some() { "npm:" } else { "" }))
            .collect();
        let between = if format.is_some() { ", " } else { "\", \"" };
        let mut text = format!("\"{}\":\n", heads.join(between));
        let colon = if format.is_some() { ":" } else { "" };
        text += &format!(
            "  version{colon} {}\n",
            if format.is_some() { version.clone() } else { format!("\"{version}\"") }
        );
        match format {
            Some(_) => text += &format!("  resolution: \"{name}@npm:{version}\"\n"),
            None => {
                text += &format!(
                    "  resolved \"{}/{name}/-/{name}-{version}.tgz\"\n  integrity sha512-{name}{version}\n",
                    server.url()
                )
            }
        }
        if !required.is_empty() {
            text += "  dependencies:\n";
        }
        for (called, range) in &required {
            text += &format!("    {called}{colon} \"{sign}{}\"\n", range.as_str().unwrap());
        }
        if format.is_some() {
            text += "  languageName: node\n  linkType: hard\n";
        }
        blocks.push(text);
    }
    let Some((format, key)) = format else {
        return format!("# yarn lockfile v1\n\n\n{}", blocks.join("\n"));
    };
    for (name, folder, wanted) in own {
        let mut text = format!(
            "\"{name}@workspace:{folder}\":\n  version: 0.0.0-use.local\n  resolution: \"{name}@workspace:{folder}\"\n  dependencies:\n"
        );
        for (called, range) in wanted.as_object().unwrap() {
            text += &format!(
                "    {called}: \"{}{}\"\n",
                if *format < 8 { "" } else { "npm:" },
                range.as_str().unwrap()
            );
        }
        blocks.push(text + "  languageName: unknown\n  linkType: soft\n");
    }
    blocks.sort();
    format!("__metadata:\n  version: {format}\n  cacheKey: {key}\n\n{}", blocks.join("\n"))
}

/// A workspace of `app` and `packages/x`.
fn scene(
    server: &Server,
    format: &Format,
    root: &Value,
    member: &Value,
    lines: &[&str],
    more: &Value,
) -> Scene {
    let mut manifest =
        json!({ "name": "app", "private": true, "workspaces": ["packages/*"], "dependencies": root });
    for (key, value) in more.as_object().into_iter().flatten() {
        manifest[key] = value.clone();
    }
    let manifest = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
    let member_text =
        serde_json::to_string_pretty(&json!({ "name": "x", "version": "1.0.0", "dependencies": member }))
            .unwrap()
            + "\n";
    let lock = lock(format, server, &[("app", ".", root), ("x", "packages/x", member)], lines);
    let classic = format!("registry={}\n", server.url());
    let berry = format!("npmRegistryServer: \"{}\"\nunsafeHttpWhitelist:\n  - 127.0.0.1\n", server.url());
    let settings =
        if format.is_some() { (".yarnrc.yml", berry.as_str()) } else { (".npmrc", classic.as_str()) };
    Scene::of(&[
        ("package.json", &manifest),
        ("packages/x/package.json", &member_text),
        ("yarn.lock", &lock),
        settings,
    ])
}

fn fixer(program: &Path) -> YarnFixer {
    YarnFixer::at(Sandbox::probe(), program)
}

/// What answers what, as in `a@^1.0.0 1.0.1`.
fn answers(lock: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut heads: Vec<String> = Vec::new();
    for line in lock.lines() {
        let is_head = !line.starts_with([' ', '#']) && line.ends_with(':') && !line.starts_with("__");
        if is_head {
            let line = line.trim_end_matches(':').replace('"', "").replace("@npm:", "@");
            heads = line.split(", ").map(str::to_owned).collect();
        }
        let version = line.strip_prefix("  version").map(|text| text.trim_matches([':', ' ', '"']));
        found.extend(
            version.into_iter().flat_map(|version| heads.iter().map(move |head| format!("{head} {version}"))),
        );
    }
    found.retain(|answer| !answer.contains("workspace:"));
    found.sort();
    found
}

#[tokio::test]
async fn each_range_gets_its_own_lowest_good_version_and_what_is_there_serves_what_is_new() {
    let server = shop(&[
        "a 1.0.0",
        "a 1.0.1",
        "a 1.1.0: z ^1.0.0",
        "a 1.2.0: z ^1.0.0",
        "top 1.0.0: a ^1.1.0",
        "z 1.0.0",
        "z 1.1.0",
    ]);
    let (root, member) = (json!({ "a": "~1.0.0", "top": "^1.0.0" }), json!({ "z": "1.0.0" }));
    for major in YARNS {
        let Some((yarn, format)) = yarn(major) else { continue };
        let lines = [
            "a@^1.1.0 1.1.0: z ^1.0.0",
            "a@~1.0.0 1.0.0",
            "top@^1.0.0 1.0.0: a ^1.1.0",
            "z@1.0.0,^1.0.0 1.0.0",
        ];
        let scene = scene(&server, &format, &root, &member, &lines, &json!({}));
        let all = [("a", "1.0.0"), ("a", "1.1.0")];
        let request = scene.request("npm", "yarn.lock", &all, &Bad::of(&all));
        let made = candidate(&fixer(&yarn), &request).await;
        assert_eq!(moves(&made), ["a 1.0.0 -> 1.0.1", "a 1.1.0 -> 1.2.0"], "yarn {major}");
        assert_eq!(made.files, ["yarn.lock"]);
        let expected =
            ["a@^1.1.0 1.2.0", "a@~1.0.0 1.0.1", "top@^1.0.0 1.0.0", "z@1.0.0 1.0.0", "z@^1.0.0 1.0.0"];
        assert_eq!(answers(&scene.show(made.commit.as_str(), "yarn.lock")), expected, "yarn {major}");
        let again = candidate(&fixer(&yarn), &request).await;
        assert_eq!(again.commit, made.commit, "asked again it answers the same");
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn what_pins_it_is_lifted_and_what_nothing_lifts_is_resolved_by_the_project() {
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
    let (root, member) = (json!({ "b": "^3.0.0", "old": "^1.0.0" }), json!({ "top": "^1.0.0" }));
    let bad = Bad::of(&[("a", "1.0.0"), ("b", "1.0.0")]);
    for major in YARNS {
        let Some((yarn, format)) = yarn(major) else { continue };
        let lines = [
            "a@1.0.0 1.0.0",
            "b@1.0.0 1.0.0",
            "b@^3.0.0 3.0.0",
            "old@^1.0.0 1.0.0: b 1.0.0",
            "top@^1.0.0 1.0.0: a 1.0.0",
        ];
        let scene = scene(&server, &format, &root, &member, &lines, &json!({}));
        let request = scene.request("npm", "yarn.lock", &[("a", "1.0.0"), ("b", "1.0.0")], &bad);
        let made = candidate(&fixer(&yarn), &request).await;
        assert_eq!(
            moves(&made),
            ["a 1.0.0 -> 1.0.1", "b 1.0.0 -> 1.0.1", "top 1.0.0 -> 1.1.0"],
            "yarn {major}"
        );
        let manifest: Value =
            serde_json::from_str(&scene.show(made.commit.as_str(), "package.json")).unwrap();
        let expected = match major {
            1 => json!({ "**/old/b": "1.0.1" }),
            3 => json!({ "b@1.0.0": "npm:1.0.1" }),
            _ => json!({ "b@npm:1.0.0": "npm:1.0.1" }),
        };
        assert_eq!(manifest["resolutions"], expected);
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn a_members_range_is_widened_and_the_projects_own_resolutions_follow() {
    let server = shop(&["a 1.0.0", "a 2.0.1", "b 1.0.0", "b 1.0.1", "b 1.1.0", "top 1.0.0: b ^1.0.0"]);
    let (root, member) = (json!({ "top": "^1.0.0" }), json!({ "a": "~1.0.0" }));
    for major in YARNS {
        let Some((yarn, format)) = yarn(major) else { continue };
        let lines = ["a@~1.0.0 1.0.0", "b@1.0.0 1.0.0", "top@^1.0.0 1.0.0: b ^1.0.0"];
        let key = if major == 1 { "**/b" } else { "b" };
        let scene =
            scene(&server, &format, &root, &member, &lines, &json!({ "resolutions": { key: "1.0.0" } }));
        let all = [("a", "1.0.0"), ("b", "1.0.0")];
        let made = candidate(&fixer(&yarn), &scene.request("npm", "yarn.lock", &all, &Bad::of(&all))).await;
        assert_eq!(moves(&made), ["a 1.0.0 -> 2.0.1", "b 1.0.0 -> 1.0.1"], "yarn {major}");
        assert!(made.rationale.contains("a major upgrade"), "{}", made.rationale);
        let show = |commit: &str, file: &str| scene.show(commit, file);
        let (base, commit) = ("main", made.commit.as_str());
        assert_eq!(
            show(commit, "packages/x/package.json"),
            show(base, "packages/x/package.json").replace("~1.0.0", "~2.0.1")
        );
        assert_eq!(
            show(commit, "package.json"),
            show(base, "package.json")
                .replace(&format!("\"{key}\": \"1.0.0\""), &format!("\"{key}\": \"1.0.1\""))
        );
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn without_a_good_version_the_way_to_it_is_named() {
    let server = shop(&["a 1.0.0", "a 1.0.1", "top 1.0.0: a 1.0.0"]);
    for major in YARNS {
        let Some((yarn, format)) = yarn(major) else { continue };
        let lines = ["a@1.0.0 1.0.0", "top@^1.0.0 1.0.0: a 1.0.0"];
        let scene = scene(&server, &format, &json!({ "top": "^1.0.0" }), &json!({}), &lines, &json!({}));
        let bad = Bad::of(&[("a", "1.0.0"), ("a", "1.0.1")]);
        let why = no_fix(&fixer(&yarn), &scene.request("npm", "yarn.lock", &[("a", "1.0.0")], &bad)).await;
        assert_eq!(why, ["no version of `a` above 1.0.0 is free of known problems"]);
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn neither_scripts_nor_the_projects_own_yarn_run() {
    let server = shop(&["a 1.0.0", "a 1.0.1"]);
    for major in YARNS {
        let Some((yarn, format)) = yarn(major) else { continue };
        let flag = tempfile::tempdir().unwrap();
        let ran = flag.path().join("ran");
        let touch = format!("touch {}", ran.display());
        let scripts = json!({ "scripts": { "preinstall": touch, "postinstall": touch, "prepare": touch } });
        let scene =
            scene(&server, &format, &json!({ "a": "^1.0.0" }), &json!({}), &["a@^1.0.0 1.0.0"], &scripts);
        let code = format!(
            "require('fs').writeFileSync({:?}, '');\nmodule.exports = {{ name: 'own', factory: () => ({{}}) }};\n",
            ran.display().to_string()
        );
        let folder = scene.folder.path();
        fs::write(folder.join("own.cjs"), &code).unwrap();
        fs::write(folder.join("yarn.config.cjs"), &code).unwrap();
        fs::write(folder.join(".yarnrc"), "yarn-path \"./own.cjs\"\n").unwrap();
        if format.is_some() {
            let settings = fs::read_to_string(folder.join(".yarnrc.yml")).unwrap();
            let own =
                "yarnPath: ./own.cjs\nplugins:\n  - path: ./own.cjs\n    spec: own\nenableScripts: true\n";
            fs::write(folder.join(".yarnrc.yml"), settings + own).unwrap();
        }
        scene.git(&["add", "--all"]);
        scene.git(&["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "own"]);
        let request = scene.request("npm", "yarn.lock", &[("a", "1.0.0")], &Bad::of(&[("a", "1.0.0")]));
        // Without namespaces nothing but our own word would keep them from the folder.
        let made = candidate(&YarnFixer::at(Sandbox::plain(), &yarn), &request).await;
        assert!(!ran.exists(), "yarn {major}");
        assert_eq!(made.rationale.contains("`yarnPath` and `plugins` were not run"), format.is_some());
    }
}

#[tokio::test]
async fn another_yarn_than_the_projects_is_named_with_what_to_install() {
    let server = shop(&["a 1.0.0"]);
    let (three, four) = (Some((6, "8".to_owned())), Some((8, "10c0".to_owned())));
    for (major, wanted, format) in [(1, 4, four), (4, 1, None), (4, 3, three)] {
        let Some(yarn) = tool("yarn", major) else { continue };
        let scene =
            scene(&server, &format, &json!({ "a": "^1.0.0" }), &json!({}), &["a@^1.0.0 1.0.0"], &json!({}));
        let request = scene.request("npm", "yarn.lock", &[("a", "1.0.0")], &Bad::of(&[("a", "1.0.0")]));
        let failure = fixer(&yarn).propose(&request).await.expect_err("it is another one");
        assert_eq!(
            failure.message,
            format!("the project is one of yarn {wanted}, and yarn {major} would write another lockfile")
        );
        let package = if wanted == 1 { "yarn@1".to_owned() } else { format!("@yarnpkg/cli-dist@{wanted}") };
        assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains(&package)), "{failure:?}");
        scene.assert_untouched();
    }
}

#[tokio::test]
async fn a_yarn_that_would_bring_the_lockfile_to_another_format_is_not_the_one_that_keeps_it() {
    let Some((yarn, Some((now, key)))) = yarn(4) else { return };
    if now <= 8 {
        eprintln!("skipped: this yarn 4 writes the oldest format of yarn 4");
        return;
    }
    let server = shop(&["a 1.0.0", "a 1.0.1"]);
    let more = json!({ "packageManager": "yarn@4.0.1+sha256.00" });
    let format = Some((8, key));
    let scene = scene(&server, &format, &json!({ "a": "^1.0.0" }), &json!({}), &["a@^1.0.0 1.0.0"], &more);
    let request = scene.request("npm", "yarn.lock", &[("a", "1.0.0")], &Bad::of(&[("a", "1.0.0")]));
    let failure = fixer(&yarn).propose(&request).await.expect_err("it would");
    assert_eq!(
        failure.message,
        format!("`yarn.lock` has format 8, and the yarn 4 that is here would bring it to {now}")
    );
    assert!(
        failure.hint.as_ref().is_some_and(|hint| hint.contains("@yarnpkg/cli-dist@4.0.1`")),
        "{failure:?}"
    );
    scene.assert_untouched();
}
