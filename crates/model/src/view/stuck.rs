//! Why a member of a set that is to go back, or waits for one, is still where it is.

use crate::event::{Event, Fact};
use crate::id::PatchId;
use crate::patch::Patch;
use crate::stage::phase::Phase;
use crate::stage::rollout;
use crate::stage::set::{Set, Standing};

/// What keeps a member whose version is there from going back, in one sentence; nothing: it may be on its way. `events` are the
/// patch's own.
pub fn why(set: &Set, patch: &Patch, events: &[Event]) -> Option<String> {
    let member = set.members.get(&patch.id)?;
    let is_to_go = member.standing == Standing::Returns || set.is_called_back(patch.id);
    match &patch.rollout.phase {
        Phase::Halted { .. } => Some(halted(patch.id, patch)),
        _ if !is_to_go => None,
        _ => failed(patch).or_else(|| called(patch, events)).or_else(|| {
            set.goes_before(patch.id).map(|other| format!("{other} comes after it and goes first"))
        }),
    }
}

fn halted(id: PatchId, patch: &Patch) -> String {
    let lost = patch.rollout.no_way_back().map_or("a person must decide", |bound| bound.reason.as_str());
    format!(
        "it can't be undone without loss: {lost}; `rollback {id} --accept-data-loss` or `promote {id}` moves it"
    )
}

/// The newest failure of the rollout's hand, while nothing has followed upon it.
fn failed(patch: &Patch) -> Option<String> {
    let faltering = patch.faltering.as_ref().filter(|faltering| faltering.stage == patch.stage())?;
    Some(format!("try {} failed: {}", faltering.tries, faltering.message))
}

/// What a person was called for, in this phase.
fn called(patch: &Patch, events: &[Event]) -> Option<String> {
    let reason = |event: &Event| match &event.fact {
        Fact::Rollout(rollout::Event::Paged { reason }) => Some(reason.clone()),
        _ => None,
    };
    events.iter().rev().find_map(reason).filter(|_| patch.rollout.paged)
}
