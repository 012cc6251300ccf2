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
async fn a_copy_that_only_the_old_version_needed_may_go_and_no_other_may_come_with_it() {
    let all = |yaml: (&'static str, &'static [&'static str]), maps: &[&'static str]| {
        let others = [("app", "0.1.0", &["yaml", "time"][..]), ("time", "0.1.40", &[])];
        let maps = maps.iter().map(|version| ("map", *version, &[][..]));
        let yaml = ("yaml", yaml.0, yaml.1);
        others.into_iter().chain([yaml]).chain(maps).collect::<Vec<_>>()
    };
    let before = lock(&all(("0.4.0", &["map 0.5.0"]), &["0.5.0", "0.6.0"]));
    for (what, after, result, words) in [
        ("the copy goes", all(("0.4.1", &[]), &["0.6.0"]), Passed, "1 file changed"),
        (
            "another one comes",
            all(("0.4.1", &[]), &["0.6.0", "0.7.0"]),
            Failed,
            "moves `map`, which the fix does not need",
        ),
    ] {
        fix(&after)
            .with("Cargo.lock", &before)
            .patched("Cargo.lock", &lock(&after))
            .check(what, "diff", result, words)
            .await;
    }
    // Nor does one go that has nothing to do with it.
    let before = lock(&all(("0.4.0", &[]), &["0.5.0", "0.6.0"]));
    let after = all(("0.4.1", &[]), &["0.6.0"]);
    let project = fix(&after).with("Cargo.lock", &before).patched("Cargo.lock", &lock(&after));
    project.check("one of another goes", "diff", Failed, "moves `map`, which the fix does not need").await;
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

/// A fix of `left`, which `right` needs, in lockfiles that do not hold the repository's own package: ways begin at `right`.
fn direct(path: &str, lock: impl Fn(&str, &str, &str) -> String, after: (&str, &str, &str)) -> Project {
    let package =
        Package { ecosystem: Ecosystem("npm".to_owned()), ..locked("R-4", "left", "1.0.0").package.unwrap() };
    let left = Finding {
        package: Some(package),
        paths: vec![vec!["right 2.0.0".to_owned(), "left 1.0.0".to_owned()]],
        ..locked("R-4", "left", "1.0.0")
    };
    let project = Project::new().with(path, &lock("1.0.0", "2.0.0", "3.0.0"));
    project.patched(path, &lock(after.0, after.1, after.2)).set(|case| {
        case.candidate.kind = Kind::Dependency;
        case.candidate.removes = vec![left.id.clone()];
        case.before = vec![left.clone()];
        case.findings = vec![left];
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_that_begin_at_a_direct_dependency_lead_to_what_may_move() {
    let pnpm = |left: &str, right: &str, other: &str| {
        let package = |name: &str, version: &str| {
            format!("  {name}@{version}:\n    resolution: {{integrity: sha512-{name}{version}}}\n\n")
        };
        format!(
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      right:\n        specifier: ^2.0.0\n        version: {right}\n      other:\n        specifier: ^3.0.0\n        version: {other}\n\npackages:\n\n{}{}{}snapshots:\n\n  left@{left}: {{}}\n\n  other@{other}: {{}}\n\n  right@{right}:\n    dependencies:\n      left: {left}\n",
            package("left", left),
            package("other", other),
            package("right", right)
        )
    };
    let yarn = |left: &str, right: &str, other: &str| {
        let package = |name: &str, range: &str, version: &str, more: &str| {
            format!(
                "{name}@{range}:\n  version \"{version}\"\n  resolved \"https://packages.example/{name}/-/{name}-{version}.tgz#a\"\n{more}\n"
            )
        };
        format!(
            "# yarn lockfile v1\n\n\n{}{}{}",
            package("left", "^1.0.0", left, ""),
            package("other", "^3.0.0", other, ""),
            package("right", "^2.0.0", right, "  dependencies:\n    left \"^1.0.0\"\n")
        )
    };
    for (what, after, result, words) in [
        ("the package alone", ("1.0.1", "2.0.0", "3.0.0"), Passed, "1 file changed"),
        ("with what needs it", ("1.0.1", "2.1.0", "3.0.0"), Passed, "1 file changed"),
        (
            "with another one",
            ("1.0.1", "2.0.0", "3.1.0"),
            Failed,
            "moves `other`, which the fix does not need",
        ),
        ("down", ("1.0.1", "1.9.0", "3.0.0"), Failed, "right moves down from 2.0.0 to 1.9.0"),
    ] {
        direct("pnpm-lock.yaml", pnpm, after).check(what, "diff", result, words).await;
        direct("yarn.lock", yarn, after).check(what, "diff", result, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_newly_runs_is_told_by_each_lockfile_that_says_it() {
    let pnpm = |version: &str, more: &str| {
        format!(
            "lockfileVersion: '6.0'\n\ndependencies:\n  left:\n    specifier: ^1.0.0\n    version: {version}\n\npackages:\n\n  /left@{version}:\n    resolution: {{integrity: sha512-a}}\n{more}    dev: false\n"
        )
    };
    let composer = |version: &str, kind: &str| {
        format!(
            "{{\"packages\": [{{\"name\": \"a/left\", \"version\": \"{version}\", \"type\": \"{kind}\", \"license\": [\"MIT\"]}}], \"packages-dev\": []}}\n"
        )
    };
    let uv = |version: &str, wheels: &str| {
        format!(
            "version = 1\nrequires-python = \">=3.11\"\n\n[[package]]\nname = \"left\"\nversion = \"{version}\"\nsource = {{ registry = \"https://packages.example/simple\" }}\nsdist = {{ url = \"https://packages.example/left.tar.gz\" }}\n{wheels}"
        )
    };
    let gems = |version: &str| {
        format!(
            "GEM\n  remote: https://packages.example/\n  specs:\n    left ({version})\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  left\n"
        )
    };
    let wheel = "wheels = [{ url = \"https://packages.example/left-1.0.0-py3-none-any.whl\" }]\n";
    for (path, before, after, words) in [
        (
            "pnpm-lock.yaml",
            pnpm("1.0.0", ""),
            pnpm("1.0.1", "    requiresBuild: true\n"),
            Some("left 1.0.0 to 1.0.1: runs `an install script`"),
        ),
        ("pnpm-lock.yaml", pnpm("1.0.0", "    requiresBuild: true\n"), pnpm("1.0.1", ""), None),
        (
            "composer.lock",
            composer("1.0.0", "library"),
            composer("1.0.1", "composer-plugin"),
            Some("a/left 1.0.0 to 1.0.1: runs `a plugin of Composer`"),
        ),
        (
            "uv.lock",
            uv("1.0.0", wheel),
            uv("1.0.1", ""),
            Some("left 1.0.0 to 1.0.1: runs `the build of its source"),
        ),
    ] {
        let project = Project::fixed().with(path, &before).patched(path, &after);
        let (result, words) = words.map_or((Passed, "nothing new is found"), |words| (Warned, words));
        project.check(path, "re-scan", result, words).await;
    }
    let spec = |version: &str| format!("vendor/bundle/ruby/3.2.0/specifications/left-{version}.gemspec");
    let gem = |extensions: &str| {
        format!("Gem::Specification.new do |s|\n  s.licenses = [\"MIT\".freeze]\n{extensions}end\n")
    };
    let project =
        Project::fixed().with("Gemfile.lock", &gems("1.0.0")).patched("Gemfile.lock", &gems("1.0.1"));
    let project = project.with(&spec("1.0.0"), &gem(""));
    let project = project.patched(&spec("1.0.1"), &gem("  s.extensions = [\"ext/extconf.rb\".freeze]\n"));
    project.check("a gem", "re-scan", Warned, "left 1.0.0 to 1.0.1: runs `ext/extconf.rb`").await;
    let macros = fix(&with("yaml", "0.4.1"))
        .with("vendor/yaml/Cargo.toml", "[package]\nname = \"yaml\"\nversion = \"0.4.0\"\n");
    let manifest = "[package]\nname = \"yaml\"\nversion = \"0.4.1\"\n[lib]\nproc-macro = true\n";
    let macros = macros.patched("vendor/yaml/Cargo.toml", manifest);
    macros.check("macros", "re-scan", Warned, "yaml 0.4.0 to 0.4.1: runs `its macros in the compiler`").await;
}
