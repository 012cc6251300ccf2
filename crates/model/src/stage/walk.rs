//! The decisions of a rollout: what follows from a person's command, from a look at the world, from a failure.

use std::sync::Arc;

use crate::actor::Actor;
use crate::context::Context;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::hold::Hold;
use crate::id::{PatchId, Stage};
use crate::rejection::Rejection;
use crate::stage::conversion;
use crate::stage::forward::{self, counted};
use crate::stage::halt;
use crate::stage::phase::Phase;
use crate::stage::plan::{Observed, Plan};
use crate::stage::rollout::{Cause, Command, Event, Gate, Job, Judgement, Outcome, SmokeTest, State};

/// Failed tries in a row after which a person is called.
const PAGE_AFTER: u32 = 5;

/// What a person asks of a rollout. Asking twice is asking once. While something is held, nobody hurries it or opens a
/// gate; it can be paused and taken back as ever.
pub fn decide(
    patch: PatchId,
    by: &Actor,
    state: &State,
    hold: Option<&Hold>,
    command: Command,
) -> Result<Vec<Event>, Rejection> {
    let held = |asked: &str| {
        let asked = asked.to_owned();
        hold.filter(|hold| hold.kind.holds_people())
            .map_or(Ok(()), |hold| Err(Rejection::Held { patch, asked, hold: hold.clone() }))
    };
    let not_now = |asked: &str| Rejection::NotNow { patch, stage: Stage::Rollout, asked: asked.to_owned() };
    let (phase, can_be_hurried) = (&state.phase, state.phase.can_be_hurried());
    match command {
        Command::Pause { .. } | Command::Promote { .. } | Command::RollbackWithLoss { .. }
            if *by == Actor::Machine =>
        {
            Err(Rejection::NotAPerson)
        }
        // As after the promotion, only a person takes back what has everything.
        Command::Rollback { .. } if *by == Actor::Machine && *phase == Phase::Finishing => {
            Err(Rejection::NotAPerson)
        }
        Command::Pause { .. } if !phase.can_be_paused() => Err(not_now("pause")),
        Command::Pause { .. } if state.paused.is_some() => Ok(Vec::new()),
        Command::Pause { reason } => Ok(vec![Event::Paused { reason, by_machine: false }]),
        Command::Resume => resume(by, state, held),
        Command::Promote { .. } if can_be_hurried && state.hurried && state.paused.is_none() => {
            Ok(Vec::new())
        }
        Command::Promote { reason } if can_be_hurried => {
            held("promote")?;
            Ok(vec![Event::Hurried { reason }])
        }
        // The promotion is decided; what a person paused of it goes on.
        Command::Promote { .. } if phase.can_be_paused() && state.paused.is_some() => {
            held("promote")?;
            Ok(vec![Event::Resumed])
        }
        // Nothing has moved yet, so a person may still leave it as it is.
        Command::Promote { reason } if *phase == Phase::Recalling => {
            Ok(vec![Event::Kept { reason: format!("{by} keeps it: {reason}"), seen: 0 }])
        }
        Command::Promote { reason } if halt::is_halted(state) => {
            held("promote")?;
            Ok(vec![Event::Forced { reason, seen: 0 }])
        }
        Command::Promote { .. } => match phase {
            Phase::Growing | Phase::Switching | Phase::Finishing | Phase::Promoted => Ok(Vec::new()),
            Phase::Idle
            | Phase::Preparing
            | Phase::Filling { .. }
            | Phase::Watching { .. }
            | Phase::Baking
            | Phase::Recalling
            | Phase::RollingBack
            | Phase::Retiring
            | Phase::RolledBack
            | Phase::Halted { .. } => Err(not_now("promote")),
        },
        Command::Rollback { .. } | Command::RollbackWithLoss { .. }
            if state.is_going_back() || *phase == Phase::Recalling =>
        {
            Ok(Vec::new())
        }
        Command::Rollback { reason } if phase.can_be_taken_back() => {
            halt::rollback(patch, by, state, reason, false)
        }
        Command::RollbackWithLoss { reason } if phase.can_be_taken_back() => {
            halt::rollback(patch, by, state, reason, true)
        }
        Command::Rollback { .. } | Command::RollbackWithLoss { .. } => Err(not_now("rollback")),
    }
}

