//! People who press buttons at random, also where it makes no sense; and, at the end, one who looks after everything.

use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::digest::Digest;
use patchline_model::id::Stage;
use patchline_model::line::{self, Line, Scope};
use patchline_model::patch::Patch;
use patchline_model::rejection::Rejection;
use patchline_model::service::Service;
use patchline_model::stage::approve::{self, Answer};
use patchline_model::stage::halt::is_halted;
use patchline_model::stage::pause::{PauseExit, Pauser};
use patchline_model::stage::phase::Phase;
use patchline_model::stage::{review, rollout};
use patchline_model::time::{Seconds, Timestamp};
use patchline_model::view::board::waits_at_gate;

use crate::chance::Chance;
use crate::scene::{PEOPLE, ROLES};

/// What somebody does to this patch now.
pub fn press(chance: &mut Chance, patch: &Patch) -> Command {
    let by = match chance.below(14) {
        0 => Actor::Machine,
        1 => Actor::person("  "),
        2 => Actor::person("ANN@example.com"),
        _ => Actor::person(chance.pick::<&str>(&PEOPLE)),
    };
    let reason = "because".to_owned();
    let is_short = matches!(patch.rollout.phase, Phase::Finishing) && !patch.has_ended();
    let ask = match chance.below(46) {
        0..=20 if is_short => Ask::Rollout(rollout::Command::Pause { reason }),
        21..=30 if is_short => Ask::Rollout(rollout::Command::Rollback { reason }),
        0..=15 => {
            let shown = patch.approve.decision.as_ref().map(|decision| decision.dossier.clone());
            let shown = shown.filter(|_| !chance.one_in(5)).unwrap_or_else(|| Digest::of(b"stale"));
            let role = (*chance.pick(&ROLES)).to_owned();
            Ask::Approve(approve::Command::Approve { role, dossier: shown, comment: String::new() })
        }
        16 if !chance.one_in(3) => {
            let shown = patch.approve.decision.as_ref().map(|decision| decision.dossier.clone());
            let dossier = shown.unwrap_or_else(|| Digest::of(b"stale"));
            let role = (*chance.pick(&ROLES)).to_owned();
            Ask::Approve(approve::Command::Emergency { role, dossier, reason })
        }
        16 if patch.review.afterwards.is_some() => {
            Ask::Review(review::Command::ReviewEmergency { note: reason, evidence: None })
        }
        16 => Ask::Approve(approve::Command::Reject { reason }),
        17..=23 => Ask::Rollout(rollout::Command::Pause { reason }),
        24..=31 => Ask::Rollout(rollout::Command::Resume),
        32..=35 => Ask::Rollout(rollout::Command::Promote { reason }),
        _ if patch.review.end == Some(review::End::Promoted) && chance.one_in(3) => {
            Ask::Rollout(rollout::Command::Rollback { reason })
        }
        36..=37 => Ask::Rollout(rollout::Command::Rollback { reason }),
        38 => Ask::Rollout(rollout::Command::RollbackWithLoss { reason }),
        39 => Ask::Review(review::Command::Abort { reason }),
        _ => Ask::Review(review::Command::Retry { reason }),
    };
    Command { by, ask }
}

/// Somebody takes a version back.
pub fn take_back() -> Command {
    let ask = Ask::Rollout(rollout::Command::Rollback { reason: "because".to_owned() });
    Command { by: Actor::person(PEOPLE[2]), ask }
}

/// Whether this takes a version back.
pub fn takes_back(command: &Command) -> bool {
    matches!(
        &command.ask,
        Ask::Rollout(rollout::Command::Rollback { .. }) | Ask::Review(review::Command::Abort { .. })
    )
}

/// Whether a person who asks for this may be told that it is not the time for it: only where nothing is left to steer, or
/// where it would hold up a way back.
pub fn may_refuse(patch: &Patch, command: &Command, rejection: &Rejection) -> bool {
    use rollout::Command::{Pause, Promote, Resume, Rollback, RollbackWithLoss};
    let Ask::Rollout(asked) = &command.ask else { return true };
    let moves = patch.opening.is_some() && patch.goes_to_rollout();
    let is_back =
        patch.rollout.is_going_back() || patch.rollout.phase == Phase::Recalling || is_halted(&patch.rollout);
    match (rejection, asked) {
        _ if !moves => true,
        (Rejection::NotNow { .. }, Pause { .. } | Promote { .. }) => is_back,
        (Rejection::NotNow { .. }, Resume | Rollback { .. } | RollbackWithLoss { .. }) => false,
        (Rejection::Ended { .. }, Rollback { .. } | RollbackWithLoss { .. }) => {
            !matches!(patch.review.end, Some(review::End::RolledBack(_) | review::End::Abandoned(_)))
        }
        (Rejection::Ended { .. }, Promote { .. }) => patch.review.end != Some(review::End::Promoted),
        (_, Pause { .. } | Promote { .. } | Resume | Rollback { .. } | RollbackWithLoss { .. }) => true,
    }
}

