//! Counts of incidents over time: restarts, crashes, alerts. What is counted has no number of tries, only an exposure.
//!
//! Two arms: given `K` incidents in all, those of the canary are binomial with the canary's part `w` of the exposure
//! (instance-seconds, say) if both are alike: a property of Poisson streams. So `θ^k / (1 − w + w θ)^K` has the mean one,
//! and less if the canary is better. One arm against a known rate: the likelihood ratio of a Poisson stream that is `ρ`
//! times as busy, `ρ^N e^(−Λ(ρ−1))` with `Λ` the expected number (Wald 1947). Both are mixed over a grid.

use serde::{Deserialize, Serialize};

use crate::evidence::Wealth;

/// How many times as many incidents the guards bet on, in equal parts.
const RATIOS: [f64; 6] = [1.5, 2.0, 3.0, 6.0, 15.0, 50.0];

/// Incidents and exposure of one arm in a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Incidents {
    pub count: u64,
    /// Instance-seconds that were wanted, served or not: one that has crashed can crash no more, and must not lose its exposure
    /// by that. Not negative.
    pub exposure: f64,
}

/// Incidents of both arms in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BothIncidents {
    pub canary: Incidents,
    pub baseline: Incidents,
}

/// Evidence that the canary has more incidents than the baseline, or than a known rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentGuard {
    wealth: Wealth,
    canary: Incidents,
    baseline: Incidents,
}

impl Default for IncidentGuard {
    fn default() -> Self {
        let nothing = Incidents::default();
        IncidentGuard { wealth: Wealth::new(&[1.0; RATIOS.len()]), canary: nothing, baseline: nothing }
    }
}

impl IncidentGuard {
    /// Bets on a look at both arms. Without exposure of both there is nothing to compare.
    pub fn compare(&mut self, canary: Incidents, baseline: Incidents) {
        let all = canary.exposure + baseline.exposure;
        if !(canary.exposure > 0.0 && baseline.exposure > 0.0 && all.is_finite()) {
            return;
        }
        self.canary.add(canary);
        self.baseline.add(baseline);
        if canary.count == 0 && baseline.count == 0 {
            // The usual look: each bet pays exactly what it staked.
            self.wealth.bet(&[0.0; RATIOS.len()]);
            return;
        }
        let share = canary.exposure / all;
        let (own, events) = (canary.count as f64, canary.count as f64 + baseline.count as f64);
        self.wealth.bet(&RATIOS.map(|ratio| own * ratio.ln() - events * (1.0 - share + share * ratio).ln()));
    }

    /// Bets on a look at the canary alone, of which so many incidents are expected.
    pub fn against_rate(&mut self, count: u64, expected: f64) {
        if expected > 0.0 && expected.is_finite() {
            self.wealth.bet(&RATIOS.map(|ratio| count as f64 * ratio.ln() - expected * (ratio - 1.0)));
        }
    }

    /// The log of the evidence.
    pub fn log(&self) -> f64 {
        self.wealth.log()
    }

    /// In words, with what was counted; exposures are instance-seconds.
    pub fn reason(&self) -> String {
        let hours = |arm: Incidents| arm.exposure / 3600.0;
        format!(
            "instances of the canary end more often: {} times in {:.2} instance-hours against {} in {:.2} of the baseline",
            self.canary.count,
            hours(self.canary),
            self.baseline.count,
            hours(self.baseline)
        )
    }
}

impl Incidents {
    fn add(&mut self, more: Incidents) {
        self.count = self.count.saturating_add(more.count);
        self.exposure += more.exposure;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Before the first look a guard's money has the mean one; this is its mean after one.
    fn mean(chances: impl Iterator<Item = f64>, bet: impl Fn(&mut IncidentGuard, u64)) -> f64 {
        let after = |count| {
            let mut guard = IncidentGuard::default();
            bet(&mut guard, count);
            guard.log().exp()
        };
        (0u64..).zip(chances).map(|(count, chance)| chance * after(count)).sum()
    }

    #[test]
    fn the_mean_of_the_evidence_is_one_if_both_arms_are_alike() {
        let (share, all) = (0.2f64, 6u64);
        let binomial = (0..=all).map(|k| {
            let ways = (0..k).fold(1.0, |ways, i| ways * (all - i) as f64 / (i + 1) as f64);
            ways * share.powi(k as i32) * (1.0 - share).powi((all - k) as i32)
        });
        let alike = mean(binomial, |guard, count| {
            let canary = Incidents { count, exposure: 2.0 };
            guard.compare(canary, Incidents { count: all - count, exposure: 8.0 });
        });
        assert!((alike - 1.0).abs() < 1e-9, "{alike}");
        let poisson = (0..60).scan((-0.5f64).exp(), |chance, k| {
            let now = *chance;
            *chance *= 0.5 / (f64::from(k) + 1.0);
            Some(now)
        });
        let usual = mean(poisson, |guard, count| guard.against_rate(count, 0.5));
        assert!((usual - 1.0).abs() < 1e-6, "{usual}");
    }

    #[test]
    fn a_canary_that_crashes_again_and_again_is_found() {
        let mut guard = IncidentGuard::default();
        for _ in 0..6 {
            guard.compare(Incidents { count: 1, exposure: 1.0 }, Incidents { count: 0, exposure: 3.0 });
        }
        assert!(guard.log() > 100f64.ln(), "{}", guard.log());
        assert!(
            guard.reason().contains("6 times in 0.00 instance-hours against 0 in 0.01"),
            "{}",
            guard.reason()
        );
        guard.compare(Incidents { count: 9, exposure: f64::NAN }, Incidents::default());
        assert!(guard.log().is_finite());
    }
}
