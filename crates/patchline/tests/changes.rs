//! A person's change, its backports and its revert, on a project whose artifact is its source.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "binary/cargo_project.rs"]
#[expect(dead_code, reason = "no cargo project is made here")]
mod cargo_project;
#[path = "binary/run.rs"]
mod run;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::cargo_project::git;
use crate::run::{check, json, patchline, text};

const SETTINGS: &str = "[service]
name = \"small\"
owner = \"team-small\"
tier = 3

[test]
command = [\"sh\", \"test.sh\"]
";

const WITHOUT: &str = "echo one\n";
const BUG: &str = "echo one\necho \"$1\" | sh\n";
const FIXED: &str = "echo one\necho \"$1\"\n";

/// `main` has the bug, `fixit` the fix, `new` branched off with the bug, `old` from before.
fn project() -> (TempDir, PathBuf, PathBuf) {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    fs::create_dir(&project).unwrap();
    let commit = |app: &str, title: &str| {
        fs::write(project.join("app.sh"), app).unwrap();
        git(&project, &["add", "--all"]);
        git(&project, &["commit", "--quiet", "--message", title]);
    };
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(project.join("patchline.toml"), SETTINGS).unwrap();
    fs::write(project.join("test.sh"), "test -n \"$(sh app.sh true)\"\n").unwrap();
    commit(WITHOUT, "A small project");
    git(&project, &["branch", "old"]);
    commit(BUG, "Run it");
    git(&project, &["branch", "new"]);
    git(&project, &["checkout", "--quiet", "-b", "fixit"]);
    commit(FIXED, "Run nothing that users say");
    git(&project, &["checkout", "--quiet", "main"]);
    (folder, project, data)
}

#[test]
fn an_image_goes_to_another_tag_wherever_it_is_named() {
    let (_folder, project, data) = project();
    let digest = |sign: &str| format!("sha256:{}", sign.repeat(64));
    let docker = format!("# ours\r\nFROM own/base:1.0@{} AS run\r\nCOPY . /\r\n", digest("a"));
    let chart = "image:\n  repository: own/base # as in Dockerfile\n  tag: v1\n";
    fs::write(project.join("Dockerfile"), &docker).unwrap();
    fs::write(project.join("values.yaml"), chart).unwrap();
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "Images"]);
    let fix = |image: &str, code: i32, says: &[&str]| {
        let words = ["--data", text(&data), "fix", "--format", "json", text(&project), "--image", image];
        check(patchline(&words).env("USER", "dana"), code, says)
    };
    fix("own/base=1.1", 3, &["`own/base` does not say which registry it comes from"]);
    fix("other=1.1", 3, &["names the image `other`", "`own/base`"]);
    fix("own/base:1.1", 2, &["not of the form NAME=TAG"]);
    let ran = fix(&format!("own/base=1.1@{}", digest("b")), 0, &[]);
    let told = &json(&ran)["patches"][0];
    assert_eq!((&told["outcome"], &told["title"]), (&"handed_over".into(), &"Update own/base to 1.1".into()));
    let expected = docker.replace("1.0@", "1.1@").replace(&digest("a"), &digest("b"));
    assert_eq!(git(&project, &["show", "patchline/P-1:Dockerfile"]), expected);
    assert_eq!(git(&project, &["show", "patchline/P-1:values.yaml"]), chart.replace("v1", "\"1.1\""));
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
}

#[test]
fn a_value_goes_to_another_where_it_stands() {
    let (_folder, project, data) = project();
    let app = "# ours\nspec:\n  replicas:   2 # enough\n  limits: {memory: 512Mi}\n";
    fs::write(project.join("app.yaml"), app).unwrap();
    let toml = "# ours\n[server]\nport = 8_080 # usual\n";
    fs::write(project.join("app.toml"), toml).unwrap();
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "Settings"]);
    let fix = |edits: &[&str], code: i32, says: &[&str]| {
        let words = ["--data", text(&data), "fix", "--format", "json", text(&project)];
        let edits = edits.iter().flat_map(|edit| ["--edit", edit]);
        check(patchline(&words).args(edits).env("USER", "dana"), code, says)
    };
    fix(&["app.yaml:spec.replica=3"], 3, &["there is no `replica` in `spec`: there is `replicas`, `limits`"]);
    fix(&["gone.yaml:a=3"], 3, &["has no file `gone.yaml`"]);
    fix(&["app.yaml:spec.replicas=2"], 3, &["says so already"]);
    fix(&["app.yaml"], 2, &["not of the form FILE:PATH=VALUE"]);
    let ran = fix(
        &["app.yaml:spec.replicas=3", "app.yaml:spec.limits.memory=1Gi", "app.toml:server.port=81"],
        0,
        &[],
    );
    let told = &json(&ran)["patches"][0];
    let title = "Set spec.replicas to 3, spec.limits.memory to 1Gi, server.port to 81";
    assert_eq!((&told["outcome"], &told["title"]), (&"handed_over".into(), &title.into()));
    let expected = app.replace("  2 #", "  3 #").replace("512Mi", "1Gi");
    assert_eq!(git(&project, &["show", "patchline/P-1:app.yaml"]), expected);
    assert_eq!(git(&project, &["show", "patchline/P-1:app.toml"]), toml.replace("8_080", "81"));
}

