//! How the errors of one look hang together, and what several of them are worth as evidence.
//!
//! Retries fail together, and one bad client fails ten times. Two errors of an arm in one look are then the work of chance
//! twice, or of one cluster, and the second one says much or next to nothing. With errors in clusters whose sizes follow a
//! logarithmic series, and clusters that arrive as a Poisson stream, a count is negative binomial:
//!
//! ```text
//! P(n) = (r)_n / n! · (1-c)^r · c^n        (r)_n = r (r+1) … (r+n-1)        r = λ (1-c) / c
//! ```
//!
//! `λ` is the mean and `c` the chance that a cluster goes on; the variance is `λ / (1-c)`. The same distribution arises
//! where the rate itself varies from look to look by a gamma law. Given how many errors `K` both arms had in all, the number
//! `j` of the canary's is beta-binomial (Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, 2005, chapter 6), and if the canary
//! fails `θ` times as often, its likelihood rises by
//!
//! ```text
//! (θ r)_j / (r)_j · (r + s)_K / (θ r + s)_K        r of the canary, s of the baseline
//! ```
//!
//! That is what the exact test of single errors pays for the first error, and for the next ones between nothing (`r` small: they are
//! of its cluster) and the same again (`r` large: so many are expected). With `c = 0` the number is hypergeometric.
//!
//! `c` is learnt from the baseline alone: the chance of each value on a small grid, given what its looks had. Where nothing is
//! known it is the prior that speaks, and it does not trust a burst.

use std::array;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::evidence::{log_add, log_sum};
use crate::gamma::{log_choose, log_gamma};

/// How many chances there are.
const KINDS: usize = 6;

/// Chances that a cluster goes on, with what each is believed before anything is seen.
const CHAINS: [(f64, f64); KINDS] =
    [(0.0, 0.55), (0.07, 0.15), (0.2, 0.12), (0.45, 0.09), (0.7, 0.06), (0.9, 0.03)];

/// What is kept of the past after each look, so that habits may change.
const KEPT: f64 = 0.999;

/// Counts up to here are reckoned by products, which is faster and loses nothing.
const SMALL: u64 = 12;

/// The chance that a look lies in an incident, of which no rate is known before.
const INCIDENT: f64 = 1e-2;

/// What is this much less likely than the likeliest, in nats, is left out.
const NEGLIGIBLE: f64 = 30.0;

/// One of [`CHAINS`], with the logs that every look needs of it.
#[derive(Debug)]
struct Chain {
    chance: f64,
    log_prior: f64,
    log_ends: f64,
    log_goes_on: f64,
}

static KNOWN: LazyLock<[Chain; KINDS]> = LazyLock::new(|| {
    CHAINS.map(|(chance, prior)| Chain {
        chance,
        log_prior: prior.ln(),
        log_ends: (-chance).ln_1p(),
        log_goes_on: chance.ln(),
    })
});

/// A number of events, with what it alone says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Count {
    events: u64,
    log_factorial: f64,
    /// The log of its chance in an incident.
    log_incident: f64,
}

impl Count {
    fn of(events: u64) -> Self {
        if events == 0 {
            return Self { events, log_factorial: 0.0, log_incident: f64::NEG_INFINITY };
        }
        let n = events as f64;
        let log_incident = INCIDENT.ln() - (n + 1.0).ln() - (n + 2.0).ln();
        Self { events, log_factorial: log_gamma(n + 1.0), log_incident }
    }
}

/// How much each chance of [`CHAINS`] is supported by the looks at the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Habits {
    log_likelihoods: [f64; KINDS],
}

impl Habits {
    /// Takes in a look with so many events where `mean` were to be expected.
    pub fn learn(&mut self, events: u64, mean: f64) {
        let count = Count::of(events);
        for (log, chain) in self.log_likelihoods.iter_mut().zip(&*KNOWN) {
            *log = KEPT * *log + log_total(count, mean.max(1e-9), chain);
        }
    }

