//! The suite: the service's own tests on the base and on the patch, and every difference by name.

use std::time::Duration;

use patchline_model::failure::Failure;
use patchline_model::service::CommandLine;
use patchline_model::stage::verify::CheckResult;
use patchline_sandbox::foreign::{Exit, Finished};

use crate::cargo_test::{Ended, Key, Table};
use crate::check::{Case, Check, Shown, Side};
use crate::outcome::{Record, count, few};
use crate::run::{Run, run};

const DEADLINE: Duration = Duration::from_secs(30 * 60);
const OUTPUT_LIMIT: usize = 32 * 1024 * 1024;
/// The name under which a suite that is judged as a whole stands in the evidence.
const WHOLE: &str = "suite";

/// Runs the service's tests on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Suite;

/// One side's tests.
struct Ran {
    exit: Exit,
    ending: String,
    /// What was read of the output; none where the tests are not cargo's or the output was cut.
    table: Option<Table>,
}

/// What differs between the tests of the base and of the patch.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    /// Fail on the patch and did not on the base.
    broken: Vec<Key>,
    /// Ran on the base and are not there with the patch.
    vanished: Vec<Key>,
    /// Ran on the base and are left out with the patch.
    ignored: Vec<Key>,
    /// Fail on both.
    alike: Vec<Key>,
    fixed: Vec<Key>,
    /// Came with the patch, and pass.
    new: Vec<Key>,
}

#[async_trait::async_trait]
impl Check for Suite {
    fn name(&self) -> &'static str {
        "suite"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let Some(command) = &case.service.test else {
            let shown = record
                .shown("the service has no tests: name them in `[test]` of `patchline.toml`".to_owned());
            return Ok(Shown { result: CheckResult::Skipped, ..shown });
        };
        let (command, cargo) = (complete(command), is_cargo_test(command));
        let mut once =
            async |name: &str, side: &Side| one_side(&command, cargo, name, side, case, &mut record).await;
        let base = once("base", &case.base).await?;
        let patch = once("patch", &case.patch).await?;
        let (Some(before), Some(after)) = (&base.table, &patch.table) else {
            return Ok(by_exit(&base, &patch, cargo, record));
        };
        let mut flaky = Vec::new();
        let mut difference = compare(before, after);
        if !difference.broken.is_empty() {
            let patch_again = once("patch, again", &case.patch).await?;
            let base_again = once("base, again", &case.base).await?;
            flaky = steady(&mut difference.broken, &base_again, &patch_again);
        }
        Ok(by_table(&base, &patch, (before, after), &difference, &flaky, record))
    }
}

async fn one_side(
    command: &CommandLine,
    cargo: bool,
    name: &str,
    side: &Side,
    case: &Case,
    record: &mut Record,
) -> Result<Ran, Failure> {
    let tests = Run {
        label: format!("suite on the {name}"),
        command: command.clone(),
        directory: side.tree.join(&case.service.folder),
        side,
        writable: vec![side.tree.clone()],
        readable: Vec::new(),
        deadline: DEADLINE,
        output_limit: OUTPUT_LIMIT,
        quoted: false,
    };
    let finished = run(&case.sandbox, tests, record).await?;
    Ok(Ran { exit: finished.exit, ending: finished.ending(), table: table(&finished, cargo) })
}

fn table(finished: &Finished, cargo: bool) -> Option<Table> {
    let readable = cargo && !finished.truncated;
    readable.then(|| Table::read(&finished.stdout, &finished.stderr)).filter(|table| !table.overflowed)
}

fn is_cargo_test(command: &CommandLine) -> bool {
    let cargo = command.0.first().is_some_and(|program| program.rsplit('/').next() == Some("cargo"));
    let verb = command.0.iter().skip(1).find(|word| !word.starts_with(['-', '+']));
    cargo && verb.is_some_and(|verb| verb == "test" || verb == "t")
}

/// Cargo stops at the first program with a failure, unless told otherwise; then later tests would seem to vanish.
fn complete(command: &CommandLine) -> CommandLine {
    const GO_ON: &str = "--no-fail-fast";
    let mut words = command.0.clone();
    if is_cargo_test(command) && !words.iter().any(|word| word == GO_ON) {
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, GO_ON.to_owned());
    }
    CommandLine(words)
}

