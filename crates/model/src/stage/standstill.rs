//! How long a rollout has stood still because people held it: that time is not the version's.

use crate::stage::rollout::State;
use crate::time::Timestamp;

impl State {
    /// How long the rollout has gone on, without the time that people have held it.
    pub fn active_millis(&self, now: Timestamp) -> Option<u64> {
        let since_start = now.millis_since(self.started?);
        Some(since_start.saturating_sub(self.stood_still_millis.saturating_add(self.still_millis(now))))
    }

    /// How long the deadline has stood still under the present hold.
    fn still_millis(&self, now: Timestamp) -> u64 {
        match &self.held {
            Some((hold, since)) if hold.kind.stops_the_deadline() => now.millis_since(*since),
            Some(_) | None => 0,
        }
    }

    /// Nothing holds it from then on.
    pub fn let_go(&mut self, at: Timestamp) {
        self.stood_still_millis = self.stood_still_millis.saturating_add(self.still_millis(at));
        self.held = None;
    }
}
