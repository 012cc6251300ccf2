//! Many worlds, and the planted faults one after the other.

use std::collections::BTreeMap;

use crate::faults::Fault;
use crate::world::{self, Told};

/// What many worlds came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub worlds: u64,
    pub events: u64,
    /// How the patches ended, by word.
    pub ends: BTreeMap<String, u64>,
    /// How the rollouts of each strategy ended.
    pub walks: BTreeMap<String, u64>,
    /// The first world in which an invariant did not hold.
    pub broken: Option<Told>,
}

/// Runs worlds from this seed on, until one is broken.
pub fn many(first: u64, worlds: u64) -> Summary {
    let mut summary = Summary::default();
    for seed in first..first.saturating_add(worlds) {
        let told = world::run(seed, None);
        summary.worlds += 1;
        summary.events += told.events;
        for end in &told.ends {
            *summary.ends.entry(end.clone()).or_default() += 1;
        }
        for walk in &told.walks {
            *summary.walks.entry(walk.clone()).or_default() += 1;
        }
        if told.breach.is_some() {
            summary.broken = Some(told);
            return summary;
        }
    }
    summary
}

/// What became of a planted fault.
#[derive(Clone, Debug)]
pub struct Caught {
    pub fault: Fault,
    /// The invariant that caught it; none: it survived.
    pub by: Option<&'static str>,
    /// Worlds that it took.
    pub worlds: u64,
}

/// Runs worlds with this fault until one notices, at most so many.
pub fn hunt(fault: Fault, first: u64, most: u64) -> Caught {
    for tried in 1..=most {
        if let Some(breach) = world::run(first.saturating_add(tried - 1), Some(fault)).breach {
            return Caught { fault, by: Some(breach.invariant), worlds: tried };
        }
    }
    Caught { fault, by: None, worlds: most }
}
