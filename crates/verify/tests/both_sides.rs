//! Real runs on both sides: reproducers against artifacts that are shell scripts, suites of tiny cargo projects.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands, also in its helpers")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use patchline_model::digest::Digest;
use patchline_model::id::FindingId;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::service::{Build, CommandLine, Reproducer, Service};
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_model::stage::verify::CheckResult;
use patchline_sandbox::sandbox::Sandbox;
use patchline_verify::{Case, Shown, Side, checks};
use tempfile::TempDir;

const MANIFEST: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";

/// Two trees, as two builds leave them.
struct World {
    _folder: TempDir,
    case: Case,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let side = |name: &str| {
            let tree = folder.path().join(name);
            fs::create_dir(&tree).unwrap();
            Side { artifact: tree.join("program"), tree, environment: BTreeMap::new() }
        };
        let case = Case {
            service: service(),
            candidate: candidate(),
            findings: Vec::new(),
            base: side("base"),
            patch: side("patch"),
            before: Vec::new(),
            after: Vec::new(),
            sandbox: Sandbox::probe(),
        };
        Self { _folder: folder, case }
    }

    /// The artifacts are scripts; the reproducer comes with the patch and runs the artifact that it is given.
    fn with_scripts(base: &str, patch: &str) -> Self {
        let mut world = Self::new();
        write_script(&world.case.base.artifact, base);
        write_script(&world.case.patch.artifact, patch);
        // Run by a shell that is there: a script that was just written may still be open in a child of another test.
        write_script(&world.case.patch.tree.join("bin/reproduce"), "exec sh \"$1\"");
        let command = CommandLine(["sh", "bin/reproduce", "{artifact}"].map(str::to_owned).to_vec());
        world.case.service.reproducers = vec![Reproducer { advisory: "R-1".to_owned(), command }];
        world
    }

    fn removing(mut self, finding: Finding) -> Self {
        self.case.candidate.removes.push(finding.id.clone());
        self.case.findings.push(finding);
        self
    }

    /// The sources are `src/lib.rs` of each side, tested by cargo.
    fn with_sources(base: &str, patch: &str) -> Self {
        let mut world = Self::new();
        for (side, source) in [(&world.case.base, base), (&world.case.patch, patch)] {
            fs::create_dir(side.tree.join("src")).unwrap();
            fs::write(side.tree.join("Cargo.toml"), MANIFEST).unwrap();
            fs::write(side.tree.join("src/lib.rs"), source).unwrap();
        }
        world.case.service.test =
            Some(CommandLine(["cargo", "test", "--offline", "--lib"].map(str::to_owned).to_vec()));
        world
    }

    fn tested_by(mut self, script: &str) -> Self {
        self.case.service.test = Some(CommandLine(["sh", "-c", script].map(str::to_owned).to_vec()));
        self
    }

    async fn shown(&self, name: &str) -> Shown {
        let all = checks();
        let check = all.iter().find(|check| check.name() == name).unwrap();
        check.check(&self.case).await.unwrap()
    }

    async fn check(&self, name: &str, result: CheckResult, words: &str) -> Shown {
        let shown = self.shown(name).await;
        assert_eq!(shown.result, result, "{}\n{}\n{}", shown.summary, shown.details.join("\n"), shown.log);
        assert!(shown.summary.contains(words), "{}", shown.summary);
        shown
    }
}