/// Ends a pause and opens the gate at which the rollout waits, as far as it may be opened: so nothing is left to ask for.
fn resume(
    by: &Actor,
    state: &State,
    held: impl Fn(&str) -> Result<(), Rejection>,
) -> Result<Vec<Event>, Rejection> {
    let resumed = state.paused.is_some().then_some(Event::Resumed);
    let opened = match (&state.phase, state.gate) {
        (Phase::Watching { step }, Gate::Waits) => Some(Event::GateOpened { step: *step }),
        _ => None,
    };
    let may_open = match by {
        Actor::Machine => Err(Rejection::NotAPerson),
        Actor::Person(_) => held("open its gate"),
    };
    match (resumed, opened, may_open) {
        (Some(resumed), Some(_), Err(_)) => Ok(vec![resumed]),
        (None, Some(_), Err(why)) => Err(why),
        (resumed, opened, Ok(()) | Err(_)) => Ok(resumed.into_iter().chain(opened).collect()),
    }
}

/// What follows from an answer of the target.
pub fn report(
    cx: Context<'_>,
    state: &State,
    hold: Option<&Hold>,
    outcome: &Outcome,
) -> Result<Vec<Event>, Rejection> {
    let events = answered(cx, state, hold, outcome)?;
    Ok(halt::instead_of_rollback(state, events))
}

fn answered(
    cx: Context<'_>,
    state: &State,
    hold: Option<&Hold>,
    outcome: &Outcome,
) -> Result<Vec<Event>, Rejection> {
    match (outcome, &state.plan) {
        (Outcome::Begun { .. }, _) => Err(Rejection::Nonsense("the rollout has begun already".to_owned())),
        (Outcome::Reconciled { .. }, Some(_)) if smoke(state).is_some() => {
            Err(Rejection::Nonsense("a smoke test was asked for".to_owned()))
        }
        (Outcome::Smoked { failed, evidence }, Some(_)) if smoke(state).is_some() => {
            Ok(smoked(failed.clone(), evidence.clone()))
        }
        (Outcome::Recallable { runs, lacking }, Some(_)) if state.phase == Phase::Recalling => {
            Ok(vec![recallable(state, runs, lacking.as_deref())])
        }
        (Outcome::Recallable { .. }, _) => Err(Rejection::Nonsense("no recall was asked for".to_owned())),
        (Outcome::Reconciled { .. }, Some(_)) if state.phase == Phase::Recalling => {
            Err(Rejection::Nonsense("nothing moves before the way back is seen".to_owned()))
        }
        (Outcome::Followed, _) => Err(Rejection::Nonsense("no set was asked".to_owned())),
        (Outcome::Smoked { .. }, _) => Err(Rejection::Nonsense("no smoke test was asked for".to_owned())),
        (Outcome::Reconciled { observed, judgement }, Some(plan)) => {
            Ok(reconciled(cx, plan, state, hold, observed, judgement.as_ref()))
        }
        (Outcome::Reconciled { .. }, None) => {
            Err(Rejection::Nonsense("the rollout has not begun".to_owned()))
        }
    }
}

/// The old version comes back only where this one still stands, and only if it can.
fn recallable(state: &State, runs: &Digest, lacking: Option<&str>) -> Event {
    let kept = |reason: String| Event::Kept { reason, seen: 0 };
    let is_ours = state.new.as_ref().is_some_and(|new| new.artifact == *runs);
    match (is_ours, lacking) {
        (true, None) => Event::ReturnBegun,
        (true, Some(why)) => kept(format!("the version before can't be started: {why}")),
        (false, _) => kept(format!("it does not run any more; {} does", runs.short())),
    }
}

fn smoked(failed: Option<String>, evidence: Digest) -> Vec<Event> {
    match failed {
        None => vec![Event::SmokePassed { evidence }],
        Some(reason) => vec![
            Event::SmokeFailed { reason: reason.clone(), evidence },
            Event::RollbackDecided { cause: Cause::Smoke { reason } },
        ],
    }
}

/// A look at the world: what it means depends on the phase.
fn reconciled(
    cx: Context<'_>,
    plan: &Plan,
    state: &State,
    hold: Option<&Hold>,
    observed: &Observed,
    judgement: Option<&Arc<Judgement>>,
) -> Vec<Event> {
    let met = state.desired().is_some_and(|desired| observed.meets(&desired));
    let follows = match &state.phase {
        Phase::Preparing
        | Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Growing
        | Phase::Baking
        | Phase::Switching => forward::follows(cx, plan, state, hold, observed, judgement, met),
        Phase::Finishing if met => vec![counted(state, observed), Event::Promoted],
        // Counted now: a target may forget the bad version with its last instance.
        Phase::RollingBack if share_is_gone(state, observed) => {
            vec![counted(state, observed), Event::ShareTaken]
        }
        Phase::Retiring if met && stable_is_whole(state) => {
            vec![counted(state, observed), Event::RolledBack]
        }
        Phase::RollingBack | Phase::Retiring => match returned(state, observed) {
            Some(instances) => vec![Event::StableReturned { instances }],
            None => not_followed(cx, plan, state),
        },
        Phase::Finishing => not_followed(cx, plan, state),
        Phase::Halted { from } if from.is_judged() => forward::watched(state, observed, judgement),
        Phase::Idle | Phase::Promoted | Phase::Recalling | Phase::RolledBack | Phase::Halted { .. } => {
            Vec::new()
        }
    };
    conversion::since(state, observed).into_iter().chain(follows).collect()
}