#[test]
fn a_flag_is_turned_off_where_it_is_defined_and_back_again() {
    let (_folder, project, data) = project();
    let flags = "flags:\n  new-parser:\n    state: ENABLED # since May\n    variants: {on: true, off: false}\n    defaultVariant: on\n";
    fs::write(project.join("flags.yaml"), flags).unwrap();
    // What can't be read may define it as well, so it is counted and named.
    fs::write(project.join("chart.yaml"), "{{ if .x }}\na: 1\n").unwrap();
    fs::write(project.join("old.json"), b"{\"flags\": \"\xff\"}").unwrap();
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "Flags"]);
    let fix = |flag: &str, code: i32, says: &[&str]| {
        let words = ["--data", text(&data), "fix", "--format", "json", text(&project), "--flag", flag];
        check(patchline(&words).env("USER", "dana"), code, says)
    };
    let unread =
        ["2 files of JSON and YAML could not be read: `chart.yaml` (", "`old.json` (it is no text in UTF-8)"];
    fix("gone=off", 3, &["no file of", "defines the flag `gone`; ", unread[0], unread[1]]);
    fix("new-parser=false", 2, &["not of the form NAME=off"]);
    fix("new-parser=on", 3, &["says so already"]);
    let told = &json(&fix("new-parser=off", 0, &["warning: ", unread[0], unread[1]]))["patches"][0];
    assert_eq!(told["outcome"], "handed_over");
    let off = git(&project, &["show", "patchline/P-1:flags.yaml"]);
    assert_eq!(off, flags.replace("ENABLED", "DISABLED"));
    let stored = fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let stored: Vec<u8> = stored.flat_map(|path| fs::read(path).unwrap()).collect();
    assert!(String::from_utf8_lossy(&stored).contains("\"kind\":\"flag\""), "its kind is not `flag`");
    git(&project, &["merge", "--quiet", "--ff-only", "patchline/P-1"]);
    fix("new-parser=on", 0, &[]);
    assert_eq!(git(&project, &["show", "patchline/P-2:flags.yaml"]), flags);
}

