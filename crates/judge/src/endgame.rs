//! Bets that know where the race ends: money beyond the limit is worth nothing, and money just short of it little.
//!
//! A likelihood ratio doubles its stake as fast as can be, but it does not know that a rollback needs `1/alpha` and not more.
//! Where an error of the canary says two nats, it ends one nat beyond the limit on average; Ville's inequality then gives
//! away more than half of `alpha`. So before a look is bet on, each way in which its errors can fall on the arms is
//! tried. The wealth `W(j)` that the bets would leave after `j` errors of the canary is replaced by
//!
//! ```text
//! W'(j) = the limit for j ≥ m, and g·W(j) below, with g such that Σ P(j) W'(j) = Σ P(j) W(j)
//! ```
//!
//! where `P` is the hypergeometric distribution of the errors if both arms are alike. The mean is what it was, so the result
//! is a test supermartingale as before, whatever `m` is, as long as `m` depends on what was known before the errors
//! fell: the requests of each arm, the errors of both together, and the wealth. What overshoots pays for what falls
//! short.
//!
//! Which `m`? The time that is still needed is about `(ln limit − ln W + h) / rate`: the distance, and the overshoot `h` that
//! any fixed bet has at the end (renewal theory: Siegmund, *Sequential Analysis*, 1985, chapter 8). Being there saves the `h`
//! too. So the best `m` has the largest mean of `ln W' + h·[W' is the limit]` under the alternatives that the money is
//! on, whose mixture gives `j` the chance `P(j) W(j) / Σ P W`.

/// Ways in which the errors of a look may fall on the arms; with more of them each says little, and nothing overshoots much.
const MOST_WAYS: usize = 48;

/// The overshoot of a fixed bet, as a part of what one error of the canary says.
const OVERSHOOT: f64 = 0.5;

/// How the errors of a look may fall on the arms if both are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Ways {
    /// The fewest errors that the canary can have.
    pub least: u64,
    /// The chance of each number from there on.
    pub chances: Vec<f64>,
}

impl Ways {
    /// Of so many `events`; none where they are many or can fall in one way only.
    pub fn of(canary: u64, baseline: u64, events: u64) -> Option<Ways> {
        let (least, most) = (events.saturating_sub(baseline), events.min(canary));
        if most <= least || most - least >= MOST_WAYS as u64 {
            return None;
        }
        // Each from the one before, and then scaled: the sum is one.
        let mut chances = vec![1.0];
        for j in least..most {
            let ratio = ((canary - j) as f64 / (j + 1) as f64)
                * ((events - j) as f64 / (baseline + j + 1 - events) as f64);
            chances.push(chances[chances.len() - 1] * ratio);
        }
        let sum: f64 = chances.iter().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            return None;
        }
        chances.iter_mut().for_each(|chance| *chance /= sum);
        Some(Ways { least, chances })
    }

    /// What a bet pays for each way, in logs, made smaller where its mean would be more than one.
    pub fn at_most_one(&self, mut pays: Vec<f64>) -> Vec<f64> {
        let mean: f64 = self.chances.iter().zip(&pays).map(|(chance, log)| chance * log.exp()).sum();
        let surplus = mean.ln().max(0.0);
        pays.iter_mut().for_each(|log| *log -= surplus);
        pays
    }

    /// The log of the factor by which the wealth after the look differs from what the bets leave, when the canary had `fell`
    /// errors. `wealth` is what they would leave for each way, in logs and in units of the limit.
    pub fn log_factor(&self, wealth: &[f64], fell: u64) -> f64 {
        let at = usize::try_from(fell.saturating_sub(self.least)).unwrap_or(usize::MAX);
        let best = self.best(wealth, &self.prices());
        match wealth.get(at) {
            Some(own) if at >= best.from => -own,
            _ => best.log_factor,
        }
    }

    /// The chance of each number of errors or more, which is what it costs to end at the limit there.
    fn prices(&self) -> Vec<f64> {
        let mut sum = 0.0;
        let mut prices: Vec<f64> = self
            .chances
            .iter()
            .rev()
            .map(|chance| {
                sum += chance;
                sum
            })
            .collect();
        prices.reverse();
        prices
    }

    fn best(&self, wealth: &[f64], prices: &[f64]) -> Plan {
        let none = Plan { from: wealth.len(), log_factor: 0.0, worth: f64::NEG_INFINITY };
        let [first, second, ..] = wealth else { return none };
        let saved = OVERSHOOT * (second - first);
        let money: Vec<f64> =
            self.chances.iter().zip(wealth).map(|(chance, log)| chance * log.exp()).collect();
        let all: f64 = money.iter().sum();
        let worth = |from: usize, log_factor: f64| {
            let below = money[..from].iter().zip(wealth).map(|(money, log)| money * (log + log_factor));
            (below.sum::<f64>() + saved * money[from..].iter().sum::<f64>()) / all
        };
        let mut best = none;
        for from in (1..=wealth.len()).rev() {
            let below: f64 = money[..from].iter().sum();
            let left = all - prices.get(from).copied().unwrap_or(0.0);
            if !(left > 0.0 && below > 0.0) {
                break;
            }
            let log_factor = (left / below).ln();
            // What would end beyond the limit belongs to the ways that end at it.
            if wealth[from - 1] + log_factor > 0.0 {
                continue;
            }
            let worth = worth(from, log_factor);
            if worth > best.worth {
                best = Plan { from, log_factor, worth };
            }
        }
        best
    }
}

/// Which numbers of errors end at the limit, and by what the wealth of the others is multiplied.
struct Plan {
    from: usize,
    log_factor: f64,
    worth: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn the_chances_are_those_of_drawing_without_return() {
        let ways = Ways::of(2, 3, 2).expect("few ways");
        let known = [0.3, 0.6, 0.1];
        assert!(ways.chances.iter().zip(known).all(|(chance, known)| (chance - known).abs() < 1e-12));
        assert_eq!(Ways::of(5, 0, 3), None, "they can fall in one way only");
        assert_eq!(Ways::of(1000, 1000, 500), None);
    }

    #[test]
    fn what_is_just_short_is_lifted_and_what_is_beyond_is_cut() {
        let ways = Ways::of(50, 950, 1).expect("two ways");
        let factor = |wealth: [f64; 2], fell| ways.log_factor(&wealth, fell);
        assert!((factor([-3.0, -0.3], 1) - 0.3).abs() < 1e-9);
        assert!(factor([-3.0, -0.3], 0) < -0.1, "the other way pays for it");
        assert!((factor([-1.5, 1.0], 1) + 1.0).abs() < 1e-9);
        assert!(factor([-1.5, 1.0], 0) > 0.1, "the other way gains by it");
        assert!(factor([-9.0, -6.0], 1).abs() < 1e-9, "far from the limit the bets stand");
    }

    proptest! {
        #[test]
        fn the_mean_is_never_more_than_before(
            canary in 1u64..80, baseline in 1u64..900, events in 1u64..12, first in -9.0f64..-0.1, step in 0.1f64..5.0
        ) {
            let Some(ways) = Ways::of(canary, baseline, events.min(canary + baseline)) else { return Ok(()) };
            let wealth: Vec<f64> = (0..ways.chances.len()).map(|at| first + step * at as f64).collect();
            let (mut before, mut after) = (0.0, 0.0);
            for (at, (chance, log)) in ways.chances.iter().zip(&wealth).enumerate() {
                let factor = ways.log_factor(&wealth, ways.least + at as u64);
                before += chance * log.exp();
                after += chance * (log + factor).exp();
            }
            prop_assert!(after <= before * (1.0 + 1e-9), "{before} {after}");
        }
    }
}
