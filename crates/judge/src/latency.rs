//! Is the canary slower? Ranks for the body of the distribution, exceedance of the baseline's p90 and p99 for the tail.
//!
//! Both work on counts by bucket alone, so histograms of a metrics store serve as well as single measurements, and
//! both compare the arms within a look, so a slowdown that hits both cancels.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::arms::{BUCKETS, Latency};
use crate::errors::Table;
use crate::evidence::Wealth;

/// Strengths of the tilt towards high ranks; together they get half of the money.
const TILTS: [f64; 5] = [0.15, 0.3, 0.6, 1.2, 2.4];

/// Odds ratios of exceeding a quantile; together they get a quarter of the money for each quantile.
const ODDS: [f64; 6] = [1.2, 1.5, 2.0, 3.0, 5.0, 10.0];

/// Shares of the baseline's requests beyond the watched quantiles.
const TAILS: [f64; 2] = [0.1, 0.01];

/// Most that one look may say, in nats. Requests of one look share what happens to their machine: a pause of one instance
/// makes many of them slow at once, and is no slower version. What is cut off only lowers the evidence, so its mean stays at
/// most one; a rollback for latency needs several looks that agree.
const MOST_OF_ONE_LOOK: f64 = 2.0;

const BETS: usize = TILTS.len() + TAILS.len() * ODDS.len();

/// Counts by bucket, empty buckets included.
pub type Dense = [u64; BUCKETS as usize];

/// The baseline's latency of late: some minutes of thin traffic, a minute of the usual kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    looks: VecDeque<Latency>,
}

impl Recent {
    /// Requests that make up the recent past, where it has not too many looks already.
    const ENOUGH: u64 = 3000;

    /// Looks that it holds at most.
    const MOST_LOOKS: usize = 60;

    /// Requests below which nothing is said of a quantile.
    const FEWEST: u64 = 50;

    /// Takes in one look.
    pub fn add(&mut self, latency: &Latency) {
        self.looks.push_back(latency.clone());
        let mut total: u64 = self.looks.iter().map(Latency::total).sum();
        while let Some(first) = self.looks.front().map(Latency::total) {
            if self.looks.len() <= Self::MOST_LOOKS && total - first < Self::ENOUGH {
                return;
            }
            total -= first;
            self.looks.pop_front();
        }
    }

    /// All of it by bucket; none where it is too little to speak of quantiles.
    pub fn dense(&self) -> Option<Dense> {
        let mut all = Latency::default();
        for look in &self.looks {
            all.merge(look);
        }
        (all.total() >= Self::FEWEST).then(|| all.dense())
    }
}

/// The guard on latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyGuard {
    wealth: Wealth,
    looks: u64,
}

impl Default for LatencyGuard {
    fn default() -> Self {
        let mut shares = [0.5 / TILTS.len() as f64; BETS];
        shares[TILTS.len()..].fill(0.25 / ODDS.len() as f64);
        LatencyGuard { wealth: Wealth::new(&shares), looks: 0 }
    }
}

impl LatencyGuard {
    /// Bets on one look. `recent` is what was known of the baseline before it.
    pub fn observe(&mut self, canary: &Latency, baseline: &Latency, recent: &Recent) {
        if canary.total() == 0 || baseline.total() == 0 {
            return;
        }
        self.looks += 1;
        let (canary, baseline) = (canary.dense(), baseline.dense());
        let mut log_e = [0.0; BETS];
        let (ranks, tails) = log_e.split_at_mut(TILTS.len());
        ranks.copy_from_slice(&log_e_ranks(&canary, &baseline));
        if let Some(recent) = recent.dense() {
            for (tail, bets) in TAILS.iter().zip(tails.chunks_mut(ODDS.len())) {
                let table = exceedance(&canary, &baseline, edge(&recent, *tail));
                for (bet, odds) in bets.iter_mut().zip(ODDS) {
                    *bet = table.log_e(odds.ln());
                }
            }
        }
        for bet in &mut log_e {
            *bet = bet.min(MOST_OF_ONE_LOOK);
        }
        self.wealth.bet(&log_e);
    }

    /// The log of the evidence that the canary is slower.
    pub fn log(&self) -> f64 {
        self.wealth.log()
    }

    /// Looks in which both arms had latency.
    pub fn looks(&self) -> u64 {
        self.looks
    }
}

/// Requests in buckets above `edge`.
pub fn beyond(counts: &Dense, edge: usize) -> u64 {
    counts.iter().skip(edge + 1).sum()
}

/// The bucket edge beyond which the share of requests is nearest to `tail`.
pub fn edge(counts: &Dense, tail: f64) -> usize {
    let total: u64 = counts.iter().sum();
    let wanted = tail * total as f64;
    let (mut beyond, mut best, mut distance) = (total, 0, f64::INFINITY);
    for (index, count) in counts.iter().enumerate() {
        beyond -= count;
        let here = (beyond as f64 - wanted).abs();
        if here < distance {
            (best, distance) = (index, here);
        }
    }
    best
}

/// How many requests of each arm were slower than a bucket's edge.
fn exceedance(canary: &Dense, baseline: &Dense, edge: usize) -> Table {
    Table::new(canary.iter().sum(), beyond(canary, edge), baseline.iter().sum(), beyond(baseline, edge))
}

/// The rank e-values in logs, one for each tilt: `λ Σ_canary s − n_c ln(mean e^{λ s})` with the pooled mid-ranks scaled
/// to [-1, 1]. Their mean is at most one if the canary is a random part of the look (Hoeffding 1963, theorem 4).
pub fn log_e_ranks(canary: &Dense, baseline: &Dense) -> [f64; TILTS.len()] {
    let n_canary: u64 = canary.iter().sum();
    let all = (n_canary + baseline.iter().sum::<u64>()) as f64;
    let mut below = 0.0;
    let mut canary_score = 0.0;
    let mut moments = [0.0; TILTS.len()];
    for (canary, baseline) in canary.iter().zip(baseline) {
        let count = (canary + baseline) as f64;
        if count == 0.0 {
            continue;
        }
        let score = (2.0 * below + count) / all - 1.0;
        below += count;
        canary_score += *canary as f64 * score;
        for (moment, tilt) in moments.iter_mut().zip(TILTS) {
            *moment += count / all * (tilt * score).exp();
        }
    }
    let mut log_e = [0.0; TILTS.len()];
    for ((log_e, moment), tilt) in log_e.iter_mut().zip(moments).zip(TILTS) {
        *log_e = tilt * canary_score - n_canary as f64 * moment.ln();
    }
    log_e
}

#[cfg(test)]
mod tests {
    use super::{LatencyGuard, Recent};
    use crate::arms::Latency;

    fn all_at(micros: u64, count: u64) -> Latency {
        Latency { buckets: vec![(Latency::bucket_of(micros), count)] }
    }

    #[test]
    fn one_paused_look_is_no_slower_version_and_many_slow_looks_are() {
        let (fast, slow) = (all_at(300, 100), all_at(50_000, 100));
        let mut guard = LatencyGuard::default();
        let mut recent = Recent::default();
        recent.add(&all_at(300, 1000));
        guard.observe(&slow, &fast, &recent);
        let limit = 100_f64.ln();
        assert!(guard.log() < limit, "one look alone never decides: {}", guard.log());
        (0..9).for_each(|_| guard.observe(&slow, &fast, &recent));
        assert!(guard.log() > limit, "ten looks that agree do: {}", guard.log());
    }
}
