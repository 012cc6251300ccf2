//! Processes that carry this host's marker and belong to no instance it keeps: told to end, then killed.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::identity::{Held, Identity, find_marked};

#[derive(Debug, Default)]
pub struct Strays {
    found: HashMap<Identity, Stray>,
}

#[derive(Debug)]
struct Stray {
    since: Instant,
    is_killed: bool,
}

impl Strays {
    /// Looks through all processes. What carries a marker that is not in `kept` is told to end.
    pub fn find(&mut self, directory: &str, kept: &HashSet<&str>) {
        for marked in find_marked(directory) {
            if kept.contains(marked.marker.as_str()) || self.found.contains_key(&marked.identity) {
                continue;
            }
            signal(marked.identity, Signal::TERM);
            self.found.insert(marked.identity, Stray { since: Instant::now(), is_killed: false });
        }
    }

    /// Forgets who has ended and kills who takes too long.
    pub fn follow_up(&mut self, grace: Duration) {
        self.found.retain(|identity, _| identity.is_alive());
        for (identity, stray) in &mut self.found {
            if !stray.is_killed && stray.since.elapsed() >= grace {
                signal(*identity, Signal::KILL);
                stray.is_killed = true;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.found.len()
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

fn signal(identity: Identity, signal: Signal) {
    // Each process of a group is found by itself, so each is signalled by itself.
    if let Ok(held) = Held::open(identity) {
        held.signal_alone(signal);
    }
}
