//! The decisions of a rollout: what follows from a person's command, from a look at the world, from a failure.

use crate::actor::Actor;
use crate::context::Context;
use crate::failure::Failure;
use crate::id::{PatchId, Stage};
use crate::rejection::Rejection;
use crate::service::{Run, Service};
use crate::stage::phase::Phase;
use crate::stage::plan::{Exit, Observed, Plan, Version};
use crate::stage::rollout::{Cause, Command, Event, Job, JudgeAnswer, Judgement, Outcome, State, canary_of};
use crate::strategy::canary;

/// Most looks kept of one rollout: a day of them. Past it the deadline's exit is taken.
const MOST_LOOKS: usize = 86_400;

/// Failed tries in a row after which a person is called.
const PAGE_AFTER: u32 = 5;

/// What a person asks of a rollout. Asking twice is asking once.
pub fn decide(patch: PatchId, by: &Actor, state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    let not_now = |asked: &str| Rejection::NotNow { patch, stage: Stage::Rollout, asked: asked.to_owned() };
    match (command, &state.phase) {
        (Command::Promote { .. }, _) if *by == Actor::Machine => Err(Rejection::NotAPerson),
        (Command::Pause { .. }, Phase::Preparing | Phase::Watching { .. }) if state.paused.is_some() => {
            Ok(Vec::new())
        }
        (Command::Pause { reason }, Phase::Preparing | Phase::Watching { .. }) => {
            Ok(vec![Event::Paused { reason, by_machine: false }])
        }
        (Command::Pause { .. }, _) => Err(not_now("pause")),
        (Command::Resume, Phase::Preparing | Phase::Watching { .. }) => match state.paused {
            Some(_) => Ok(vec![Event::Resumed]),
            None => Err(Rejection::NotPaused { patch }),
        },
        (Command::Resume, _) => Err(not_now("resume")),
        (Command::Promote { .. }, Phase::Preparing | Phase::Watching { .. })
            if state.hurried && state.paused.is_none() =>
        {
            Ok(Vec::new())
        }
        (Command::Promote { reason }, Phase::Preparing | Phase::Watching { .. }) => {
            Ok(vec![Event::Hurried { reason }])
        }
        (Command::Promote { .. }, Phase::Growing | Phase::Switching | Phase::Finishing | Phase::Promoted) => {
            Ok(Vec::new())
        }
        (Command::Promote { .. }, _) => Err(not_now("promote")),
        (Command::Rollback { .. }, Phase::RollingBack | Phase::Retiring | Phase::RolledBack) => {
            Ok(Vec::new())
        }
        (
            Command::Rollback { reason },
            Phase::Preparing | Phase::Watching { .. } | Phase::Growing | Phase::Switching,
        ) => Ok(vec![Event::RollbackDecided { cause: Cause::Person { by: by.clone(), reason } }]),
        (Command::Rollback { .. }, Phase::Idle | Phase::Finishing | Phase::Promoted) => {
            Err(not_now("rollback"))
        }
    }
}

/// What follows from an answer of the target.
pub fn report(
    cx: Context<'_>,
    patch: PatchId,
    service: &Service,
    new: &Version,
    state: &State,
    outcome: Outcome,
) -> Result<Vec<Event>, Rejection> {
    match (outcome, &state.plan) {
        (Outcome::Begun { stable }, None) => begin(cx, patch, service, new, stable),
        (Outcome::Begun { .. }, Some(_)) => {
            Err(Rejection::Nonsense("the rollout has begun already".to_owned()))
        }
        (Outcome::Reconciled { observed, judgement }, Some(plan)) => {
            Ok(reconciled(cx, plan, state, &observed, judgement))
        }
        (Outcome::Reconciled { .. }, None) => {
            Err(Rejection::Nonsense("the rollout has not begun".to_owned()))
        }
    }
}

fn begin(
    cx: Context<'_>,
    patch: PatchId,
    service: &Service,
    new: &Version,
    stable: Version,
) -> Result<Vec<Event>, Rejection> {
    let run = run_of(service)?;
    if let Some(lock) = service.lock()
        && let Some(holder) = cx.board.held_by_other(&lock, patch)
    {
        return Err(Rejection::Locked { patch: holder });
    }
    if stable.artifact == new.artifact {
        return Err(Rejection::Nonsense("the patch's artifact runs already".to_owned()));
    }
    Ok(vec![Event::Started { stable, new: new.clone(), plan: Box::new(run.plan.clone()) }])
}

