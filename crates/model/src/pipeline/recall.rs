//! Taking back what was promoted: allowed as long as that version runs and nobody else moves the service.

use crate::actor::Actor;
use crate::context::Board;
use crate::patch::Patch;
use crate::rejection::Rejection;
use crate::stage::halt;
use crate::stage::review::End;
use crate::stage::rollout::{Cause, Command, Event};

/// What follows when a person wants a promoted version back out; nothing, if the command asks for something else.
pub fn decide(
    board: &Board,
    patch: &Patch,
    by: &Actor,
    command: &Command,
) -> Result<Option<Vec<Event>>, Rejection> {
    let (reason, accepts_loss) = match command {
        Command::Rollback { reason } => (reason.clone(), false),
        Command::RollbackWithLoss { reason } => (reason.clone(), true),
        Command::Pause { .. } | Command::Resume | Command::Promote { .. } => return Ok(None),
    };
    if *by == Actor::Machine {
        return Err(Rejection::NotAPerson);
    }
    if let Some(why) = why_not(board, patch) {
        return Err(Rejection::NoRecall { patch: patch.id, why });
    }
    let accepted = halt::accepted(patch.id, by, &patch.rollout, reason.clone(), accepts_loss)?;
    let recalled = Event::Recalled { cause: Cause::Person { by: by.clone(), reason } };
    Ok(Some(accepted.into_iter().chain([recalled]).collect()))
}

/// Why what was promoted can't be taken back now; nothing: it can.
pub fn why_not(board: &Board, patch: &Patch) -> Option<String> {
    let lock = patch.opening.as_ref().and_then(|opening| opening.service.lock())?;
    if patch.review.end != Some(End::Promoted) {
        return Some("it was not promoted".to_owned());
    }
    if let Some(holder) = board.held_by_other(&lock, patch.id) {
        return Some(format!("{holder} moves this service; take that one back first"));
    }
    match board.runs.get(&lock) {
        Some(runs) if *runs == patch.id => None,
        Some(other) => Some(format!("{other} was promoted over it; take that one back first")),
        None => Some("its version does not run any more".to_owned()),
    }
}
