//! When other judges would take a canary back, by their rules as their sources have them.

use patchline_judge::arms::{Arm, Latency};

use crate::kayenta::is_high;
use crate::trial::{Trial, Window, quantile};

/// One of them, with its settings.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub name: &'static str,
    pub rule: Rule,
}

#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Argo Rollouts, `analysis/analysis.go`: a measurement fails below the least part of good answers, and without any; more failures
    /// than the limit end it. A query without a result is an error: asked again every 10 s, and the fifth in a row ends it.
    Argo { least: f64, seconds: u32, limit: usize },
    /// Flagger, `pkg/controller/scheduler.go`: a check fails below it, and where there is nothing; failures are never taken back, and
    /// the check after the last one that is allowed rolls back.
    Flagger { least: f64, seconds: u32, threshold: usize },
    /// The same with the 99th percentile of the canary's durations in milliseconds.
    FlaggerDuration { most: f64, seconds: u32, threshold: usize },
    /// Kayenta on all points so far, one a minute, every so many minutes from the first on.
    Kayenta { point: Point, every: usize, first: usize },
    /// A test for a fixed number of requests at 1 %, done at each tick nevertheless: of two rates, or of ranks where there are durations.
    Peeked,
}

/// What Kayenta is given of a minute.
#[derive(Clone, Copy, Debug)]
pub enum Point {
    Errors,
    Quantile(f64),
}

const MINUTE: u32 = 60;

/// The normal quantile of 0.99.
const Z: f64 = 2.326_347_874_040_841;

pub const OF_ERRORS: &[Peer] = &[
    Peer {
        name: "Argo Rollouts, its documented example (≥ 95 %, 5 min, failureLimit 3)",
        rule: Rule::Argo { least: 0.95, seconds: 300, limit: 3 },
    },
    Peer {
        name: "Argo Rollouts, ≥ 99 %, 1 min, failureLimit 3",
        rule: Rule::Argo { least: 0.99, seconds: MINUTE, limit: 3 },
    },
    Peer {
        name: "Flagger, ≥ 99 %, 1 min, threshold 5",
        rule: Rule::Flagger { least: 0.99, seconds: MINUTE, threshold: 5 },
    },
    Peer {
        name: "Flagger, ≥ 99 %, 1 min, threshold 10",
        rule: Rule::Flagger { least: 0.99, seconds: MINUTE, threshold: 10 },
    },
    Peer {
        name: "Kayenta (Mann-Whitney), one look at 30 min",
        rule: Rule::Kayenta { point: Point::Errors, every: 30, first: 30 },
    },
    Peer {
        name: "Kayenta, a look every minute from the fifth on",
        rule: Rule::Kayenta { point: Point::Errors, every: 1, first: 5 },
    },
    Peer { name: "z test of fixed size, looked at each tick", rule: Rule::Peeked },
];

pub const OF_LATENCY: &[Peer] = &[
    Peer {
        name: "Flagger, p99 ≤ 500 ms, 1 min, threshold 5",
        rule: Rule::FlaggerDuration { most: 500.0, seconds: MINUTE, threshold: 5 },
    },
    Peer {
        name: "Kayenta on the p50 of a minute, one look at 30 min",
        rule: Rule::Kayenta { point: Point::Quantile(0.5), every: 30, first: 30 },
    },
    Peer {
        name: "Kayenta on the p50, a look every minute from the fifth on",
        rule: Rule::Kayenta { point: Point::Quantile(0.5), every: 1, first: 5 },
    },
    Peer {
        name: "Kayenta on the p99, a look every minute from the fifth on",
        rule: Rule::Kayenta { point: Point::Quantile(0.99), every: 1, first: 5 },
    },
    Peer { name: "Mann-Whitney on all durations, looked at each tick", rule: Rule::Peeked },
];