/// Healthy stable instances, if they are more than were known: the bad version's share follows them down.
fn returned(state: &State, observed: &Observed) -> Option<u32> {
    let (left, stable, course) = (state.left.as_ref()?, state.stable.as_ref()?, state.course.as_ref()?);
    let healthy = observed.arm(&stable.artifact).map_or(0, |arm| arm.healthy).min(course.instances);
    (healthy > left.stable).then_some(healthy)
}

/// Every stable instance has come back, so that the bad version's may go.
fn stable_is_whole(state: &State) -> bool {
    let left = state.left.as_ref().zip(state.course.as_ref());
    left.is_none_or(|(left, course)| left.stable >= course.instances)
}

/// A target that answers and does not follow: past the deadline a person is called, once a phase.
fn not_followed(cx: Context<'_>, plan: &Plan, state: &State) -> Vec<Event> {
    let late = cx.now >= state.since.after(plan.start_deadline);
    if !late || state.paged {
        return Vec::new();
    }
    vec![Event::Paged { reason: format!("the target did not follow within {}", plan.start_deadline) }]
}

/// The bad version holds no share.
fn share_is_gone(state: &State, observed: &Observed) -> bool {
    let Some(new) = &state.new else { return true };
    observed.arm(&new.artifact).is_none_or(|arm| arm.share.ppm() == 0)
}

/// The target could not be asked or did not follow. Forward, a rollout that can't be steered goes back; going back, or
/// past the switch, it never gives up: it pages and tries on.
pub fn failed(cx: Context<'_>, state: &State, failure: &Failure, tries: u32) -> Vec<Event> {
    let give_up = tries >= cx.policy.tries;
    let page = tries >= PAGE_AFTER && !state.paged;
    match &state.phase {
        Phase::Preparing
        | Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Growing
        | Phase::Baking
            if give_up =>
        {
            let cause = Cause::Unhealthy { reason: failure.message.clone() };
            halt::instead_of_rollback(state, vec![Event::RollbackDecided { cause }])
        }
        Phase::Preparing
        | Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Growing
        | Phase::Baking => Vec::new(),
        Phase::Switching | Phase::Finishing | Phase::Recalling | Phase::RollingBack | Phase::Retiring
            if page =>
        {
            vec![Event::Paged { reason: failure.message.clone() }]
        }
        Phase::Switching | Phase::Finishing | Phase::Recalling | Phase::RollingBack | Phase::Retiring => {
            Vec::new()
        }
        // A person was called when it halted.
        Phase::Idle | Phase::Promoted | Phase::RolledBack | Phase::Halted { .. } => Vec::new(),
    }
}

/// What the world owes a rollout: always the same question, whether the world is as desired.
pub fn due(state: &State) -> Option<Job> {
    match &state.phase {
        Phase::Idle => Some(Job::Begin),
        Phase::Promoted | Phase::RolledBack => None,
        Phase::Halted { from } if from.is_alone() => None,
        Phase::Halted { from } => reconcile(state, from.is_judged()),
        Phase::Recalling => Some(Job::Recall),
        // Nobody meets the new version while it is tried, so nothing is missed by not looking.
        Phase::Watching { .. } => smoke(state).or_else(|| reconcile(state, true)),
        Phase::Filling { .. } | Phase::Growing | Phase::Baking => reconcile(state, true),
        Phase::Preparing | Phase::Switching | Phase::Finishing | Phase::RollingBack | Phase::Retiring => {
            reconcile(state, false)
        }
    }
}

/// The smoke test, while it is owed.
fn smoke(state: &State) -> Option<Job> {
    let (Phase::Watching { step }, SmokeTest::Runs { address }) = (&state.phase, &state.smoke) else {
        return None;
    };
    let smoke = state.course.as_ref()?.stations.get(*step)?.smoke.clone()?;
    Some(Job::Smoke { smoke, address: address.clone() })
}

fn reconcile(state: &State, look: bool) -> Option<Job> {
    state.desired().map(|desired| Job::Reconcile { desired, look })
}
