//! How many patches stand where: one line a patch, by stage.

use serde::{Deserialize, Serialize};

use crate::id::{PatchId, Stage};
use crate::patch::Patch;
use crate::stage::approve::Answer;
use crate::stage::phase::Phase;
use crate::stage::rollout::canary_of;
use crate::time::Timestamp;
use crate::triage::action::Action;

/// One patch on the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub id: PatchId,
    pub service: String,
    pub title: String,
    pub stage: Stage,
    /// What it does or waits for, in a few words.
    pub doing: String,
    pub action: Option<Action>,
    pub due: Option<Timestamp>,
    pub opened_at: Timestamp,
    pub changed_at: Timestamp,
    /// `promoted`, `rolled_back`, … once it has ended.
    pub outcome: Option<String>,
    pub waits_for_person: bool,
}

/// The card of a patch.
pub fn card(patch: &Patch) -> Card {
    let worst = patch.triage.priorities.first();
    Card {
        id: patch.id,
        service: patch.opening.as_ref().map(|opening| opening.service.name.to_string()).unwrap_or_default(),
        title: patch.title(),
        stage: patch.stage(),
        doing: doing(patch),
        action: worst.map(|priority| priority.action),
        due: worst.and_then(|priority| priority.due),
        opened_at: patch.opened_at,
        changed_at: patch.changed_at,
        outcome: patch.review.end.as_ref().map(|end| end.word().to_owned()),
        waits_for_person: waits_for_person(patch),
    }
}

fn waits_for_person(patch: &Patch) -> bool {
    let asks =
        matches!(patch.approve.decision.as_ref().map(|decision| &decision.answer), Some(Answer::Needs(_)));
    !patch.has_ended()
        && ((patch.stage() == Stage::Approve && asks)
            || patch.rollout.paused.is_some()
            || patch.rollout.paged)
}

fn doing(patch: &Patch) -> String {
    if let Some(faltering) = patch.faltering.as_ref().filter(|_| !patch.is_closed()) {
        return format!("try {} failed: {}", faltering.tries, faltering.message);
    }
    if let Some(end) = &patch.review.end {
        return match end.word() {
            "promoted" => "runs everywhere".to_owned(),
            "rolled_back" => "taken back".to_owned(),
            "handed_over" => "branch handed over".to_owned(),
            "nothing_to_do" => "nothing to fix".to_owned(),
            _ => "abandoned".to_owned(),
        };
    }
    match patch.stage() {
        Stage::Detect | Stage::Triage => "scanning".to_owned(),
        Stage::Generate => "making a fix".to_owned(),
        Stage::Build => "building twice".to_owned(),
        Stage::Verify => "proving the fix".to_owned(),
        Stage::Approve => match patch.approve.decision.as_ref().map(|decision| &decision.answer) {
            Some(Answer::Needs(roles)) => format!("needs {}", roles.join(" and ")),
            Some(Answer::Allow | Answer::Deny) | None => "asking the policy".to_owned(),
        },
        Stage::Rollout => rolling(patch),
        Stage::Review => "looking back".to_owned(),
    }
}

fn rolling(patch: &Patch) -> String {
    if let Some(reason) = &patch.rollout.paused {
        return format!("paused: {reason}");
    }
    match &patch.rollout.phase {
        Phase::Idle => "waits for the service to be free".to_owned(),
        Phase::Preparing => "starting the canary".to_owned(),
        Phase::Watching { step } => {
            let steps = patch.rollout.plan.as_ref().map_or(0, |plan| canary_of(plan).steps.len());
            format!("canary at {} (step {} of {steps})", patch.allowed_share(), step + 1)
        }
        Phase::Growing => "promoted: growing".to_owned(),
        Phase::Switching => "promoted: taking all traffic".to_owned(),
        Phase::Finishing => "promoted: old version drains".to_owned(),
        Phase::RollingBack => "rolling back".to_owned(),
        Phase::Retiring => "rolled back: bad version drains".to_owned(),
        Phase::Promoted | Phase::RolledBack => "done".to_owned(),
    }
}