fn write_script(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn service() -> Service {
    Service {
        name: "tiny".parse().unwrap(),
        owner: "team".to_owned(),
        tier: 4.try_into().unwrap(),
        repository: "/nowhere".to_owned(),
        folder: String::new(),
        build: Build { prepare: None, command: CommandLine(Vec::new()), artifact: "program".to_owned() },
        test: None,
        reproducers: Vec::new(),
        run: None,
    }
}

fn candidate() -> Candidate {
    Candidate {
        number: 1,
        fixer: "dependency".to_owned(),
        kind: Kind::Dependency,
        title: "Update".to_owned(),
        rationale: String::new(),
        author: "patchline".to_owned(),
        branch: "patchline/P-1".to_owned(),
        base: "a".repeat(40).parse().unwrap(),
        commit: "b".repeat(40).parse().unwrap(),
        diff: Digest::of(b"diff"),
        files: Vec::new(),
        moves: Vec::new(),
        removes: Vec::new(),
        leaves: Vec::new(),
    }
}

fn report(advisory: &str, aliases: &[&str]) -> Finding {
    Finding {
        id: FindingId(advisory.to_owned()),
        source: Source::Report,
        advisory: advisory.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        summary: String::new(),
        package: None,
        location: Location { path: "src".to_owned(), line: None },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

fn locked(advisory: &str, name: &str, version: &str) -> Finding {
    let package =
        Package { ecosystem: Ecosystem::crates_io(), name: name.to_owned(), version: version.to_owned() };
    let id = FindingId(format!("{advisory}/{name}/{version}"));
    Finding { id, source: Source::Lockfile, package: Some(package), ..report(advisory, &[]) }
}

/// A library with these tests: names and bodies.
fn tests(list: &[(&str, &str)]) -> String {
    let one = |(name, body): &(&str, &str)| match *body {
        "ignored" => format!("#[test]\n#[ignore]\nfn {name}() {{}}\n"),
        body => format!("#[test]\nfn {name}() {{ {body} }}\n"),
    };
    list.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_that_is_there_before_and_not_after_is_shown() {
    let world = World::with_scripts("exit 1", "exit 0").removing(report("R-1", &[]));
    let shown = world.check("before-after", CheckResult::Passed, "1 finding shown on the base").await;
    assert_eq!(shown.passed, ["R-1"]);
    let runs = shown.details.iter().filter(|line| line.contains("exit code")).count();
    assert_eq!(runs, 4, "each side runs twice: {:?}", shown.details);
    let alias = World::with_scripts("exit 1", "exit 0").removing(report("CVE-1", &["R-1"]));
    alias.check("before-after", CheckResult::Passed, "shown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_answer_of_a_reproducer_shows_nothing() {
    let table = [
        ("exit 0", "exit 0", "does not show the problem on the base"),
        ("exit 1", "exit 1", "still there with the patch"),
        ("exit 2", "exit 0", "could not run on the base: exit code 2"),
        ("exit 1", "kill -SEGV $$", "could not run on the patch: killed by signal 11"),
        ("exit 1", "exit 127", "could not run on the patch: exit code 127"),
    ];
    for (base, patch, words) in table {
        let world = World::with_scripts(base, patch).removing(report("R-1", &[]));
        let shown = world.check("before-after", CheckResult::Failed, words).await;
        assert_eq!(shown.failed, ["R-1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reproducer_that_answers_otherwise_the_second_time_is_not_believed() {
    // Without namespaces it can leave a trace for its second run.
    let fickle = "if [ -e seen ]; then exit 0; fi; touch seen; exit 1";
    let table = [
        (fickle, "exit 0", "not deterministic on the base"),
        ("exit 1", fickle, "not deterministic on the patch"),
    ];
    for (base, patch, words) in table {
        let mut world = World::with_scripts(base, patch).removing(report("R-1", &[]));
        world.case.sandbox = Sandbox::plain();
        world.check("before-after", CheckResult::Failed, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reproducer_a_package_is_judged_by_its_absence_and_a_report_not_at_all() {
    let (old, new) = (locked("R-2", "yaml", "1.0.0"), locked("R-2", "yaml", "1.1.0"));
    let mut world = World::new().removing(old.clone());
    world.case.before = vec![old];
    let shown = world.check("before-after", CheckResult::Warned, "only by the version being gone").await;
    assert_eq!(shown.warned, ["R-2"]);
    world.case.after = vec![new];
    world.check("before-after", CheckResult::Failed, "yaml 1.1.0 is still vulnerable").await;
    World::new()
        .removing(report("R-3", &[]))
        .check("before-after", CheckResult::Failed, "no reproducer")
        .await;
    World::new().check("before-after", CheckResult::Failed, "names no finding").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_passes_on_both_sides_passes_and_new_tests_are_told() {
    let base = tests(&[("kept", ""), ("mended", "panic!()"), ("slow", "ignored")]);
    let patch = tests(&[("kept", ""), ("mended", ""), ("slow", "ignored"), ("more", "")]);
    let world = World::with_sources(&base, &patch);
    let shown =
        world.check("suite", CheckResult::Passed, "3 tests passed on the patch, 1 fixed, 1 new").await;
    assert_eq!(shown.passed.len(), 3, "{:?}", shown.passed);
    assert!(shown.details.iter().any(|line| line.contains("more") && line.contains("new with the patch")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_patch_breaks_drops_or_leaves_out_is_named() {
    let base = tests(&[("kept", ""), ("broken", ""), ("dropped", ""), ("left_out", "")]);
    let patch = tests(&[("kept", ""), ("broken", "panic!()"), ("left_out", "ignored"), ("bad", "panic!()")]);
    let world = World::with_sources(&base, &patch);
    let words = "2 tests newly failing with the patch: `broken (tiny, unittests src/lib.rs)`, `bad (";
    let shown = world.check("suite", CheckResult::Failed, words).await;
    assert!(shown.summary.contains("1 test gone with the patch: `dropped"), "{}", shown.summary);
    assert!(shown.summary.contains("1 test left out with the patch: `left_out"), "{}", shown.summary);
    assert_eq!(shown.failed.len(), 4, "{:?}", shown.failed);
    assert!(
        shown.details.iter().any(|line| line.starts_with("suite on the patch, again")),
        "it was run again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_a_second_run_does_not_repeat_is_flaky() {
    let once = r#"let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/seen");
        let seen = path.exists();
        std::fs::write(path, "").unwrap();
        assert!(seen);"#;
    let world =
        World::with_sources(&tests(&[("kept", ""), ("odd", "")]), &tests(&[("kept", ""), ("odd", once)]));
    let shown = world.check("suite", CheckResult::Warned, "flaky").await;
    assert_eq!((shown.passed.len(), shown.warned.len()), (1, 1), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_failure_on_both_sides_is_a_warning_that_names_it() {
    let both = tests(&[("kept", ""), ("ill", "panic!()")]);
    let world = World::with_sources(&both, &both);
    let shown =
        world.check("suite", CheckResult::Warned, "failing alike on both sides, no difference: `ill").await;
    assert_eq!(shown.warned, ["ill (tiny, unittests src/lib.rs)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_does_not_compile_tests_nothing() {
    let good = tests(&[("kept", "")]);
    let bad = tests(&[("kept", "let n: u8 = \"\";")]);
    let world = World::with_sources(&good, &bad);
    world.check("suite", CheckResult::Failed, "does not run with the patch").await;
    let world = World::with_sources(&bad, &bad);
    world.check("suite", CheckResult::Failed, "runs on neither side").await;
    let world = World::with_sources(&good, &tests(&[]));
    world.check("suite", CheckResult::Failed, "gone with the patch: `kept").await;
    let world = World::with_sources("", "");
    world.check("suite", CheckResult::Warned, "no test ran").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_crashes_takes_its_tests_with_it() {
    let good = tests(&[("kept", ""), ("other", "")]);
    let world = World::with_sources(&good, &tests(&[("kept", ""), ("other", "std::process::abort()")]));
    let shown = world.shown("suite").await;
    assert_eq!(shown.result, CheckResult::Failed, "{}", shown.summary);
    let world = World::with_sources(&good, &tests(&[("kept", "std::process::exit(0)"), ("other", "")]));
    let shown = world.shown("suite").await;
    assert_eq!(
        shown.result,
        CheckResult::Failed,
        "tests that end the program are not passed: {}",
        shown.summary
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_suites_are_judged_by_how_they_end() {
    let ends = |base: u8, patch: u8| {
        let world = World::new();
        fs::write(world.case.base.tree.join("code"), base.to_string()).unwrap();
        fs::write(world.case.patch.tree.join("code"), patch.to_string()).unwrap();
        world.tested_by("exit $(cat code)")
    };
    ends(0, 0).check("suite", CheckResult::Passed, "and on the base").await;
    ends(3, 0).check("suite", CheckResult::Passed, "and not on the base").await;
    ends(0, 3).check("suite", CheckResult::Failed, "exit code 3; on the base: exit code 0").await;
    ends(3, 3).check("suite", CheckResult::Warned, "fails alike on both sides, no difference").await;
    ends(3, 4).check("suite", CheckResult::Failed, "exit code 4").await;
    World::new().check("suite", CheckResult::Skipped, "has no tests").await;
}
