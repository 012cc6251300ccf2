//! Is the canary slower? Ranks for the body of the distribution, exceedance of the baseline's p90, p99 and p99.7 for the tail.
//!
//! Both work on counts by bucket alone, so histograms of a metrics store serve as well as single measurements, and
//! both compare the arms within a look, so a slowdown that hits both cancels.

use serde::{Deserialize, Serialize};

use crate::arms::{Instances, Latency};
use crate::clumping::{Clumping, STRETCH_OF_LATENCY};
use crate::errors::Table;
use crate::evidence::Wealth;
use crate::pauses::Limit;
use crate::recent::{Dense, Recent, beyond, normal_score, up_to};

/// The weakest tilt towards high ranks; each further one is twice as strong.
const WEAKEST: f64 = 0.1;

/// Shares of the money on each tilt. A version that takes a fifth longer at a spread of 0.5 (in logs) is best met by a
/// tilt of 0.4.
const TILTS: [f64; 5] = [0.04, 0.10, 0.48, 0.10, 0.03];

/// Odds ratios of exceeding the baseline's p90, far requests left out, with the shares of the money on them.
const BODY_ODDS: [(f64, f64); 3] = [(1.5, 0.02), (2.5, 0.03), (5.0, 0.02)];

/// The same for its p99, far requests included.
const TAIL_ODDS: [(f64, f64); 3] = [(3.0, 0.03), (6.5, 0.10), (20.0, 0.03)];

/// The same for what only three of a thousand of its requests exceed.
const TOP_ODDS: [(f64, f64); 2] = [(8.0, 0.04), (20.0, 0.08)];

const NEAR_BETS: usize = TILTS.len() + BODY_ODDS.len();
const BETS: usize = NEAR_BETS + TAIL_ODDS.len() + TOP_ODDS.len();

/// The guard on latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyGuard {
    wealth: Wealth,
    limit: Limit,
    instances: Option<Instances>,
    looks: u64,
}

impl LatencyGuard {
    pub fn new(limit: Limit, instances: Option<Instances>) -> LatencyGuard {
        let odds = BODY_ODDS.iter().chain(&TAIL_ODDS).chain(&TOP_ODDS).map(|(_, share)| *share);
        let shares: Vec<f64> = TILTS.into_iter().chain(odds).collect();
        LatencyGuard { wealth: Wealth::new(&shares), limit, instances, looks: 0 }
    }

    /// Bets on one look that lasted so many ticks. `recent` is what was known of the baseline before it.
    pub fn observe(&mut self, canary: &Latency, baseline: &Latency, recent: &Recent, ticks: u64) {
        if canary.total() == 0 || baseline.total() == 0 {
            return;
        }
        self.looks += 1;
        let requests = canary.total();
        let compared = |clumping: Clumping| clumping.between(requests, baseline.total(), self.instances);
        let (near_clumping, tail_clumping) =
            (compared(recent.clumping()), compared(recent.clumping_of_tail()));
        let (canary, baseline) = (canary.dense(), baseline.dense());
        let mut log_e = [0.0; BETS];
        let (near, tail) = log_e.split_at_mut(NEAR_BETS);
        let (ranks, body) = near.split_at_mut(TILTS.len());
        let (p99, top) = tail.split_at_mut(TAIL_ODDS.len());
        if let Some(edges) = recent.edges() {
            let (near_canary, near_baseline) = (up_to(&canary, edges.far), up_to(&baseline, edges.far));
            ranks.copy_from_slice(&log_e_ranks(&near_canary, &near_baseline));
            bet_on_odds(body, &BODY_ODDS, exceedance(&near_canary, &near_baseline, edges.p90));
            bet_on_odds(p99, &TAIL_ODDS, exceedance(&canary, &baseline, edges.p99));
            bet_on_odds(top, &TOP_ODDS, exceedance(&canary, &baseline, edges.top));
        } else {
            ranks.copy_from_slice(&log_e_ranks(&canary, &baseline));
        }
        near.iter_mut().for_each(|bet| *bet = near_clumping.temper_firmly(*bet, STRETCH_OF_LATENCY));
        tail.iter_mut().for_each(|bet| *bet = tail_clumping.temper_firmly(*bet, STRETCH_OF_LATENCY));
        self.limit.cut(&mut log_e, NEAR_BETS, requests, ticks);
        self.wealth.bet(&log_e);
    }

