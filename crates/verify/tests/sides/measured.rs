//! What a service may want to be measured: which changed lines ran, and how long the patch takes.

use std::fs;

use patchline_model::stage::verify::CheckResult::{self, Failed, Passed, Skipped, Warned};
use patchline_model::verification::{Bench, Coverage};

use crate::world::World;

/// A patch that adds lines 2 and 3 to a program; its tests leave this report.
fn covered(report: &str, least: Option<f64>) -> World {
    let mut world = World::new();
    for (tree, text) in [(&world.case.base.tree, "one\n"), (&world.case.patch.tree, "one\ntwo\nthree\n")] {
        fs::create_dir(tree.join("src")).unwrap();
        fs::write(tree.join("src/a.c"), text).unwrap();
        fs::write(tree.join("said"), report).unwrap();
    }
    world.case.diff = world.diff();
    let command = ["sh", "-c", "sed \"s|TREE|$PWD|\" said > cover.info"].map(str::to_owned).to_vec();
    world.case.service.verification.coverage =
        Some(Coverage { command, report: "cover.info".to_owned(), least });
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_lines_that_no_test_ran_are_named() {
    let lcov =
        |two: u8, three: u8| format!("SF:TREE/src/a.c\nDA:1,0\nDA:2,{two}\nDA:3,{three}\nend_of_record\n");
    let cobertura = "<coverage><packages><package><classes><class filename='src/a.c'><lines><line number='2' hits='1'/><line number='3' hits='0'/></lines></class></classes></package></packages></coverage>";
    let rows: [(&str, Option<f64>, CheckResult, &str); 9] = [
        (&lcov(1, 4), Some(1.0), Passed, "tests ran 2 of 2 changed lines"),
        (&lcov(1, 0), None, Warned, "tests ran 1 of 2 changed lines, and not `src/a.c:3`"),
        (&lcov(1, 0), Some(0.5), Warned, "tests ran 1 of 2"),
        (
            &lcov(0, 0),
            Some(0.5),
            Failed,
            "tests ran 0 of 2 changed lines, and not `src/a.c:2`, `src/a.c:3`; at least 50 %",
        ),
        (cobertura, None, Warned, "and not `src/a.c:3`"),
        ("SF:other.c\nDA:1,1\n", None, Warned, "speaks of no line that the patch changes"),
        ("DA:1,1\n", None, Warned, "which lines ran is not known: line 1 of the tracefile"),
        ("", Some(0.1), Failed, "which lines ran is not known: the report speaks of no file"),
        ("<html/>", None, Warned, "begins with `html`"),
    ];
    for (report, least, result, words) in rows {
        covered(report, least).check("diff-coverage", result, words).await;
    }
    let mut world = covered("", Some(0.5));
    world.case.service.verification.coverage.as_mut().unwrap().command = vec!["false".to_owned()];
    world.check("diff-coverage", Failed, "left no report `cover.info`: exit code 1").await;
    world.case.diff.clear();
    world.check("diff-coverage", Skipped, "changes no code").await;
    World::new().check("diff-coverage", Skipped, "name a `command` and its `report` in `[coverage]`").await;
}

/// Both sides run these scripts.
fn timed(base: &str, patch: &str, max_ratio: f64) -> World {
    let mut world = World::with_scripts(base, patch);
    let command = ["sh", "{artifact}"].map(str::to_owned).to_vec();
    world.case.service.verification.bench = Some(Bench { command, pairs: 6, max_ratio });
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_is_shown_to_be_slower_is_refused() {
    // A hundred times the work: whatever the machine is at, this shows.
    let work = |rounds: u32| format!("i=0; while [ $i -lt {rounds} ]; do i=$((i + 1)); done");
    timed(&work(1), &work(800_000), 1.1).check("performance", Failed, "longer than 1.1 times as long").await;
    timed(&work(800_000), &work(1), 1.1).check("performance", Passed, "from 6 pairs").await;
    timed("exit 3", "exit 0", 1.1)
        .check("performance", Warned, "does not run on the base: exit code 3")
        .await;
    timed("exit 0", "exit 3", 1.1)
        .check("performance", Failed, "does not run on the patch: exit code 3")
        .await;
    World::new().check("performance", Skipped, "name a `command` in `[bench]`").await;
}
