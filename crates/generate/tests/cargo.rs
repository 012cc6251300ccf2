//! Real git and real cargo, on small projects with a registry of their own inside the repository.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // This is a test: it may stop, and it says what it skips.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use patchline_generate::fixer::Known;
use patchline_generate::{CargoFixer, Fixer, Looks, Proposal, Request, proposed};
use patchline_model::analyzer::Analyzer;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::{Failure, FailureKind};
use patchline_model::id::{FindingId, PatchId};
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_sandbox::{Sandbox, rust_environment};
use semver::Version;
use tempfile::TempDir;

/// Name, version, and what it requires.
type Published<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

const REGISTRY: [Published<'_>; 18] = [
    ("inner", "0.4.0", &[]),
    ("inner", "0.4.1", &[("extra", "1")]),
    ("inner", "0.4.5", &[]),
    ("inner", "0.5.0", &[]),
    ("extra", "1.0.0", &[]),
    ("extra", "1.1.0", &[]),
    ("extra", "1.2.0", &[]),
    ("parent", "1.0.0", &[("inner", "=0.4.0")]),
    ("parent", "1.1.0", &[("inner", "^0.4")]),
    ("parent", "1.2.0", &[("inner", "^0.4")]),
    ("outer", "1.0.0", &[("parent", "=1.0.0")]),
    ("other", "1.0.0", &[]),
    ("second", "1.0.0", &[("inner", "=0.4.0")]),
    ("second", "1.1.0", &[("inner", "^0.5")]),
    ("heavy", "1.0.0", &[("extra", "^1.0")]),
    ("heavy", "1.0.1", &[("extra", "^1.1")]),
    ("modern", "1.0.0", &[]),
    ("modern", "1.0.1", &[]),
];

/// The oldest Rust of a release that has one of its own.
const FOR_RUST: [(&str, &str, &str); 1] = [("modern", "1.0.1", "99.0")];

/// What the findings say: bad below the lowest fixed version, and for ever where there is none.
#[derive(Debug)]
struct Below(Vec<(String, Option<Version>)>);

impl Known for Below {
    fn problems(&self, package: &Package) -> Result<Vec<String>, Failure> {
        let version = Version::parse(&package.version).unwrap();
        let bad = self.0.iter().any(|(name, fixed)| {
            *name == package.name && fixed.as_ref().is_none_or(|fixed| version < *fixed)
        });
        Ok(bad.then(|| "RUSTSEC-2018-0006".to_owned()).into_iter().collect())
    }
}

#[async_trait::async_trait]
impl Looks for Below {
    fn analyzer(&self, _: &str) -> Option<&Analyzer> {
        None
    }

    async fn findings(&self, _: &Commit) -> Result<Vec<Finding>, Failure> {
        Ok(Vec::new())
    }
}

struct Project {
    folder: TempDir,
    work: TempDir,
}

