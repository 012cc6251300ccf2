//! Candidates as they should be: every check is run on each, none refuses, and none warns but where the row says so.

use std::fs;

use patchline_model::reproducer::{ByFile, ByTest, How};
use patchline_model::service::Reproducer;
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::Format;
use patchline_verify::checks;

use crate::packages::fix;
use crate::project::{BROKEN, FIXED, PROGRAM, Project, SUITE, TESTS, is_here, words, write};

/// What it is, the candidate, and the checks that may warn.
type Row = (&'static str, Project, &'static [&'static str]);

async fn check(rows: Vec<Row>) {
    for (what, project, may_warn) in rows {
        let project = project.laid_out();
        for name in checks().iter().map(|check| check.name()) {
            let shown = project.shown(name).await;
            let fine = match shown.result {
                CheckResult::Passed | CheckResult::Skipped => !may_warn.contains(&name),
                CheckResult::Warned => may_warn.contains(&name),
                CheckResult::Failed => false,
            };
            assert!(
                fine,
                "{what}: {name}: {:?} {}\n{}\n{}",
                shown.result,
                shown.summary,
                shown.details.join("\n"),
                shown.log
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fixes_of_code_pass() {
    let tested = TESTS.replace("t last", "t beyond 4 'out of range'\nt last");
    let renamed = TESTS.replace("t last 3 c", "t ending 3 c");
    let ill = TESTS.replace("t last", "t beyond 4 'out of range'\nt last");
    let rust = "#[test]\nfn last() {\n    assert_eq!(word(3), \"c\");\n}\n";
    let more = format!("{rust}#[test]\nfn beyond() {{\n    assert!(word(4).is_err());\n}}\n");
    let person = |project: Project| project.set(|case| case.candidate.fixer = "person".to_owned());
    let parts = format!("{BROKEN}# {}\n", "\n#".repeat(9));
    let both_parts = FIXED.replace("'out of range'", "\"$(message)\"");
    let both_parts = format!("message() {{ echo 'out of range'; }}\n{both_parts}# {}\n", "\n#".repeat(9));
    check(vec![
        ("the fix", Project::fixed(), &[]),
        ("with a test", Project::fixed().patched(SUITE, &tested), &[]),
        ("with words", Project::fixed().patched("README.md", "# Words\n\nThree of them.\n"), &[]),
        ("a test is renamed", Project::fixed().patched(SUITE, &renamed), &[]),
        ("a failing test is mended", Project::fixed().with(SUITE, &ill), &[]),
        (
            "a file moves",
            Project::fixed()
                .with("docs/a.md", "words\nwords\nwords\n")
                .without("docs/a.md")
                .patched("docs/b.md", "words\nwords\nwords\n"),
            &[],
        ),
        (
            "tests of Rust grow",
            Project::fixed().with("tests/word.rs", rust).patched("tests/word.rs", &more),
            &[],
        ),
        (
            "a test moves to another file",
            Project::fixed().with("tests/a.rs", rust).without("tests/a.rs").patched("tests/b.rs", rust),
            &[],
        ),
        (
            "a test of Rust is renamed",
            Project::fixed()
                .with("tests/a.rs", rust)
                .patched("tests/a.rs", &rust.replace("fn last", "fn ending")),
            &[],
        ),
        ("in two parts", Project::new().with(PROGRAM, &parts).patched(PROGRAM, &both_parts), &[]),
        (
            "an action of a workflow goes to another version",
            Project::fixed()
                .with(".github/workflows/ci.yml", "- uses: x/y@v1.0.0\n")
                .patched(".github/workflows/ci.yml", "- uses: x/y@v1.0.1\n")
                .set(|case| case.candidate.fixer = "actions".to_owned()),
            &["hunks"],
        ),
        (
            "a person changes a workflow",
            person(Project::fixed().patched(".github/workflows/ci.yml", "on: push\n")),
            &["diff", "hunks"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fixes_of_dependencies_pass() {
    let list = "target/release/deps/yaml-1.d";
    let built = |project: Project| {
        let of = |version: &str| format!("x: /registry/src/index/yaml-{version}/src/lib.rs\n");
        project.with(list, &of("0.4.0")).patched(list, &of("0.4.1"))
    };
    let app: &[&str] = &["yaml", "time"];
    let (map, time) = (("map", "0.5.0", &[][..]), ("time", "0.1.40", &[][..]));
    let small = [("app", "0.1.0", app), ("yaml", "0.4.1", &["map"][..]), map, time];
    let needs = [("app", "0.1.0", app), ("yaml", "0.4.1", &["map"][..]), ("map", "0.5.1", &[]), time];
    let adds =
        [("app", "0.1.0", app), ("yaml", "0.4.1", &["map", "hash"][..]), map, time, ("hash", "1.0.0", &[])];
    let drops = [("app", "0.1.0", app), ("yaml", "0.4.1", &[][..]), time];
    check(vec![
        ("one step", built(fix(&small)), &[]),
        ("with what it needs", built(fix(&needs)), &[]),
        ("with something new that it needs", built(fix(&adds)), &[]),
        ("without what it no longer needs", built(fix(&drops)), &[]),
        ("nothing left to look at", fix(&small), &["before-after"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_program_chokes_on_may_come_along() {
    let reader = |text: &str| {
        text.replace("case \"$1\"", "set -- \"$(cat \"$1\" 2>/dev/null || echo \"$1\")\"\ncase \"$1\"")
    };
    let poc = ByFile {
        path: "tests/poc".to_owned(),
        arguments: vec!["{file}".to_owned()],
        reason: "shift".to_owned(),
        exit: 2,
    };
    let project = Project::new()
        .with(PROGRAM, &format!("#!/bin/sh\n{}", reader(BROKEN)))
        .patched(PROGRAM, &format!("#!/bin/sh\n{}", reader(FIXED)))
        .patched("tests/poc", "9")
        .set(|case| {
            case.service.reproducers = vec![Reproducer { advisory: "R-1".to_owned(), how: How::File(poc) }]
        });
    let project = project.laid_out();
    for side in [&project.case.base, &project.case.patch] {
        let artifact = side.tree.join("program");
        fs::set_permissions(&artifact, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let shown = project.shown("before-after").await;
    assert_eq!(shown.result, CheckResult::Passed, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fixes_in_other_languages_pass() {
    let mut rows: Vec<Row> = Vec::new();
    if is_here("python3", &["-m", "pytest", "--version"]) {
        let code = "def word(n):\n    return 'abc'[n - 1]\n";
        let fixed = "def word(n):\n    if n > 3:\n        raise ValueError('out of range')\n    return 'abc'[n - 1]\n";
        let test = "import pytest, words\n\ndef test_last():\n    assert words.word(3) == 'c'\n";
        let more = format!(
            "{test}\ndef test_beyond():\n    with pytest.raises(ValueError):\n        words.word(4)\n"
        );
        let project =
            Project::new().with("words.py", code).patched("words.py", fixed).with("test_words.py", test);
        let by =
            ByTest { name: "test_beyond".to_owned(), reason: "IndexError".to_owned(), files: Vec::new() };
        let project = project.patched("test_words.py", &more).set(|case| {
            case.service.test = Some(words(&["python3", "-B", "-m", "pytest", "-p", "no:cacheprovider"]));
            case.service.verification.format = None;
            case.service.reproducers[0].how = How::Test(by);
        });
        rows.push(("python", project, &[]));
    }
    if is_here("node", &["--version"]) {
        let code = "exports.word = (n) => {\n  return 'abc'[n - 1].toUpperCase();\n};\n";
        let fixed = code.replace("  return", "  if (n > 3) throw new RangeError('out of range');\n  return");
        let head = "const test = require('node:test'); const assert = require('node:assert'); const { word } = require('./words.js');\n";
        let test = format!("{head}test('last', () => {{\n  assert.equal(word(3), 'C');\n}});\n");
        let more =
            format!("{test}test('beyond', () => {{\n  assert.throws(() => word(4), RangeError);\n}});\n");
        let by = ByTest { name: "beyond".to_owned(), reason: "undefined".to_owned(), files: Vec::new() };
        let project = Project::new().with("words.js", code).patched("words.js", &fixed);
        let project = project.with("words.test.js", &test).patched("words.test.js", &more).set(|case| {
            case.service.test = Some(words(&["node", "--test"]));
            case.service.verification.format = None;
            case.service.reproducers[0].how = How::Test(by);
        });
        rows.push(("node", project, &[]));
    }
    let manifest = "[package]\nname = \"word\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    let code = "pub fn word(n: usize) -> Option<char> {\n    Some(['a', 'b', 'c'][n - 1])\n}\n";
    let fixed =
        "pub fn word(n: usize) -> Option<char> {\n    ['a', 'b', 'c'].get(n.checked_sub(1)?).copied()\n}\n";
    let test = "#[test]\nfn last() {\n    assert_eq!(word::word(3), Some('c'));\n}\n";
    let more = format!("{test}#[test]\nfn beyond() {{\n    assert_eq!(word::word(4), None);\n}}\n");
    let by =
        ByTest { name: "beyond".to_owned(), reason: "index out of bounds".to_owned(), files: Vec::new() };
    let project =
        Project::new().with("Cargo.toml", manifest).with("src/lib.rs", code).patched("src/lib.rs", fixed);
    let project = project.with("tests/api.rs", test).patched("tests/api.rs", &more).set(|case| {
        case.service.test = Some(words(&["cargo", "test", "--offline", "--test", "api"]));
        case.service.verification.format = Some(Format::Cargo);
        case.service.reproducers[0].how = How::Test(by);
    });
    rows.push(("cargo", project, &[]));
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_keeps_its_lockfile_above_the_service() {
    let lock = |version: &str| crate::packages::lock(&[("app", "0.1.0", &["yaml"]), ("yaml", version, &[])]);
    let project = fix(&[]).with("Cargo.lock", &lock("0.4.0")).patched("Cargo.lock", &lock("0.4.1"));
    let project = project.set(|case| case.service.folder = "service".to_owned()).laid_out();
    write(&project.case.patch.tree.join("service/x"), "");
    let shown = project.shown("diff").await;
    assert_eq!(shown.result, CheckResult::Passed, "{shown:?}");
}
