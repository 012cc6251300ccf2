//! Suites of other tools, run for real where the tool is here: python, node, go, and reports that a script writes.

use std::fs;
use std::process::Command;

use patchline_model::service::CommandLine;
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::Format;
use patchline_sandbox::sandbox::Sandbox;

use crate::world::World;

/// A world whose sides hold these files, tested by this command.
fn world(command: &[&str], base: &[(&str, &str)], patch: &[(&str, &str)]) -> World {
    let mut world = World::new();
    for (tree, files) in [(&world.case.base.tree, base), (&world.case.patch.tree, patch)] {
        for (name, text) in files {
            fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
            fs::write(tree.join(name), text).unwrap();
        }
    }
    world.case.service.test = Some(CommandLine(command.iter().map(|word| (*word).to_owned()).collect()));
    world
}

fn is_here(program: &str, arguments: &[&str]) -> bool {
    let runs = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !runs {
        eprintln!("skipped: `{program}` is not here");
    }
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn pytest_is_compared_test_by_test() {
    if !is_here("python3", &["-m", "pytest", "--version"]) {
        return;
    }
    let base = "def test_kept(): pass\ndef test_mended(): assert 0\ndef test_dropped(): pass\n";
    let patch = "def test_kept(): pass\ndef test_mended(): pass\n";
    let command = ["python3", "-B", "-m", "pytest", "-p", "no:cacheprovider"];
    let world = world(&command, &[("test_a.py", base)], &[("test_a.py", patch)]);
    let words = "1 test gone with the patch: `test_dropped (test_a.py)`";
    world.check("suite", CheckResult::Failed, words).await;
    let skipped =
        base.replace("def test_kept(): pass", "import pytest\n@pytest.mark.xfail\ndef test_kept(): assert 0");
    let world = self::world(&command, &[("test_a.py", base)], &[("test_a.py", &skipped)]);
    world.check("suite", CheckResult::Failed, "left out with the patch: `test_kept").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_is_compared_test_by_test() {
    if !is_here("node", &["--version"]) {
        return;
    }
    let test = |name: &str, body: &str| format!("test('{name}', () => {{ {body} }});\n");
    let head = "import test from 'node:test'; import assert from 'node:assert';\n";
    let base = [head, &test("kept", ""), &test("mended", "assert.equal(1, 2)")].concat();
    let patch = [head, &test("kept", "assert.equal(1, 2)"), &test("mended", "")].concat();
    let world = world(&["node", "--test"], &[("a.test.mjs", &base)], &[("a.test.mjs", &patch)]);
    world.check("suite", CheckResult::Failed, "1 test newly failing with the patch: `kept`").await;
    let mended = [head, &test("kept", ""), &test("mended", "")].concat();
    let world = self::world(&["node", "--test"], &[("a.test.mjs", &base)], &[("a.test.mjs", &mended)]);
    world.check("suite", CheckResult::Passed, "2 tests passed on the patch, 1 fixed").await;
    let mut world = self::world(&["node", "--test"], &[("a.test.mjs", &base)], &[("a.test.mjs", &mended)]);
    world.case.service.verification.format = Some(Format::Spec);
    world.check("suite", CheckResult::Passed, "1 fixed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_is_compared_test_by_test() {
    if !is_here("go", &["version"]) {
        return;
    }
    let test = |name: &str, body: &str| format!("func {name}(t *testing.T) {{ {body} }}\n");
    let head = "package tiny\nimport \"testing\"\n";
    let base = [head, &test("TestKept", ""), &test("TestMended", "t.Fatal(1)")].concat();
    let patch = [head, &test("TestKept", "t.Skip(1)"), &test("TestMended", "")].concat();
    let module = ("go.mod", "module tiny\n\ngo 1.20\n");
    let mut world = world(
        &["go", "test", "-vet=off", "./..."],
        &[module, ("a_test.go", &base)],
        &[module, ("a_test.go", &patch)],
    );
    // What was compiled of the standard library before is used, and is not in reach of the namespaces.
    world.case.sandbox = Sandbox::plain();
    let cache = Command::new("go").args(["env", "GOCACHE"]).output().unwrap();
    let cache = String::from_utf8(cache.stdout).unwrap().trim().to_owned();
    for side in [&mut world.case.base, &mut world.case.patch] {
        side.environment.insert("GOCACHE".to_owned(), cache.clone());
    }
    world.check("suite", CheckResult::Failed, "1 test left out with the patch: `TestKept (tiny)`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_go_compiled_for_a_side_is_there_for_its_next_run_and_no_result_is() {
    if !is_here("go", &["version"]) {
        return;
    }
    let test = "package tiny\nimport \"os\"\nimport \"testing\"\nfunc TestOnce(t *testing.T) {
  if os.WriteFile(\"ran\", nil, 0o600) != nil { t.Fatal() } }\n";
    let module = ("go.mod", "module tiny\n\ngo 1.20\n");
    let world =
        world(&["go", "test", "-vet=off"], &[module, ("a_test.go", test)], &[module, ("a_test.go", test)]);
    world.check("suite", CheckResult::Passed, "1 test passed on the patch").await;
    let kept = |side: &str| world.case.base.tree.with_file_name(format!("{side}.go-cache"));
    for side in ["base", "patch"] {
        assert!(kept(side).join("trim.txt").exists() || kept(side).join("00").exists(), "{side}");
    }
    fs::remove_file(world.case.patch.tree.join("ran")).unwrap();
    world.check("suite", CheckResult::Passed, "1 test passed on the patch").await;
    assert!(world.case.patch.tree.join("ran").exists(), "it ran, and was not remembered");
}

/// A suite that writes this report.
fn reporting(base: &str, patch: &str) -> World {
    let script = "mkdir -p out && cp results out/TEST-a.xml; ! grep -q '<failure' results";
    let mut world = world(&["sh", "-c", script], &[("results", base)], &[("results", patch)]);
    world.case.service.verification.report = Some("out/*.xml".to_owned());
    world
}

const KEPT: &str = "<testsuite name='s'><testcase name='kept' classname='s'/></testsuite>";

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_compared_test_by_test() {
    let failed = KEPT.replace("/></", "><failure message='no'/></testcase></");
    reporting(KEPT, KEPT).check("suite", CheckResult::Passed, "1 test passed on the patch").await;
    reporting(KEPT, &failed).check("suite", CheckResult::Failed, "1 test newly failing").await;
    reporting(&failed, KEPT).check("suite", CheckResult::Passed, "1 fixed").await;
    reporting(&failed, &failed).check("suite", CheckResult::Warned, "failing alike on both").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_the_patch_brings_along_is_not_believed() {
    let mut world = reporting(KEPT, KEPT);
    fs::create_dir_all(world.case.patch.tree.join("out")).unwrap();
    fs::write(world.case.patch.tree.join("out/TEST-forged.xml"), KEPT).unwrap();
    world.case.service.test = Some(CommandLine(vec!["true".to_owned()]));
    let shown = world.check("suite", CheckResult::Warned, "the suite passes on the patch").await;
    assert!(shown.details.iter().any(|line| line.contains("left no report `out/*.xml`")), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_can_t_be_read_leaves_the_exit_code_and_says_so() {
    let shown = reporting(KEPT, "<html>").check("suite", CheckResult::Warned, "the suite passes").await;
    assert!(
        shown.details.iter().any(|line| line.contains("begins with `html`") || line.contains("no JUnit XML")),
        "{shown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_fails_now_and_then_on_both_sides_is_flaky() {
    // Fails in the first of each side's runs, and in the third.
    let script = "n=$(cat n 2>/dev/null || echo 0); n=$((n + 1)); echo $n > n
if [ \"$(cat side)\" = patch ] && [ $((n % 2)) = 1 ]; then echo 'not ok 1 - odd'; exit 1; fi; echo 'ok 1 - odd'";
    let mut world = world(&["sh", "-c", script], &[("side", "base")], &[("side", "patch")]);
    world.case.service.verification.format = Some(Format::Tap);
    let shown = world.check("suite", CheckResult::Warned, "1 test flaky: `odd`").await;
    let counts = "failed in 2 of 3 runs with the patch and in 0 of 3 on the base";
    assert!(shown.details.iter().any(|line| line.contains(counts)), "{shown:?}");
}
