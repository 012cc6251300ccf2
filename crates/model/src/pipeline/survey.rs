//! What all patches together say of the world: the board. Nothing is kept beside the events, so nothing can drift.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Board;
use crate::id::PatchId;
use crate::patch::Patch;

/// The board of these patches. The locks are the ledger's: read them first, so that what the patches say is no older.
pub fn survey<'a>(
    locks: BTreeMap<String, PatchId>,
    patches: impl Iterator<Item = &'a Patch> + Clone,
) -> Board {
    Board { locks, runs: runs(patches) }
}

/// Versions lie on one another, each rolled out over the one before; the topmost is the one that runs.
fn runs<'a>(patches: impl Iterator<Item = &'a Patch> + Clone) -> BTreeMap<String, PatchId> {
    let alone = patches.filter(|patch| patch.rollout.phase.is_alone());
    let covered: BTreeSet<PatchId> = alone.clone().filter_map(|patch| patch.rollout.footing.over).collect();
    let mut runs: BTreeMap<String, &Patch> = BTreeMap::new();
    for patch in alone.filter(|patch| !covered.contains(&patch.id)) {
        let Some(lock) = patch.opening.as_ref().and_then(|opening| opening.service.lock()) else { continue };
        // Rollouts that began before this was noted lie on nothing: of them, the latest.
        let newest = runs.entry(lock).or_insert(patch);
        if patch.rollout.since > newest.rollout.since {
            *newest = patch;
        }
    }
    runs.into_iter().map(|(lock, patch)| (lock, patch.id)).collect()
}