#[test]
fn a_branch_a_diff_and_a_backport_go_through_the_same_line() {
    let (folder, project, data) = project();
    let fix = ["--data", text(&data), "fix", "--format", "json", text(&project), "--from"];
    let ran = check(patchline(&fix).arg("fixit").env("USER", "dana"), 0, &[]);
    let told = &json(&ran)["patches"][0];
    assert_eq!(
        (&told["outcome"], &told["branch"]),
        (&"handed_over".into(), &"patchline/P-1".into()),
        "{told}"
    );
    let check_of =
        |name: &str| told["checks"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    let shown = check_of("before-after");
    assert_eq!(shown["verdict"], "skipped", "nothing shows what it is for, and that is no pass");
    assert_eq!((&shown["base"], &shown["patch"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    let scanned = check_of("re-scan");
    assert_eq!((&scanned["base"], &scanned["patch"]), (&"0 findings".into(), &"0 findings".into()));
    assert_eq!(git(&project, &["rev-parse", "patchline/P-1"]), git(&project, &["rev-parse", "fixit"]));

    let diff = folder.path().join("mailed.diff");
    fs::write(&diff, git(&project, &["format-patch", "-1", "fixit", "--stdout"])).unwrap();
    let ran = check(patchline(&fix).arg(&diff).env("USER", "dana"), 0, &[]);
    assert_eq!(json(&ran)["patches"][0]["title"], "Run nothing that users say");
    assert_eq!(git(&project, &["show", "patchline/P-2:app.sh"]), FIXED);
    assert_eq!(git(&project, &["log", "-1", "--format=%an", "patchline/P-2"]), "Dana\n");

    let backport =
        ["--data", text(&data), "backport", "P-1", "--to", "old", "--to", "new", "--format", "json"];
    let ran = check(patchline(&backport).env("USER", "dana"), 0, &[]);
    let rows = &json(&ran)["backports"];
    assert_eq!((&rows[0]["state"], &rows[1]["state"]), (&"not affected".into(), &"proven".into()), "{rows}");
    assert_eq!(git(&project, &["show", "patchline/P-3:app.sh"]), FIXED);
    assert_eq!(git(&project, &["rev-parse", "patchline/P-3^"]), git(&project, &["rev-parse", "new"]));
    let explained = check(&mut patchline(&["--data", text(&data), "explain", "P-3"]), 0, &[]);
    assert!(explained.out.contains("backport of P-1"), "{}", explained.out);

    git(&project, &["checkout", "--quiet", "fixit"]);
    let revert = ["--data", text(&data), "revert", "P-1", "--reason", "it is needed", "--by", "dana"];
    check(&mut patchline(&revert), 0, &[]);
    assert_eq!(git(&project, &["show", "patchline/P-4:app.sh"]), BUG);
    assert_eq!(git(&project, &["worktree", "list"]).lines().count(), 1, "no worktree is left");
}

const RUN: &str = "
[run]
health = \"/\"
instances = 2

[rollout]
environment = \"test\"
target = \"process\"
strategy = \"rolling\"
bake_seconds = 1
deadline_seconds = 60
";

#[test]
fn what_shows_the_problem_is_added_to_a_patch_that_is_open_and_it_is_proven_again() {
    let (_folder, project, data) = project();
    let show =
        "if tar -xOf \"$1\" app.sh | sh -s 'expr 40 + 2' | grep -qx 42; then exit 1; else exit 0; fi\n";
    fs::write(project.join("show.sh"), show).unwrap();
    fs::write(project.join("patchline.toml"), format!("{SETTINGS}{RUN}")).unwrap();
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "It runs somewhere"]);
    git(&project, &["checkout", "--quiet", "fixit"]);
    git(&project, &["rebase", "--quiet", "main"]);
    git(&project, &["checkout", "--quiet", "main"]);
    let fix =
        ["--data", text(&data), "fix", "--format", "json", text(&project), "--rollout", "--from", "fixit"];
    let ran =
        check(patchline(&fix).env("USER", "dana"), 1, &["P-1 did not come to an end: it is at `approve`"]);
    let verdict = |ran: &run::Ran| {
        let told = json(ran)["patches"][0].clone();
        let checks = told["checks"].as_array().unwrap().clone();
        checks.iter().find(|one| one["name"] == "before-after").unwrap()["verdict"].clone()
    };
    assert_eq!(verdict(&ran), "skipped");
    let report = |words: &[&str], code: i32, says: &[&str]| {
        let own = ["--data", text(&data), "report", "P-1", "--by", "dana", "--format", "json"];
        check(patchline(&own).args(words), code, says)
    };
    report(&[], 2, &["nothing is said that shows the finding of P-1", "--reproducer"]);
    report(
        &["--finding", "other", "--reproducer", "sh", "show.sh", "{artifact}"],
        7,
        &["it has no finding `other`"],
    );
    let shown = report(&["--reproducer", "sh", "show.sh", "{artifact}"], 1, &["P-1 did not come to an end"]);
    assert_eq!(verdict(&shown), "passed", "{}", shown.out);
    report(&["--reproducer", "sh", "show.sh", "{artifact}"], 1, &["P-1 has this already"]);
    report(&["--reproducer", "true"], 7, &["something else shows `fixit` already"]);
    let folder = ["--data", text(&data), "report", text(&project), "--by", "dana", "--reason", "it runs"];
    check(&mut patchline(&folder), 2, &["`--title` is missing"]);
}

#[test]
fn what_can_not_be_taken_says_why() {
    let (folder, project, data) = project();
    let refused = |from: &str, says: &[&str]| {
        let arguments = ["--data", text(&data), "fix", text(&project), "--from", from];
        check(patchline(&arguments).env("USER", "dana").current_dir(&project), 3, says);
    };
    refused("main", &["is the base itself", "--base"]);
    refused("old", &["does not build on the base", "rebase it"]);
    refused("nothing", &["could not take `nothing`", "a branch, a commit, or a file"]);
    let diff = folder.path().join("other.diff");
    fs::write(&diff, "--- a/none\n+++ b/none\n@@ -1 +1 @@\n-a\n+b\n").unwrap();
    refused(text(&diff), &["could not apply", "none"]);
    fs::write(&diff, "--- a/../../x\n+++ b/../../x\n@@ -0,0 +1 @@\n+b\n").unwrap();
    refused(text(&diff), &["could not apply"]);
    assert!(!folder.path().join("x").exists());
    let unknown = ["--data", text(&data), "backport", "P-9", "--to", "old", "--by", "dana"];
    check(&mut patchline(&unknown), 7, &["P-9 does not exist"]);
}
