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
const FEWEST_RUNS: u64 = 20;

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

/// The largest share for the first step with which all but one in twenty ill canaries fail `budget` requests at most;
/// none if even the smallest tried fails more. Shares are tried from one half downwards, each smaller by a third.
pub fn largest_share(
    outlook: &Outlook,
    regression: Regression,
    budget: f64,
) -> Result<Option<f64>, BadOutlook> {
    const SMALLEST: f64 = 0.001;
    let mut share = 0.5;
    while share >= SMALLEST {
        let step = Step { share, bake_seconds: outlook.deadline_seconds };
        let trial = Outlook { steps: vec![step], ..outlook.clone() };
        // The good canary does not matter here, so half of the work would be for nothing.
        trial.check(regression)?;
        let runs = (MOST_LOOKS / 16 / trial.looks().max(1)).clamp(FEWEST_RUNS, MOST_RUNS);
        let ill = run_all(&trial, regression, runs)?;
        let failed = Spread::of(ill.iter().map(|end| end.canary_requests * regression.error_points));
        if failed.p95 <= budget {
            return Ok(Some(share));
        }
        share *= 2.0 / 3.0;
    }
    Ok(None)
}

/// How a run ended.
struct End {
    seconds: f64,
    canary_requests: f64,
    rolled_back: bool,
    promoted: bool,
}

fn run_all(outlook: &Outlook, regression: Regression, runs: u64) -> Result<Vec<End>, BadOutlook> {
    (0..runs).map(|seed| run(outlook, regression, seed)).collect()
}

fn run(outlook: &Outlook, regression: Regression, seed: u64) -> Result<End, BadOutlook> {
    let mut judge = Judge::new(outlook.settings.clone())?;
    let tick = outlook.settings.tick_seconds;
    let base = outlook.base_error_rate;
    let rates = [(base + regression.error_points).min(1.0), base];
    let slower = outlook.settings.latency.then_some(regression.latency_factor);
    let gauges = outlook.settings.gauges.iter().filter(|(_, settings)| settings.needed).map(|(name, _)| name);
    let mut world = World::new(outlook.requests_per_second * tick, rates, slower, seed).with_equal(gauges);
    let mut end = End { seconds: 0.0, canary_requests: 0.0, rolled_back: false, promoted: false };
    let (mut step, mut baked) = (0, 0.0);
    for _ in 0..outlook.looks() {
        let look = world.look(outlook.steps[step].share);
        end.canary_requests += look.canary.as_ref().map_or(0, |arm| arm.requests) as f64;
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
            }
            Decision::Promote | Decision::Continue | Decision::Inconclusive => {}
        }
    }
    Ok(end)
}

impl Outlook {
    fn runs(&self) -> u64 {
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
    fn a_larger_budget_allows_a_larger_share() {
        let share = |budget| largest_share(&outlook(), TWO_POINTS, budget).expect("a plan");
        let (small, large) = (share(8.0), share(40.0));
        assert!(large.is_some() && small.unwrap_or(0.0) < large.unwrap_or(0.0), "{small:?} {large:?}");
        assert_eq!(share(0.0), None);
    }

    #[test]
    fn a_senseless_plan_is_refused() {
        let none = Outlook { steps: Vec::new(), ..outlook() };
        assert_eq!(forecast(&none, TWO_POINTS), Err(BadOutlook::NoSteps));
        let endless = Outlook { deadline_seconds: f64::INFINITY, ..outlook() };
        assert!(matches!(forecast(&endless, TWO_POINTS), Err(BadOutlook::OutOfRange { .. })));
    }
}
