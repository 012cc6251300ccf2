//! Takes a fact of a rollout in. Never fails, never decides.

use std::sync::Arc;

use crate::actor::Actor;
use crate::share::Share;
use crate::stage::pause::Pauser;
use crate::stage::phase::Phase;
use crate::stage::plan::Version;
use crate::stage::rollout::{Event, Gate, SmokeTest, State};
use crate::strategy::course::course;
use crate::strategy::station::Left;
use crate::time::Timestamp;

/// Makes the rollout what it is after this event.
pub fn evolve(state: &mut State, at: Timestamp, by: &Actor, event: &Event) {
    take_in(state, at, by, event);
    state.keep_time(at);
}

fn take_in(state: &mut State, at: Timestamp, by: &Actor, event: &Event) {
    match event {
        Event::Deferred { reason, until } => {
            let before = state.deferred.take().map_or(0, |(_, _, times)| times);
            state.deferred = Some((reason.clone(), *until, before.saturating_add(1)));
        }
        Event::Started { stable, new, plan, footing, .. } => {
            state.deferred = None;
            state.stable = Some(stable.clone());
            state.new = Some(new.clone());
            state.plan = Some(Arc::new((**plan).clone()));
            state.course = Some(Arc::new(course(plan)));
            state.footing = footing.clone();
            state.started = Some(at);
            state.stood_still_millis = 0;
            state.enter(Phase::Preparing, at);
        }
        Event::StepPrepared { step } => state.enter(Phase::Filling { step: *step }, at),
        Event::GateReached { .. } => state.gate = Gate::Waits,
        Event::GateOpened { .. } => state.gate = Gate::Opened,
        Event::SmokeBegun { address, .. } => state.smoke = SmokeTest::Runs { address: address.clone() },
        Event::SmokePassed { .. } => state.smoke = SmokeTest::Passed,
        Event::SmokeFailed { .. } => {}
        Event::StepEntered { step } => {
            state.step_requests = 0;
            state.reached = *step;
            state.gate = Gate::Ahead;
            state.smoke = SmokeTest::Ahead;
            state.enter(Phase::Watching { step: *step }, at);
        }
        Event::Looked { tick, cursor, judgement } => {
            let carried = state.cursor.as_ref().and_then(|before| before.after(tick));
            state.count(tick, cursor.clone().or(carried));
            let requests = tick.canary.as_ref().map_or(0, |counts| counts.requests);
            state.step_requests = state.step_requests.saturating_add(requests);
            let missing = tick.canary.is_none() || tick.stable.is_none() || judgement.wrong_split;
            state.missing = if missing { state.missing.saturating_add(1) } else { 0 };
            state.ticks.push(Arc::clone(tick));
            state.judgement = Some(Arc::clone(judgement));
        }
        Event::Paused { reason, by_machine } => {
            state.paused = Some(reason.clone());
            state.pauser = match (by_machine, by) {
                (true, _) => Pauser::Machine,
                (false, Actor::Machine) => Pauser::Plan,
                (false, Actor::Person(_)) => Pauser::Person,
            };
            // Whoever pauses it anew is called anew.
            state.paged &= state.pauser != Pauser::Person;
        }
        Event::Resumed => {
            state.paused = None;
            state.missing = 0;
        }
        Event::Held { hold } => state.held = Some((hold.clone(), at)),
        Event::Released => state.held = None,
        Event::Hurried { .. } => {
            state.hurried = true;
            state.paused = None;
        }
        Event::PromotionDecided => state.enter(Phase::Growing, at),
        Event::BakeBegun => {
            // To skip the steps is one word of a person, to skip the bake another.
            state.hurried = false;
            state.enter(Phase::Baking, at);
        }
        Event::Switched => state.enter(Phase::Switching, at),
        Event::OldRetired => state.enter(Phase::Finishing, at),
        Event::Promoted => state.enter(Phase::Promoted, at),
        Event::Recalled { cause } => {
            state.cause = Some(cause.clone());
            state.rollback_decided = Some(at);
            state.recalled = Some(at);
            state.enter(Phase::Recalling, at);
        }
        Event::ReturnBegun => {
            state.left = state.alone();
            state.enter(Phase::RollingBack, at);
        }
        Event::Kept { seen, .. } => {
            state.footing.seen = state.footing.seen.max(*seen);
            (state.cause, state.rollback_decided, state.recalled) = (None, None, None);
            state.enter(Phase::Promoted, at);
        }
        Event::RollbackDecided { cause } => {
            state.cause = Some(cause.clone());
            state.rollback_decided = Some(at);
            (state.paused, state.held) = (None, None);
            state.was_draining = *state.phase.standing() == Phase::Finishing;
            state.left = if state.was_draining { state.alone() } else { state.standing() };
            state.enter(Phase::RollingBack, at);
        }
        Event::Halted { cause } => {
            state.cause = Some(cause.clone());
            state.paused = None;
            let from = Box::new(std::mem::take(&mut state.phase));
            state.enter(Phase::Halted { from }, at);
        }
        Event::Forced { seen, .. } => {
            state.footing.seen = state.footing.seen.max(*seen);
            (state.forced, state.hurried, state.cause) = (true, true, None);
            // A person's word stands in for the test that failed.
            state.smoke = SmokeTest::Ahead;
            if let Phase::Halted { from } = std::mem::take(&mut state.phase) {
                state.enter(*from, at);
            }
        }
        Event::LossAccepted { .. } => state.loss_accepted = true,
        Event::StableReturned { instances } => {
            if let Some(left) = &mut state.left {
                left.stable = *instances;
            }
        }
        Event::Confirmed { artifact, processes, .. } => {
            for process in processes {
                match state.processes.iter_mut().find(|(known, _)| known == process) {
                    Some((_, serves)) => *serves = artifact.clone(),
                    None => state.processes.push((*process, artifact.clone())),
                }
            }
        }
        Event::ShareTaken => {
            state.rollback_confirmed = Some(at);
            state.enter(Phase::Retiring, at);
        }
        Event::Counted { tick, cursor } => state.count(tick, Some(cursor.clone())),
        Event::RolledBack => state.enter(Phase::RolledBack, at),
        Event::Paged { .. } => state.paged = true,
    }
}

impl State {
    fn enter(&mut self, phase: Phase, at: Timestamp) {
        self.phase = phase;
        self.since = at;
        self.unbaked_millis = 0;
        self.paged = false;
        self.shared |= self.allowed_share() != Share::NONE;
    }

    /// What is asked for now of both versions.
    fn standing(&self) -> Option<Left> {
        let desired = self.desired()?;
        let arm = |version: &Option<Version>| {
            let version = version.as_ref()?;
            desired.arms.iter().find(|arm| arm.version.artifact == version.artifact)
        };
        let (stable, new) = (arm(&self.stable)?, arm(&self.new)?);
        Some(Left { stable: stable.instances, new: new.instances, share: new.share })
    }

    /// What stands after a promotion: the new version alone, with everything.
    fn alone(&self) -> Option<Left> {
        let new = self.course.as_ref()?.instances;
        Some(Left { stable: 0, new, share: Share::ALL })
    }
}
