//! The performance pair: base and patch by turns, and how many times as long the patch takes.

use std::time::{Duration, Instant};

use patchline_model::failure::Failure;
use patchline_model::service::CommandLine;
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::Bench;
use patchline_sandbox::foreign::Finished;

use crate::check::{Case, Check, Shown, Side};
use crate::outcome::{Record, count};
use crate::ratio::{Ratio, median, ratio};
use crate::run::{Run, run};

const DEADLINE: Duration = Duration::from_secs(60);
/// All pairs together; what is left then is told.
const TOTAL: Duration = Duration::from_secs(15 * 60);
const OUTPUT_LIMIT: usize = 256 * 1024;

/// Times one command on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Performance;

#[async_trait::async_trait]
impl Check for Performance {
    fn name(&self) -> &'static str {
        "performance"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let Some(bench) = &case.service.verification.bench else {
            let why = "nothing is timed: name a `command` in `[bench]`".to_owned();
            return Ok(Shown { result: CheckResult::Skipped, ..record.shown(why) });
        };
        let begun = Instant::now();
        let mut pairs = Vec::new();
        // The first pair warms up what both sides share, and does not count.
        for pair in 0..=bench.pairs {
            if begun.elapsed() > TOTAL {
                break;
            }
            // Who goes first changes, so that what grows over time meets both.
            let sides = [("base", &case.base), ("patch", &case.patch)];
            let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
            let mut seconds = [0.0; 2];
            for at in order {
                let (name, side) = sides[at];
                let finished = once(bench, &format!("{name}, pair {pair}"), side, case, &mut record).await?;
                if !finished.succeeded() {
                    return Ok(not_run(name, &finished, record));
                }
                seconds[at] = finished.duration.as_secs_f64();
            }
            if pair > 0 {
                pairs.push((seconds[0], seconds[1]));
            }
        }
        let cut = pairs.len() < bench.pairs as usize;
        let (base, patch): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        if let (Some(base), Some(patch)) = (median(base), median(patch)) {
            record.sides(format!("{base:.3} s"), format!("{patch:.3} s"));
        }
        Ok(judged(ratio(&pairs), pairs.len(), cut, bench.max_ratio, record))
    }
}

async fn once(
    bench: &Bench,
    label: &str,
    side: &Side,
    case: &Case,
    record: &mut Record,
) -> Result<Finished, Failure> {
    let artifact = side.artifact.to_string_lossy();
    let timed = Run {
        label: format!("bench on the {label}"),
        command: CommandLine(
            bench.command.iter().map(|word| word.replace("{artifact}", &artifact)).collect(),
        ),
        directory: side.tree.join(&case.service.folder),
        side,
        writable: vec![side.tree.clone()],
        readable: Vec::new(),
        deadline: case.patience.unwrap_or(DEADLINE),
        output_limit: OUTPUT_LIMIT,
        quoted: false,
        shown: None,
    };
    run(&case.sandbox, timed, record).await
}

/// What does not run on the base can't be compared; what does not run with the patch is broken by it.
fn not_run(name: &str, finished: &Finished, mut record: Record) -> Shown {
    let summary = format!("what is timed does not run on the {name}: {}", finished.ending());
    match name {
        "base" => record.warn("bench", &summary),
        _ => record.fail("bench", &summary),
    }
    record.shown(summary)
}

fn judged(found: Option<Ratio>, pairs: usize, cut: bool, most: f64, mut record: Record) -> Shown {
    let Some(Ratio { median, low, high, confidence }) = found else {
        let summary = format!("{} within the limits are too few to compare", count(pairs, "pair"));
        record.warn("bench", &summary);
        return record.shown(summary);
    };
    let numbers = format!(
        "{median:.3} times the base's time, between {low:.3} and {high:.3} with {:.1} % confidence, from {}",
        confidence * 100.0,
        count(pairs, "pair")
    );
    let summary = match (low > most, high > most) {
        (true, _) => {
            record.fail("bench", &numbers);
            format!("the patch takes longer than {most} times as long: {numbers}")
        }
        (false, true) => {
            record.warn("bench", &numbers);
            format!("not shown to stay within {most} times the base's time: {numbers}")
        }
        (false, false) => {
            record.pass("bench", &numbers);
            format!("the patch takes {numbers}")
        }
    };
    record.shown(if cut { format!("{summary}; cut short by the limit of time") } else { summary })
}

#[cfg(test)]
mod tests {
    use patchline_model::stage::verify::CheckResult;

    use super::judged;
    use crate::outcome::Record;
    use crate::ratio::Ratio;

    #[test]
    fn only_what_is_shown_counts() {
        let check = |low: f64, high: f64, result: CheckResult, words: &str| {
            let found = Some(Ratio { median: (low + high) / 2.0, low, high, confidence: 0.979 });
            let shown = judged(found, 10, false, 1.1, Record::default());
            assert_eq!(shown.result, result);
            assert!(shown.summary.contains(words), "{}", shown.summary);
        };
        check(
            0.98,
            1.05,
            CheckResult::Passed,
            "between 0.980 and 1.050 with 97.9 % confidence, from 10 pairs",
        );
        check(0.98, 1.2, CheckResult::Warned, "not shown to stay within 1.1");
        check(1.2, 1.5, CheckResult::Failed, "longer than 1.1 times");
        assert_eq!(judged(None, 3, true, 1.1, Record::default()).result, CheckResult::Warned);
    }
}
