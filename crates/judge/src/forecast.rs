//! What a rollout will see, before it begins: how soon a regression is found, whom it hits, and what a good canary waits for.
//!
//! No formula is used where the judge itself can be asked: the very judge of the rollout runs on synthetic counts from a
//! fixed seed, some dozens of times. The same plan gives the same forecast, to the byte. Percentages are as coarse as the
//! number of runs, which is part of the answer.

mod world;

use serde::{Deserialize, Serialize};

use crate::judge::{BadSettings, Decision, Judge, Settings};
use world::World;

/// Looks that all runs of a forecast may have together, so that a call ends within a second.
const MOST_LOOKS: u64 = 100_000;

/// Runs at most and at least.
const MOST_RUNS: u64 = 200;
pub const FEWEST_RUNS: u64 = 20;

/// What is planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    pub steps: Vec<Step>,
    pub requests_per_second: f64,
    /// How often the stable version fails: 0.001 is one request in a thousand.
    pub base_error_rate: f64,
    /// After this time a run ends, whatever the judge says.
    pub deadline_seconds: f64,
    pub settings: Settings,
}

/// A share of the traffic, between 0 and 1, and how long it is watched at least.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub share: f64,
    pub bake_seconds: f64,
}

/// What is wrong with the canary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Added to the error rate: 0.005 is half a point.
    pub error_points: f64,
    /// Its requests take so many times as long.
    pub latency_factor: f64,
}

/// What is to be expected of an ill canary and of a good one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    #[serde(flatten)]
    pub ill: Detection,
    /// Part of the runs in which a good canary was taken back.
    pub false_alarms: f64,
    /// Part of the runs in which a good canary got through all steps before the deadline.
    pub promoted: f64,
    /// Seconds until it is through; the deadline where it is not.
    pub promotion_seconds: Spread,
}

/// How a regression is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Part of the runs in which the regression was found before the deadline.
    pub found: f64,
    /// Seconds until it is found; the deadline where it is not.
    pub seconds: Spread,
    /// Requests that the canary serves until then: they meet the regression.
    pub canary_requests: Spread,
    /// Requests that fail until then because of it.
    pub failed_requests: Spread,
    /// How many runs this rests on.
    pub runs: u64,
}

/// The middle of several runs, and what all but one in twenty stay below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub p95: f64,
}

/// A plan of which nothing can be foretold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadOutlook {
    #[error("the plan has no steps")]
    NoSteps,
    #[error("`{name}` is out of range: {value}")]
    OutOfRange { name: &'static str, value: f64 },
    #[error("a base error rate of {base} and {points} more are more than every request")]
    MoreThanAll { base: f64, points: f64 },
    #[error("could not judge with these settings")]
    Settings(#[from] BadSettings),
}

/// Runs the judge on ill canaries.
pub fn detection(outlook: &Outlook, regression: Regression) -> Result<Detection, BadOutlook> {
    outlook.check(regression)?;
    let runs = outlook.runs();
    let ill = run_all(outlook, regression, runs)?;
    Ok(Detection {
        found: part(&ill, |end| end.rolled_back),
        seconds: Spread::of(ill.iter().map(|end| end.seconds)),
        canary_requests: Spread::of(ill.iter().map(|end| end.canary_requests)),
        failed_requests: Spread::of(ill.iter().map(|end| end.canary_requests * regression.error_points)),
        runs,
    })
}

/// Runs the judge on ill canaries and, as often, on good ones.
pub fn forecast(outlook: &Outlook, regression: Regression) -> Result<Forecast, BadOutlook> {
    let ill = detection(outlook, regression)?;
    let good = Regression { error_points: 0.0, latency_factor: 1.0 };
    let well = run_all(outlook, good, ill.runs)?;
    let wait = |end: &End| if end.promoted { end.seconds } else { outlook.deadline_seconds };
    Ok(Forecast {
        ill,
        false_alarms: part(&well, |end| end.rolled_back),
        promoted: part(&well, |end| end.promoted),
        promotion_seconds: Spread::of(well.iter().map(wait)),
    })
}

/// The part of the runs that ended so.
fn part(ends: &[End], wanted: fn(&End) -> bool) -> f64 {
    ends.iter().filter(|end| wanted(end)).count() as f64 / ends.len().max(1) as f64
}

/// What a regression costs on its way through all steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    pub regression: Regression,
    /// Requests that fail because of it until it is found, promoted, or the deadline is there.
    pub failed_requests: Spread,
    /// The same on average.
    pub mean_failed_requests: f64,
    /// Part of the runs in which it was promoted and not found.
    pub promoted: f64,
    /// Step by step.
    pub steps: Vec<StepExposure>,
    /// How many runs this rests on.
    pub runs: u64,
}

