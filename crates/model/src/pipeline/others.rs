//! What other patches ask of this one: first the one that takes its place, then those of its set.

use crate::context::Board;
use crate::id::PatchId;
use crate::patch::Patch;
use crate::pipeline::joint::{self, Owed};
use crate::rejection::Rejection;
use crate::stage::detect::Opening;
use crate::stage::phase::Phase;
use crate::stage::rollout::Cause;

/// What this patch owes others now; nothing, where it goes its own way.
pub fn owed(board: &Board, patch: &Patch) -> Option<Owed> {
    replaced(board, patch).or_else(|| takes_over(board, patch)).or_else(|| joint::owed(board, patch))
}

/// It begins when the one whose place it takes has ended.
fn takes_over(board: &Board, patch: &Patch) -> Option<Owed> {
    let on = patch.opening.as_ref()?.terms.supersedes?;
    let waits = patch.rollout.phase == Phase::Idle && !patch.has_ended() && board.under_way.contains_key(&on);
    waits.then_some(Owed::Waits { on })
}

/// A newer patch takes its place: until that one may begin, this one does not begin; then it ends as its stage demands.
/// What was promoted, or what a person sent forward, is left as it is.
fn replaced(board: &Board, patch: &Patch) -> Option<Owed> {
    let replacement = board.replaced.get(&patch.id)?;
    let by = replacement.by;
    match (&patch.rollout.phase, replacement.is_ready) {
        (Phase::Idle, _) if patch.has_ended() => None,
        (Phase::Idle, true) => Some(Owed::Replaced { by }),
        (Phase::Idle, false) => Some(Owed::Waits { on: by }),
        (phase, true) if phase.is_on_its_way() && !patch.rollout.forced => {
            Some(Owed::Returns { cause: Cause::Replaced { patch: by } })
        }
        (_, true | false) => None,
    }
}

/// Only what is under way in the same place can be replaced, and only by what is newer; so no chain runs in a circle.
pub fn admit(board: &Board, patch: PatchId, opening: &Opening, other: PatchId) -> Result<(), Rejection> {
    let refused = |why: &str| Err(Rejection::NoReplacement { patch, other, why: why.to_owned() });
    let lock = opening.service.lock();
    match board.under_way.get(&other) {
        _ if other >= patch => refused("it is not older"),
        None => refused("it is not under way"),
        Some(known) if *known != lock => refused("it is a patch of another service or environment"),
        Some(_) => Ok(()),
    }
}
