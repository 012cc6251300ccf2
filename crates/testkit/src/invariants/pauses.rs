//! A person's pauses, kept beside the model: how long they last.

use patchline_model::actor::Actor;
use patchline_model::event::Event;
use patchline_model::stage::rollout;
use patchline_model::time::{Seconds, Timestamp};

/// The pauses of one rollout.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    /// Since when a person has paused it.
    pub since: Option<Timestamp>,
    /// Milliseconds that were paused before that in this phase, and when it began.
    in_phase: u64,
    phase_began: Timestamp,
}

impl Pauses {
    /// Takes in one fact; `phase_began` says when the phase after it began.
    pub fn takes(&mut self, event: &Event, phase_began: Timestamp, fact: &rollout::Event) {
        match fact {
            rollout::Event::Paused { .. } if matches!(event.by, Actor::Person(_)) => {
                self.since = Some(event.at);
            }
            rollout::Event::Resumed
            | rollout::Event::Hurried { .. }
            | rollout::Event::RollbackDecided { .. }
            | rollout::Event::Halted { .. } => {
                let since = self.since.take();
                let paused = since.map_or(0, |since| event.at.millis_since(since.max(self.phase_began)));
                self.in_phase += paused;
            }
            _ => {}
        }
        if self.phase_began != phase_began {
            (self.in_phase, self.phase_began) = (0, phase_began);
        }
    }

    /// Whether the present phase has lasted as long as this bake, without what was paused of it.
    pub fn has_baked(&self, bake: Seconds, now: Timestamp) -> bool {
        // A clock that was set back meanwhile makes no phase begin before itself.
        let since = self.since.map(|since| since.max(self.phase_began));
        let paused = self.in_phase + since.map_or(0, |since| now.millis_since(since));
        now >= Timestamp(self.phase_began.after(bake).0 + paused.cast_signed())
    }
}