fn run_of(service: &Service) -> Result<&Run, Rejection> {
    service.run.as_ref().ok_or_else(|| Rejection::Nonsense(format!("{} has no [run] section", service.name)))
}

/// A look at the world: what it means depends on the phase.
fn reconciled(
    cx: Context<'_>,
    plan: &Plan,
    state: &State,
    observed: &Observed,
    judgement: Option<Judgement>,
) -> Vec<Event> {
    let met = state.desired().is_some_and(|desired| observed.meets(&desired));
    match &state.phase {
        Phase::Preparing => prepared(cx, plan, state, observed, met),
        Phase::Watching { step } => watched(cx, plan, state, observed, judgement, *step),
        Phase::Growing => grown(cx, plan, state, observed, judgement, met),
        Phase::Switching => switched(cx, plan, state, observed, met),
        Phase::Finishing if met => vec![counted(state, observed), Event::Promoted],
        // Counted now: a target may forget the bad version with its last instance.
        Phase::RollingBack if share_is_gone(state, observed) => {
            vec![counted(state, observed), Event::ShareTaken]
        }
        Phase::Retiring if met => vec![counted(state, observed), Event::RolledBack],
        Phase::Finishing | Phase::RollingBack | Phase::Retiring => not_followed(cx, plan, state),
        Phase::Idle | Phase::Promoted | Phase::RolledBack => Vec::new(),
    }
}

fn prepared(cx: Context<'_>, plan: &Plan, state: &State, observed: &Observed, met: bool) -> Vec<Event> {
    let late = cx.now >= state.since.after(plan.start_deadline);
    match (met, late) {
        // The first look sets the cursor; from it on every request counts.
        (true, _) if state.paused.is_none() => vec![counted(state, observed), Event::StepEntered { step: 0 }],
        (true, _) => Vec::new(),
        (false, true) => vec![Event::RollbackDecided {
            cause: Cause::Unhealthy {
                reason: format!("the canary was not healthy within {}", plan.start_deadline),
            },
        }],
        (false, false) => Vec::new(),
    }
}

fn watched(
    cx: Context<'_>,
    plan: &Plan,
    state: &State,
    observed: &Observed,
    judgement: Option<Judgement>,
    step: usize,
) -> Vec<Event> {
    let (tick, cursor) = state.tick(observed);
    let complete = tick.canary.is_some() && tick.stable.is_some();
    let missing = if complete { 0 } else { state.missing.saturating_add(1) };
    let judgement = judgement.unwrap_or_else(no_judgement);
    let answer = judgement.answer;
    let reason = judgement.reason.clone();
    let mut events = vec![Event::Looked { tick, cursor, judgement }];

    let canary = canary_of(plan);
    let baked = canary.steps.get(step).is_none_or(|step| cx.now >= state.since.after(step.bake));
    let past_deadline = state.started.is_some_and(|started| cx.now >= started.after(plan.deadline));
    let past_deadline = past_deadline || state.ticks.len() >= MOST_LOOKS;
    // What a person paused, and what the plan holds at its deadline, waits for a person.
    let waits_for_person = state.paused.is_some() && !state.paused_by_machine;
    let shows_promotion = complete && answer == JudgeAnswer::Promote;
    let next = match answer {
        JudgeAnswer::Rollback => Some(Event::RollbackDecided { cause: Cause::Judge { reason } }),
        // A person's word holds past the deadline too; else a rollout that waits for one could never be promoted.
        _ if state.hurried && state.paused.is_none() && complete => Some(Event::PromotionDecided),
        _ if past_deadline && !waits_for_person => at_deadline(plan),
        _ if missing >= plan.missing_limit && state.paused.is_none() => Some(Event::Paused {
            reason: format!("no data for {missing} looks in a row; missing data is never good news"),
            by_machine: true,
        }),
        _ if state.paused.is_some() => None,
        _ if !baked || !complete => None,
        _ if !canary::is_last(canary, step) => Some(Event::StepEntered { step: step + 1 }),
        _ if shows_promotion => Some(Event::PromotionDecided),
        _ => None,
    };
    events.extend(next);
    events
}

fn at_deadline(plan: &Plan) -> Option<Event> {
    let reason = format!("{} passed without enough evidence either way", plan.deadline);
    Some(match plan.at_deadline {
        Exit::Rollback => Event::RollbackDecided { cause: Cause::Inconclusive { reason } },
        Exit::Hold => Event::Paused { reason, by_machine: false },
    })
}

