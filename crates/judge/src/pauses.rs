//! What a single pause may say of latency, at most, and that the first seconds of a new instance say nothing.
//!
//! A garbage collection, a slow disk or a busy neighbour makes all requests of one instance slow for some seconds. Often the
//! canary is one instance beside several, so a pause of its own looks like a much slower version. How often instances pause
//! is learnt from the baseline (`clumping.rs`), but not before it has paused. Until then a limit stands: within the time
//! that a pause may last, a bet gains so much at most. What is cut off only lowers the evidence, so its mean stays at
//! most one. Losses are not limited.
//!
//! How much should it be? Were it known that there was one pause, and that the baseline has three instances, then the
//! canary would have had it with a chance of one in four, and it could say `ln 4` = 1.4 nats. So much, and little more,
//! it may say where requests are many. Where they are few, the usual scatter of single requests must have room: a slowdown
//! by a fifth at ten canary requests within a pause's time says 0.6 nats on average, give or take 1.2.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How long a pause may last and still be one, in seconds.
const LONGEST_PAUSE: f64 = 4.0;

/// The most that a bet gains within such a time: in nats if requests are many, and how many requests double it, which is
/// also the most. `NEAR` is for bets on what is not far beyond the usual, `FAR` for those that count it all.
const NEAR: (f64, f64) = (1.6, 10.0);
const FAR: (f64, f64) = (1.5, 5.0);

/// How long trust grows after the warm-up, in units of it.
const RAMP: f64 = 2.0;

/// Limits the gains of several bets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    tick_seconds: f64,
    warm_up_seconds: f64,
    /// Ticks so far.
    ticks: u64,
    /// How many of them there had been when the newest of the canary's instances came.
    #[serde(default)]
    begun: u64,
    /// What was granted of late.
    granted: VecDeque<Granted>,
}

/// What the bets gained at a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Granted {
    /// The last tick of the look.
    tick: u64,
    requests: u64,
    log_e: Vec<f64>,
}

impl Limit {
    /// For ticks of so many seconds. What the first seconds of the canary say is dropped, and of instances that join it.
    pub fn new(tick_seconds: f64, warm_up_seconds: f64) -> Limit {
        Limit { tick_seconds, warm_up_seconds, ticks: 0, begun: 0, granted: VecDeque::new() }
    }

    /// More instances join the canary, so many ticks after the last look: what they say is as cold as the first ones' word was.
    pub fn join(&mut self, later: u64) {
        self.begun = self.ticks + later;
    }

    /// How far a look is trusted that lasts so many ticks: not at all before the end of the warm-up, and then more and
    /// more, for pools and caches fill gradually. As a power of an e-value, this makes an e-value of it.
    pub fn trust(&self, ticks: u64) -> f64 {
        let begins = self.ticks.saturating_sub(self.begun) as f64 * self.tick_seconds;
        let middle = begins + 0.5 * ticks as f64 * self.tick_seconds;
        if self.warm_up_seconds <= 0.0 {
            return 1.0;
        }
        if begins < self.warm_up_seconds {
            return 0.0;
        }
        ((middle - self.warm_up_seconds) / (RAMP * self.warm_up_seconds)).min(1.0)
    }

    /// Cuts the gains of a look that lasted so many ticks and had so many canary requests. The first `near` bets are on
    /// what is not far.
    pub fn cut(&mut self, log_e: &mut [f64], near: usize, requests: u64, ticks: u64) {
        let trust = self.trust(ticks);
        log_e.iter_mut().for_each(|log_e| *log_e *= trust);
        self.ticks += ticks;
        let span = (LONGEST_PAUSE / self.tick_seconds).ceil() as u64;
        while self.granted.front().is_some_and(|look| look.tick + span <= self.ticks) {
            self.granted.pop_front();
        }
        // A look that is longer than a pause can be hit by it in a part only.
        let stretch = (ticks as f64 * self.tick_seconds / LONGEST_PAUSE).max(1.0).sqrt();
        let of_late = requests + self.granted.iter().map(|look| look.requests).sum::<u64>();
        for (bet, log_e) in log_e.iter_mut().enumerate() {
            let most = stretch * most(if bet < near { NEAR } else { FAR }, of_late);
            *log_e = log_e.min(most - self.gained(bet));
        }
        self.granted.push_back(Granted { tick: self.ticks, requests, log_e: log_e.to_vec() });
    }

    /// The most that a bet has gained in a run of looks that ends with the last one and is not longer than a pause.
    fn gained(&self, bet: usize) -> f64 {
        let (mut sum, mut most) = (0.0, 0.0f64);
        for look in self.granted.iter().rev() {
            sum += look.log_e[bet];
            most = most.max(sum);
        }
        most
    }
}

fn most((nats, doubled_by): (f64, f64), requests: u64) -> f64 {
    nats * (1.0 + doubled_by / requests.max(1) as f64).min(2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_three_looks_gains_no_more_than_one_look_of_it() {
        let mut limit = Limit::new(1.0, 0.0);
        let granted: f64 = (0..4).map(|_| cut(&mut limit, 9.0, 1000)).sum();
        assert!((granted - NEAR.0).abs() < 0.05, "{granted}");
        assert!(cut(&mut limit, 9.0, 1000) > 1.0, "what comes later is a new one");
    }

    #[test]
    fn losses_stand_and_do_not_make_room_for_gains() {
        let mut limit = Limit::new(1.0, 0.0);
        assert_eq!(cut(&mut limit, -50.0, 1000), -50.0);
        assert!(cut(&mut limit, 50.0, 1000) < 2.0 * NEAR.0);
    }

    #[test]
    fn a_warm_up_says_nothing_and_what_follows_it_more_and_more() {
        let mut limit = Limit::new(1.0, 3.0);
        let granted: Vec<f64> = (0..10).map(|_| cut(&mut limit, 0.1, 10)).collect();
        assert!(granted[..3].iter().all(|gain| *gain == 0.0), "{granted:?}");
        assert!(granted[3..9].windows(2).all(|two| two[0] < two[1]), "{granted:?}");
        assert_eq!(granted[9], 0.1);
        let mut coarse = Limit::new(10.0, 10.0);
        let granted: Vec<f64> = (0..4).map(|_| cut(&mut coarse, 0.1, 10)).collect();
        assert!(granted[0] == 0.0 && granted[1] > 0.0 && granted[3] == 0.1, "{granted:?}");
    }

    #[test]
    fn instances_that_join_are_warmed_up_as_the_first_ones_were() {
        let mut limit = Limit::new(1.0, 3.0);
        let first: Vec<f64> = (0..10).map(|_| cut(&mut limit, 0.1, 10)).collect();
        limit.join(0);
        let later: Vec<f64> = (0..10).map(|_| cut(&mut limit, 0.1, 10)).collect();
        assert_eq!(first, later);
        // A look that began before they came says nothing either.
        limit.join(2);
        let later: Vec<f64> = (0..12).map(|_| cut(&mut limit, 0.1, 10)).collect();
        assert_eq!((&later[..2], &later[2..]), (&[0.0; 2][..], &first[..]));
    }

    fn cut(limit: &mut Limit, log_e: f64, requests: u64) -> f64 {
        let mut bets = [log_e];
        limit.cut(&mut bets, 1, requests, 1);
        bets[0]
    }
}