    /// More instances join the canary, so many ticks after the last look.
    pub fn join(&mut self, later: u64) {
        self.limit.join(later);
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

fn bet_on_odds(bets: &mut [f64], odds: &[(f64, f64)], table: Table) {
    for (bet, (odds, _)) in bets.iter_mut().zip(odds) {
        *bet = table.log_e(odds.ln());
    }
}

/// How many requests of each arm were slower than a bucket's edge.
fn exceedance(canary: &Dense, baseline: &Dense, edge: usize) -> Table {
    Table::new(canary.iter().sum(), beyond(canary, edge), baseline.iter().sum(), beyond(baseline, edge))
}

/// The rank e-values in logs, one for each tilt: `λ Σ_canary s − n_c ln(mean e^{λ s})` with the normal scores `s` of the
/// pooled mid-ranks. Their mean is at most one if the canary is a random part of the look (Hoeffding 1963, theorem 4),
/// whatever the scores are. What the canary's scores lack of the total is the baseline's, so the same holds with
/// `λ Σ_all s + n_b ln(mean e^{−λ s})` in place of the second term; the smaller of the two is the sharper.
pub fn log_e_ranks(canary: &Dense, baseline: &Dense) -> [f64; TILTS.len()] {
    let (n_canary, n_baseline) = (canary.iter().sum::<u64>() as f64, baseline.iter().sum::<u64>() as f64);
    let all = n_canary + n_baseline;
    if n_canary == 0.0 || n_baseline == 0.0 {
        return [0.0; TILTS.len()];
    }
    let (mut below, mut canary_score, mut score_of_all) = (0.0, 0.0, 0.0);
    let (mut up, mut down) = ([0.0; TILTS.len()], [0.0; TILTS.len()]);
    for (canary, baseline) in canary.iter().zip(baseline) {
        let count = (canary + baseline) as f64;
        if count == 0.0 {
            continue;
        }
        let score = normal_score((below + 0.5 * count) / all);
        below += count;
        canary_score += *canary as f64 * score;
        score_of_all += count * score;
        let mut factor = (WEAKEST * score).exp();
        for (up, down) in up.iter_mut().zip(&mut down) {
            *up += count / all * factor;
            *down += count / all / factor;
            factor *= factor;
        }
    }
    let mut log_e = [0.0; TILTS.len()];
    let mut tilt = WEAKEST;
    for ((log_e, up), down) in log_e.iter_mut().zip(up).zip(down) {
        let bound = (n_canary * up.ln()).min(tilt * score_of_all + n_baseline * down.ln());
        *log_e = tilt * canary_score - bound;
        tilt *= 2.0;
    }
    log_e
}

#[cfg(test)]
mod tests {
    use super::LatencyGuard;
    use crate::arms::Latency;
    use crate::pauses::Limit;
    use crate::recent::Recent;

    fn all_at(micros: u64, count: u64) -> Latency {
        Latency { buckets: vec![(Latency::bucket_of(micros), count)] }
    }

    #[test]
    fn one_paused_look_is_no_slower_version_and_many_slow_looks_are() {
        let (fast, slow) = (all_at(300, 100), all_at(50_000, 100));
        let mut guard = LatencyGuard::new(Limit::new(1.0, 0.0), None);
        let mut recent = Recent::new(1.0);
        recent.add(&all_at(300, 1000));
        guard.observe(&slow, &fast, &recent, 1);
        let limit = 100_f64.ln();
        assert!(guard.log() < limit, "one look alone never decides: {}", guard.log());
        (0..19).for_each(|_| guard.observe(&slow, &fast, &recent, 1));
        assert!(guard.log() > limit, "twenty looks that agree do: {}", guard.log());
    }
}