    /// What is known now, for looks in which a request fails with the chance `rate`.
    pub fn clusters(&self, rate: f64) -> Clusters {
        let mut weights = self.log_likelihoods;
        weights.iter_mut().zip(&*KNOWN).for_each(|(weight, chain)| *weight += chain.log_prior);
        let highest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights.iter_mut().for_each(|weight| *weight -= highest);
        Clusters { weights, rate }
    }
}

/// How the errors of a look may hang together, as known before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clusters {
    /// Logs of how much each chance of [`CHAINS`] is believed, up to a common term.
    weights: [f64; KINDS],
    /// The chance of a request to fail.
    rate: f64,
}

impl Clusters {
    /// What is believed of a look when its requests are known, and how many `events` both arms had together, for each number of
    /// events that may have `fallen` on the canary.
    pub fn look(&self, canary: u64, baseline: u64, events: u64, fallen: &[u64]) -> Look {
        let mean = |requests: u64| (self.rate * requests as f64).max(1e-9);
        let (means, count) = ([mean(canary), mean(baseline)], Count::of(events));
        let highest = self.weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let likely = KNOWN.iter().zip(self.weights).filter(|(_, weight)| *weight > highest - NEGLIGIBLE);
        let kinds = likely.map(|(chain, weight)| {
            let [canary, baseline] = means;
            let log_believed = weight + log_total(count, canary + baseline, chain);
            Kind { chain, canary, baseline, weight, log_believed }
        });
        let mut kinds: Vec<Kind> = kinds.collect();
        let all = log_sum(&each(&kinds, |_, kind| kind.log_believed)[..kinds.len()]);
        kinds.iter_mut().for_each(|kind| kind.log_believed -= all);
        let falls = fallen.iter().map(|fell| {
            let alike = each(&kinds, |_, kind| kind.log_fell(*fell, events, [canary, baseline]));
            let believed = each(&kinds, |at, kind| kind.log_believed + alike[at]);
            Fall { fell: *fell, all: log_sum(&believed[..kinds.len()]), alike }
        });
        let falls = falls.collect();
        Look { count, kinds, falls }
    }
}

/// A number for each kind, as far as there are any.
fn each(kinds: &[Kind], number: impl Fn(usize, &Kind) -> f64) -> [f64; KINDS] {
    array::from_fn(|at| kinds.get(at).map_or(f64::NEG_INFINITY, |kind| number(at, kind)))
}

/// What is believed of one look: how likely each kind of clusters is, and how the events then fall on the arms.
#[derive(Clone, Debug)]
pub struct Look {
    count: Count,
    kinds: Vec<Kind>,
    falls: Vec<Fall>,
}

/// One kind of clusters, with the events that are to be expected of each arm.
#[derive(Clone, Copy, Debug)]
struct Kind {
    chain: &'static Chain,
    canary: f64,
    baseline: f64,
    /// The log of how much it is believed before the look, and with the number of its events if both arms are alike.
    weight: f64,
    log_believed: f64,
}

/// A number of events of the canary; for each kind the log of its chance if both arms are alike, and that of all together.
#[derive(Clone, Debug)]
struct Fall {
    fell: u64,
    alike: [f64; KINDS],
    all: f64,
}

impl Kind {
    /// The sizes `r` of both arms.
    fn sizes(&self) -> (f64, f64) {
        let odds = (1.0 - self.chain.chance) / self.chain.chance;
        (self.canary * odds, self.baseline * odds)
    }

    fn is_single(&self) -> bool {
        self.chain.chance == 0.0
    }

    /// The log of the chance that `fell` of the events are the canary's if both arms are alike.
    fn log_fell(&self, fell: u64, events: u64, [canary, baseline]: [u64; 2]) -> f64 {
        let others = events - fell;
        if self.is_single() {
            return log_choose(canary, fell) + log_choose(baseline, others)
                - log_choose(canary + baseline, events);
        }
        let (canary, baseline) = self.sizes();
        log_choose(events, fell) + log_rising(canary, fell) + log_rising(baseline, others)
            - log_rising(canary + baseline, events)
    }

