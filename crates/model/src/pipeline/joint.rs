//! What a patch owes its set: to wait, to give up, to go back with the others. It follows from how all of them stand, so
//! it is the same after a restart and for several conductors.

use crate::context::Board;
use crate::failure::{Failure, FailureKind};
use crate::id::PatchId;
use crate::patch::Patch;
use crate::rejection::Rejection;
use crate::stage::halt;
use crate::stage::phase::Phase;
use crate::stage::rollout::{Cause, Event};
use crate::stage::set::{MOST_MEMBERS, Member, Set, Standing, Unmet};
use crate::stage::terms::Membership;

/// What the set asks of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Nothing may be done before others have gone on, or back.
    Waits { on: PatchId },
    /// What it comes after won't be promoted.
    GivesUp { why: String },
    /// Another takes its place, and may begin: it ends without having begun.
    Replaced { by: PatchId },
    /// It goes back.
    Returns { cause: Cause },
    /// It was to be taken back, and one that needs it stays.
    Stays { why: String },
}

/// What this patch owes its set now; nothing, where it goes its own way.
pub fn owed(board: &Board, patch: &Patch) -> Option<Owed> {
    let membership = membership(patch)?;
    let alone = Set::default();
    let set = board.sets.get(&membership.name).unwrap_or(&alone);
    match &patch.rollout.phase {
        Phase::Idle if patch.has_ended() => None,
        Phase::Idle => before_it_begins(set, patch, membership),
        Phase::Recalling => match (set.stays_after(patch.id), set.goes_before(patch.id)) {
            (Some(other), _) => Some(Owed::Stays { why: format!("{other} comes after it and stays") }),
            (None, Some(on)) => Some(Owed::Waits { on }),
            (None, None) => None,
        },
        // What a person sent forward goes on until it is promoted; then it halts again.
        Phase::Preparing
        | Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Growing
        | Phase::Baking
        | Phase::Switching
            if patch.rollout.forced =>
        {
            None
        }
        Phase::Preparing
        | Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Growing
        | Phase::Baking
        | Phase::Switching
        | Phase::Promoted => goes_back(board, set, patch, membership),
        // Nobody's pause keeps a set from going back.
        Phase::Finishing if patch.rollout.paused.is_some() && !patch.rollout.forced => {
            goes_back(board, set, patch, membership)
        }
        Phase::Finishing
        | Phase::RollingBack
        | Phase::Retiring
        | Phase::RolledBack
        | Phase::Halted { .. } => None,
    }
}

fn before_it_begins(set: &Set, patch: &Patch, membership: &Membership) -> Option<Owed> {
    match set.unmet(&membership.after) {
        Some(Unmet { patch: on, has_ended: true }) => {
            Some(Owed::GivesUp { why: format!("{on}, which it comes after, was not promoted") })
        }
        Some(Unmet { patch: on, has_ended: false }) => Some(Owed::Waits { on }),
        None if set.is_returning() => Some(Owed::Waits { on: set.caller(patch.id).unwrap_or(patch.id) }),
        None => None,
    }
}

fn goes_back(board: &Board, set: &Set, patch: &Patch, membership: &Membership) -> Option<Owed> {
    let lock = || patch.opening.as_ref().and_then(|opening| opening.service.lock()).unwrap_or_default();
    let may = set.is_called_back(patch.id)
        && set.goes_before(patch.id).is_none()
        && board.held_by_other(&lock(), patch.id).is_none();
    let other = set.caller(patch.id).filter(|_| may)?;
    Some(Owed::Returns { cause: Cause::Set { name: membership.name.clone(), patch: other } })
}

/// What follows for a member that goes back; what can't be undone halts there, and says who stays with it.
pub fn returns(board: &Board, patch: &Patch, cause: Cause) -> Vec<Event> {
    let state = &patch.rollout;
    match (&state.phase, state.no_way_back()) {
        (Phase::Promoted, None) => vec![Event::Recalled { cause }],
        (Phase::Promoted, Some(bound)) => {
            let reason = format!(
                "{}, and this one can't be without loss: {}{}",
                cause.text(),
                bound.reason,
                remaining(board, patch)
            );
            vec![Event::Halted { cause }, Event::Paged { reason }]
        }
        _ => halt::instead_of_rollback(state, vec![Event::RollbackDecided { cause }]),
    }
}

/// The others that stay where they are as long as this one does.
fn remaining(board: &Board, patch: &Patch) -> String {
    let set = membership(patch).and_then(|membership| board.sets.get(&membership.name));
    let stays = |(other, member): &(&PatchId, &Member)| {
        **other != patch.id && matches!(member.standing, Standing::Runs | Standing::Halted)
    };
    let others: Vec<String> = set
        .into_iter()
        .flat_map(|set| &set.members)
        .filter(stays)
        .map(|(other, _)| other.to_string())
        .collect();
    if others.is_empty() { String::new() } else { format!("; with it remain {}", others.join(", ")) }
}

/// How often the set was taken back, as of now: noted with what begins, or stays, in spite of it.
pub fn seen(board: &Board, patch: &Patch) -> u32 {
    let set = membership(patch).and_then(|membership| board.sets.get(&membership.name));
    set.map_or(0, Set::returns)
}

/// A patch comes only after members that are there already; so no order can run in a circle.
pub fn admit(board: &Board, patch: PatchId, membership: &Membership) -> Result<(), Rejection> {
    let alone = Set::default();
    let set = board.sets.get(&membership.name).unwrap_or(&alone);
    let refused = |why: String| Err(Rejection::NotInSet { patch, why });
    let known = |other: &&PatchId| **other < patch && set.members.contains_key(other);
    if let Some(other) = membership.after.iter().find(|other| !known(other)) {
        return refused(format!("{other} is no older member of the set `{}`", membership.name));
    }
    if set.members.len() >= MOST_MEMBERS || membership.after.len() > MOST_MEMBERS {
        return refused(format!(
            "the set `{}` has {MOST_MEMBERS} members, which is the most",
            membership.name
        ));
    }
    Ok(())
}

pub fn is_member(patch: &Patch) -> bool {
    membership(patch).is_some()
}

/// How it is said that a recall can't begin.
pub fn no_version_before(why: &str) -> String {
    format!("the version before can't be started: {why}")
}

/// A member that can't go back holds up those that it comes after: a person is called and told which it is, at once where
/// trying again may well be in vain. It is tried again all the same, until a person says that it stays.
pub fn told_of_set(patch: &Patch, failure: &Failure, events: Vec<Event>) -> Vec<Event> {
    let Some(membership) = membership(patch) else { return events };
    let is_back = matches!(patch.rollout.phase, Phase::Recalling | Phase::RollingBack | Phase::Retiring);
    let calls = |event: &Event| matches!(event, Event::Paged { .. });
    let at_once = failure.kind == FailureKind::Permanent && !patch.rollout.paged;
    if !is_back || !(at_once || events.iter().any(calls)) {
        return events;
    }
    let (id, name) = (patch.id, &membership.name);
    let stays = if patch.rollout.phase == Phase::Recalling {
        format!("; `promote {id}` lets it stay")
    } else {
        String::new()
    };
    let reason =
        format!("{id} of the set `{name}` can't go back: {}; it is tried again{stays}", failure.message);
    events.into_iter().filter(|event| !calls(event)).chain([Event::Paged { reason }]).collect()
}

fn membership(patch: &Patch) -> Option<&Membership> {
    patch.opening.as_ref()?.terms.set.as_ref()
}
