//! What is known of the baseline before a look: how often it fails, and how clumped its failures are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Requests that the recent past should hold before it is compared with the long one.
const RECENT_REQUESTS: u64 = 3000;

/// Looks that the recent past holds at most.
const RECENT_LOOKS: usize = 64;

/// Counts with which the index of dispersion is shrunk to one.
const SHRINK: f64 = 20.0;

/// What the index of dispersion of independent events may show by chance alone.
const SLACK: f64 = 0.15;

/// Clumps differ in size, and it is the large ones that deceive: a guard counts the excess over one that many times.
const STRETCH: f64 = 1.6;

/// Requests that the prior guess of the error rate is worth, and that guess.
const PRIOR_REQUESTS: f64 = 500.0;
const PRIOR_RATE: f64 = 0.001;

/// How clumped events are: an index of dispersion of at least one, known before the look it is used for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clumping(f64);

impl Clumping {
    /// Independent events.
    pub const NONE: Clumping = Clumping(1.0);

    /// The index of dispersion.
    pub fn index(self) -> f64 {
        self.0
    }

    /// `e^(1/φ)` in logs. By Jensen's inequality still an e-value, and right for clumps of size φ.
    pub fn temper(self, log_e: f64) -> f64 {
        log_e / self.0
    }

    /// The same with a φ that also holds large clumps at bay: for guards, which a single clump must not trip.
    pub fn temper_firmly(self, log_e: f64) -> f64 {
        log_e / (1.0 + STRETCH * (self.0 - 1.0))
    }
}

/// The baseline's own record, history before the rollout included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    requests: f64,
    events: f64,
    recent: VecDeque<(u64, u64)>,
    last: Option<(u64, u64)>,
    squares: f64,
    expected: f64,
}

impl Record {
    /// Takes in one look at the baseline.
    pub fn add(&mut self, requests: u64, events: u64) {
        if requests == 0 {
            return;
        }
        let odd = self.is_odd(requests, events);
        self.compare_with_last(requests, events);
        if !odd {
            self.requests += requests as f64;
            self.events += events as f64;
        }
        self.recent.push_back((requests, events));
        self.trim();
        self.follow_a_lasting_change();
    }

    /// The error rate as known now, with a cautious guess where little is known.
    pub fn rate(&self) -> f64 {
        (self.events + PRIOR_RATE * PRIOR_REQUESTS) / (self.requests + PRIOR_REQUESTS)
    }

    /// The standard error of the rate, clumping included.
    pub fn rate_error(&self) -> f64 {
        (self.clumping().index() * self.rate() / (self.requests + 1.0)).sqrt()
    }

    /// How clumped the events are: squares of successive differences against what independent events would show, so
    /// that slow drift does not count.
    pub fn clumping(&self) -> Clumping {
        Clumping(((SHRINK + self.squares) / (SHRINK + self.expected) - SLACK).max(1.0))
    }

    /// Whether a look at the baseline does not fit the rate known before: an incident, or its end.
    pub fn is_odd(&self, requests: u64, events: u64) -> bool {
        let mean = requests as f64 * self.rate();
        let index = self.clumping().index();
        let spread = 3.0 * (index * mean).sqrt();
        let events = events as f64;
        events > mean + spread + 2.0 * index || events < mean - spread
    }

    fn compare_with_last(&mut self, requests: u64, events: u64) {
        if let Some((last_requests, last_events)) = self.last {
            let growth = requests as f64 / last_requests as f64;
            let difference = events as f64 - last_events as f64 * growth;
            let pooled = (events + last_events) as f64 / (requests + last_requests) as f64;
            self.squares += difference * difference;
            self.expected += pooled * requests as f64 * (1.0 + growth);
        }
        self.last = Some((requests, events));
    }

    fn trim(&mut self) {
        let (mut requests, _) = sums(self.recent.iter());
        while let Some((first, _)) = self.recent.front() {
            if self.recent.len() <= RECENT_LOOKS && requests - first < RECENT_REQUESTS {
                return;
            }
            requests -= first;
            self.recent.pop_front();
        }
    }

    /// A level that both halves of the recent past agree on replaces the old one.
    fn follow_a_lasting_change(&mut self) {
        let (requests, events) = sums(self.recent.iter());
        if requests < RECENT_REQUESTS {
            return;
        }
        let half = self.recent.len() / 2;
        let earlier = self.distance(sums(self.recent.iter().take(half)));
        let later = self.distance(sums(self.recent.iter().skip(half)));
        if earlier.min(later) > 4.0 || earlier.max(later) < -4.0 {
            self.requests = requests as f64;
            self.events = events as f64;
        }
    }

    /// How far counts lie from what the rate makes expect, in standard deviations.
    fn distance(&self, (requests, events): (u64, u64)) -> f64 {
        let mean = requests as f64 * self.rate();
        let index = self.clumping().index();
        (events as f64 - mean) / ((index * mean).sqrt() + 0.5 * index)
    }
}

fn sums<'a>(looks: impl Iterator<Item = &'a (u64, u64)>) -> (u64, u64) {
    looks.fold((0, 0), |sum, look| (sum.0 + look.0, sum.1 + look.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(looks: &[(u64, u64)]) -> Record {
        let mut record = Record::default();
        looks.iter().for_each(|(requests, events)| record.add(*requests, *events));
        record
    }

    #[test]
    fn an_incident_does_not_lift_the_rate_but_a_lasting_change_does() {
        let quiet = [(500, 1); 60];
        let incident = [quiet.as_slice(), &[(500, 15); 3]].concat();
        assert!((record(&incident).rate() - record(&quiet).rate()).abs() < 1e-9);
        let lasting = [quiet.as_slice(), &[(500, 15); 20]].concat();
        assert!((record(&lasting).rate() - 0.03).abs() < 0.005, "{}", record(&lasting).rate());
        let over = [lasting.as_slice(), &quiet].concat();
        assert!(record(&over).rate() < 0.003, "{}", record(&over).rate());
    }

    #[test]
    fn clumps_are_seen_and_even_errors_are_not_clumps() {
        let clumped = [(500, 0), (500, 0), (500, 0), (500, 6)].repeat(15);
        assert!(record(&clumped).clumping().index() > 3.0);
        assert_eq!(record(&[(500, 1), (500, 2), (500, 0)].repeat(20)).clumping(), Clumping::NONE);
        assert_eq!(record(&[(500, 3), (1000, 6), (100, 1)].repeat(20)).clumping(), Clumping::NONE);
    }

    #[test]
    fn nothing_known_is_a_cautious_guess() {
        let nothing = Record::default();
        assert!(nothing.rate() > 0.0 && nothing.rate() < 2.0 * nothing.rate_error());
        assert_eq!(nothing.clumping(), Clumping::NONE);
        assert_eq!(record(&[(0, 0); 5]), nothing);
    }
}