impl Project {
    /// A package in `folder` that requires this, locked at these versions, and committed.
    fn new(folder: &str, requires: &[(&str, &str)], locked: &[(&str, &str)]) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap(), work: tempfile::tempdir().unwrap() };
        let top = project.folder.path().to_owned();
        let package = top.join(folder);
        for (name, version, needs) in REGISTRY {
            project.publish(name, version, needs);
        }
        fs::create_dir_all(package.join("src")).unwrap();
        fs::create_dir_all(top.join(".cargo")).unwrap();
        let settings =
            "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nlocal-registry = \"registry\"\n";
        fs::write(top.join(".cargo/config.toml"), settings).unwrap();
        fs::write(package.join("src/lib.rs"), "").unwrap();
        let requires: Vec<String> =
            requires.iter().map(|(name, range)| format!("{name} = {range:?}\n")).collect();
        let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n";
        fs::write(package.join("Cargo.toml"), format!("{manifest}{}", requires.concat())).unwrap();
        project.cargo(&package, &["generate-lockfile"]);
        for (name, version) in locked {
            project.cargo(&package, &["update", "--package", name, "--precise", version]);
        }
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.commit("Base");
        project
    }

    fn publish(&self, name: &str, version: &str, needs: &[(&str, &str)]) {
        let folder = self.folder.path().join("registry/index").join(&name[..2]).join(&name[2..4]);
        fs::create_dir_all(&folder).unwrap();
        let needs: Vec<String> = needs
            .iter()
            .map(|(name, range)| {
                format!(
                    r#"{{"name":"{name}","req":"{range}","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}}"#
                )
            })
            .collect();
        let rust = FOR_RUST.iter().find(|one| (one.0, one.1) == (name, version));
        let rust = rust.map(|one| format!(r#","rust_version":"{}""#, one.2)).unwrap_or_default();
        let line = format!(
            r#"{{"name":"{name}","vers":"{version}","deps":[{}],"cksum":"{}","features":{{}},"yanked":false{rust}}}"#,
            needs.join(","),
            "0".repeat(64)
        );
        let before = fs::read_to_string(folder.join(name)).unwrap_or_default();
        fs::write(folder.join(name), format!("{before}{line}\n")).unwrap();
    }

    fn cargo(&self, folder: &Path, arguments: &[&str]) {
        let mut command = Command::new("cargo");
        command.current_dir(folder).args(arguments).arg("--offline").env_clear().envs(rust_environment());
        succeed(&mut command);
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.folder.path()).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
        succeed(&mut command)
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@example.org",
            "commit",
            "--quiet",
            "-m",
            message,
        ]);
    }

    fn request(&self, findings: Vec<Finding>) -> Request {
        let bad = findings.iter().map(|finding| {
            let fixed = finding.fixed.iter().map(|text| Version::parse(text).unwrap()).min();
            (finding.package.as_ref().unwrap().name.clone(), fixed)
        });
        let known = Arc::new(Below(bad.collect()));
        Request {
            patch: PatchId(7),
            number: 1,
            repository: self.folder.path().to_owned(),
            folder: String::new(),
            base: self.git(&["rev-parse", "HEAD"]).parse().unwrap(),
            findings,
            refused: Vec::new(),
            branch: Some("patchline/P-7".to_owned()),
            work: self.work.path().join("worktrees"),
            committed_at: 1_700_000_000,
            author: "Patchline <patchline@example.org>".to_owned(),
            cache: self.work.path().join("cache"),
            looks: known.clone(),
            known,
        }
    }

    /// Nothing of the user's is touched, and nothing is left behind.
    fn assert_untouched(&self) {
        assert_eq!(self.git(&["status", "--porcelain", "--branch"]), "## main");
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
        assert_eq!(fs::read_dir(self.work.path().join("worktrees")).unwrap().count(), 0);
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn finding(name: &str, installed: &str, fixed: &[&str]) -> Finding {
    Finding {
        id: FindingId(format!("{name}-{installed}")),
        source: Source::Lockfile,
        advisory: "RUSTSEC-2018-0006".to_owned(),
        aliases: Vec::new(),
        summary: "Uncontrolled recursion".to_owned(),
        package: Some(Package {
            ecosystem: Ecosystem::crates_io(),
            name: name.to_owned(),
            version: installed.to_owned(),
        }),
        location: Location { path: "Cargo.lock".to_owned(), line: None },
        paths: Vec::new(),
        fixed: fixed.iter().map(|version| (*version).to_owned()).collect(),
        severity: Vec::new(),
        informational: None,
    }
}

async fn propose(request: &Request) -> Result<Proposal, Failure> {
    CargoFixer::new(Sandbox::probe()).propose(request).await
}

async fn candidate(request: &Request) -> Candidate {
    candidate_in(Sandbox::probe(), request).await
}

async fn candidate_in(sandbox: Sandbox, request: &Request) -> Candidate {
    match CargoFixer::new(sandbox).propose(request).await.unwrap() {
        Proposal::Candidate { candidate, diff, log } => {
            assert_eq!(candidate.diff, Digest::of(diff.as_bytes()));
            assert!(log.contains("$ cargo update"), "{log}");
            *candidate
        }
        Proposal::NoFix { reasons, log } => panic!("no fix: {reasons:?}\n{log}"),
    }
}

async fn no_fix(request: &Request) -> Vec<String> {
    match propose(request).await.unwrap() {
        Proposal::NoFix { reasons, .. } => reasons,
        Proposal::Candidate { candidate, .. } => panic!("{candidate:?}"),
    }
}

fn moves(candidate: &Candidate) -> Vec<String> {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
    candidate
        .moves
        .iter()
        .map(|step| format!("{} {} {}", step.package, version(&step.from), version(&step.to)))
        .collect()
}

#[tokio::test]
async fn the_version_that_moves_nothing_else_is_taken_and_the_same_again() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let request = project.request(vec![finding("inner", "0.4.0", &["0.4.1"])]);
    let first = candidate(&request).await;
    assert_eq!(first.title, "Update inner from 0.4.0 to 0.4.5 (RUSTSEC-2018-0006)");
    assert_eq!(moves(&first), ["inner 0.4.0 0.4.5"]);
    assert_eq!(
        first.rationale,
        "inner 0.4.5 is the smallest good version above 0.4.0 within what is required of it. Nothing else moves."
    );
    assert_eq!((first.files.clone(), first.kind), (vec!["Cargo.lock".to_owned()], Kind::Dependency));
    assert_eq!(first.removes, [FindingId("inner-0.4.0".to_owned())]);
    project.assert_untouched();
    assert_eq!(project.git(&["rev-parse", "patchline/P-7"]), first.commit.as_str());
    let trailers = project.git(&["log", "-1", "--format=%(trailers:only)", "patchline/P-7"]);
    assert_eq!(trailers, "Patchline-Patch: P-7\nFixes: RUSTSEC-2018-0006");

    // A killed run left a worktree behind.
    let leftover = request.work.join("P-7-1");
    fs::create_dir_all(&leftover).unwrap();
    fs::write(leftover.join("Cargo.lock"), "rubbish").unwrap();
    assert_eq!(candidate_in(Sandbox::plain(), &request).await, first);
    project.assert_untouched();
}

