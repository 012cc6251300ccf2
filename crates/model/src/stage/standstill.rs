//! How long a rollout has stood still because people held or paused it: that time is not the version's.

use crate::hold::Hold;
use crate::stage::pause::{PauseExit, PauseLimit, Pauser};
use crate::stage::rollout::{Cause, Event, State};
use crate::time::{Seconds, Timestamp};

impl State {
    /// How long the rollout has gone on, without the time that people have held or paused it.
    pub fn active_millis(&self, now: Timestamp) -> Option<u64> {
        let still = self.still_since.map_or(0, |since| now.millis_since(since));
        let since_start = now.millis_since(self.started?);
        Some(since_start.saturating_sub(self.stood_still_millis.saturating_add(still)))
    }

    /// Whether the present phase has lasted so long, without the time that a person has paused it.
    pub fn has_baked(&self, bake: Seconds, now: Timestamp) -> bool {
        let paused = self.paused_since.map_or(0, |since| now.millis_since(since.max(self.since)));
        let unbaked = self.unbaked_millis.saturating_add(paused);
        now >= Timestamp(self.since.after(bake).0.saturating_add_unsigned(unbaked))
    }

    /// The end that a person's pause has by itself; nothing, where no person has paused it.
    pub fn pause_ends(&self, limit: &PauseLimit) -> Option<Timestamp> {
        self.paused_since.map(|since| since.after(limit.deadline))
    }

    /// What ends a person's pause, or calls a person, when it has lasted too long.
    pub fn pause_over(&self, limit: &PauseLimit, now: Timestamp) -> Option<Event> {
        self.pause_ends(limit).filter(|end| now >= *end)?;
        let reason = limit.reason();
        match limit.exit {
            PauseExit::Rollback => Some(Event::RollbackDecided { cause: Cause::Inconclusive { reason } }),
            PauseExit::Resume => Some(Event::Resumed),
            PauseExit::Hold => (!self.paged).then_some(Event::Paged { reason }),
        }
    }

    /// Takes in that the time is now `at`: starts and stops the clocks as the state says.
    pub fn keep_time(&mut self, at: Timestamp) {
        let is_paused = self.paused.is_some() && self.pauser == Pauser::Person;
        let by_people = |(hold, _): &(Hold, Timestamp)| hold.kind.stops_the_deadline();
        let stands_still = is_paused || self.held.as_ref().is_some_and(by_people);
        let (paused, still) = (self.paused_since, self.still_since);
        self.paused_since = is_paused.then_some(paused.unwrap_or(at));
        self.still_since = stands_still.then_some(still.unwrap_or(at));
        if let Some(since) = paused.filter(|_| !is_paused) {
            self.unbaked_millis = self.unbaked_millis.saturating_add(at.millis_since(since.max(self.since)));
        }
        if let Some(since) = still.filter(|_| !stands_still) {
            self.stood_still_millis = self.stood_still_millis.saturating_add(at.millis_since(since));
        }
    }
}
