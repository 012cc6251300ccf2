//! Many worlds, and the planted faults one after the other.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::fault::Fault;
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

/// Worlds that one thread takes at a time.
const BATCH: u64 = 64;

/// Runs worlds from this seed on, on every core, until one is broken; that one is lived again to tell its story.
pub fn many(first: u64, worlds: u64) -> Summary {
    let end = first.saturating_add(worlds);
    let (next, stop) = (AtomicU64::new(first), AtomicU64::new(u64::MAX));
    let live = || {
        let mut summary = Summary::default();
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            // Worlds before a broken one are lived all the same: the first broken one is told, whoever was faster.
            let to = from.saturating_add(BATCH).min(end).min(stop.load(Ordering::Relaxed));
            if from >= to {
                return summary;
            }
            for seed in from..to {
                let told = world::run(seed, None);
                let is_broken = told.breach.is_some();
                summary.take(told);
                if is_broken {
                    stop.fetch_min(seed, Ordering::Relaxed);
                    return summary;
                }
            }
        }
    };
    let mut all = Summary::default();
    for summary in on_every_core(live) {
        all.join(summary);
    }
    all.broken = all.broken.map(|told| world::tell(told.seed, None));
    all
}

impl Summary {
    fn take(&mut self, told: Told) {
        self.worlds += 1;
        self.events += told.events;
        for end in &told.ends {
            *self.ends.entry(end.clone()).or_default() += 1;
        }
        for walk in &told.walks {
            *self.walks.entry(walk.clone()).or_default() += 1;
        }
        if told.breach.is_some() {
            self.broken = Some(told);
        }
    }

    fn join(&mut self, other: Summary) {
        self.worlds += other.worlds;
        self.events += other.events;
        for (word, count) in other.ends {
            *self.ends.entry(word).or_default() += count;
        }
        for (words, count) in other.walks {
            *self.walks.entry(words).or_default() += count;
        }
        let earlier = |told: &Told| self.broken.as_ref().is_none_or(|known| told.seed < known.seed);
        if other.broken.as_ref().is_some_and(earlier) {
            self.broken = other.broken;
        }
    }
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

/// Hunts every planted fault, on every core, and answers in their order.
pub fn hunt_all(first: u64, most: u64) -> Vec<Caught> {
    let next = AtomicUsize::new(0);
    let live = || {
        let mut caught = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(fault) = Fault::ALL.get(index) else { return caught };
            caught.push((index, hunt(*fault, first, most)));
        }
    };
    let mut all = on_every_core(live).concat();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, caught)| caught).collect()
}

/// What each core's thread comes to.
fn on_every_core<T: Send>(live: impl Fn() -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let lives: Vec<_> = (0..threads).map(|_| scope.spawn(&live)).collect();
        let end = |life: std::thread::ScopedJoinHandle<'_, T>| match life.join() {
            Ok(came_to) => came_to,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        lives.into_iter().map(end).collect()
    })
}

/// Runs worlds with this fault until one notices, at most so many.
fn hunt(fault: Fault, first: u64, most: u64) -> Caught {
    for tried in 1..=most {
        if let Some(breach) = world::run(first.saturating_add(tried - 1), Some(fault)).breach {
            return Caught { fault, by: Some(breach.invariant), worlds: tried };
        }
    }
    Caught { fault, by: None, worlds: most }
}
