//! Does the canary get the share of the requests that the plan says? If not, the target is at fault and not the canary.
//!
//! A proxy that draws request by request gives the canary a binomial number of them. The test is the likelihood ratio of
//! a share whose odds are off by some factor, against the nearest share that is still tolerated; since the ratio is
//! monotone, its mean is at most one for every share within the tolerance (Lindon & Malek, NeurIPS 2022, test sample
//! ratios like this). A proxy that takes turns scatters less, which makes the mean smaller still.

use serde::{Deserialize, Serialize};

use crate::evidence::Wealth;

/// Odds that are off by less than this factor are no fault: clients that keep connections make shares uneven.
const TOLERATED: f64 = 1.2;

/// Factors by which the odds may be off, to either side, in equal parts.
const FACTORS: [f64; 3] = [1.5, 2.5, 8.0];

/// Evidence that the arms' shares are not the plan's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitGuard {
    wealth: Wealth,
}

impl Default for SplitGuard {
    fn default() -> Self {
        SplitGuard { wealth: Wealth::new(&[1.0; 2 * FACTORS.len()]) }
    }
}

impl SplitGuard {
    /// Chance of ever calling the right split of a step wrong. It has nothing to do with harm, so it is its own.
    pub const ALPHA: f64 = 0.001;

    /// Bets on the requests of a look for which the plan's share was `share`.
    pub fn observe(&mut self, canary: u64, baseline: u64, share: f64) {
        if !(share > 0.0 && share < 1.0) {
            return;
        }
        let (canary, baseline) = (canary as f64, baseline as f64);
        let log_e = |factor: f64, tolerated: f64| {
            let (worse, worst) = (shifted(share, factor), shifted(share, tolerated));
            canary * (worse / worst).ln() + baseline * ((1.0 - worse) / (1.0 - worst)).ln()
        };
        let mut bets = [0.0; 2 * FACTORS.len()];
        for (pair, factor) in bets.chunks_mut(2).zip(FACTORS) {
            pair[0] = log_e(factor, TOLERATED);
            pair[1] = log_e(1.0 / factor, 1.0 / TOLERATED);
        }
        self.wealth.bet(&bets);
        // A target that was mended is to be believed soon, however long it was at fault.
        self.wealth.cap(1.0 - Self::ALPHA.ln());
    }

    /// The log of the evidence.
    pub fn log(&self) -> f64 {
        self.wealth.log()
    }

    /// Whether the split is wrong.
    pub fn is_wrong(&self) -> bool {
        self.log() >= -Self::ALPHA.ln()
    }
}

/// The share whose odds are so many times those of another.
fn shifted(share: f64, factor: f64) -> f64 {
    share * factor / (1.0 - share + share * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_as_planned_is_right_for_ever_and_one_that_is_off_is_found() {
        for (canary, wrong) in [(5, false), (6, false), (10, true), (2, true), (50, true)] {
            let mut split = SplitGuard::default();
            (0..600).for_each(|_| split.observe(canary, 100 - canary, 0.05));
            assert_eq!(split.is_wrong(), wrong, "{canary}: {}", split.log());
        }
    }

    #[test]
    fn a_split_that_was_mended_is_believed_after_some_hundred_requests() {
        let mut split = SplitGuard::default();
        (0..600).for_each(|_| split.observe(50, 50, 0.05));
        assert!(split.is_wrong());
        let mended = (1..100).find(|_| {
            split.observe(5, 95, 0.05);
            !split.is_wrong()
        });
        assert!(mended.is_some_and(|looks| looks <= 10), "{mended:?}");
    }

    #[test]
    fn the_mean_of_the_evidence_is_at_most_one_within_the_tolerance() {
        for truth in [0.05, shifted(0.05, TOLERATED), shifted(0.05, 1.0 / TOLERATED)] {
            let all = 12u64;
            let mean: f64 = (0..=all)
                .map(|k| {
                    let ways = (0..k).fold(1.0, |ways, i| ways * (all - i) as f64 / (i + 1) as f64);
                    let chance = ways * truth.powi(k as i32) * (1.0 - truth).powi((all - k) as i32);
                    let mut split = SplitGuard::default();
                    split.observe(k, all - k, 0.05);
                    chance * split.log().exp()
                })
                .sum();
            assert!(mean <= 1.0 + 1e-9, "{truth}: {mean}");
        }
    }
}
