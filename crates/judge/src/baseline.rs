//! What is known of the baseline before a look: how often it fails, and how clumped its failures are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::clumping::{
    CAUTION_OF_CLUSTERS, CAUTION_OF_ERRORS, Clumping, Dispersion, STRETCH_OF_ERRORS, Sample,
};
use crate::errors::Clusters;

/// Requests that the recent past should hold before it is compared with the long one.
const RECENT_REQUESTS: u64 = 3000;

/// Looks that the recent past holds at most.
const RECENT_LOOKS: usize = 64;

/// Requests that the prior guess of the error rate is worth, and that guess.
const PRIOR_REQUESTS: f64 = 500.0;
const PRIOR_RATE: f64 = 0.001;

/// Errors beyond the first that a look is trusted to have had singly before any error of the baseline is seen, and the
/// looks with errors that add one.
const UNSEEN: f64 = 0.1;
const LOOKS_OF_ONE: f64 = 4.0;

/// The baseline's own record, history before the rollout included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    requests: f64,
    events: f64,
    /// Looks with errors so far, incidents included.
    looks_with_events: f64,
    recent: VecDeque<(u64, u64)>,
    dispersion: Dispersion,
}

impl Default for Record {
    /// Errors that come together come within a look: retries take less than a second. Errors over many looks are an
    /// incident of all instances, which the comparison of the arms cancels and the index must not count.
    fn default() -> Self {
        let (requests, events, looks_with_events, recent) = (0.0, 0.0, 0.0, VecDeque::new());
        Record { requests, events, looks_with_events, recent, dispersion: Dispersion::new(1) }
    }
}

impl Record {
    /// Takes in one look at the baseline.
    pub fn add(&mut self, requests: u64, events: u64) {
        if requests == 0 {
            return;
        }
        let odd = self.is_odd(requests, events);
        let rate = events as f64 / requests as f64;
        self.dispersion.add(Sample { requests: requests as f64, sum: events as f64, variance: rate });
        if events > 0 {
            self.looks_with_events += 1.0;
        }
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

    /// How clumped the events are. Independent ones are taken for a Poisson stream, whose variance is its mean.
    pub fn clumping(&self) -> Clumping {
        self.dispersion.clumping(CAUTION_OF_ERRORS)
    }

    /// How many of a look's errors may be of one cluster, as far as the baseline has shown it.
    pub fn clusters(&self) -> Clusters {
        let index = self.dispersion.clumping(CAUTION_OF_CLUSTERS).index();
        Clusters {
            size: 1.0 + STRETCH_OF_ERRORS * (index - 1.0),
            known: UNSEEN + self.looks_with_events / LOOKS_OF_ONE,
        }
    }

    /// Whether a look at the baseline does not fit the rate known before: an incident, or its end.
    pub fn is_odd(&self, requests: u64, events: u64) -> bool {
        let mean = requests as f64 * self.rate();
        let index = self.clumping().index();
        let spread = 3.0 * (index * mean).sqrt();
        let events = events as f64;
        events > mean + spread + 2.0 * index || events < mean - spread
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