impl Rule {
    /// When it takes the canary back, if it does.
    pub fn rolls_back(&self, trial: &Trial) -> Option<u32> {
        match *self {
            Rule::Argo { least, seconds, limit } => {
                let windows = trial.windows(seconds);
                let fails =
                    |window: &Window| window.as_ref().is_some_and(|(canary, _)| !succeeds(canary, least));
                let failed = nth(windows.iter().map(fails), limit + 1).map(|place| place * seconds);
                let errored = fifth_error(trial, seconds);
                failed.into_iter().chain(errored).min()
            }
            Rule::Flagger { least, seconds, threshold } => {
                let fails =
                    |window: &Window| !window.as_ref().is_some_and(|(canary, _)| succeeds(canary, least));
                at_the_next_check(trial, seconds, threshold, fails)
            }
            Rule::FlaggerDuration { most, seconds, threshold } => {
                let p99 =
                    |window: &Window| window.as_ref().and_then(|(canary, _)| quantile(&canary.latency, 0.99));
                at_the_next_check(trial, seconds, threshold, |window| {
                    !p99(window).is_some_and(|p99| p99 <= most)
                })
            }
            Rule::Kayenta { point, every, first } => kayenta(trial, point, every, first),
            Rule::Peeked => peeked(trial),
        }
    }
}

fn succeeds(arm: &Arm, least: f64) -> bool {
    // Without requests it is not a number, and not at least anything.
    1.0 - arm.errors as f64 / arm.requests as f64 >= least
}

/// The place, counted from one, at which the condition holds for the nth time.
fn nth(mut holds: impl Iterator<Item = bool>, wanted: usize) -> Option<u32> {
    let mut held = 0;
    let place = holds.position(|holds| {
        held += usize::from(holds);
        held >= wanted
    });
    place.map(|place| place as u32 + 1)
}

fn at_the_next_check(
    trial: &Trial,
    seconds: u32,
    threshold: usize,
    fails: impl Fn(&Window) -> bool,
) -> Option<u32> {
    let failed = nth(trial.windows(seconds).iter().map(fails), threshold)?;
    Some((failed + 1) * seconds).filter(|time| *time <= trial.world.seconds)
}

fn fifth_error(trial: &Trial, seconds: u32) -> Option<u32> {
    const RETRIES: u32 = 4 * 10;
    let (from, to) = trial.world.gap;
    let first = (from / seconds + 1) * seconds;
    (to > from && first + RETRIES <= to).then_some(first + RETRIES)
}

fn kayenta(trial: &Trial, point: Point, every: usize, first: usize) -> Option<u32> {
    let value = |arm: &Arm| match point {
        Point::Errors => (arm.requests > 0).then(|| arm.errors as f64 / arm.requests as f64),
        Point::Quantile(q) => quantile(&arm.latency, q),
    };
    let windows = trial.windows(MINUTE);
    let (mut canary, mut baseline) = (Vec::new(), Vec::new());
    for (place, window) in windows.iter().enumerate() {
        if let Some((of_canary, of_baseline)) = window {
            canary.extend(value(of_canary));
            baseline.extend(value(of_baseline));
        }
        let minutes = place + 1;
        if minutes >= first && minutes.is_multiple_of(every) && is_high(&canary, &baseline) {
            return Some(minutes as u32 * MINUTE);
        }
    }
    None
}

fn peeked(trial: &Trial) -> Option<u32> {
    let (mut canary, mut baseline) = (Arm::default(), Arm::default());
    for look in &trial.looks {
        let (Some(more), Some(more_of_baseline)) = (&look.tick.canary, &look.tick.baseline) else { continue };
        canary.merge(more);
        baseline.merge(more_of_baseline);
        let z = if trial.world.latency.is_some() {
            of_ranks(&canary.latency, &baseline.latency)
        } else {
            of_rates(&canary, &baseline)
        };
        // Where nothing is known yet it is not a number, and not more than anything.
        if z > Z {
            return Some(look.ends);
        }
    }
    None
}

fn of_rates(canary: &Arm, baseline: &Arm) -> f64 {
    let (n, m) = (canary.requests as f64, baseline.requests as f64);
    let (k, l) = (canary.errors as f64, baseline.errors as f64);
    let pooled = (k + l) / (n + m);
    (k / n - l / m) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt()
}

fn of_ranks(canary: &Latency, baseline: &Latency) -> f64 {
    let (n, m) = (canary.total() as f64, baseline.total() as f64);
    let (mut below, mut wins) = (0.0, 0.0);
    for (canary, baseline) in canary.dense().into_iter().zip(baseline.dense()) {
        wins += canary as f64 * (below + 0.5 * baseline as f64);
        below += baseline as f64;
    }
    (wins - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}
