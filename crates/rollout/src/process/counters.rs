//! What became of the requests of one version, counted since the host started.
//!
//! A request counts for the version whose instance took it on, once it is over. Latency runs from the moment the
//! request is handed to the instance until the end of its answer has been read, so it contains the time that a slow
//! client takes to accept a long answer: the same for both arms. A try that broke counts as the version's error even
//! when another instance answered the client's request after that: evidence must not vanish because the proxy is kind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patchline_judge::arms::Latency;

/// Shared by everything that serves one version.
#[derive(Debug)]
pub struct Counters {
    pub version: String,
    pub label: String,
    in_flight: AtomicU64,
    tally: Mutex<Tally>,
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
            tally: Mutex::new(Tally::default()),
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

    pub fn count(&self, ended: Ended, took: Duration) {
        let (is_error, is_timed) = match ended {
            Ended::Answered { server_error } => (server_error, true),
            Ended::Abandoned { server_error } => (server_error, true),
            Ended::Broken => (true, false),
            Ended::Late => (true, true),
        };
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.requests += 1;
        tally.errors += u64::from(is_error);
        if is_timed {
            tally.latency.record_micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ended: Ended, errors: u64, timed: u64) {
        let counters = Counters::new("sha256:1", "one");
        counters.count(ended, Duration::from_millis(3));
        let tally = counters.tally();
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
}
