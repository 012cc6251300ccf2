//! One stored event in its surroundings: what an invariant looks at.

use patchline_model::command::{Ask, Command};
use patchline_model::event::Event;
use patchline_model::id::PatchId;
use patchline_model::job::Outcome;
use patchline_model::patch::Patch;
use patchline_model::stage::approve::{Approval, Decision};
use patchline_model::stage::plan::Observed;
use patchline_model::stage::rollout;
use patchline_model::time::Seconds;
use patchline_model::triage::action::Action;

use crate::invariants::pauses::Pauses;
use crate::invariants::picture::Picture;
use crate::invariants::watched::Watched;
use crate::scene::{Planned, Scene};
use crate::target::Target;

#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub scene: &'a Scene,
    pub planned: &'a Planned,
    /// What was asked, as the asker asked it.
    pub command: &'a Command,
    pub before: &'a Patch,
    pub event: &'a Event,
    pub after: &'a Patch,
    /// The events that were stored with it, after it.
    pub rest: &'a [Event],
    pub target: &'a Target,
    /// What people hold.
    pub held: &'a Picture,
    /// A look was stored before it in the same append.
    pub follows_a_look: bool,
    /// The ledger says that people hold or pause it.
    pub stands_still: bool,
    /// How long people have held or paused it since its rollout began.
    pub still_millis: u64,
    /// What the looks until now say of instances.
    pub watched: Option<&'a Watched>,
    /// A person's pauses of this rollout.
    pub pauses: Option<&'a Pauses>,
}

impl Seen<'_> {
    pub fn patch(&self) -> PatchId {
        self.before.id
    }

    /// Whether people hold the patch at the time of the event.
    pub fn is_held(&self) -> bool {
        let service = &self.scene.services[self.planned.service].service;
        self.held.holds(self.scene, service, self.is_urgent(), self.is_emergency(), self.event.at)
    }

    /// A person has said that it can't wait, in this try.
    pub fn is_said_to_be_urgent(&self) -> bool {
        self.before.approve.approvals.iter().any(|approval| approval.emergency.is_some())
    }

    /// A person has said that it can't wait, the gate has agreed, and that has not lapsed.
    pub fn is_emergency(&self) -> bool {
        let state = &self.before.approve;
        let lasts = |approval: &Approval| {
            approval.emergency.is_some() && self.event.at < approval.at.after(Seconds(86_400))
        };
        let agrees =
            |decision: &Decision| decision.reasons.iter().any(|it| it.rule == "emergency" && it.holds);
        state.approvals.iter().any(lasts) && state.decision.as_ref().is_some_and(agrees)
    }

    pub fn is_urgent(&self) -> bool {
        is_urgent(self.before)
    }

    /// What the target had answered, if that is what led to the event.
    pub fn observed(&self) -> Option<&Observed> {
        match &self.command.ask {
            Ask::Report {
                answer: Ok(Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. })),
                ..
            } => Some(observed),
            _ => None,
        }
    }
}

/// Triage says to act now on something that the patch is for.
pub fn is_urgent(patch: &Patch) -> bool {
    patch.triage.priorities.iter().any(|it| it.action == Action::ActNow)
}
