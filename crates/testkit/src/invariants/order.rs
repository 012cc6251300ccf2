//! What must hold of patches that belong to one set: the order forward, the order back, and nothing left behind.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::digest::Digest;
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::review::End;
use patchline_model::stage::rollout::Event;

use crate::breach::{Breach, hold};
use crate::scene::Scene;

/// When things happened to the members, by the number of the event in its world.
#[derive(Clone, Debug, Default)]
pub struct Log {
    count: u64,
    begun: BTreeMap<PatchId, u64>,
    taken_back: BTreeMap<PatchId, u64>,
}

/// Every other patch as it stands, and what each service runs while nobody moves it.
pub struct Others<'a, P> {
    pub scene: &'a Scene,
    pub patches: P,
    pub rest: &'a [Digest],
}

impl<'a, P: Fn(PatchId) -> &'a Patch> Others<'a, P> {
    /// Its version is there, whole or in part.
    fn is_there(&self, id: PatchId) -> bool {
        let patch = (self.patches)(id);
        match patch.rollout.phase {
            Phase::Idle | Phase::RolledBack => false,
            Phase::Promoted => self.runs(patch),
            _ => true,
        }
    }

    fn runs(&self, patch: &Patch) -> bool {
        let rest = &self.rest[self.scene.planned(patch.id).service];
        patch.rollout.new.as_ref().is_some_and(|new| new.artifact == *rest)
    }

    /// A member that comes after this one, however indirectly, and is still there.
    fn follower(&self, id: PatchId) -> Option<PatchId> {
        let mut seen = BTreeSet::from([id]);
        let mut open = vec![id];
        while let Some(before) = open.pop() {
            let next = self.scene.patches.iter().filter(|planned| planned.after.contains(&before));
            for planned in next {
                if seen.insert(planned.id) {
                    if self.is_there(planned.id) {
                        return Some(planned.id);
                    }
                    open.push(planned.id);
                }
            }
        }
        None
    }
}

impl Log {
    /// Checks one fact of a rollout, and keeps when it happened.
    pub fn check<'a, P: Fn(PatchId) -> &'a Patch>(
        &mut self,
        others: &Others<'a, P>,
        id: PatchId,
        event: &Event,
    ) -> Result<(), Breach> {
        self.count += 1;
        let planned = others.scene.planned(id);
        match event {
            Event::Started { .. } => {
                let promoted = |before: &PatchId| (others.patches)(*before).review.end == Some(End::Promoted);
                let unmet = planned.after.iter().find(|before| !promoted(before));
                let invariant = "no member of a set begins before what it comes after is promoted";
                hold(unmet.is_none(), invariant, id, || format!("{unmet:?} is not"))?;
                self.begun.insert(id, self.count);
            }
            // What stays in spite of all stays as if it had begun now.
            Event::Kept { .. } | Event::Forced { .. } => {
                self.begun.insert(id, self.count);
            }
            Event::ReturnBegun | Event::RollbackDecided { .. } => {
                let follower = others.follower(id);
                let invariant = "in a set, what comes after goes back first";
                hold(follower.is_none(), invariant, id, || format!("{follower:?} is still there"))?;
            }
            Event::StepPrepared { .. }
            | Event::StepEntered { .. }
            | Event::PromotionDecided
            | Event::BakeBegun
            | Event::Switched
            | Event::OldRetired => {
                let begun = self.begun.get(&id).copied().unwrap_or(0);
                let back = self.taken_back.iter().find(|(_, at)| **at > begun);
                let stays = (others.patches)(id).rollout.forced || others.follower(id).is_some();
                let invariant = "a member of a set goes no further once another is taken back";
                hold(back.is_none() || stays, invariant, id, || format!("{back:?} is taken back"))?;
            }
            _ => {}
        }
        if matches!(event, Event::Recalled { .. } | Event::RollbackDecided { .. }) {
            self.taken_back.insert(id, self.count);
        }
        Ok(())
    }

    /// At the end of a world nothing of a set stands that should have gone back with another.
    pub fn nothing_is_left<'a, P: Fn(PatchId) -> &'a Patch>(
        &self,
        others: &Others<'a, P>,
    ) -> Result<(), Breach> {
        let members: Vec<PatchId> =
            others.scene.patches.iter().filter(|planned| planned.in_set).map(|planned| planned.id).collect();
        for id in members.iter().copied().filter(|id| others.is_there(*id)) {
            let begun = self.begun.get(&id).copied().unwrap_or(0);
            let later = |other: &&PatchId| self.taken_back.get(other).is_some_and(|at| *at > begun);
            let other = members.iter().find(later);
            // What stays, stays with what it comes after.
            let is_held = others.follower(id).is_some();
            let invariant = "after a joint rollback nothing stands that could go back";
            hold(other.is_none() || is_held, invariant, id, || format!("{other:?} was taken back since"))?;
        }
        Ok(())
    }
}