    /// By what the likelihood of `fell` rises, in logs, if the canary's odds are so many times the baseline's.
    fn log_rise(&self, fell: u64, odds: f64) -> f64 {
        if self.is_single() {
            return fell as f64 * odds.ln();
        }
        let (canary, _) = self.sizes();
        log_rise(canary, odds * canary, fell)
    }

    /// The log of the mean of that if both arms are alike.
    fn log_cost(&self, events: u64, odds: f64, log_moment: f64) -> f64 {
        if self.is_single() {
            return log_moment;
        }
        let (canary, baseline) = self.sizes();
        log_rise(canary + baseline, odds * canary + baseline, events)
    }
}

impl Look {
    /// By what the likelihood rises, in logs, if the canary's odds are `e^log_odds` times the baseline's: for each number of
    /// events that may have fallen on it. `log_moment` is the one of single events (`errors.rs`).
    pub fn log_ratios(&self, log_odds: f64, log_moment: f64) -> Vec<f64> {
        let odds = log_odds.exp();
        let count = self.kinds.len();
        // How much each kind is believed if the canary is worse, which also explains why there are so many events.
        let mut worse = each(&self.kinds, |_, kind| {
            kind.weight + log_total(self.count, odds * kind.canary + kind.baseline, kind.chain)
        });
        let all = log_sum(&worse[..count]);
        for (worse, kind) in worse.iter_mut().zip(&self.kinds) {
            *worse -= all + kind.log_cost(self.count.events, odds, log_moment);
        }
        let ratio = |fall: &Fall| {
            let logs =
                each(&self.kinds, |at, kind| worse[at] + fall.alike[at] + kind.log_rise(fall.fell, odds));
            log_sum(&logs[..count]) - fall.all
        };
        self.falls.iter().map(ratio).collect()
    }
}

/// The log of the chance of so many events around a mean. It has a heavy tail: an incident that hits all instances makes any number
/// of them, so a large number alone is but a weak sign of clusters.
fn log_total(count: Count, mean: f64, chain: &Chain) -> f64 {
    match count.events {
        0 => log_chance(count, mean, chain),
        _ => log_add(log_chance(count, mean, chain), count.log_incident),
    }
}

/// The log of the chance of so many events around a mean.
fn log_chance(count: Count, mean: f64, chain: &Chain) -> f64 {
    let Chain { chance, log_ends, log_goes_on, .. } = chain;
    if count.events == 0 {
        return if *chance == 0.0 { -mean } else { mean * (1.0 - chance) / chance * log_ends };
    }
    let n = count.events as f64;
    if *chance == 0.0 {
        return n * mean.ln() - mean - count.log_factorial;
    }
    let size = mean * (1.0 - chance) / chance;
    log_rising(size, count.events) - count.log_factorial + size * log_ends + n * log_goes_on
}

/// `ln (y)_n - ln (x)_n`.
fn log_rise(x: f64, y: f64, n: u64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    if n <= SMALL {
        return (0..n).map(|step| (y + step as f64) / (x + step as f64)).product::<f64>().ln();
    }
    log_rising(y, n) - log_rising(x, n)
}