/// What a step adds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepExposure {
    /// Part of the runs that come to it: the regression was not seen before.
    pub reached: f64,
    /// Requests that fail in it because of the regression, on average of the runs that come to it.
    pub failed_requests: f64,
}

/// Runs the judge so often on ill canaries and counts what each step adds to what users meet.
pub fn exposure(outlook: &Outlook, regression: Regression, runs: u64) -> Result<Exposure, BadOutlook> {
    outlook.check(regression)?;
    let ill = run_all(outlook, regression, runs)?;
    let failed = |requests: f64| requests * regression.error_points;
    let mean = |sum: f64, count: usize| if count == 0 { 0.0 } else { failed(sum) / count as f64 };
    let step = |step: usize| {
        let reached: Vec<f64> = ill.iter().filter_map(|end| end.by_step.get(step).copied()).collect();
        StepExposure {
            reached: reached.len() as f64 / runs as f64,
            failed_requests: mean(reached.iter().sum(), reached.len()),
        }
    };
    Ok(Exposure {
        regression,
        failed_requests: Spread::of(ill.iter().map(|end| failed(end.canary_requests))),
        mean_failed_requests: mean(ill.iter().map(|end| end.canary_requests).sum(), ill.len()),
        promoted: part(&ill, |end| end.promoted),
        steps: (0..outlook.steps.len()).map(step).collect(),
        runs,
    })
}

/// How a run ended.
struct End {
    seconds: f64,
    canary_requests: f64,
    rolled_back: bool,
    promoted: bool,
    /// Requests of the canary in each step that it came to.
    by_step: Vec<f64>,
}

fn run_all(outlook: &Outlook, regression: Regression, runs: u64) -> Result<Vec<End>, BadOutlook> {
    (0..runs).map(|seed| run(outlook, regression, seed)).collect()
}

fn run(outlook: &Outlook, regression: Regression, seed: u64) -> Result<End, BadOutlook> {
    let mut judge = Judge::new(outlook.settings.clone())?;
    let tick = outlook.settings.tick_seconds;
    let base = outlook.base_error_rate;
    let rates = [base + regression.error_points, base];
    let slower = outlook.settings.latency.then_some(regression.latency_factor);
    let gauges = outlook.settings.gauges.iter().filter(|(_, settings)| settings.needed).map(|(name, _)| name);
    let mut world = World::new(outlook.requests_per_second * tick, rates, slower, seed).with_equal(gauges);
    let mut end =
        End { seconds: 0.0, canary_requests: 0.0, rolled_back: false, promoted: false, by_step: vec![0.0] };
    let (mut step, mut baked) = (0, 0.0);
    for _ in 0..outlook.looks() {
        let look = world.look(outlook.steps[step].share);
        let requests = look.canary.as_ref().map_or(0, |arm| arm.requests) as f64;
        end.canary_requests += requests;
        end.by_step[step] += requests;
        end.seconds += tick;
        baked += tick;
        let decision = judge.observe(&look).decision;
        let is_baked = baked >= outlook.steps[step].bake_seconds;
        let is_last = step + 1 == outlook.steps.len();
        // As in a rollout: a step is left after its bake, the last one by proof.
        match decision {
            Decision::Rollback => {
                end.rolled_back = true;
                return Ok(end);
            }
            Decision::Promote if is_baked && is_last => {
                end.promoted = true;
                return Ok(end);
            }
            Decision::Promote | Decision::Continue | Decision::Inconclusive if is_baked && !is_last => {
                (step, baked) = (step + 1, 0.0);
                end.by_step.push(0.0);
            }
            Decision::Promote | Decision::Continue | Decision::Inconclusive => {}
        }
    }
    Ok(end)
}

impl Outlook {
    /// How many runs a forecast of it rests on.
    pub fn runs(&self) -> u64 {
        (MOST_LOOKS / self.looks().max(1)).clamp(FEWEST_RUNS, MOST_RUNS)
    }

    fn looks(&self) -> u64 {
        (self.deadline_seconds / self.settings.tick_seconds).ceil() as u64
    }

