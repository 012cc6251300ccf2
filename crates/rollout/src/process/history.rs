//! What the whole service served, minute by minute, for a little more than three days: what an error budget is computed
//! from. Kept by the supervisor once a second, from counters that are there anyway: no request waits for it.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use patchline_model::stage::budget::{History, MOST_INTERVALS, PAIRS, Window};
use serde::{Deserialize, Serialize};

/// Three days, and an hour for those who look a little later.
const MOST_MINUTES: usize = 3 * 24 * 60 + 60;

/// The minutes in which the host was there, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minutes(VecDeque<Minute>);

/// Minutes since 1970, requests, errors.
pub type Minute = (u64, u64, u64);

/// The minutes with what was counted when they were looked at last.
#[derive(Debug, Default)]
pub struct Keeper {
    pub minutes: Minutes,
    seen: Option<(u64, u64)>,
    stored: u64,
}

/// The present minute.
pub fn this_minute() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60)
}

impl Keeper {
    /// Goes on where an earlier host stopped; what it counted in its last minute may be missing.
    pub fn new(minutes: Minutes) -> Self {
        Self { minutes, seen: None, stored: 0 }
    }

    /// Takes in what has been counted since the host started, in all versions together.
    pub fn take(&mut self, now: u64, requests: u64, errors: u64) {
        let (before, failed) = self.seen.replace((requests, errors)).unwrap_or_default();
        // A version that was forgotten takes its counts with it: what is fewer than before adds nothing.
        let added = (requests.saturating_sub(before), errors.saturating_sub(failed));
        self.minutes.add(now, added.0, added.1.min(added.0));
    }

    /// Whether the minutes are to be stored: once a minute.
    pub fn is_due(&mut self, now: u64) -> bool {
        std::mem::replace(&mut self.stored, now) != now
    }
}

impl Minutes {
    fn add(&mut self, now: u64, requests: u64, errors: u64) {
        match self.0.back_mut() {
            // A clock that was set back adds to the newest minute, so that they stay in order.
            Some((minute, all, failed)) if *minute >= now => {
                *all = all.saturating_add(requests);
                *failed = failed.saturating_add(errors);
            }
            Some(_) | None => self.0.push_back((now, requests, errors)),
        }
        while self.0.len() > MOST_MINUTES {
            self.0.pop_front();
        }
    }

    /// As the model asks for it, seen from the newest minute.
    pub fn summary(&self) -> History {
        let newest = self.0.back().map_or(0, |(minute, ..)| *minute);
        let window = |seconds: u64| {
            let first = (newest + 1).saturating_sub(seconds / 60);
            let within = self.0.iter().rev().take_while(|(minute, ..)| *minute >= first);
            let sum = |(requests, errors), (_, more, failed): &Minute| (requests + more, errors + failed);
            let (requests, errors) = within.fold((0_u64, 0_u64), sum);
            Window { seconds, requests, errors }
        };
        let mut seconds: Vec<u64> = PAIRS.iter().flat_map(|(long, short, _)| [*long, *short]).collect();
        seconds.sort_unstable();
        seconds.dedup();
        let skipped = self.0.len().saturating_sub(MOST_INTERVALS);
        History {
            minutes: self.0.len() as u64,
            windows: seconds.into_iter().map(window).collect(),
            intervals: self
                .0
                .iter()
                .skip(skipped)
                .map(|(_, requests, errors)| (*requests, *errors))
                .collect(),
            exposure: None,
        }
    }

    /// Whether they can have been counted: in order, and no more errors than requests.
    pub fn are_sound(&self) -> bool {
        let in_order = self.0.iter().zip(self.0.iter().skip(1)).all(|(one, next)| one.0 < next.0);
        in_order
            && self.0.len() <= MOST_MINUTES
            && self.0.iter().all(|(_, requests, errors)| errors <= requests)
    }
}

/// Writes the minutes without waiting for the disk: a machine that crashes loses some of them, and nothing else.
pub fn store(path: &Path, minutes: &Minutes) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    fs::write(&temporary, serde_json::to_vec(minutes)?)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::{Keeper, MOST_MINUTES, Minutes, store};
    use crate::process::saved::read_json;

    fn window(minutes: &Minutes, seconds: u64) -> (u64, u64) {
        let window = minutes.summary().window(seconds);
        (window.requests, window.errors)
    }

    #[test]
    fn each_minute_holds_what_came_in_it() {
        let mut keeper = Keeper::new(Minutes::default());
        for (now, requests, errors) in [(100, 5, 0), (100, 9, 1), (101, 9, 1), (104, 29, 3), (105, 30, 3)] {
            keeper.take(now, requests, errors);
        }
        let summary = keeper.minutes.summary();
        assert_eq!(summary.intervals, [(9, 1), (0, 0), (20, 2), (1, 0)]);
        assert_eq!(summary.minutes, 4, "the host was not there in the others");
        assert_eq!(window(&keeper.minutes, 300), (21, 2), "of the newest five minutes");
        assert_eq!(window(&keeper.minutes, 3_600), (30, 3));
        keeper.take(103, 40, 4);
        keeper.take(106, 2, 0);
        assert_eq!(window(&keeper.minutes, 3_600), (40, 4), "a forgotten version adds nothing");
        assert!(keeper.minutes.are_sound());
    }

    #[test]
    fn three_days_are_kept_and_no_more() {
        let mut keeper = Keeper::new(Minutes::default());
        (0..10_000).for_each(|minute| keeper.take(minute, minute * 10, minute));
        assert_eq!(keeper.minutes.0.len(), MOST_MINUTES);
        assert_eq!(window(&keeper.minutes, 3 * 86_400), (43_200, 4_320));
        assert_eq!(keeper.minutes.summary().intervals.len(), 60);
    }

    #[test]
    fn what_was_stored_is_read_back_and_a_new_host_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.json");
        let mut keeper = Keeper::new(Minutes::default());
        keeper.take(7, 100, 3);
        assert!(keeper.is_due(7) && !keeper.is_due(7) && keeper.is_due(8));
        store(&path, &keeper.minutes).expect("it can be written");
        let read: Minutes = read_json(&path).expect("it can be read").expect("it is there");
        assert_eq!(read, keeper.minutes);
        let mut next = Keeper::new(read);
        next.take(8, 10, 0);
        assert_eq!(window(&next.minutes, 300), (110, 3));
        assert!(!Minutes([(2, 1, 0), (1, 1, 0)].into()).are_sound());
        assert!(!Minutes([(1, 1, 2)].into()).are_sound());
    }
}