#[tokio::test]
async fn after_a_refusal_the_next_version_is_tried_and_a_wider_range_only_once() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let mut request = project.request(vec![finding("inner", "0.4.0", &["0.4.1"])]);
    let mut next = async |expected: &[&str]| {
        let made = candidate(&request).await;
        assert_eq!(moves(&made), expected);
        request.refused.push(made.clone());
        request.number += 1;
        request.branch = Some(format!("patchline/P-7-{}", request.number));
        made
    };
    next(&["inner 0.4.0 0.4.5"]).await;
    let second = next(&["extra - 1.2.0", "inner 0.4.0 0.4.1"]).await;
    assert_eq!(second.branch, "patchline/P-7-2");
    assert!(second.rationale.contains("Not again, for it was refused: inner 0.4.5."), "{}", second.rationale);
    let third = next(&["inner 0.4.0 0.5.0"]).await;
    assert_eq!(third.files, ["Cargo.lock", "Cargo.toml"]);
    let reasons = no_fix(&request).await;
    assert!(reasons[0].contains("another range for it was tried and refused"), "{reasons:?}");
    project.assert_untouched();
}

#[tokio::test]
async fn a_parent_that_pins_is_lifted_as_little_as_will_do() {
    let project = Project::new("", &[("parent", "1")], &[("inner", "0.4.0"), ("parent", "1.0.0")]);
    let found = candidate(&project.request(vec![finding("inner", "0.4.0", &["0.4.1"])])).await;
    assert_eq!(moves(&found), ["inner 0.4.0 0.4.5", "parent 1.0.0 1.1.0"]);
    project.assert_untouched();
}

#[tokio::test]
async fn what_a_step_requires_moves_along_by_the_smallest_step() {
    let project = Project::new("", &[("heavy", "1")], &[("heavy", "1.0.0"), ("extra", "1.0.0")]);
    let found = candidate(&project.request(vec![finding("heavy", "1.0.0", &["1.0.1"])])).await;
    assert_eq!(moves(&found), ["extra 1.0.0 1.1.0", "heavy 1.0.0 1.0.1"]);
}

#[tokio::test]
async fn a_copy_that_reaches_the_line_of_another_one_becomes_that_one() {
    let project = Project::new("", &[("second", "1"), ("inner", "0.5")], &[("second", "1.0.0")]);
    let found = candidate(&project.request(vec![finding("inner", "0.4.0", &["0.4.9"])])).await;
    assert_eq!(moves(&found), ["inner 0.4.0 -", "second 1.0.0 1.1.0"]);
    assert_eq!(found.files, ["Cargo.lock"]);
}

