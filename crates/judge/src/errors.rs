//! Exact conditional e-process for yes/no events: do they hit the canary more often than its share of the requests?
//!
//! Given how many requests each arm had in a look and how many events there were in all, the number that fell on the
//! canary is hypergeometric if both arms are alike. Whatever hits both arms cancels, and the base rate need not be
//! known. The alternatives are odds ratios; their likelihood ratio is Fisher's noncentral hypergeometric.

use serde::{Deserialize, Serialize};

use crate::clusters::Clusters;
use crate::endgame::Ways;
use crate::evidence::Wealth;
use crate::gamma::log_choose;

/// Multiples of the margin that the guard bets on, with their shares of the money. A share `s` costs `-ln s` nats of
/// evidence, which is the same part of the requests needed whatever the effect is, so an even spread is fair. The one
/// at four margins has more, since there a single error says two nats and the last one overshoots.
const MARGINS: [(f64, f64); 2] = [(1.0, 0.27), (4.0, 0.62)];

/// Odds ratios that it bets on besides, whatever the base rate is. The one is money that is not bet at all: a reserve
/// against what the bets take for independent and is not.
const ODDS: [(f64, f64); 5] = [(1.0, 0.03), (1.6, 0.01), (2.5, 0.02), (8.0, 0.02), (60.0, 0.03)];

const BETS: usize = MARGINS.len() + ODDS.len();

/// Below this part of the limit, in nats, no way in which the errors of a look may fall is worth an endgame.
const FAR_FROM_LIMIT: f64 = -3.0;

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
        self.log_e_of(self.bet(log_odds))
    }

    fn log_e_of(&self, bet: Bet) -> f64 {
        if self.says_nothing() { 0.0 } else { self.canary_events as f64 * bet.log_odds - bet.log_moment }
    }

    /// The bet on these odds in this look, however its events fall on the arms.
    fn bet(&self, log_odds: f64) -> Bet {
        let events = self.canary_events + self.baseline_events;
        let known = !self.says_nothing();
        let log_moment = if known { log_moment(self.canary, self.baseline, events, log_odds) } else { 0.0 };
        Bet { log_odds, log_moment }
    }

    fn says_nothing(&self) -> bool {
        self.canary_events + self.baseline_events == 0 || self.canary == 0 || self.baseline == 0
    }
}

/// A bet at one look: the log of its odds ratio, and the log of the mean of what it pays if both arms are alike.
#[derive(Clone, Copy, Debug)]
struct Bet {
    log_odds: f64,
    log_moment: f64,
}

/// The guard on errors: most of the money on multiples of the margin that matters, the rest on a grid of odds ratios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorGuard {
    wealth: Wealth,
    margin: f64,
    /// The log of the evidence that suffices.
    limit: f64,
}

impl ErrorGuard {
    /// A guard for an error rate that is higher by `margin`, in absolute terms, with `limit` as the log of the evidence
    /// that suffices.
    pub fn new(margin: f64, limit: f64) -> ErrorGuard {
        let shares: Vec<f64> = MARGINS.iter().chain(&ODDS).map(|(_, share)| *share).collect();
        ErrorGuard { wealth: Wealth::new(&shares), margin, limit }
    }

    /// Bets on one look. `rate` and `clusters` are the baseline's as known before it.
    pub fn observe(&mut self, table: Table, rate: f64, clusters: &Clusters) {
        let margins = MARGINS.iter().map(|(times, _)| odds_of_margin(rate, times * self.margin));
        let mut log_odds = [0.0; BETS];
        let all = margins.chain(ODDS.iter().map(|(odds, _)| *odds));
        log_odds.iter_mut().zip(all).for_each(|(log_odds, odds)| *log_odds = odds.ln());
        if table.says_nothing() {
            return self.wealth.bet(&[0.0; BETS]);
        }
        let bets = log_odds.map(|log_odds| table.bet(log_odds));
        let Table { canary, canary_events: fell, baseline, baseline_events } = table;
        let events = fell + baseline_events;
        let Some(ways) = Ways::of(canary, baseline, events) else {
            let look = clusters.look(canary, baseline, events, &[fell]);
            // Never more than the exact bet on single events.
            let pays = |bet: Bet| {
                let exact = table.log_e_of(bet);
                look.log_ratios(bet.log_odds, bet.log_moment).iter().fold(exact, |least, log| least.min(*log))
            };
            return self.wealth.bet(&bets.map(pays));
        };
        let fallen: Vec<u64> = (ways.least..).take(ways.chances.len()).collect();
        let pays = if events == 1 {
            // One error is no cluster, and says the same whatever is known.
            bets.map(|bet| fallen.iter().map(|fell| *fell as f64 * bet.log_odds - bet.log_moment).collect())
        } else {
            let look = clusters.look(canary, baseline, events, &fallen);
            bets.map(|bet| ways.at_most_one(look.log_ratios(bet.log_odds, bet.log_moment)))
        };
        let factor = self.endgame(&ways, &pays, fell);
        let at = usize::try_from(fell - ways.least).unwrap_or(usize::MAX);
        self.wealth.bet(&pays.map(|pays| pays.get(at).copied().unwrap_or_default()));
        self.wealth.scale(factor);
    }

    /// The log of the evidence that the canary fails more often.
    pub fn log(&self) -> f64 {
        self.wealth.log()
    }

    /// By what the wealth is to be multiplied besides (`endgame.rs`).
    fn endgame(&self, ways: &Ways, pays: &[Vec<f64>; BETS], fell: u64) -> f64 {
        // A little beyond the limit, so that what ends there is not below it by a rounding.
        let wealth = |at: usize| self.wealth.log_if(pays.iter().map(|pays| pays[at])) - self.limit - 1e-9;
        let last = ways.chances.len() - 1;
        if self.log() >= self.limit || wealth(last) < FAR_FROM_LIMIT {
            return 0.0;
        }
        let wealth: Vec<f64> = (0..=last).map(wealth).collect();
        ways.log_factor(&wealth, fell)
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
