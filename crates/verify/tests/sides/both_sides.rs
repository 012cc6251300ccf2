//! Reproducers against artifacts that are shell scripts, suites of tiny cargo projects.

use std::fs;

use patchline_model::stage::verify::CheckResult;
use patchline_sandbox::sandbox::Sandbox;

use crate::world::{World, locked, report};

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
    world.check("suite", CheckResult::Skipped, "no test ran").await;
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