/// `ln (x)_n`.
fn log_rising(x: f64, n: u64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    if n <= SMALL {
        return (0..n).map(|step| x + step as f64).product::<f64>().ln();
    }
    log_gamma(x + n as f64) - log_gamma(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    fn after(looks: &[u64]) -> Habits {
        let mut habits = Habits::default();
        let mean = looks.iter().sum::<u64>() as f64 / looks.len().max(1) as f64;
        looks.iter().for_each(|events| habits.learn(*events, mean));
        habits
    }

    /// The log of what a bet on 21 times the odds pays if `fell` of as many events fell on a canary with 5 % of the requests.
    fn pays(habits: Habits, fell: u64) -> f64 {
        let look = habits.clusters(0.001).look(25, 475, fell, &[fell]);
        look.log_ratios(21f64.ln(), crate::errors::log_moment(25, 475, fell, 21f64.ln()))[0]
    }

    #[test]
    fn one_error_says_the_same_whatever_is_known() {
        let exact = 21f64.ln() - 2f64.ln();
        assert!((pays(Habits::default(), 1) - exact).abs() < 1e-9);
        assert!((pays(after(&[0, 0, 7, 0]), 1) - exact).abs() < 1e-9);
    }

    #[test]
    fn a_burst_says_little_more_than_an_error_unless_errors_are_known_to_come_singly() {
        let (one, burst) = (pays(Habits::default(), 1), pays(Habits::default(), 10));
        assert!(burst < one + 2.0, "{one} {burst}");
        let singly = after(&[1, 0, 1, 1, 0, 0, 1, 0].repeat(50));
        assert!(pays(singly, 3) > 2.5 * one, "{}", pays(singly, 3));
        let clustered = after(&[0, 0, 0, 4, 0, 0, 0, 0].repeat(50));
        assert!(pays(clustered, 3) < one + 0.5, "{}", pays(clustered, 3));
    }

    proptest! {
        /// Over all ways in which events can fall, chances sum to one, and the mean of the likelihood ratio is one.
        #[test]
        fn the_ratio_has_the_mean_one_where_its_own_model_holds(
            canary in 1u64..60, baseline in 1u64..600, events in 1u64..40, log_odds in 0.1f64..5.0, rate in 1e-4f64..0.3,
            looks in proptest::collection::vec(0u64..9, 0..30)
        ) {
            let events = events.min(canary).min(baseline);
            let fallen: Vec<u64> = (0..=events).collect();
            let mut habits = Habits::default();
            looks.iter().for_each(|events| habits.learn(*events, 1.0));
            let look = habits.clusters(rate).look(canary, baseline, events, &fallen);
            let chances: f64 = look.falls.iter().map(|fall| fall.all.exp()).sum();
            prop_assert!((chances - 1.0).abs() < 1e-6, "{chances}");
            let ratios = look.log_ratios(log_odds, crate::errors::log_moment(canary, baseline, events, log_odds));
            let mean: f64 = look.falls.iter().zip(ratios).map(|(fall, ratio)| (fall.all + ratio).exp()).sum();
            prop_assert!((mean - 1.0).abs() < 1e-6, "{mean}");
        }

        /// Whatever was learnt, no bet pays more than it takes where errors come singly.
        #[test]
        fn no_bet_gains_where_errors_come_singly(
            canary in 1u64..60, baseline in 1u64..600, events in 1u64..40, log_odds in 0.1f64..5.0, rate in 1e-4f64..0.3,
            looks in proptest::collection::vec(0u64..9, 0..30)
        ) {
            let Some(ways) = crate::endgame::Ways::of(canary, baseline, events.min(canary + baseline)) else { return Ok(()) };
            let events = events.min(canary + baseline);
            let fallen: Vec<u64> = (ways.least..).take(ways.chances.len()).collect();
            let look = after(&looks).clusters(rate).look(canary, baseline, events, &fallen);
            let log_moment = crate::errors::log_moment(canary, baseline, events, log_odds);
            let pays = ways.at_most_one(look.log_ratios(log_odds, log_moment));
            let mean: f64 = ways.chances.iter().zip(pays).map(|(chance, log)| chance * log.exp()).sum();
            prop_assert!(mean <= 1.0 + 1e-9, "{mean}");
        }

        #[test]
        fn any_counts_give_finite_numbers(
            canary in 1u64..1 << 40, baseline in 1u64..1 << 40, events in 1u64..1 << 40, part in 0.0f64..1.0, rate in 0.0f64..1.0
        ) {
            let fell = ((events as f64 * part) as u64).min(canary);
            let events = (events - fell).min(baseline) + fell;
            let mut habits = Habits::default();
            habits.learn(events, rate * baseline as f64);
            let look = habits.clusters(rate).look(canary, baseline, events, &[fell]);
            let log_moment = crate::errors::log_moment(canary, baseline, events, 1.0);
            prop_assert!(look.log_ratios(1.0, log_moment).iter().all(|ratio| ratio.is_finite()));
        }
    }
}
