//! What is known of the baseline before a look: how often it fails, and how clumped its failures are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::clumping::{CAUTION_OF_ERRORS, Clumping, Dispersion, Sample};
use crate::clusters::{Clusters, Habits};

/// Requests that the recent past should hold before it is compared with the long one.
const RECENT_REQUESTS: u64 = 3000;

/// Looks that the recent past holds at most.
const RECENT_LOOKS: usize = 64;

/// Requests that the prior guess of the error rate is worth, and that guess.
const PRIOR_REQUESTS: f64 = 500.0;
const PRIOR_RATE: f64 = 0.001;

/// Looks whose rate says what was to be expected in the next, if it is more than the rate of long: an incident that hits all
/// instances is no cluster.
const LOOKS_OF_INCIDENTS: usize = 5;

/// The baseline's own record, history before the rollout included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    requests: f64,
    events: f64,
    recent: VecDeque<(u64, u64)>,
    dispersion: Dispersion,
    #[serde(default)]
    habits: Habits,
}

impl Default for Record {
    /// Errors that come together come within a look: retries take less than a second. Errors over many looks are an
    /// incident of all instances, which the comparison of the arms cancels and the index must not count.
    fn default() -> Self {
        let (requests, events, recent) = (0.0, 0.0, VecDeque::new());
        Record { requests, events, recent, dispersion: Dispersion::new(1), habits: Habits::default() }
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
        if !odd {
            self.requests += requests as f64;
            self.events += events as f64;
        }
        // The rate with this look in it: where little is known, what was guessed before says nothing of clusters.
        self.habits.learn(events, requests as f64 * self.rate_of_late());
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
        self.habits.clusters(self.rate_of_late())
    }

    /// The rate, or the median of the last looks if it is higher.
    fn rate_of_late(&self) -> f64 {
        let looks = self.recent.iter().rev().take(LOOKS_OF_INCIDENTS);
        let mut rates: Vec<f64> = looks.map(|(requests, events)| *events as f64 / *requests as f64).collect();
        rates.sort_by(f64::total_cmp);
        self.rate().max(rates.get(rates.len() / 2).copied().unwrap_or_default())
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
    fn an_incident_of_all_instances_is_no_cluster_and_bursts_are() {
        let pays = |record: &Record| {
            let look = record.clusters().look(25, 475, 3, &[3]);
            look.log_ratios(21f64.ln(), crate::errors::log_moment(25, 475, 3, 21f64.ln()))[0]
        };
        let quiet = [(475, 1), (475, 0)].repeat(40);
        let incident = [quiet.as_slice(), &[(475, 14), (475, 17), (475, 15)].repeat(6), &quiet].concat();
        let bursts = [(475, 0), (475, 0), (475, 0), (475, 0), (475, 6), (475, 0)].repeat(20);
        let (one, quiet, incident, bursts) =
            (10.5f64.ln(), pays(&record(&quiet)), pays(&record(&incident)), pays(&record(&bursts)));
        assert!(quiet > 2.0 * one, "{quiet}");
        assert!(incident > 0.7 * quiet, "{incident} {quiet}");
        assert!(bursts < 1.2 * one, "{bursts}");
    }

    #[test]
    fn nothing_known_is_a_cautious_guess() {
        let nothing = Record::default();
        assert!(nothing.rate() > 0.0 && nothing.rate() < 2.0 * nothing.rate_error());
        assert_eq!(nothing.clumping(), Clumping::NONE);
        assert_eq!(record(&[(0, 0); 5]), nothing);
    }
}