#[tokio::test]
async fn the_projects_own_range_is_widened_in_its_own_style() {
    let project = Project::new("", &[("inner", "=0.4.0"), ("other", "1")], &[]);
    let found = candidate(&project.request(vec![finding("inner", "0.4.0", &["0.4.1"])])).await;
    assert_eq!(moves(&found), ["extra - 1.2.0", "inner 0.4.0 0.4.1"]);
    assert_eq!(found.files, ["Cargo.lock", "Cargo.toml"]);
    let show = |commit: &str| project.git(&["show", &format!("{commit}:Cargo.toml")]);
    assert_eq!(show(found.commit.as_str()), show("main").replace("=0.4.0", "=0.4.1"));

    let project = Project::new("", &[("inner", "0.4")], &[]);
    let found = candidate(&project.request(vec![finding("inner", "0.4.5", &["0.5.0"])])).await;
    assert_eq!(moves(&found), ["inner 0.4.5 0.5.0"]);
    assert!(found.rationale.contains("a major upgrade"), "{}", found.rationale);
    project.assert_untouched();
}

#[tokio::test]
async fn an_inherited_range_is_widened_in_the_workspace() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let top = project.folder.path();
    let shared = "[workspace]\nmembers = [\"app\"]\n\n[workspace.dependencies]\ninner = \"=0.4.0\" # why\n";
    let member = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\ninner.workspace = true\n";
    fs::create_dir_all(top.join("app/src")).unwrap();
    fs::rename(top.join("src/lib.rs"), top.join("app/src/lib.rs")).unwrap();
    fs::write(top.join("app/Cargo.toml"), member).unwrap();
    fs::write(top.join("Cargo.toml"), shared).unwrap();
    project.commit("A workspace");
    let found = candidate(&project.request(vec![finding("inner", "0.4.0", &["0.4.2"])])).await;
    assert_eq!(found.files, ["Cargo.lock", "Cargo.toml"]);
    let now = project.git(&["show", &format!("{}:Cargo.toml", found.commit)]);
    assert_eq!(now + "\n", shared.replace("=0.4.0", "=0.4.5"));
}

#[tokio::test]
async fn what_can_not_be_fixed_is_said_in_words() {
    let project = Project::new("", &[("outer", "1")], &[]);
    let reasons = no_fix(&project.request(vec![finding("inner", "0.4.0", &["0.4.1"])])).await;
    let words = ["`outer 1.0.0` requires `parent =1.0.0`", "cargo has no override by version"];
    assert!(words.iter().all(|word| reasons[0].contains(word)), "{reasons:?}");
    project.assert_untouched();
    assert_eq!(project.git(&["branch", "--list", "patchline/*"]), "");

    let project = Project::new("", &[("other", "1"), ("modern", "1")], &[("modern", "1.0.0")]);
    let reasons = no_fix(&project.request(vec![finding("other", "1.0.0", &[])])).await;
    assert_eq!(reasons, ["no version of `other` above 1.0.0 is free of known problems"]);
    let reasons = no_fix(&project.request(vec![finding("modern", "1.0.0", &["1.0.1"])])).await;
    assert!(reasons[0].contains("`modern 1.0.1` needs Rust 99.0, and the project is for 1."), "{reasons:?}");

    let settings = "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\ndirectory = \"vendor\"\n";
    fs::write(project.folder.path().join(".cargo/config.toml"), settings).unwrap();
    project.commit("Vendored");
    let reasons = no_fix(&project.request(vec![finding("other", "1.0.0", &["1.0.1"])])).await;
    assert!(reasons[0].contains("a folder of vendored crates"), "{reasons:?}");
}

#[tokio::test]
async fn what_can_not_be_fixed_does_not_hold_up_the_rest() {
    let project = Project::new("", &[("inner", "0.4"), ("other", "1")], &[("inner", "0.4.0")]);
    let findings = vec![finding("inner", "0.4.0", &["0.4.1"]), finding("other", "1.0.0", &["1.0.1"])];
    let found = candidate(&project.request(findings)).await;
    assert_eq!(found.removes, [FindingId("inner-0.4.0".to_owned())]);
    assert_eq!(found.leaves.len(), 1);
    assert_eq!(found.leaves[0].0, FindingId("other-1.0.0".to_owned()));
    assert!(found.leaves[0].1.contains("other"), "{:?}", found.leaves);
    assert_eq!(moves(&found), ["inner 0.4.0 0.4.5"]);
}