/// What somebody holds, or lets go: everything, or what one of these services is.
pub fn press_line(
    chance: &mut Chance,
    services: &[Service],
    line: &Line,
    now: Timestamp,
) -> (Actor, line::Command) {
    let by = if chance.one_in(12) { Actor::Machine } else { Actor::person(chance.pick::<&str>(&PEOPLE)) };
    let service = chance.pick(services);
    let scope = match chance.below(4) {
        0 | 1 => Scope::Everything,
        2 => Scope::Service(service.name.clone()),
        _ => Scope::Tier(service.tier),
    };
    let reason = "because".to_owned();
    let command = match chance.below(10) {
        0 | 1 => line::Command::Stop { scope, reason },
        2..=5 => {
            let stopped = line.stops.first().map(|stop| stop.scope.clone());
            line::Command::Start { scope: stopped.unwrap_or(scope), reason: String::new() }
        }
        6 | 7 => {
            let from = now.after(Seconds(chance.below(20)));
            let until = from.after(Seconds(chance.below(60)));
            line::Command::Freeze { scope, from, until, reason, hotfix_passes: chance.one_in(2) }
        }
        _ => {
            let freeze = line.freezes.first().map_or(1, |freeze| freeze.number);
            line::Command::Thaw { freeze, reason }
        }
    };
    (by, command)
}

/// What a person does who finds the patch waiting for one: approves what is asked for, ends every pause, and opens
/// every gate.
pub fn look_after(patch: &Patch) -> Option<Command> {
    let by = Actor::person(PEOPLE[1]);
    let decision = patch.approve.decision.as_ref();
    if patch.stage() == Stage::Approve
        && let Some(decision) = decision
        && let Answer::Needs(roles) = &decision.answer
    {
        let role = roles.first()?.clone();
        let dossier = decision.dossier.clone();
        let ask = approve::Command::Approve { role, dossier, comment: String::new() };
        return Some(Command { by, ask: Ask::Approve(ask) });
    }
    if patch.rollout.paused.is_none() && waits_at_gate(patch) {
        return Some(Command { by, ask: Ask::Rollout(rollout::Command::Resume) });
    }
    if is_forced_in_vain(patch) {
        let ask = rollout::Command::RollbackWithLoss { reason: "it gets nowhere".to_owned() };
        return Some(Command { by, ask: Ask::Rollout(ask) });
    }
    if patch.rollout.paused.is_none() && !is_halted(&patch.rollout) {
        return None;
    }
    let reason = "it is fine".to_owned();
    let ask = if patch.id.0.is_multiple_of(2) {
        rollout::Command::RollbackWithLoss { reason }
    } else {
        rollout::Command::Promote { reason }
    };
    Some(Command { by, ask: Ask::Rollout(ask) })
}

/// A person sent it forward, and it goes no further: the page calls for a person's second word.
fn is_forced_in_vain(patch: &Patch) -> bool {
    let could_go_back = patch.rollout.phase.can_go_back() || patch.rollout.phase == Phase::Finishing;
    patch.rollout.forced && patch.rollout.paged && could_go_back
}

/// No exit ends the pause: the plan holds there, or what a person paused stays by the plan's word.
fn is_paused_for_good(patch: &Patch) -> bool {
    let run = patch.opening.as_ref().and_then(|opening| opening.service.run.as_ref());
    let ends = run.is_some_and(|run| run.plan.pause.exit != PauseExit::Hold);
    let is_paused = patch.stage() == Stage::Rollout && patch.rollout.paused.is_some();
    is_paused && !(ends && patch.rollout.pauser == Pauser::Person)
}

/// Whether the patch may rightly stand still until a person acts.
pub fn waits_for_person(patch: &Patch) -> bool {
    let asks =
        matches!(patch.approve.decision.as_ref().map(|decision| &decision.answer), Some(Answer::Needs(_)));
    let considered = patch.approve.considered == patch.approve.approvals.len();
    let approval = patch.stage() == Stage::Approve && asks && considered;
    !patch.has_ended()
        && (approval
            || is_paused_for_good(patch)
            || waits_at_gate(patch)
            || is_halted(&patch.rollout)
            || is_forced_in_vain(patch))
}
