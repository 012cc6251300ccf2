//! Coverage of the diff: which changed lines no test ran.

use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::service::CommandLine;
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::Coverage;

use crate::check::{Case, Check, Shown};
use crate::coverage::lines::Lines;
use crate::coverage::{cobertura, lcov};
use crate::diff::Diff;
use crate::kinds::FileKind;
use crate::outcome::{Record, count, few};
use crate::reports;
use crate::run::{Run, run};
use crate::scratch::Scratch;

const DEADLINE: Duration = Duration::from_secs(30 * 60);
const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;

/// Runs the tests once more, and looks which lines ran.
#[derive(Clone, Copy, Debug)]
pub struct DiffCoverage;

#[async_trait::async_trait]
impl Check for DiffCoverage {
    fn name(&self) -> &'static str {
        "diff-coverage"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let skipped =
            |why: &str| Shown { result: CheckResult::Skipped, ..Record::default().shown(why.to_owned()) };
        let Some(coverage) = &case.service.verification.coverage else {
            return Ok(skipped(
                "nothing says which lines ran: name a `command` and its `report` in `[coverage]`",
            ));
        };
        let diff = match Diff::read(&case.diff) {
            Ok(diff) if diff.files.iter().any(is_code) => diff,
            Ok(_) => return Ok(skipped("the patch changes no code whose lines could run")),
            Err(why) => return Ok(skipped(&format!("no line is looked at: {why}"))),
        };
        let lines = match measured(coverage, case, &mut record).await? {
            Ok(lines) => lines,
            Err(why) => {
                let summary = format!("which lines ran is not known: {why}");
                // Missing data is no good news where a least part is asked for.
                match coverage.least {
                    Some(_) => record.fail("coverage", &summary),
                    None => record.warn("coverage", &summary),
                }
                return Ok(record.shown(summary));
            }
        };
        Ok(judged(&diff, &lines, coverage.least, record))
    }
}

fn is_code(file: &crate::diff::File) -> bool {
    file.new.is_some()
        && !file.binary
        && FileKind::of(file.path()) == FileKind::Code
        && file.added().next().is_some()
}

/// Runs the command in a copy of the patch's tree, for it builds everything in another way.
async fn measured(
    coverage: &Coverage,
    case: &Case,
    record: &mut Record,
) -> Result<Result<Lines, String>, Failure> {
    let scratch = Scratch::of(&case.patch).await?;
    let tree = scratch.tree();
    let directory = tree.join(&case.service.folder);
    reports::clear(&directory, &coverage.report).map_err(|error| {
        Failure::transient(format!("could not clear old reports: {error}")).of(FailureClass::Storage)
    })?;
    let tests = Run {
        label: "coverage of the patch".to_owned(),
        command: CommandLine(coverage.command.clone()),
        directory: directory.clone(),
        side: &case.patch,
        writable: vec![tree.clone()],
        readable: Vec::new(),
        deadline: case.patience.unwrap_or(DEADLINE),
        output_limit: OUTPUT_LIMIT,
        quoted: false,
        shown: None,
    };
    let finished = run(&case.sandbox, tests, record).await?;
    let texts = match reports::read(&directory, &coverage.report) {
        Ok(texts) if texts.is_empty() => {
            return Ok(Err(format!(
                "the command left no report `{}`: {}",
                coverage.report,
                finished.ending()
            )));
        }
        Ok(texts) => texts,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let place = format!("{}/", tree.display());
    let mut lines = Lines::default();
    for text in texts {
        let text = text.replace(&place, "");
        let read = if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
            cobertura::read
        } else {
            lcov::read
        };
        if let Err(why) = read(&text, &mut lines) {
            return Ok(Err(why));
        }
    }
    Ok(if lines.is_empty() { Err("the report speaks of no file".to_owned()) } else { Ok(lines) })
}

fn judged(diff: &Diff, lines: &Lines, least: Option<f64>, mut record: Record) -> Shown {
    let (mut ran, mut missed) = (0_usize, Vec::new());
    for file in diff.files.iter().filter(|file| is_code(file)) {
        let path = file.path();
        let Some(known) = lines.of(path) else {
            record.detail(format!("{path}: the report does not speak of it"));
            continue;
        };
        for (number, _) in file.added() {
            match known.get(&number) {
                Some(0) => missed.push(format!("{path}:{number}")),
                Some(_) => {
                    ran += 1;
                    record.passed([format!("{path}:{number}")]);
                }
                None => {}
            }
        }
    }
    let all = ran + missed.len();
    if all == 0 {
        let summary = "the report speaks of no line that the patch changes".to_owned();
        record.warn("coverage", &summary);
        return record.shown(summary);
    }
    let part = ran as f64 / all as f64;
    let short = least.is_some_and(|least| part < least);
    for line in &missed {
        let why = "changed, and no test ran it";
        if short { record.fail(line, why) } else { record.warn(line, why) }
    }
    let mut summary = format!("tests ran {ran} of {}", count(all, "changed line"));
    if !missed.is_empty() {
        summary.push_str(&format!(", and not {}", few(&missed)));
    }
    if let Some(least) = least.filter(|_| short) {
        summary.push_str(&format!("; at least {:.0} % are asked for", least * 100.0));
    }
    record.shown(summary)
}
