//! The suite: the service's own tests on the base and on the patch, and every difference by name.

use std::collections::BTreeMap;

use patchline_model::failure::Failure;
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::Format;
use patchline_sandbox::foreign::Exit;

use crate::check::{Case, Check, Shown, Side};
use crate::diff::Diff;
use crate::difference::{Difference, compare};
use crate::format::Reading;
use crate::outcome::{Record, count, few};
use crate::steadiness::{Counts, ERROR_RATE};
use crate::table::{Ended, Key, Table};
use crate::tested::{Ran, reading, tested};

/// The name under which a suite that is judged as a whole stands in the evidence.
const WHOLE: &str = "suite";

/// Runs the service's tests on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Suite;

#[async_trait::async_trait]
impl Check for Suite {
    fn name(&self) -> &'static str {
        "suite"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let Some(reading) = reading(case) else {
            let shown = record
                .shown("the service has no tests: name them in `[test]` of `patchline.toml`".to_owned());
            return Ok(Shown { result: CheckResult::Skipped, ..shown });
        };
        let base = tested(&reading, "base", &case.base, &case.base.tree, case, &mut record).await?;
        let patch = tested(&reading, "patch", &case.patch, &case.patch.tree, case, &mut record).await?;
        let (before, after) = match (&base.table, &patch.table) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(why), _) | (_, Err(why)) => return Ok(by_exit(&base, &patch, &reading, why, record)),
        };
        let mut difference = compare(before, after);
        if let Ok(diff) = Diff::read(&case.diff) {
            difference.find_renamed(&diff);
        }
        let flaky = flaky(&mut difference, before, &reading, case, &mut record).await?;
        Ok(by_table(&base, &patch, (before, after), &difference, &flaky, record))
    }
}

/// Runs the suite again on both sides where a test newly fails, and takes out of these what the runs do not show to
/// fail with the patch.
async fn flaky(
    difference: &mut Difference,
    before: &Table,
    reading: &Reading,
    case: &Case,
    record: &mut Record,
) -> Result<BTreeMap<Key, Counts>, Failure> {
    let mut counts: BTreeMap<Key, Counts> = BTreeMap::new();
    for key in &difference.broken {
        let mut first = Counts { patch_runs: 1, patch_failures: 1, ..Counts::default() };
        first.base_runs = u32::from(before.ended(key) == Some(Ended::Passed));
        counts.insert(key.clone(), first);
    }
    for again in 1..=case.service.verification.reruns() {
        if counts.is_empty() {
            break;
        }
        let mut run = async |name: &str, side: &Side| {
            tested(reading, &format!("{name}, again ({again})"), side, &side.tree, case, record).await
        };
        let (patch, base) = (run("patch", &case.patch).await?, run("base", &case.base).await?);
        for (key, counts) in &mut counts {
            let (on_patch, on_base) = (ended(&patch, key), ended(&base, key));
            counts.patch_runs += 1;
            // A run that did not come so far, or left the test out, is no pass.
            counts.patch_failures += u32::from(on_patch != Some(Ended::Passed));
            counts.base_runs += u32::from(matches!(on_base, Some(Ended::Passed | Ended::Failed)));
            counts.base_failures += u32::from(on_base == Some(Ended::Failed));
        }
    }
    counts.retain(|_, counts| !counts.fails_with_the_patch());
    difference.broken.retain(|key| !counts.contains_key(key));
    Ok(counts)
}

fn ended(ran: &Ran, key: &Key) -> Option<Ended> {
    ran.table.as_ref().ok().and_then(|table| table.ended(key))
}

fn by_table(
    base: &Ran,
    patch: &Ran,
    (before, after): (&Table, &Table),
    difference: &Difference,
    flaky: &BTreeMap<Key, Counts>,
    mut record: Record,
) -> Shown {
    record.detail(format!("base: {}; {}", base.ending, counts(before)));
    record.detail(format!("patch: {}; {}", patch.ending, counts(after)));
    record.sides(in_short(before), in_short(after));
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
        at(after) && !flaky.contains_key(key)
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
    flaky.iter().for_each(|(key, counts)| {
        let text = counts.text();
        record.warn(&key.text(), format!("flaky: {text}, no difference at an error rate of {ERROR_RATE}"))
    });
    difference.renamed.iter().for_each(|(old, new)| {
        record.detail(format!("{}: renamed to {}, with the same body", old.text(), new.text()))
    });
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
    let tested = after.count(Ended::Passed) + after.count(Ended::Failed) > 0 || record.has_failed();
    let summary = summary(after, difference, flaky, crashed);
    let shown = record.shown(summary);
    // A suite in which nothing ran is no pass.
    if tested { shown } else { Shown { result: CheckResult::Skipped, ..shown } }
}

fn new_or(why: &'static str, key: &Key, before: &Table) -> &'static str {
    let known = before.tests.contains_key(key) || before.by_name().tests.contains_key(key);
    if known { why } else { "came with the patch and fails" }
}

fn summary(after: &Table, difference: &Difference, flaky: &BTreeMap<Key, Counts>, crashed: bool) -> String {
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
        part(&flaky.keys().cloned().collect::<Vec<_>>(), "flaky"),
        crashed.then(|| "the suite fails alike on both sides though no test is named".to_owned()),
    ];
    let odd: Vec<String> = odd.into_iter().flatten().collect();
    let mut text = match after.count(Ended::Passed) {
        0 if after.count(Ended::Failed) == 0 => "no test ran".to_owned(),
        0 => "no test passed on the patch".to_owned(),
        number => format!("{} passed on the patch", count(number, "test")),
    };
    let numbers = [
        (difference.fixed.len(), "fixed"),
        (difference.new.len(), "new"),
        (difference.renamed.len(), "renamed"),
    ];
    for (number, what) in numbers {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    [vec![text], odd].concat().join("; ")
}

/// Suites whose results are not read are judged by how they end.
fn by_exit(base: &Ran, patch: &Ran, reading: &Reading, why: &str, mut record: Record) -> Shown {
    let well = Exit::Code(0);
    if reading.format == Format::Exit {
        record.detail(format!("judged by how the suite ends: {why}"));
    } else {
        record.warn("results", format!("judged by how the suite ends: {why}"));
    }
    record.sides(base.ending.clone(), patch.ending.clone());
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

/// What is nought goes unsaid, but for what passed.
fn in_short(table: &Table) -> String {
    let others = [(Ended::Failed, "failed"), (Ended::Ignored, "ignored")];
    let others = others.map(|(ended, word)| (table.count(ended), word));
    let others =
        others.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!(", {number} {word}"));
    format!("{} passed{}", table.count(Ended::Passed), others.collect::<String>())
}

fn counts(table: &Table) -> String {
    format!(
        "{} passed, {} failed, {} ignored",
        table.count(Ended::Passed),
        table.count(Ended::Failed),
        table.count(Ended::Ignored)
    )
}
