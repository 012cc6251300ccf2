//! Before and after: the reproducer shows the problem on the base, and no longer on the patch.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use patchline_model::failure::Failure;
use patchline_model::service::{CommandLine, Reproducer};
use patchline_model::stage::detect::{Finding, Source};
use patchline_sandbox::foreign::Exit;

use crate::check::{Case, Check, Shown, Side};
use crate::outcome::{Record, count, few};
use crate::run::{Run, run};

const DEADLINE: Duration = Duration::from_secs(120);
const OUTPUT_LIMIT: usize = 256 * 1024;
/// Each side is asked so often; answers that differ are none.
const TIMES: usize = 2;
const ABSENT: Exit = Exit::Code(0);
const PRESENT: Exit = Exit::Code(1);

/// Runs the reproducers against both artifacts.
#[derive(Clone, Copy, Debug)]
pub struct BeforeAfter;

/// What the runs of one reproducer on both sides mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Shown,
    Not(String),
}

#[async_trait::async_trait]
impl Check for BeforeAfter {
    fn name(&self) -> &'static str {
        "before-after"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let mut known: BTreeMap<&str, Answer> = BTreeMap::new();
        for id in &case.candidate.removes {
            let Some(finding) = case.findings.iter().find(|finding| finding.id == *id) else {
                record.fail(&id.to_string(), "the candidate says that it removes this, which is no finding");
                continue;
            };
            let names: Vec<&str> =
                [&finding.advisory].into_iter().chain(&finding.aliases).map(String::as_str).collect();
            let Some(reproducer) = case.service.reproducer(&names) else {
                judge_by_version(finding, case, &mut record);
                continue;
            };
            if !known.contains_key(reproducer.advisory.as_str()) {
                let answer = ask(reproducer, case, &mut record).await?;
                known.insert(&reproducer.advisory, answer);
            }
            match &known[reproducer.advisory.as_str()] {
                Answer::Shown => record.pass(&finding.advisory, "shown on the base, gone with the patch"),
                Answer::Not(why) => record.fail(&finding.advisory, why),
            }
        }
        Ok(summed_up(record))
    }
}

/// Runs one reproducer on both sides. It is the patch's own on both: a reproducer may come with the patch, and only
/// the same one tells the two apart.
async fn ask(reproducer: &Reproducer, case: &Case, record: &mut Record) -> Result<Answer, Failure> {
    record.detail(format!(
        "{}: the reproducer of the patch's tree runs against the artifacts of both sides",
        reproducer.advisory
    ));
    let base = ask_side(reproducer, "base", &case.base, case, record).await?;
    let patch = ask_side(reproducer, "patch", &case.patch, case, record).await?;
    Ok(judge(&base, &patch))
}

async fn ask_side(
    reproducer: &Reproducer,
    name: &str,
    side: &Side,
    case: &Case,
    record: &mut Record,
) -> Result<Vec<Exit>, Failure> {
    let directory = case.patch.tree.join(&case.service.folder);
    let mut exits = Vec::with_capacity(TIMES);
    for time in 1..=TIMES {
        let reproduction = Run {
            label: format!("{} on the {name}, run {time}", reproducer.advisory),
            command: against(&reproducer.command, &side.artifact),
            directory: directory.clone(),
            side: &case.patch,
            writable: Vec::new(),
            readable: vec![case.patch.tree.clone(), side.tree.clone()],
            deadline: DEADLINE,
            output_limit: OUTPUT_LIMIT,
            quoted: true,
        };
        exits.push(run(&case.sandbox, reproduction, record).await?.exit);
    }
    Ok(exits)
}

fn against(command: &CommandLine, artifact: &Path) -> CommandLine {
    let artifact = artifact.to_string_lossy();
    CommandLine(command.0.iter().map(|word| word.replace("{artifact}", &artifact)).collect())
}

