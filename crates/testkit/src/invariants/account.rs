//! What users met in one rollout, and what they could, counted without the loop and held against its totals.

use patchline_model::event::Event;
use patchline_model::hold::Kind;
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::Version;
use patchline_model::stage::rollout;
use patchline_model::time::Timestamp;

use crate::breach::{Breach, hold};
use crate::invariants::bound::is_past_switch;
use crate::invariants::pauses::Pauses;
use crate::invariants::watched::Watched;
use crate::invariants::{paper, road};
use crate::target::{Served, Target};

/// What users met in one rollout, counted without the loop.
#[derive(Clone, Debug)]
pub struct Account {
    sums: [u64; 4],
    /// Requests of both versions that were compared, and those that could be before.
    compared: [u64; 2],
    compared_before: [u64; 2],
    canary_before: Served,
    stable_before: Served,
    losses_before: u64,
    /// As of the first share: when another patch is promoted over this one and taken back, its counters begin anew.
    returns_before: u64,
    pub greatest: Share,
    /// It was asked to take a share at all, and a person answers for what its way back loses.
    pub shared: bool,
    pub accepted: bool,
    pub back_since: Option<u64>,
    /// Milliseconds that it was held or paused by people, and since when it is.
    still: u64,
    pub still_since: Option<Timestamp>,
    is_held: bool,
    pub pauses: Pauses,
    /// What its looks say of instances.
    pub watched: Watched,
}

impl Account {
    /// A rollout of one version beside another begins.
    pub fn open(target: &Target, stable: &Version, new: &Version) -> Self {
        Self {
            sums: [0; 4],
            compared: [0; 2],
            compared_before: [new, stable].map(|version| target.compared(&version.artifact)),
            canary_before: target.served(&new.artifact),
            stable_before: target.served(&stable.artifact),
            losses_before: target.losses,
            returns_before: 0,
            greatest: Share::NONE,
            shared: false,
            accepted: false,
            back_since: None,
            still: 0,
            still_since: None,
            is_held: false,
            pauses: Pauses::default(),
            watched: Watched::default(),
        }
    }

    /// Takes in one fact of the rollout.
    pub fn takes(
        &mut self,
        target: &Target,
        after: &Patch,
        event: &Event,
        elapsed: u64,
        fact: &rollout::Event,
    ) {
        if let (rollout::Event::StepEntered { step: 0 }, Some(new)) = (fact, &after.rollout.new) {
            self.returns_before = target.returned(&new.artifact);
        }
        match fact {
            rollout::Event::StepPrepared { step } | rollout::Event::StepEntered { step } => {
                let plan = after.rollout.plan.as_ref();
                let promised = plan.and_then(|plan| road::promised(plan, *step));
                let entered = matches!(fact, rollout::Event::StepEntered { .. });
                let share = promised.map_or(Share::NONE, |it| if entered { it.share } else { it.filling });
                self.greatest = self.greatest.max(share);
                self.shared |= share != Share::NONE;
            }
            rollout::Event::Looked { tick, .. } => self.watched.takes(tick),
            rollout::Event::Switched => self.shared = true,
            rollout::Event::BakeBegun => {
                self.shared = true;
                let plan = after.rollout.plan.as_deref();
                self.greatest = plan.and_then(road::hold_back).map_or(self.greatest, Share::rest);
            }
            rollout::Event::LossAccepted { .. } => self.accepted = true,
            rollout::Event::Recalled { .. } => self.greatest = Share::ALL,
            rollout::Event::Halted { .. } if is_past_switch(after) => self.greatest = Share::ALL,
            // The last batch has no step of its own: to convert it is the promotion.
            rollout::Event::PromotionDecided
                if after.rollout.course.as_ref().is_some_and(|it| it.in_place) =>
            {
                self.greatest = Share::ALL;
            }
            rollout::Event::RollbackDecided { .. } => {
                self.back_since = Some(elapsed);
                // The old one may have gone already.
                if after.rollout.had_all() {
                    self.greatest = Share::ALL;
                }
            }
            rollout::Event::ReturnBegun
            | rollout::Event::StableReturned { .. }
            | rollout::Event::ShareTaken => self.back_since = Some(elapsed),
            // What burns is the rollout's own doing, and its deadline goes on.
            rollout::Event::Held { hold } => self.is_held = hold.kind != Kind::Burn,
            rollout::Event::Released => self.is_held = false,
            _ => {}
        }
        self.pauses.takes(event, after.rollout.since, fact);
        match (self.still_since, self.is_held || self.pauses.since.is_some()) {
            (None, true) => self.still_since = Some(event.at),
            (Some(since), false) => {
                self.still += event.at.millis_since(since);
                self.still_since = None;
            }
            (Some(_), true) | (None, false) => {}
        }
    }

    /// Takes in what these events say that users met.
    pub fn counts(&mut self, events: &[Event]) {
        for (sum, added) in self.sums.iter_mut().zip(paper::added(events)) {
            *sum += added;
        }
        for (sum, added) in self.compared.iter_mut().zip(paper::compared(events)) {
            *sum += added;
        }
    }

    pub fn still_millis(&self, now: Timestamp) -> u64 {
        self.still + self.still_since.map_or(0, |since| now.millis_since(since))
    }

    pub fn check(&self, patch: &Patch, target: &Target) -> Result<(), Breach> {
        let state = &patch.rollout;
        let totals = &state.totals;
        let shown =
            [totals.canary_requests, totals.canary_errors, totals.stable_requests, totals.stable_errors];
        hold(shown == self.sums, "totals are the sum of the looks", patch.id, || {
            format!("{shown:?} instead of {:?}", self.sums)
        })?;
        let (Some(stable), Some(new)) = (&state.stable, &state.new) else { return Ok(()) };
        let (canary, base) = (target.served(&new.artifact), target.served(&stable.artifact));
        let truth = [
            canary.requests - self.canary_before.requests,
            canary.errors - self.canary_before.errors,
            base.requests - self.stable_before.requests,
            base.errors - self.stable_before.errors,
        ];
        let counted_once = shown.iter().zip(truth).all(|(shown, truth)| *shown <= truth);
        hold(counted_once, "no request is counted twice", patch.id, || format!("{shown:?} of {truth:?}"))?;
        let comparable = [new, stable].map(|version| target.compared(&version.artifact));
        let comparable = comparable.iter().zip(self.compared_before).map(|(now, before)| now - before);
        let fair = self.compared.iter().zip(comparable).all(|(compared, truth)| *compared <= truth);
        hold(fair, "only what chance alone has told apart is compared", patch.id, || {
            format!("{:?} were compared, and before it {:?} could be", self.compared, self.compared_before)
        })?;
        let whole = state.phase != Phase::RolledBack
            || target.losses != self.losses_before
            || target.returned(&new.artifact) != self.returns_before
            || shown[..2] == truth[..2];
        hold(whole, "every request to a version that was taken back is accounted for", patch.id, || {
            format!("{shown:?} of {truth:?}")
        })
    }
}