#[tokio::test]
async fn a_network_that_does_not_answer_is_no_verdict() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    // Nothing listens there, and nothing of it is cached.
    let settings = "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+http://127.0.0.1:1/\"\n";
    fs::write(project.folder.path().join(".cargo/config.toml"), settings).unwrap();
    project.commit("Another registry");
    let failure = propose(&project.request(vec![finding("inner", "0.4.0", &["0.4.1"])])).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    assert!(failure.message.contains("the network could not be reached"), "{failure}");
    assert!(failure.hint.unwrap().contains("cargo fetch"));
    project.assert_untouched();
}

#[tokio::test]
async fn a_workspace_above_the_worktrees_is_named() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let manifest = project.folder.path().join("Cargo.toml");
    let alone = fs::read_to_string(&manifest).unwrap().replace("[workspace]\n", "");
    fs::write(&manifest, alone).unwrap();
    project.commit("Without a workspace of its own");
    let outer = project.work.path().join("Cargo.toml");
    fs::write(&outer, "[workspace]\n").unwrap();
    let request = project.request(vec![finding("inner", "0.4.0", &["0.4.1"])]);
    let failure = CargoFixer::new(Sandbox::plain()).propose(&request).await.unwrap_err();
    assert!(failure.message.contains(&outer.display().to_string()), "{failure}");
    fs::remove_file(&outer).unwrap();
    assert_eq!(moves(&candidate(&request).await), ["inner 0.4.0 0.4.5"]);
}

#[tokio::test]
async fn a_repository_that_runs_code_gets_nowhere() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let (top, planted) = (project.folder.path(), project.work.path().join("planted"));
    // Without a `rust-version` cargo asks the compiler for its own, through the wrapper that the repository names.
    let manifest = fs::read_to_string(top.join("Cargo.toml")).unwrap().replace("2021", "2024");
    fs::write(top.join("Cargo.toml"), manifest).unwrap();
    let wrapper =
        format!("#!/bin/sh\ntouch {} \"$(dirname \"$0\")/planted\"\nexec \"$@\"\n", planted.display());
    fs::write(top.join("wrapper"), wrapper).unwrap();
    succeed(Command::new("chmod").arg("+x").arg(top.join("wrapper")));
    let settings = fs::read_to_string(top.join(".cargo/config.toml")).unwrap();
    let settings = format!("{settings}[build]\nrustc-wrapper = \"./wrapper\"\n");
    fs::write(top.join(".cargo/config.toml"), settings).unwrap();
    project.commit("A wrapper");
    let request = project.request(vec![finding("inner", "0.4.0", &["0.4.1"])]);

    let mut asks = Command::new("cargo");
    let asks = asks.current_dir(top).args(["update", "--offline"]).env_clear().envs(rust_environment());
    assert!(asks.output().is_ok());
    fs::remove_file(&planted).expect("the wrapper ran, or this test shows nothing");
    succeed(Command::new("git").arg("-C").arg(top).args(["checkout", "--quiet", "--", "."]));
    succeed(Command::new("git").arg("-C").arg(top).args(["clean", "--quiet", "--force"]));
    for sandbox in [Sandbox::plain(), Sandbox::probe()] {
        assert_eq!(candidate_in(sandbox, &request).await.files, ["Cargo.lock"]);
        assert!(!planted.exists(), "nothing runs in the compiler's place");
    }
    project.assert_untouched();
}

