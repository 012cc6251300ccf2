//! How many patches stand where: one line a patch, by stage.

use serde::{Deserialize, Serialize};

use crate::hold::Hold;
use crate::id::{PatchId, Stage};
use crate::patch::Patch;
use crate::stage::approve::Answer;
use crate::stage::phase::Phase;
use crate::stage::plan::{Plan, Strategy};
use crate::stage::rollout::{Cause, Gate, SmokeTest};
use crate::time::Timestamp;
use crate::triage::action::Action;
use crate::view::story::paused;

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
    /// What keeps it from beginning or growing now, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// By when somebody must have looked at the emergency in which it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_due: Option<Timestamp>,
}

/// The card of a patch, with what holds it now.
pub fn card_under(patch: &Patch, hold: Option<Hold>) -> Card {
    let mut card = card(patch);
    let rollout = &patch.rollout;
    let could_move = card.stage == Stage::Rollout && !rollout.is_going_back() && !rollout.has_ended();
    card.hold = hold.filter(|_| could_move);
    if let Some(hold) = card.hold.as_ref().filter(|_| rollout.plan.is_none() && rollout.paused.is_none()) {
        card.doing = format!("may not begin: {hold}");
    }
    card
}

/// The card of a patch by its own events.
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
        hold: None,
        review_due: patch.review.afterwards.as_ref().map(|owed| owed.due),
    }
}

fn waits_for_person(patch: &Patch) -> bool {
    let asks =
        matches!(patch.approve.decision.as_ref().map(|decision| &decision.answer), Some(Answer::Needs(_)));
    !patch.has_ended()
        && ((patch.stage() == Stage::Approve && asks)
            || (patch.stage() == Stage::Rollout && patch.rollout.paused.is_some())
            || waits_at_gate(patch)
            || matches!(patch.rollout.phase, Phase::Halted { .. })
            || patch.rollout.paged)
}

/// A gate of the plan holds the rollout until somebody opens it.
pub fn waits_at_gate(patch: &Patch) -> bool {
    let rollout = &patch.rollout;
    !patch.has_ended() && matches!(rollout.phase, Phase::Watching { .. }) && rollout.gate == Gate::Waits
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
    match (patch.stage(), &patch.rollout.paused) {
        (Stage::Rollout, _) | (_, None) => at_work(patch),
        (_, Some(reason)) => format!("{}; its rollout is {}", at_work(patch), paused(reason)),
    }
}

fn at_work(patch: &Patch) -> String {
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
        return paused(reason);
    }
    if let Some((hold, _)) = &patch.rollout.held {
        return format!("held at {}: {hold}", patch.allowed_share());
    }
    let step_of = |step: usize| {
        let steps = patch.rollout.course.as_ref().map_or(0, |course| course.stations.len());
        format!("step {} of {steps}", step + 1)
    };
    match &patch.rollout.phase {
        Phase::Idle if in_order(patch) => "waits for its set, or for the service to be free".to_owned(),
        Phase::Idle if patch.rollout.deferred.is_some() => {
            let why = patch.rollout.deferred.as_ref().map_or("", |(reason, ..)| reason.as_str());
            format!("may not begin: {why}")
        }
        Phase::Idle => "waits for the service to be free".to_owned(),
        Phase::Preparing => {
            let what = patch.rollout.plan.as_deref().map_or("", watched);
            format!("starting the {what}")
        }
        Phase::Filling { step } => format!("starting more instances ({})", step_of(*step)),
        Phase::Watching { .. } if matches!(patch.rollout.smoke, SmokeTest::Runs { .. }) => {
            "the smoke test runs".to_owned()
        }
        Phase::Watching { step } if waits_at_gate(patch) => {
            format!("waits at the gate at {} ({}): `resume` opens it", patch.allowed_share(), step_of(*step))
        }
        Phase::Watching { step } => {
            let what = patch.rollout.plan.as_deref().map_or("", watched);
            format!("{what} at {} ({})", patch.allowed_share(), step_of(*step))
        }
        Phase::Growing => "promoted: growing".to_owned(),
        Phase::Baking => format!("promoted: last bake at {}", patch.allowed_share()),
        Phase::Switching => "promoted: taking all traffic".to_owned(),
        Phase::Finishing => "promoted: old version drains".to_owned(),
        Phase::Recalling => "to be taken back: looking for the old version".to_owned(),
        Phase::RollingBack => "rolling back".to_owned(),
        Phase::Retiring => "rolled back: bad version drains".to_owned(),
        Phase::Halted { .. } => {
            let cause = patch.rollout.cause.as_ref().map(Cause::text).unwrap_or_default();
            format!("halted: {cause}")
        }
        Phase::Promoted | Phase::RolledBack => "done".to_owned(),
    }
}

fn in_order(patch: &Patch) -> bool {
    patch.opening.as_ref().is_some_and(|opening| opening.terms.set.is_some())
}

/// What is watched in a step of this plan.
fn watched(plan: &Plan) -> &'static str {
    match &plan.strategy {
        Strategy::Canary(_) => "canary",
        Strategy::Rolling(_) => "new instances",
        Strategy::Hot(_) => "converted instances",
        Strategy::BlueGreen(_) => "new version",
        Strategy::Flag(_) => "flag",
        Strategy::Shadow(_) => "shadow",
    }
}