/// 1 on the base and 0 on the patch, each time, is the only answer that shows anything.
fn judge(base: &[Exit], patch: &[Exit]) -> Answer {
    let steady =
        |exits: &[Exit]| exits.first().copied().filter(|first| exits.iter().all(|exit| exit == first));
    let unsteady = |name: &str, exits: &[Exit]| {
        let seen: Vec<String> = exits.iter().map(Exit::to_string).collect();
        Answer::Not(format!("the reproducer is not deterministic on the {name}: {}", seen.join(", then ")))
    };
    let (Some(base), Some(patch)) = (steady(base), steady(patch)) else {
        return if steady(base).is_none() { unsteady("base", base) } else { unsteady("patch", patch) };
    };
    let stopped = |name: &str, exit: Exit| {
        Answer::Not(format!("the reproducer itself could not run on the {name}: {exit}"))
    };
    match (base, patch) {
        (PRESENT, ABSENT) => Answer::Shown,
        (ABSENT, ABSENT | PRESENT) => {
            Answer::Not("the reproducer does not show the problem on the base".to_owned())
        }
        (PRESENT, PRESENT) => Answer::Not("the problem is still there with the patch".to_owned()),
        (PRESENT | ABSENT, other) => stopped("patch", other),
        (other, _) => stopped("base", other),
    }
}

/// Without a reproducer a vulnerable package is shown to be gone by its absence; a report is not shown at all.
fn judge_by_version(finding: &Finding, case: &Case, record: &mut Record) {
    let package = |finding: &Finding| finding.package.as_ref().map(|package| package.name.clone());
    let (Source::Lockfile, Some(vulnerable)) = (finding.source, &finding.package) else {
        let why = "no reproducer: nothing shows that the patch removes it; add a `[[reproducer]]` to `patchline.toml`";
        return record.fail(&finding.advisory, why);
    };
    let same = |other: &&Finding| other.advisory == finding.advisory && package(other) == package(finding);
    let in_base = |other: &Finding| case.before.iter().any(|known| known.id == other.id);
    let still = case.after.iter().filter(same).find(|other| other.id == finding.id || !in_base(other));
    match still.and_then(|other| other.package.as_ref()) {
        Some(other) => {
            record.fail(&finding.advisory, format!("no reproducer, and {other} is still vulnerable"))
        }
        None => {
            let why = format!("no reproducer: shown only by the version being gone ({vulnerable})");
            record.warn(&finding.advisory, why);
        }
    }
}

fn summed_up(record: Record) -> Shown {
    if record.is_empty() {
        let mut record = record;
        record.fail("removes", "the candidate names no finding that it removes");
        return record.shown("the candidate names no finding that it removes".to_owned());
    }
    let (passed, warned, failed) = record.names();
    let summary = match (passed.len(), warned, failed) {
        (number, [], []) => {
            format!("{} shown on the base and gone with the patch", count(number, "finding"))
        }
        (0, warned, []) => {
            format!("no reproducer for {}: shown only by the version being gone", few(warned))
        }
        (number, warned, []) => format!(
            "{} shown on the base and gone with the patch; no reproducer for {}: shown only by the version being gone",
            count(number, "finding"),
            few(warned)
        ),
        (_, _, failed) => match record.why_failed() {
            Some(why) if failed.len() == 1 => why.to_owned(),
            Some(_) | None => format!("the patch is not shown to remove {}", few(failed)),
        },
    };
    record.shown(summary)
}

#[cfg(test)]
mod tests {
    use patchline_sandbox::foreign::Exit::{self, Code, Deadline, Signal};

    use super::{Answer, judge};

    #[track_caller]
    fn check(base: [Exit; 2], patch: [Exit; 2], words: &str) {
        match judge(&base, &patch) {
            Answer::Shown => assert_eq!(words, "shown"),
            Answer::Not(why) => assert!(why.contains(words), "{why}"),
        }
    }

    #[test]
    fn only_present_before_and_absent_after_shows_anything() {
        let (absent, present) = ([Code(0); 2], [Code(1); 2]);
        check(present, absent, "shown");
        check(absent, absent, "does not show the problem on the base");
        check(absent, present, "does not show the problem on the base");
        check(present, present, "still there");
        check([Code(2); 2], absent, "could not run on the base: exit code 2");
        check([Signal(11); 2], [Signal(11); 2], "could not run on the base: killed by signal 11");
        check(present, [Deadline; 2], "could not run on the patch: stopped at the deadline");
        check(absent, [Code(2); 2], "could not run on the patch: exit code 2");
        check([Code(1), Code(0)], absent, "not deterministic on the base: exit code 1, then exit code 0");
        check(present, [Code(0), Code(1)], "not deterministic on the patch");
    }
}
