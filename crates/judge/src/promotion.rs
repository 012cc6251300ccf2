//! Promotion by evidence instead of a timer: proof that the canary is not worse by as much as the margin.
//!
//! The worst canary that would still be acceptable is one that is worse by exactly the margin. Each look compares how
//! well that canary and one like the baseline explain what the canary did. The baseline's part of a look counts as
//! known before the canary's, so a look in which the baseline itself behaves oddly is left out: a shared incident then
//! delays promotion by its own length and no more.

use serde::{Deserialize, Serialize};

use crate::arms::{BUCKETS, Latency};
use crate::baseline::Record;
use crate::clumping::{Clumping, STRETCH_OF_PROMOTION};
use crate::errors::Table;
use crate::evidence::log_mean;
use crate::recent::{Dense, Recent, beyond, edge};

/// Shares of the baseline's requests beyond the quantiles at which latency is compared.
const TAILS: [f64; 2] = [0.5, 0.1];

/// Evidence that the canary does not fail more often by the margin or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorsAlike {
    margin: f64,
    bets: Bets,
}

impl ErrorsAlike {
    /// For an absolute margin of the error rate.
    pub fn new(margin: f64) -> ErrorsAlike {
        ErrorsAlike { margin, bets: Bets::default() }
    }

    /// Takes in one look; `record` is the baseline as known before it.
    pub fn observe(&mut self, table: Table, record: &Record) {
        if table.baseline == 0 || record.is_odd(table.baseline, table.baseline_events) {
            return;
        }
        let (rate, error) = (record.rate(), record.rate_error());
        let worst = self.bets.lower(rate, error) + self.margin;
        self.bets.bet(table.canary, table.canary_events, rate, worst, record.clumping());
    }

    /// The log of the evidence.
    pub fn log(&self) -> f64 {
        self.bets.log
    }
}

/// Evidence that the canary's requests do not take longer by the margin or more.
///
/// If all requests took longer by the margin, then at least as many would lie beyond a quantile times the margin as the
/// baseline has beyond the quantile itself. That share is what a good canary stays below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyAlike {
    buckets: usize,
    bets: [Bets; TAILS.len()],
}

impl LatencyAlike {
    /// For a relative margin; it is rounded down to whole buckets of 9 %, but is one at least.
    pub fn new(margin: f64) -> LatencyAlike {
        let buckets = (8.0 * (1.0 + margin).log2()).floor().clamp(1.0, f64::from(BUCKETS)) as usize;
        LatencyAlike { buckets, bets: Default::default() }
    }

    /// Takes in one look; `recent` is the baseline's latency of late, this look included.
    pub fn observe(&mut self, canary: &Latency, baseline: &Latency, recent: &Recent) {
        let Some(recent) = recent.dense() else { return };
        if canary.total() == 0 || baseline.total() == 0 {
            return;
        }
        let (canary, baseline) = (canary.dense(), baseline.dense());
        for (tail, bets) in TAILS.iter().zip(&mut self.bets) {
            let quantile = edge(&recent, *tail);
            bets.bet_on_quantile(&canary, &baseline, &recent, quantile, quantile + self.buckets);
        }
    }

    /// The log of the evidence.
    pub fn log(&self) -> f64 {
        log_mean(&[self.bets[0].log, self.bets[1].log])
    }
}

/// Likelihood ratios of a yes/no event in the canary: as likely as in the baseline, against the worst that is excluded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bets {
    log: f64,
    /// How strongly an error in the baseline's rate has moved the evidence so far: its derivative by that rate.
    exposure: f64,
}

impl Bets {
    /// The baseline's rate, lowered because it is only an estimate.
    ///
    /// An estimate that is off by `x` standard errors multiplies the mean of the evidence by `exp(exposure·error·x)`.
    /// Over a normal error the mean of that is `exp((exposure·error)²/2)`; lowering by half of `exposure·error`
    /// standard errors pays for it. Some more is caution, and two are the most. A count of few events is skewed, by the
    /// inverse root of their number, which is the relative error; so there is more caution where that is large.
    fn lower(&self, rate: f64, error: f64) -> f64 {
        let caution = 0.2 + (1.7 * error / rate.max(1e-9)).min(0.3);
        let standard_errors = (caution + 0.5 * self.exposure * error).min(2.0);
        (rate - standard_errors * error).max(0.0)
    }

    fn bet(&mut self, requests: u64, events: u64, likely: f64, worst: f64, clumping: Clumping) {
        if !(likely > 0.0 && likely < worst && worst < 1.0) {
            return;
        }
        let without = requests.saturating_sub(events) as f64;
        let log_ratio =
            events as f64 * (likely / worst).ln() + without * ((1.0 - likely) / (1.0 - worst)).ln();
        self.log += clumping.temper_firmly(log_ratio, STRETCH_OF_PROMOTION);
        let exposure = requests as f64 * (1.0 - likely / worst) / (1.0 - worst);
        self.exposure += clumping.temper_firmly(exposure, STRETCH_OF_PROMOTION);
    }

    fn bet_on_quantile(
        &mut self,
        canary: &Dense,
        baseline: &Dense,
        recent: &Dense,
        at: usize,
        beyond_margin: usize,
    ) {
        let known = recent.iter().sum::<u64>() as f64;
        let share = beyond(recent, at) as f64 / known;
        let likely = (beyond(recent, beyond_margin) as f64 + 0.5) / (known + 1.0);
        let now = baseline.iter().sum::<u64>() as f64;
        let off = (beyond(baseline, beyond_margin) as f64 - now * likely).abs();
        if off > 3.0 * (now * likely).sqrt() + 2.0 {
            return;
        }
        let worst = self.lower(share, (share * (1.0 - share) / known).sqrt());
        let requests = canary.iter().sum();
        self.bet(requests, beyond(canary, beyond_margin), likely, worst, Clumping::NONE);
    }
}