fn compare(before: &Table, after: &Table) -> Difference {
    if before.by_program != after.by_program {
        return compare(&before.by_name(), &after.by_name());
    }
    let mut difference = Difference::default();
    for (key, base) in &before.tests {
        let list = match (base, after.tests.get(key)) {
            (Ended::Passed | Ended::Ignored, Some(Ended::Failed)) => &mut difference.broken,
            (Ended::Passed | Ended::Failed, None) => &mut difference.vanished,
            (Ended::Passed | Ended::Failed, Some(Ended::Ignored)) => &mut difference.ignored,
            (Ended::Failed, Some(Ended::Failed)) => &mut difference.alike,
            (Ended::Failed, Some(Ended::Passed)) => &mut difference.fixed,
            (Ended::Ignored, Some(Ended::Passed)) => &mut difference.new,
            (Ended::Passed, Some(Ended::Passed)) | (Ended::Ignored, Some(Ended::Ignored) | None) => continue,
        };
        list.push(key.clone());
    }
    for (key, ended) in after.tests.iter().filter(|(key, _)| !before.tests.contains_key(key)) {
        match ended {
            Ended::Failed => difference.broken.push(key.clone()),
            Ended::Passed => difference.new.push(key.clone()),
            Ended::Ignored => {}
        }
    }
    difference
}

/// Takes out of the new failures those that a second run does not repeat: they passed on the patch then, or failed
/// on the base as well.
fn steady(broken: &mut Vec<Key>, base: &Ran, patch: &Ran) -> Vec<Key> {
    let ended = |ran: &Ran, key: &Key| {
        let table = ran.table.as_ref()?;
        let by_name = key.program.is_empty() && table.by_program;
        let table = if by_name { table.by_name() } else { table.clone() };
        table.tests.get(key).copied()
    };
    let flickers =
        |key: &Key| ended(patch, key) == Some(Ended::Passed) || ended(base, key) == Some(Ended::Failed);
    let (flaky, steady) = broken.drain(..).partition(flickers);
    *broken = steady;
    flaky
}

fn by_table(
    base: &Ran,
    patch: &Ran,
    (before, after): (&Table, &Table),
    difference: &Difference,
    flaky: &[Key],
    mut record: Record,
) -> Shown {
    record.detail(format!("base: {}; {}", base.ending, counts(before)));
    record.detail(format!("patch: {}; {}", patch.ending, counts(after)));
    let unnamed = patch.exit != Exit::Code(0) && after.count(Ended::Failed) == 0;
    if unnamed && (after.tests.is_empty() || base.exit == Exit::Code(0)) {
        // The tests do not even compile, or a program of theirs crashed or is not one of the usual kind.
        let summary = match (after.tests.is_empty(), base.exit == Exit::Code(0)) {
            (true, true) => format!("the suite does not run with the patch: {}", patch.ending),
            (true, false) => {
                format!("the suite runs on neither side, so nothing was tested: {}", patch.ending)
            }
            (false, _) => {
                format!("the suite fails with the patch, though no test is named: {}", patch.ending)
            }
        };
        record.fail(WHOLE, &summary);
        return record.shown(summary);
    }
    let well = |key: &&Key| {
        let at = |table: &Table| table.tests.get(*key) == Some(&Ended::Passed);
        at(after) && !flaky.contains(key)
    };
    record.passed(after.tests.keys().filter(well).map(Key::text));
    let judged = [
        (&difference.broken, "passes on the base and fails with the patch"),
        (&difference.vanished, "runs on the base and is not there with the patch"),
        (&difference.ignored, "runs on the base and is left out with the patch"),
    ];
    for (keys, why) in judged {
        keys.iter().for_each(|key| record.fail(&key.text(), new_or(why, key, before)));
    }
    flaky.iter().for_each(|key| record.warn(&key.text(), "flaky: a second run ended otherwise"));
    difference.alike.iter().for_each(|key| record.warn(&key.text(), "fails on both"));
    difference.fixed.iter().for_each(|key| record.detail(format!("{}: fixed by the patch", key.text())));
    difference.new.iter().for_each(|key| record.detail(format!("{}: new with the patch", key.text())));
    let programs: Vec<String> = after.failed_programs.difference(&before.failed_programs).cloned().collect();
    if !programs.is_empty() && !record.has_failed() && flaky.is_empty() {
        let summary = format!("with the patch {} fails as a whole, and not on the base", few(&programs));
        record.fail(WHOLE, &summary);
        return record.shown(summary);
    }
    let crashed = unnamed && !record.has_failed();
    if crashed {
        record.warn(WHOLE, format!("fails alike on both, though no test is named: {}", patch.ending));
    }
    if after.count(Ended::Passed) == 0 && !record.has_failed() {
        record.warn(WHOLE, "no test passed, so nothing was tested");
    }
    let summary = summary(after, difference, flaky, crashed);
    record.shown(summary)
}

