//! Who goes first: what is routine does not overtake a hotfix that may begin.

use std::collections::BTreeMap;

use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::detect::Until;
use patchline_model::stage::review::End;

use crate::breach::{Breach, hold};
use crate::invariants::seen::{Seen, is_urgent};

/// The hotfixes that may begin, and since when, in milliseconds since the world began.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    ready: BTreeMap<PatchId, u64>,
}

impl Queue {
    /// Takes in how a patch stands now.
    pub fn takes(&mut self, patch: &Patch, elapsed: u64) {
        if is_ready(patch) {
            self.ready.entry(patch.id).or_insert(elapsed);
        } else {
            self.ready.remove(&patch.id);
        }
    }

    /// A patch begins. What became ready at this very moment may have come after the decision.
    pub fn check<'a>(
        &self,
        seen: Seen<'_>,
        elapsed: u64,
        patches: impl Iterator<Item = &'a Patch> + Clone,
    ) -> Result<(), Breach> {
        if is_urgent(seen.before) || seen.is_emergency() {
            return Ok(());
        }
        let is_replaced = |id: PatchId| {
            let takes = |patch: &Patch| {
                let stands = matches!(patch.review.end, None | Some(End::Promoted));
                stands && patch.opening.as_ref().and_then(|opening| opening.terms.supersedes) == Some(id)
            };
            patches.clone().any(takes)
        };
        let same_service = |id: PatchId| seen.scene.planned(id).service == seen.planned.service;
        let overtaken = self.ready.iter().find(|(id, since)| {
            **id != seen.patch() && **since < elapsed && same_service(**id) && !is_replaced(**id)
        });
        hold(overtaken.is_none(), "what is routine lets a hotfix begin before it", seen.patch(), || {
            format!("{overtaken:?} is ready")
        })
    }
}

/// A hotfix that waits for nothing but its turn, and for no person. Who waits for others, in a set or for the patch whose place it takes, goes
/// before nobody.
fn is_ready(patch: &Patch) -> bool {
    let Some(opening) = &patch.opening else { return false };
    let is_free = opening.terms.set.is_none() && opening.terms.supersedes.is_none();
    let goes = opening.until == Until::Rollout && !patch.has_ended() && patch.rollout.plan.is_none();
    let decision = patch.approve.decision.as_ref();
    let is_allowed = decision.is_some_and(|decision| decision.answer == Answer::Allow)
        && patch.approve.considered == patch.approve.approvals.len();
    is_free && goes && is_allowed && is_urgent(patch) && patch.rollout.paused.is_none()
}
