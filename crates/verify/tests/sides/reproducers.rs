//! Reproducers of each kind on both sides, and hunks taken out: small python programs and cargo projects.

use std::fs;
use std::path::Path;

use patchline_model::reproducer::{Answer, ByFile, ByTest, Exchange, How};
use patchline_model::service::{CommandLine, Reproducer};
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::Strictness;

use crate::world::{World, here, report, run};

/// A world that shows R-1 in this way.
fn shown_by(how: How) -> World {
    let mut world = World::new().removing(report("R-1", &[]));
    world.case.service.reproducers = vec![Reproducer { advisory: "R-1".to_owned(), how }];
    world
}

fn write(tree: &Path, name: &str, text: &str) {
    fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
    fs::write(tree.join(name), text).unwrap();
}

fn words(words: &[&str]) -> CommandLine {
    CommandLine(words.iter().map(|word| (*word).to_owned()).collect())
}

fn program(tree: &Path, script: &str) {
    crate::world::write_script(&tree.join("program"), script);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_which_the_artifact_fails_shows_the_problem() {
    let by = |reason: &str| ByFile {
        path: "poc/deep".to_owned(),
        arguments: vec!["{file}".to_owned()],
        reason: reason.to_owned(),
        exit: 2,
    };
    let table = [
        (
            "echo overflow >&2; exit 101",
            "echo refused; exit 2",
            CheckResult::Passed,
            "1 finding shown on the base",
        ),
        (
            "echo other >&2; exit 101",
            "exit 2",
            CheckResult::Failed,
            "exit code 101, without saying `overflow`",
        ),
        (
            "echo overflow; kill -SEGV $$",
            "exit 101",
            CheckResult::Failed,
            "could not run on the patch: exit code 101",
        ),
        ("exit 2", "exit 2", CheckResult::Failed, "does not show the problem on the base"),
        ("echo overflow; exit 3", "echo overflow; exit 2", CheckResult::Failed, "still there"),
    ];
    for (base, patch, result, words) in table {
        let world = shown_by(How::File(by("overflow")));
        program(&world.case.base.tree, base);
        program(&world.case.patch.tree, patch);
        write(&world.case.patch.tree, "poc/deep", "[[[[");
        world.check("before-after", result, words).await;
    }
    let world = shown_by(How::File(by("overflow")));
    world.check("before-after", CheckResult::Failed, "the patch has no file `poc/deep`").await;
}

const SERVER: &str = "import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith('/crash'): ACTION
        else: self.answer(200, 'well')
    def answer(self, status, text):
        self.send_response(status); self.end_headers(); self.wfile.write(text.encode())
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

fn expected(status: Option<u16>, contains: Option<&str>) -> Answer {
    Answer { status, contains: contains.map(str::to_owned) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_the_running_service_shows_the_problem() {
    if !here("python3") {
        return;
    }
    let table = [
        ("self.answer(500, 'boom')", "self.answer(400, 'too deep')", CheckResult::Passed, "1 finding shown"),
        ("os._exit(1)", "self.answer(400, 'too deep')", CheckResult::Failed, "fit neither side: no answer"),
        ("self.answer(500, 'boom')", "self.answer(500, 'boom')", CheckResult::Failed, "still there"),
        (
            "self.answer(500, 'boom')",
            "sys.exit(",
            CheckResult::Failed,
            "the service does not start: SyntaxError",
        ),
    ];
    for (base, patch, result, words) in table {
        let exchange = Exchange {
            method: "GET".to_owned(),
            path: "/crash?x=1".to_owned(),
            headers: Default::default(),
            body: String::new(),
            base: expected(Some(500), Some("boom")),
            patch: expected(Some(400), Some("too deep")),
        };
        let mut world = shown_by(How::Http(vec![exchange]));
        world.case.service.run = Some(run("python3", "/usr/bin/env"));
        for (side, action) in [(&world.case.base, base), (&world.case.patch, patch)] {
            write(&side.tree, "program", &SERVER.replace("ACTION", action));
        }
        world.check("before-after", result, words).await;
    }
}

const FIXED: &str =
    "pub fn half(n: u32, by: u32) -> u32 {\n    if by == 0 {\n        return 0;\n    }\n    n / by\n}\n";
const BROKEN: &str = "pub fn half(n: u32, by: u32) -> u32 {\n    n / by\n}\n";
const TEST: &str = "#[test]\nfn by_nothing() {\n    assert_eq!(tiny::half(1, 0), 0);\n}\n";

/// A cargo project whose patch mends a division, with this test.
fn mended(base: &str, patch: &str, test: &str, reason: &str) -> World {
    let by = ByTest { name: "by_nothing".to_owned(), reason: reason.to_owned(), files: Vec::new() };
    let mut world = World::with_sources(base, patch).removing(report("R-1", &[]));
    world.case.service.reproducers = vec![Reproducer { advisory: "R-1".to_owned(), how: How::Test(by) }];
    world.case.service.test = Some(words(&["cargo", "test", "--offline", "--test", "api"]));
    write(&world.case.patch.tree, "tests/api.rs", test);
    world.case.diff = world.diff();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_comes_with_the_patch_must_fail_without_its_code_for_the_stated_reason() {
    mended(BROKEN, FIXED, TEST, "attempt to divide by zero")
        .check("before-after", CheckResult::Passed, "1 finding shown on the base")
        .await;
    mended(BROKEN, FIXED, TEST, "index out of bounds")
        .check("before-after", CheckResult::Failed, "fails for another reason than `index out of bounds`")
        .await;
    let idle = TEST.replace("tiny::half(1, 0), 0", "tiny::half(4, 2), 2");
    mended(BROKEN, FIXED, &idle, "divide")
        .check("before-after", CheckResult::Failed, "the test passes on the base, so it proves nothing")
        .await;
    mended(BROKEN, BROKEN, TEST, "divide").check("before-after", CheckResult::Failed, "still there").await;
    let ignored = TEST.replace("#[test]", "#[test]\n#[ignore]");
    mended(BROKEN, FIXED, &ignored, "divide").check("before-after", CheckResult::Failed, "is left out").await;
    mended(BROKEN, FIXED, "", "divide").check("before-after", CheckResult::Failed, "there is no test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hunk_is_taken_out_alone() {
    let world = mended(BROKEN, FIXED, TEST, "divide");
    world.check("hunks", CheckResult::Passed, "each of 1 code hunk is needed").await;
    let filler = "// 1\n// 2\n// 3\n// 4\n// 5\n// 6\n// 7\n// 8\n";
    let more = format!("{FIXED}{filler}pub fn unneeded() {{}}\n");
    let mut world = mended(&format!("{BROKEN}{filler}"), &more, TEST, "divide");
    let words = "everything still passes without `src/lib.rs hunk 2";
    let shown = world.check("hunks", CheckResult::Warned, words).await;
    assert!(shown.passed.iter().any(|name| name.contains("hunk 1")), "{shown:?}");
    world.case.service.verification.unneeded_hunks = Strictness::Refuse;
    world.check("hunks", CheckResult::Failed, words).await;
    let idle = format!("{TEST}#[test]\nfn idle() {{}}\n");
    let world = mended(BROKEN, FIXED, &idle, "divide");
    world
        .check("hunks", CheckResult::Warned, "`idle (api, tests/api.rs)` came with the patch and passes")
        .await;
    World::new().check("hunks", CheckResult::Skipped, "changes no code").await;
}
