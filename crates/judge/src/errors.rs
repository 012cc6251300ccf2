//! Exact conditional e-process for yes/no events: do they hit the canary more often than its share of the requests?
//!
//! Given how many requests each arm had in a look and how many events there were in all, the number that fell on the
//! canary is hypergeometric if both arms are alike. Whatever hits both arms cancels, and the base rate need not be
//! known. The alternatives are odds ratios; their likelihood ratio is Fisher's noncentral hypergeometric.

use serde::{Deserialize, Serialize};

use crate::clumping::{Clumping, STRETCH_OF_ERRORS};
use crate::evidence::Wealth;

/// Odds ratios that the guard bets on besides the margin, with their shares of the money. The margin has the rest. At a
/// base rate of 0.1 % a fault of two points is an odds ratio of 21; larger ones are found within some errors anyway.
const ODDS: [(f64, f64); 10] = [
    (1.5, 0.02),
    (2.0, 0.02),
    (3.0, 0.03),
    (5.0, 0.03),
    (9.0, 0.04),
    (16.0, 0.12),
    (30.0, 0.08),
    (60.0, 0.03),
    (150.0, 0.03),
    (400.0, 0.03),
];

/// The share on the margin that the user cares about.
const SHARE_OF_MARGIN: f64 = 0.57;

/// Terms summed on each side of the largest one; what lies beyond is bounded from above, so the test stays valid.
const MOST_TERMS: u32 = 4096;

/// One look at a yes/no event in both arms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub canary: u64,
    pub canary_events: u64,
    pub baseline: u64,
    pub baseline_events: u64,
}

impl Table {
    /// A table in which no arm has more events than requests; more is cut off.
    pub fn new(canary: u64, canary_events: u64, baseline: u64, baseline_events: u64) -> Table {
        Table {
            canary,
            canary_events: canary_events.min(canary),
            baseline,
            baseline_events: baseline_events.min(baseline),
        }
    }

    /// The log of the e-value of "the canary's odds are `e^log_odds` times the baseline's" against "they are no
    /// higher": `θ^k / E[θ^J]` with `J` hypergeometric. Its mean is at most one when the odds are no higher.
    pub fn log_e(&self, log_odds: f64) -> f64 {
        let events = self.canary_events + self.baseline_events;
        if events == 0 || self.canary == 0 || self.baseline == 0 {
            return 0.0;
        }
        self.canary_events as f64 * log_odds - log_moment(self.canary, self.baseline, events, log_odds)
    }
}

/// The guard on errors: most of the money on the margin that matters, the rest on a grid of odds ratios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorGuard {
    wealth: Wealth,
    margin: f64,
}

impl ErrorGuard {
    /// A guard for an error rate that is higher by `margin`, in absolute terms.
    pub fn new(margin: f64) -> ErrorGuard {
        let shares: Vec<f64> = ODDS.iter().map(|(_, share)| *share).chain([SHARE_OF_MARGIN]).collect();
        ErrorGuard { wealth: Wealth::new(&shares), margin }
    }

    /// Bets on one look. `rate` and `clumping` are the baseline's as known before it.
    pub fn observe(&mut self, table: Table, rate: f64, clumping: Clumping) {
        let mut log_e = [0.0; ODDS.len() + 1];
        let margin_odds = odds_of_margin(rate, self.margin);
        for (log_e, odds) in log_e.iter_mut().zip(ODDS.iter().map(|(odds, _)| *odds).chain([margin_odds])) {
            *log_e = clumping.temper_firmly(table.log_e(odds.ln()), STRETCH_OF_ERRORS);
        }
        self.wealth.bet(&log_e);
    }

    /// The log of the evidence that the canary fails more often.
    pub fn log(&self) -> f64 {
        self.wealth.log()
    }
}

/// The odds ratio between `rate + margin` and `rate`, within what the grid spans.
fn odds_of_margin(rate: f64, margin: f64) -> f64 {
    let low = rate.clamp(1e-6, 0.5);
    let high = (low + margin).min(0.99);
    (high / (1.0 - high) * (1.0 - low) / low).clamp(1.3, 400.0)
}

/// `ln E[e^(J·log_odds)]` for `J` hypergeometric: of `events` among `canary + baseline` requests, those of the canary.
///
/// Sums outwards from the largest term by the ratio of neighbours, which falls from term to term. So what is left out
/// is at most a geometric series, and it is added: the result is never too small.
pub fn log_moment(canary: u64, baseline: u64, events: u64, log_odds: f64) -> f64 {
    let least = events.saturating_sub(baseline);
    let most = events.min(canary);
    let odds = log_odds.exp();
    let ratio = |j: u64| {
        odds * ((canary - j) as f64 / (j + 1) as f64)
            * ((events - j) as f64 / (baseline + j + 1 - events) as f64)
    };
    let largest = first_in(least, most, |j| ratio(j) <= 1.0);
    let log_term = log_choose(canary, largest) + log_choose(baseline, events - largest)
        - log_choose(canary + baseline, events)
        + largest as f64 * log_odds;
    let upwards = one_side(most - largest, |step| ratio(largest + step));
    let downwards = one_side(largest - least, |step| 1.0 / ratio(largest - step - 1));
    log_term + (1.0 + upwards + downwards).ln()
}

/// The sum of up to `count` terms, each `ratio(step)` times the one before (the first follows a term of one); ratios
/// never grow. An upper bound where it stops early.
fn one_side(count: u64, ratio: impl Fn(u64) -> f64) -> f64 {
    let (mut sum, mut term) = (0.0, 1.0);
    for step in 0..count {
        let factor = ratio(step);
        let geometric = if factor < 1.0 { term * factor / (1.0 - factor) } else { f64::INFINITY };
        let rest = geometric.min(term * factor * (count - step) as f64);
        if rest < 1e-16 * (1.0 + sum) || step >= u64::from(MOST_TERMS) {
            return sum + rest;
        }
        term *= factor;
        sum += term;
    }
    sum
}

/// The first number in `low..high` of which `holds` is true, else `high`; `holds` changes once, from false to true.
fn first_in(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// `ln(n choose k)`.
fn log_choose(n: u64, k: u64) -> f64 {
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

/// `ln n!`: by the product below 16, by Stirling's series from there (error below 1e-15 relative).
fn log_factorial(n: u64) -> f64 {
    if n < 16 {
        return ((1..=n).product::<u64>() as f64).ln();
    }
    let x = n as f64;
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse * (1.0 / 1680.0 - inverse / 1188.0))))
        / x;
    (x + 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}
