//! What a person's pause keeps from being done where nobody looks: a rollout that has not begun does not, and an old version
//! that drains is not taken away. So the pause has its end here, and not at a look.

use crate::context::Context;
use crate::event::Fact;
use crate::id::{JobId, Stage};
use crate::job::{Due, Job};
use crate::patch::Patch;
use crate::pipeline::ending::ended;
use crate::stage::phase::Phase;
use crate::stage::review::End;
use crate::stage::rollout::Event;
use crate::stage::{halt, rollout};
use crate::time::Timestamp;

/// When the pause that keeps this job from being done ends by itself; nothing, where none does.
pub fn until(patch: &Patch, job: &rollout::Job) -> Option<Timestamp> {
    let is_kept = match job {
        rollout::Job::Begin => true,
        rollout::Job::Reconcile { .. } => patch.rollout.phase == Phase::Finishing,
        rollout::Job::Smoke { .. } | rollout::Job::Follow | rollout::Job::Recall => false,
    };
    patch.rollout.pause_ends(patch.pause_limit()?).filter(|_| is_kept)
}

/// What follows when such a pause has lasted too long: nothing at all, where a person has been called for it. `None`: it has
/// not, or it keeps nothing.
pub fn over(cx: Context<'_>, patch: &Patch) -> Option<Vec<Fact>> {
    let state = &patch.rollout;
    let limit = patch.pause_limit()?;
    let keeps = patch.stage() == Stage::Rollout && matches!(state.phase, Phase::Idle | Phase::Finishing);
    state.pause_ends(limit).filter(|end| keeps && cx.now >= *end)?;
    let event = state.pause_over(limit, cx.now);
    if let (Phase::Idle, Some(Event::RollbackDecided { cause })) = (&state.phase, &event) {
        return Some(vec![ended(End::Abandoned(cause.text()))]);
    }
    let events = halt::instead_of_rollback(state, event.into_iter().collect());
    Some(events.into_iter().map(Fact::Rollout).collect())
}

/// What is owed instead of a job that a pause keeps: to wait for its end, then to hear what follows.
pub fn instead(cx: Context<'_>, patch: &Patch, job: &rollout::Job, id: JobId) -> Option<Due> {
    let until = until(patch, job)?;
    Some(match over(cx, patch) {
        None => Due::Wake(until),
        Some(facts) if facts.is_empty() => Due::Nothing,
        Some(_) => Due::Job(id, Job::Rollout(rollout::Job::Follow)),
    })
}
