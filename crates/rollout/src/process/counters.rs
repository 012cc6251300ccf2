//! What became of the requests of one version, counted since the host started.
//!
//! A request counts for the version whose instance took it on, once it is over. Latency runs from the moment the
//! request is handed to the instance until the end of its answer has been read, so it contains the time that a slow
//! client takes to accept a long answer: the same for both arms. A try that broke counts as the version's error even
//! when another instance answered the client's request after that: evidence must not vanish because the proxy is kind.
//!
//! What can be compared with another version is counted apart from what users met: who takes no part in a cohort is a user
//! and no evidence, and the answer to a mirrored request is evidence and no user's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patchline_judge::arms::Latency;
use patchline_model::stage::traffic::Mirrored;

/// Shared by everything that serves one version.
#[derive(Debug)]
pub struct Counters {
    pub version: String,
    pub label: String,
    in_flight: AtomicU64,
    tallies: Mutex<Tallies>,
}

/// Everything that is counted of one version, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// What users met.
    pub met: Tally,
    /// What can be compared with the other version.
    pub compared: Tally,
    /// Answers to mirrored requests, beside those of the stable version.
    pub mirrored: Mirrored,
}

/// The counts at one moment: they belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub requests: u64,
    pub errors: u64,
    pub latency: Latency,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The answer came whole.
    Answered { server_error: bool },
    /// The client went away before the end of the answer. Timed as well, or an instance that makes clients give up
    /// would look no slower than one that answers.
    Abandoned { server_error: bool },
    /// The instance broke the connection.
    Broken,
    /// The instance did not answer before the deadline.
    Late,
}

impl Counters {
    pub fn new(version: &str, label: &str) -> Arc<Counters> {
        Arc::new(Counters {
            version: version.to_owned(),
            label: label.to_owned(),
            in_flight: AtomicU64::new(0),
            tallies: Mutex::new(Tallies::default()),
        })
    }

    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A user's request is over.
    pub fn count(&self, ended: Ended, took: Duration, is_compared: bool) {
        let mut tallies = self.lock();
        tallies.met.count(ended, took);
        if is_compared {
            tallies.compared.count(ended, took);
        }
    }

    /// One side of a mirrored pair is over: evidence alone.
    pub fn count_pair(&self, ended: Ended, took: Duration) {
        self.lock().compared.count(ended, took);
    }

    pub fn mirrored(&self, note: impl FnOnce(&mut Mirrored)) {
        note(&mut self.lock().mirrored);
    }

    pub fn tallies(&self) -> Tallies {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tallies> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn count(&mut self, ended: Ended, took: Duration) {
        let (is_error, is_timed) = match ended {
            Ended::Answered { server_error } => (server_error, true),
            Ended::Abandoned { server_error } => (server_error, true),
            Ended::Broken => (true, false),
            Ended::Late => (true, true),
        };
        self.requests += 1;
        self.errors += u64::from(is_error);
        if is_timed {
            self.latency.record_micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ended: Ended, errors: u64, timed: u64) {
        let counters = Counters::new("sha256:1", "one");
        counters.count(ended, Duration::from_millis(3), false);
        let Tallies { met: tally, compared, .. } = counters.tallies();
        assert_eq!(compared, Tally::default(), "nobody compares it");
        let recorded: u64 = tally.latency.buckets.iter().map(|(_, count)| count).sum();
        assert_eq!((tally.requests, tally.errors, recorded), (1, errors, timed), "{ended:?}");
    }

    #[test]
    fn each_end_of_a_request_counts_as_what_it_is() {
        check(Ended::Answered { server_error: false }, 0, 1);
        check(Ended::Answered { server_error: true }, 1, 1);
        check(Ended::Abandoned { server_error: false }, 0, 1);
        check(Ended::Abandoned { server_error: true }, 1, 1);
        check(Ended::Broken, 1, 0);
        check(Ended::Late, 1, 1);
    }

    #[test]
    fn evidence_and_users_are_counted_apart() {
        let counters = Counters::new("sha256:1", "one");
        let took = Duration::from_millis(3);
        counters.count(Ended::Answered { server_error: false }, took, true);
        counters.count(Ended::Broken, took, false);
        counters.count_pair(Ended::Answered { server_error: true }, took);
        let Tallies { met, compared, .. } = counters.tallies();
        assert_eq!((met.requests, met.errors), (2, 1));
        assert_eq!((compared.requests, compared.errors), (2, 1));
        assert_eq!((met.latency.total(), compared.latency.total()), (1, 2));
    }
}