    fn check(&self, regression: Regression) -> Result<(), BadOutlook> {
        const LONGEST: f64 = 7.0 * 86_400.0;
        const BUSIEST: f64 = 1e7;
        Judge::new(self.settings.clone())?;
        if self.steps.is_empty() {
            return Err(BadOutlook::NoSteps);
        }
        let steps = self.steps.iter();
        let shares = steps.map(|step| ("share", step.share, 0.0, 1.0));
        let others = [
            ("requests_per_second", self.requests_per_second, 0.0, BUSIEST),
            ("base_error_rate", self.base_error_rate, 0.0, 1.0),
            ("deadline_seconds", self.deadline_seconds, self.settings.tick_seconds, LONGEST),
            ("error_points", regression.error_points, 0.0, 1.0),
            ("latency_factor", regression.latency_factor, 0.01, 1000.0),
        ];
        for (name, value, least, most) in shares.chain(others) {
            if !(value >= least && value <= most) {
                return Err(BadOutlook::OutOfRange { name, value });
            }
        }
        let (base, points) = (self.base_error_rate, regression.error_points);
        if base + points > 1.0 {
            return Err(BadOutlook::MoreThanAll { base, points });
        }
        Ok(())
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at =
            |part: f64| values[((part * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1];
        Spread { median: at(0.5), p95: at(0.95) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook() -> Outlook {
        let settings = Settings { tick_seconds: 10.0, ..Settings::default() };
        let steps = vec![Step { share: 0.05, bake_seconds: 60.0 }, Step { share: 0.5, bake_seconds: 60.0 }];
        Outlook {
            steps,
            requests_per_second: 50.0,
            base_error_rate: 0.001,
            deadline_seconds: 1800.0,
            settings,
        }
    }

    const TWO_POINTS: Regression = Regression { error_points: 0.02, latency_factor: 1.0 };

    #[test]
    fn two_points_are_found_in_about_a_minute_and_a_good_canary_gets_through() {
        let seen = forecast(&outlook(), TWO_POINTS).expect("a plan");
        assert!(seen.ill.found >= 0.99 && (40.0..=120.0).contains(&seen.ill.seconds.median), "{seen:?}");
        assert!(seen.promoted >= 0.95 && seen.promotion_seconds.median >= 120.0, "{seen:?}");
        assert!(seen.false_alarms <= 0.03, "{seen:?}");
    }

    #[test]
    fn the_same_plan_gives_the_same_bytes() {
        let text = || {
            let seen = forecast(&outlook(), TWO_POINTS).expect("a plan");
            serde_json::to_string(&seen).expect("a forecast is JSON")
        };
        assert_eq!(text(), text());
    }

    #[test]
    fn slower_answers_are_found_where_latency_is_guarded() {
        let mut outlook = outlook();
        outlook.settings.latency = true;
        let slower = Regression { error_points: 0.0, latency_factor: 1.5 };
        let seen = detection(&outlook, slower).expect("a plan");
        assert!(seen.found >= 0.95 && seen.seconds.median <= 120.0, "{seen:?}");
    }

    #[test]
    fn what_the_steps_add_is_what_is_met_in_all() {
        let seen = exposure(&outlook(), TWO_POINTS, outlook().runs()).expect("a plan");
        assert_eq!(seen.steps.len(), 2);
        assert_eq!(seen.steps[0].reached, 1.0);
        assert!(seen.steps[1].reached < 1.0, "some are found in the first step: {seen:?}");
        let sum: f64 = seen.steps.iter().map(|step| step.reached * step.failed_requests).sum();
        assert!((sum - seen.mean_failed_requests).abs() < 1e-9, "{seen:?}");
        let detection = detection(&outlook(), TWO_POINTS).expect("a plan");
        assert_eq!(detection.failed_requests, seen.failed_requests);
        assert!(seen.promoted <= 0.05, "{seen:?}");
    }

    #[test]
    fn no_version_fails_more_than_every_request() {
        let all = Outlook { base_error_rate: 0.99, ..outlook() };
        let refused = BadOutlook::MoreThanAll { base: 0.99, points: 0.02 };
        assert_eq!(detection(&all, TWO_POINTS), Err(refused.clone()));
        assert_eq!(exposure(&all, TWO_POINTS, 20), Err(refused));
        let just = Regression { error_points: 0.01, latency_factor: 1.0 };
        assert!(detection(&all, just).is_ok());
    }

    #[test]
    fn a_senseless_plan_is_refused() {
        let none = Outlook { steps: Vec::new(), ..outlook() };
        assert_eq!(forecast(&none, TWO_POINTS), Err(BadOutlook::NoSteps));
        let endless = Outlook { deadline_seconds: f64::INFINITY, ..outlook() };
        assert!(matches!(forecast(&endless, TWO_POINTS), Err(BadOutlook::OutOfRange { .. })));
    }
}
