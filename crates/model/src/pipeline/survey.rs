//! What all patches together say of the world: the board. Nothing is kept beside the events, so nothing can drift.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Board;
use crate::id::PatchId;
use crate::patch::Patch;
use crate::pipeline::held::is_hotfix;
use crate::service::Name;
use crate::stage::approve;
use crate::stage::phase::Phase;
use crate::stage::review::End;
use crate::stage::set::{Member, Set, Standing};
use crate::stage::terms::Replacement;

/// The board of these patches. The locks are the ledger's: read them first, so that what the patches say is no older.
pub fn survey<'a>(
    locks: BTreeMap<String, PatchId>,
    patches: impl Iterator<Item = &'a Patch> + Clone,
) -> Board {
    let runs = runs(patches.clone());
    let sets = sets(&runs, patches.clone());
    let fences = fences(&sets, patches.clone());
    let replaced = replaced(patches.clone());
    let open = patches.clone().filter(|patch| patch.opening.is_some() && !patch.has_ended());
    let under_way = open.map(|patch| (patch.id, lock(patch))).collect();
    let hotfixes = hotfixes(&replaced, patches.clone());
    let reviews = reviews(patches);
    Board { locks, runs, sets, fences, replaced, under_way, hotfixes, reviews, ..Board::default() }
}

/// Who takes whose place: of several, the newest. One that came to nothing takes nobody's.
fn replaced<'a>(patches: impl Iterator<Item = &'a Patch>) -> BTreeMap<PatchId, Replacement> {
    let takes = |patch: &'a Patch| {
        let other = patch.opening.as_ref()?.terms.supersedes?;
        let stands = matches!(patch.review.end, None | Some(End::Promoted));
        let is_ready = approve::allowed(&patch.approve) && patch.rollout.paused.is_none();
        stands.then_some((other, Replacement { by: patch.id, is_ready }))
    };
    patches.filter_map(takes).collect()
}

/// Who goes before what is routine. A member of a set, and who takes another's place, may themselves wait for what is routine, so
/// they go before nobody.
fn hotfixes<'a>(
    replaced: &BTreeMap<PatchId, Replacement>,
    patches: impl Iterator<Item = &'a Patch>,
) -> BTreeMap<String, PatchId> {
    let waits = |patch: &&Patch| {
        let terms = patch.opening.as_ref().map(|opening| &opening.terms);
        terms.is_some_and(|terms| terms.set.is_none() && terms.supersedes.is_none())
            && !replaced.contains_key(&patch.id)
            && !patch.has_ended()
            && patch.rollout.phase == Phase::Idle
            && patch.rollout.paused.is_none()
            && approve::allowed(&patch.approve)
    };
    let ready = patches.filter(waits).filter(|patch| patch.goes_to_rollout() && is_hotfix(patch));
    ready.filter_map(|patch| lock(patch).map(|lock| (lock, patch.id))).collect()
}

fn reviews<'a>(patches: impl Iterator<Item = &'a Patch>) -> BTreeMap<Name, PatchId> {
    let owes = patches.filter(|patch| patch.review.afterwards.is_some());
    owes.filter_map(|patch| Some((patch.opening.as_ref()?.service.name.clone(), patch.id))).collect()
}

/// The members of each set, and how they stand.
fn sets<'a>(
    runs: &BTreeMap<String, PatchId>,
    patches: impl Iterator<Item = &'a Patch>,
) -> BTreeMap<Name, Set> {
    let mut sets: BTreeMap<Name, Set> = BTreeMap::new();
    for patch in patches {
        let Some(membership) = patch.opening.as_ref().and_then(|opening| opening.terms.set.as_ref()) else {
            continue;
        };
        let member = Member {
            after: membership.after.clone(),
            standing: standing(runs, patch),
            returns: patch.returns,
            seen: patch.rollout.footing.seen,
            version: patch.version,
        };
        sets.entry(membership.name.clone()).or_default().members.insert(patch.id, member);
    }
    sets
}

fn standing(runs: &BTreeMap<String, PatchId>, patch: &Patch) -> Standing {
    match &patch.rollout.phase {
        Phase::Idle if patch.has_ended() => Standing::Ended,
        Phase::Idle => Standing::Waits,
        Phase::Preparing
        | Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Growing
        | Phase::Baking
        | Phase::Switching
        | Phase::Finishing => Standing::Moves,
        Phase::Promoted if lock(patch).is_some_and(|lock| runs.get(&lock) == Some(&patch.id)) => {
            Standing::Runs
        }
        Phase::Promoted => Standing::Covered,
        Phase::Halted { .. } => Standing::Halted,
        Phase::Recalling | Phase::RollingBack | Phase::Retiring => Standing::Returns,
        Phase::RolledBack => Standing::Ended,
    }
}

fn fences<'a>(
    sets: &BTreeMap<Name, Set>,
    patches: impl Iterator<Item = &'a Patch>,
) -> BTreeMap<String, PatchId> {
    let called = |patch: &&Patch| {
        patch.rollout.phase.is_alone() && sets.values().any(|set| set.is_called_back(patch.id))
    };
    patches.filter(called).filter_map(|patch| lock(patch).map(|lock| (lock, patch.id))).collect()
}

fn lock(patch: &Patch) -> Option<String> {
    patch.opening.as_ref().and_then(|opening| opening.service.lock())
}

/// Versions lie on one another, each rolled out over the one before; the topmost is the one that runs.
fn runs<'a>(patches: impl Iterator<Item = &'a Patch> + Clone) -> BTreeMap<String, PatchId> {
    let alone = patches.filter(|patch| patch.rollout.phase.is_alone());
    let covered: BTreeSet<PatchId> = alone.clone().filter_map(|patch| patch.rollout.footing.over).collect();
    let mut runs: BTreeMap<String, &Patch> = BTreeMap::new();
    for patch in alone.filter(|patch| !covered.contains(&patch.id)) {
        let Some(lock) = lock(patch) else { continue };
        // Rollouts that began before this was noted lie on nothing: of them, the latest.
        let newest = runs.entry(lock).or_insert(patch);
        if patch.rollout.since > newest.rollout.since {
            *newest = patch;
        }
    }
    runs.into_iter().map(|(lock, patch)| (lock, patch.id)).collect()
}
