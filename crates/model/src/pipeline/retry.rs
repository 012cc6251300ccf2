//! A second try: a patch that was taken back, or given up on its way out, goes to the gate again with the same artifact.

use crate::actor::Actor;
use crate::patch::Patch;
use crate::rejection::Rejection;
use crate::stage::review::{End, Event};

/// What follows when a person asks for another try. Asking twice is asking once.
pub fn decide(patch: &Patch, by: &Actor, reason: String) -> Result<Vec<Event>, Rejection> {
    if *by == Actor::Machine {
        return Err(Rejection::NotAPerson);
    }
    let asked_before = patch.review.retries > 0 && !patch.has_ended() && patch.rollout.plan.is_none();
    if asked_before {
        return Ok(Vec::new());
    }
    match why_not(patch) {
        Some(why) => Err(Rejection::NoRetry { patch: patch.id, why: why.to_owned() }),
        None => Ok(vec![Event::Retried { reason }]),
    }
}

/// Why the patch can't be tried again; nothing: it can.
pub fn why_not(patch: &Patch) -> Option<&'static str> {
    let proven = patch.build.built.is_some()
        && patch.candidate().is_some()
        && patch.verify.verdict.as_ref().is_some_and(|verdict| verdict.holds());
    match &patch.review.end {
        None => Some("it has not ended"),
        Some(End::Promoted) => Some("it was promoted; `patchline fix` makes another patch"),
        Some(End::HandedOver) => Some("its branch was handed over and it goes nowhere by itself"),
        Some(End::NothingToDo) => Some("there was nothing to fix"),
        Some(End::Abandoned(_)) if !proven || !patch.goes_to_rollout() => {
            Some("it was given up before anything proven could be rolled out")
        }
        Some(End::RolledBack(_) | End::Abandoned(_)) if patch.review.reviewed.is_none() => {
            Some("the look back at the try before is not over; ask again in a moment")
        }
        Some(End::RolledBack(_) | End::Abandoned(_)) => None,
    }
}