fn grown(
    cx: Context<'_>,
    plan: &Plan,
    state: &State,
    observed: &Observed,
    judgement: Option<Judgement>,
    met: bool,
) -> Vec<Event> {
    let (tick, cursor) = state.tick(observed);
    let judgement = judgement.unwrap_or_else(no_judgement);
    let (answer, reason) = (judgement.answer, judgement.reason.clone());
    let mut events = vec![Event::Looked { tick, cursor, judgement }];
    let late = cx.now >= state.since.after(plan.start_deadline);
    events.extend(match (answer, met, late) {
        (JudgeAnswer::Rollback, _, _) => Some(Event::RollbackDecided { cause: Cause::Judge { reason } }),
        (_, true, _) => Some(Event::Switched),
        (_, false, true) => Some(Event::RollbackDecided {
            cause: Cause::Unhealthy {
                reason: format!("full capacity was not healthy within {}", plan.start_deadline),
            },
        }),
        (_, false, false) => None,
    });
    events
}

fn switched(cx: Context<'_>, plan: &Plan, state: &State, observed: &Observed, met: bool) -> Vec<Event> {
    let late = cx.now >= state.since.after(plan.start_deadline);
    match (met, late) {
        (true, _) => vec![counted(state, observed), Event::OldRetired],
        (false, true) => vec![Event::RollbackDecided {
            cause: Cause::Unhealthy { reason: "the new version did not take all of the traffic".to_owned() },
        }],
        (false, false) => Vec::new(),
    }
}

/// A target that answers and does not follow: past the deadline a person is called, once a phase.
fn not_followed(cx: Context<'_>, plan: &Plan, state: &State) -> Vec<Event> {
    let late = cx.now >= state.since.after(plan.start_deadline);
    if !late || state.paged {
        return Vec::new();
    }
    vec![Event::Paged { reason: format!("the target did not follow within {}", plan.start_deadline) }]
}

fn counted(state: &State, observed: &Observed) -> Event {
    let (tick, cursor) = state.tick(observed);
    Event::Counted { tick, cursor }
}

/// The bad version holds no share, and the stable one can take everything.
fn share_is_gone(state: &State, observed: &Observed) -> bool {
    let Some(new) = &state.new else { return true };
    observed.arm(&new.artifact).is_none_or(|arm| arm.share.ppm() == 0)
}

fn no_judgement() -> Judgement {
    Judgement {
        answer: JudgeAnswer::Continue,
        reason: "the judge did not look".to_owned(),
        readings: Vec::new(),
    }
}

/// The target could not be asked or did not follow. Forward, a rollout that can't be steered goes back; going back, or
/// past the switch, it never gives up: it pages and tries on.
pub fn failed(cx: Context<'_>, state: &State, failure: &Failure, tries: u32) -> Vec<Event> {
    let give_up = tries >= cx.policy.tries;
    let page = tries >= PAGE_AFTER && !state.paged;
    match &state.phase {
        Phase::Preparing | Phase::Watching { .. } | Phase::Growing if give_up => {
            vec![Event::RollbackDecided { cause: Cause::Unhealthy { reason: failure.message.clone() } }]
        }
        Phase::Preparing | Phase::Watching { .. } | Phase::Growing => Vec::new(),
        Phase::Switching | Phase::Finishing | Phase::RollingBack | Phase::Retiring if page => {
            vec![Event::Paged { reason: failure.message.clone() }]
        }
        Phase::Switching | Phase::Finishing | Phase::RollingBack | Phase::Retiring => Vec::new(),
        Phase::Idle | Phase::Promoted | Phase::RolledBack => Vec::new(),
    }
}

/// What the world owes a rollout: always the same question, whether the world is as desired.
pub fn due(state: &State) -> Option<Job> {
    match &state.phase {
        Phase::Idle => Some(Job::Begin),
        Phase::Promoted | Phase::RolledBack => None,
        Phase::Watching { .. } | Phase::Growing => reconcile(state, true),
        Phase::Preparing | Phase::Switching | Phase::Finishing | Phase::RollingBack | Phase::Retiring => {
            reconcile(state, false)
        }
    }
}

fn reconcile(state: &State, look: bool) -> Option<Job> {
    state.desired().map(|desired| Job::Reconcile { desired, look })
}
