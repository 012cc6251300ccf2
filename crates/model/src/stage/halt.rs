//! What the old version can't undo is never taken back by itself: it halts where it stands, and a person decides.

use crate::actor::Actor;
use crate::id::PatchId;
use crate::rejection::Rejection;
use crate::stage::phase::Phase;
use crate::stage::rollout::{Cause, Event, State};

/// The same events, with a halt in the place of a rollback that would undo nothing.
pub fn instead_of_rollback(state: &State, events: Vec<Event>) -> Vec<Event> {
    let halted = |event: Event| match event {
        Event::RollbackDecided { cause } => halt(state, cause),
        other => vec![other],
    };
    events.into_iter().flat_map(halted).collect()
}

fn halt(state: &State, cause: Cause) -> Vec<Event> {
    let Some(bound) = state.no_way_back() else { return vec![Event::RollbackDecided { cause }] };
    let reason = format!("{}; it can't be taken back without loss: {}", cause.text(), bound.reason);
    let paged = Event::Paged { reason };
    match (state.forced, state.paged) {
        (false, _) => vec![Event::Halted { cause }, paged],
        // A person sent it forward in spite of this: it is said, once, and nothing else.
        (true, false) => vec![paged],
        (true, true) => Vec::new(),
    }
}

/// A person's rollback: plain only where nothing is lost by it.
pub fn rollback(
    patch: PatchId,
    by: &Actor,
    state: &State,
    reason: String,
    accepts_loss: bool,
) -> Result<Vec<Event>, Rejection> {
    let cause = Cause::Person { by: by.clone(), reason: reason.clone() };
    // What halted after its promotion has nothing of the old version left.
    let is_alone = state.phase.is_alone();
    let decided = if is_alone { Event::Recalled { cause } } else { Event::RollbackDecided { cause } };
    Ok(accepted(patch, by, state, reason, accepts_loss)?.into_iter().chain([decided]).collect())
}

/// The acceptance that goes before a rollback, where one is needed.
pub fn accepted(
    patch: PatchId,
    by: &Actor,
    state: &State,
    reason: String,
    accepts_loss: bool,
) -> Result<Option<Event>, Rejection> {
    match state.no_way_back() {
        None => Ok(None),
        Some(bound) if !accepts_loss => Err(Rejection::ForwardOnly { patch, why: bound.reason.clone() }),
        Some(_) if *by == Actor::Machine => Err(Rejection::NotAPerson),
        Some(_) => Ok(Some(Event::LossAccepted { reason })),
    }
}

/// Whether everything stands still until a person decides.
pub fn is_halted(state: &State) -> bool {
    matches!(state.phase, Phase::Halted { .. })
}
