//! Evidence as wealth in logs: several bets side by side, part of the money kept for later starts.
//!
//! A bet multiplies its stake at every look by an e-value, a number whose mean is at most one when nothing is wrong.
//! A weighted sum of such products is a test supermartingale: by Ville's inequality it ever reaches `1/alpha` with
//! probability at most `alpha`.

use serde::{Deserialize, Serialize};

/// Share of the money that is staked before the first look; the rest is staked later, bit by bit.
const STAKED_AT_ONCE: f64 = 0.95;

/// Looks after which the money kept for later starts has shrunk by the factor `2^-1/2`.
const PATIENCE: f64 = 60.0;

/// A mixture of bets over alternatives and over the look at which the trouble begins.
///
/// The sum over all starts needs no list of starts: money staked later meets the same factors from then on, so it is
/// simply added to what the bet holds. Hence memory is one number per alternative and per half, for any number of looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wealth {
    /// Natural logs of the share of each alternative.
    shares: Vec<f64>,
    /// Logs of what the stakes hold now, by alternative.
    held: Vec<f64>,
    /// Looks that were bet on.
    looks: u64,
    /// Log of what all money, staked or not, was multiplied by besides.
    #[serde(default)]
    scale: f64,
}

impl Wealth {
    /// Bets with the given shares, which are scaled to sum to one.
    pub fn new(shares: &[f64]) -> Wealth {
        let sum: f64 = shares.iter().sum();
        let shares: Vec<f64> = shares.iter().map(|share| (share / sum).ln()).collect();
        let held = shares.iter().map(|share| share + STAKED_AT_ONCE.ln()).collect();
        Wealth { shares, held, looks: 0, scale: 0.0 }
    }

    /// Multiplies each bet by its e-value at this look, given in logs and in the order of the shares, then stakes
    /// the next bit for a start after this look.
    pub fn bet(&mut self, log_e: &[f64]) {
        debug_assert_eq!(log_e.len(), self.held.len(), "one e-value for each alternative");
        let before = kept(self.looks);
        self.looks += 1;
        let stake = (before - kept(self.looks)).ln();
        for ((held, share), log_e) in self.held.iter_mut().zip(&self.shares).zip(log_e) {
            *held = log_add(*held + log_e, share + stake);
        }
    }

    /// Multiplies all money, what is not yet staked included, by a factor given in logs.
    pub fn scale(&mut self, log_factor: f64) {
        self.scale += log_factor;
    }

    /// Gives away what is above this, in logs, of what the stakes hold: what was ever enough is not held for ever.
    pub fn cap(&mut self, log: f64) {
        let surplus = (self.log() - log).max(0.0);
        self.held.iter_mut().for_each(|held| *held -= surplus);
    }

    /// The log of all money now, with what is not yet staked. It starts at zero.
    pub fn log(&self) -> f64 {
        log_add(log_sum(&self.held), kept(self.looks).ln()) + self.scale
    }

    /// The log of all money if the bets paid this at the next look, given as in [`Wealth::bet`].
    pub fn log_if(&self, log_e: impl Iterator<Item = f64>) -> f64 {
        let staked = self.held.iter().zip(log_e).map(|(held, log_e)| held + log_e);
        log_sum(&staked.chain([kept(self.looks).ln()]).collect::<Vec<_>>()) + self.scale
    }
}

/// What is kept for later starts after so many looks: falls for ever and sums to what was not staked at once.
fn kept(looks: u64) -> f64 {
    (1.0 - STAKED_AT_ONCE) / (1.0 + looks as f64 / PATIENCE).sqrt()
}

/// `ln(e^a + e^b)` without overflow.
pub fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln(Σ e^x)` without overflow.
pub fn log_sum(values: &[f64]) -> f64 {
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if high == f64::NEG_INFINITY {
        return high;
    }
    high + values.iter().map(|value| (value - high).exp()).sum::<f64>().ln()
}

/// The log of the mean of several e-values given in logs: itself an e-value, whatever their dependence.
pub fn log_mean(values: &[f64]) -> f64 {
    log_sum(values) - (values.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn money_is_neither_made_nor_lost_by_bets_that_pay_one() {
        let mut wealth = Wealth::new(&[2.0, 1.0, 1.0]);
        for _ in 0..1000 {
            wealth.bet(&[0.0, 0.0, 0.0]);
            assert!(wealth.log().abs() < 1e-9, "{}", wealth.log());
        }
    }

    #[test]
    fn a_late_start_is_not_drowned_by_early_losses() {
        let mut wealth = Wealth::new(&[1.0]);
        for _ in 0..500 {
            wealth.bet(&[-1.0]);
        }
        for _ in 0..30 {
            wealth.bet(&[1.0]);
        }
        assert!(wealth.log() > 15.0, "{}", wealth.log());
    }

    proptest! {
        /// A fair coin pays twice the stake or nothing much: the mean over both sides never grows.
        #[test]
        fn the_mean_over_a_fair_coin_stays_at_the_wealth(pays in proptest::collection::vec(0.01f64..1.99, 1..20)) {
            let mut wealth = Wealth::new(&[1.0, 3.0]);
            for pay in pays {
                let (mut up, mut down) = (wealth.clone(), wealth.clone());
                up.bet(&[pay.ln(), 0.0]);
                down.bet(&[(2.0 - pay).ln(), 0.0]);
                let mean = (up.log().exp() + down.log().exp()) / 2.0;
                prop_assert!((mean / wealth.log().exp() - 1.0).abs() < 1e-9);
                wealth = up;
            }
        }
    }
}