#[tokio::test]
async fn the_lockfile_of_a_folder_or_above_it_is_used() {
    let project = Project::new("service", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let mut request = project.request(vec![finding("inner", "0.4.0", &["0.4.1"])]);
    for folder in ["service", "service/src", "./service/"] {
        request.folder = folder.to_owned();
        assert_eq!(candidate(&request).await.files, ["service/Cargo.lock"]);
    }
    for folder in ["", "elsewhere", "../x", "/etc"] {
        request.folder = folder.to_owned();
        assert_eq!(propose(&request).await.unwrap_err().kind, FailureKind::Permanent, "{folder}");
    }
}

#[tokio::test]
async fn a_lockfile_that_leads_out_of_the_repository_is_refused() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let outside = project.work.path().join("lock");
    fs::rename(project.folder.path().join("Cargo.lock"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, project.folder.path().join("Cargo.lock")).unwrap();
    project.commit("A link");
    let before = fs::read(&outside).unwrap();
    let error = propose(&project.request(vec![finding("inner", "0.4.0", &["0.4.1"])])).await.unwrap_err();
    assert_eq!(error.message, "could not use `Cargo.lock`: it is not an ordinary file");
    assert_eq!(fs::read(&outside).unwrap(), before);
}

#[tokio::test]
async fn a_branch_that_somebody_stands_on_is_not_moved() {
    let project = Project::new("", &[("inner", "0.4")], &[("inner", "0.4.0")]);
    let request = project.request(vec![finding("inner", "0.4.0", &["0.4.1"])]);
    project.git(&["checkout", "--quiet", "-b", "patchline/P-7"]);
    let error = propose(&request).await.unwrap_err();
    assert!(error.message.contains("patchline/P-7"), "{error:?}");
    assert_eq!(project.git(&["rev-parse", "HEAD"]), request.base.as_str());
    assert_eq!(project.git(&["worktree", "list"]).lines().count(), 1);
}

#[tokio::test]
async fn a_persons_change_is_taken_as_it_is() {
    let project = Project::new("", &[("inner", "0.4")], &[]);
    let request = project.request(vec![finding("report", "1", &[])]);
    project.git(&["checkout", "--quiet", "-b", "mend"]);
    fs::write(project.folder.path().join("src/lib.rs"), "// mended\n").unwrap();
    project.commit("Mend");
    let commit = project.git(&["rev-parse", "HEAD"]).parse().unwrap();
    async fn take(request: &Request, commit: &Commit) -> Result<Proposal, Failure> {
        proposed(request, "Mend\nit", "report 12", commit, "Ada <a@b>").await
    }

    let Proposal::Candidate { candidate, diff, .. } = take(&request, &commit).await.unwrap() else {
        panic!("it is a candidate")
    };
    assert_eq!(
        (candidate.title.as_str(), candidate.fixer.as_str(), candidate.kind),
        ("Mend it", "person", Kind::Code)
    );
    assert_eq!(
        (candidate.files.clone(), candidate.commit.clone()),
        (vec!["src/lib.rs".to_owned()], commit.clone())
    );
    assert!(diff.contains("+// mended\n") && candidate.moves.is_empty() && candidate.removes.len() == 1);
    assert_eq!(project.git(&["rev-parse", "patchline/P-7"]), commit.as_str());

    let error = take(&request, &request.base).await.unwrap_err();
    assert!(error.message.contains("does not build on"), "{error:?}");
    let mut swapped = request.clone();
    swapped.base = commit.clone();
    assert!(take(&swapped, &request.base).await.is_err());
    let unknown = "1".repeat(40).parse().unwrap();
    assert!(take(&request, &unknown).await.unwrap_err().message.starts_with("could not find the commit"));
    let again = Request { number: 2, refused: vec![*candidate], ..request };
    assert!(matches!(take(&again, &commit).await, Ok(Proposal::NoFix { .. })));
}

#[tokio::test]
async fn the_example_is_fixed() {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/notebook");
    let project = Project::new("", &[("inner", "0.4")], &[]);
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(example.join(file), project.folder.path().join(file)).unwrap();
    }
    for file in ["src/main.rs", "src/bin/reproduce.rs"] {
        let file = project.folder.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "fn main() {}\n").unwrap();
    }
    fs::remove_dir_all(project.folder.path().join(".cargo")).unwrap();
    project.commit("The example");
    match propose(&project.request(vec![finding("yaml-rust", "0.4.0", &["0.4.1"])])).await {
        Ok(Proposal::Candidate { candidate, .. }) => assert_eq!(moves(&candidate), ["yaml-rust 0.4.0 0.4.1"]),
        Ok(Proposal::NoFix { reasons, log }) => panic!("{reasons:?}\n{log}"),
        Err(failure) if failure.kind == FailureKind::Transient => {
            assert!(failure.hint.is_some());
            println!("skipped: {failure}");
        }
        Err(failure) => panic!("{failure}"),
    }
}