fn new_or(why: &'static str, key: &Key, before: &Table) -> &'static str {
    let known = before.tests.contains_key(key) || before.by_name().tests.contains_key(key);
    if known { why } else { "came with the patch and fails" }
}

fn summary(after: &Table, difference: &Difference, flaky: &[Key], crashed: bool) -> String {
    let texts = |keys: &[Key]| keys.iter().map(Key::text).collect::<Vec<_>>();
    let part = |keys: &[Key], what: &str| {
        let number = count(keys.len(), "test");
        (!keys.is_empty()).then(|| format!("{number} {what}: {}", few(&texts(keys))))
    };
    let bad = [
        part(&difference.broken, "newly failing with the patch"),
        part(&difference.vanished, "gone with the patch"),
        part(&difference.ignored, "left out with the patch"),
    ];
    let bad: Vec<String> = bad.into_iter().flatten().collect();
    if !bad.is_empty() {
        return bad.join("; ");
    }
    let odd = [
        part(&difference.alike, "failing alike on both sides, no difference"),
        part(flaky, "flaky"),
        crashed.then(|| "the suite fails alike on both sides though no test is named".to_owned()),
    ];
    let odd: Vec<String> = odd.into_iter().flatten().collect();
    let mut text = match after.count(Ended::Passed) {
        0 => "no test ran".to_owned(),
        number => format!("{} passed on the patch", count(number, "test")),
    };
    for (number, what) in [(difference.fixed.len(), "fixed"), (difference.new.len(), "new")] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    [vec![text], odd].concat().join("; ")
}

/// Suites whose output is not read are judged by how they end.
fn by_exit(base: &Ran, patch: &Ran, cut: bool, mut record: Record) -> Shown {
    let well = Exit::Code(0);
    if cut {
        record.warn("output", "too long to be read test by test; judged by how the suite ends");
    }
    let summary = match (base.exit, patch.exit) {
        (before, after) if after == well => {
            let before = if before == well { "and on the base" } else { "and not on the base" };
            let summary = format!("the suite passes on the patch {before}");
            record.pass(WHOLE, &summary);
            summary
        }
        (before, after) if before == after && matches!(after, Exit::Code(_)) => {
            let summary = format!("the suite fails alike on both sides, no difference: {}", patch.ending);
            record.warn(WHOLE, &summary);
            summary
        }
        (_, _) => {
            let summary =
                format!("the suite fails on the patch: {}; on the base: {}", patch.ending, base.ending);
            record.fail(WHOLE, &summary);
            summary
        }
    };
    record.shown(summary)
}

fn counts(table: &Table) -> String {
    format!(
        "{} passed, {} failed, {} ignored",
        table.count(Ended::Passed),
        table.count(Ended::Failed),
        table.count(Ended::Ignored)
    )
}

#[cfg(test)]
mod tests {
    use super::{complete, is_cargo_test};
    use crate::sample::line;

    #[test]
    fn cargo_is_told_to_go_on_after_a_failure_and_nobody_else() {
        let check = |words: &[&str], expected: &[&str]| assert_eq!(complete(&line(words)), line(expected));
        check(&["cargo", "test"], &["cargo", "test", "--no-fail-fast"]);
        let given = ["cargo", "+stable", "test", "--", "--test-threads=1"];
        check(&given, &["cargo", "+stable", "test", "--no-fail-fast", "--", "--test-threads=1"]);
        check(&["cargo", "t", "--no-fail-fast"], &["cargo", "t", "--no-fail-fast"]);
        check(&["make", "test"], &["make", "test"]);
        check(&["cargo", "nextest", "run"], &["cargo", "nextest", "run"]);
        assert!(!is_cargo_test(&line(&["cargo", "run", "test"])));
    }
}
