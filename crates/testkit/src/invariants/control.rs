//! What may not happen while people hold something, or while the error budget burns.

use std::sync::Arc;

use patchline_model::command::Ask;
use patchline_model::event::Fact;
use patchline_model::job::Outcome;
use patchline_model::stage::pause::PauseExit;
use patchline_model::stage::rollout::{Cause, Event, Outcome as Reported, Tick};

use crate::breach::{Breach, hold};
use crate::invariants::seen::Seen;

/// What the target said of the hour before, or of what the plan may cost: in this world one of two numbers says it.
fn overdrawn(seen: Seen<'_>) -> bool {
    let slo = seen.before.opening.as_ref().and_then(|opening| opening.service.run.as_ref()?.slo);
    match &seen.command.ask {
        Ask::Report {
            answer: Ok(Outcome::Rollout(Reported::Begun { history: Some(history), .. })), ..
        } => {
            let failed = history.windows.iter().any(|window| window.errors > 0);
            slo.is_some() && (failed || history.exposure.is_some_and(|exposure| exposure > 1e8))
        }
        _ => false,
    }
}

/// In the looks before this one: more than 14.4 times what the objective allows, over all of the newest and over a fifth.
fn canary_burns(seen: Seen<'_>) -> bool {
    let slo = seen.before.opening.as_ref().and_then(|opening| opening.service.run.as_ref()?.slo);
    let Some(slo) = slo.filter(|_| !seen.before.rollout.forced) else { return false };
    let ticks = &seen.before.rollout.ticks;
    // What is decided rests on the looks before the newest, which is stored in the same append.
    let known = ticks.len() - usize::from(seen.follows_a_look);
    let ticks = &ticks[known.saturating_sub(300)..known];
    let ratio = |ticks: &[Arc<Tick>]| {
        let counts = || ticks.iter().filter_map(|tick| tick.canary.as_ref());
        let (requests, errors): (u64, u64) =
            (counts().map(|it| it.requests).sum(), counts().map(|it| it.errors).sum());
        (errors, errors as f64 / requests.max(1) as f64)
    };
    let most = 14.4 * (1.0 - slo.availability);
    let (errors, long) = ratio(ticks);
    let (_, short) = ratio(&ticks[ticks.len() - ticks.len().div_ceil(5)..]);
    errors >= 10 && long > most && short > most
}

/// Checks one fact against what is held now.
pub fn check(seen: Seen<'_>) -> Result<(), Breach> {
    let Fact::Rollout(event) = &seen.event.fact else { return Ok(()) };
    let says =
        |holds: bool, invariant: &'static str| hold(holds, invariant, seen.patch(), || format!("{event:?}"));
    says(
        !(moves_on(event) && seen.is_held()),
        "nothing begins or grows while it is stopped, frozen or shut",
    )?;
    if let Event::Started { .. } = event {
        says(
            seen.is_urgent() || seen.is_emergency() || !overdrawn(seen),
            "no routine rollout begins while the error budget burns",
        )?;
    }
    // A person who hurries a rollout overrules its own burn, in the middle of a step as well; what people hold, nobody.
    let by_itself = !seen.before.rollout.hurried;
    let grows = by_itself
        && matches!(event, Event::StepPrepared { .. } | Event::StepEntered { .. } | Event::PromotionDecided);
    says(!(grows && canary_burns(seen)), "nothing grows while the canary's own requests burn the budget")?;
    match event {
        Event::RollbackDecided { cause: Cause::Inconclusive { .. } } => {
            let is_over = had_its_time(seen) || pause_is_over(seen);
            says(is_over, "what people hold does not take a version back: it has all of its time")
        }
        Event::Held { .. } => says(seen.is_held() || canary_burns(seen), "what is held is held by somebody"),
        Event::Released => says(!seen.is_held() && !canary_burns(seen), "what is held stays held"),
        _ => Ok(()),
    }
}

/// Whether the rollout has lasted as long as its plan says, without the time that people held or paused it.
pub fn had_its_time(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    let (Some(plan), Some(started)) = (&state.plan, state.started) else { return false };
    seen.event.at.millis_since(started).saturating_sub(seen.still_millis) >= plan.deadline.0 * 1000
}

/// A person has paused it for as long as its plan allows.
fn pause_is_over(seen: Seen<'_>) -> bool {
    let limit = seen.before.rollout.plan.as_ref().map(|plan| plan.pause.deadline);
    let since = seen.pauses.and_then(|pauses| pauses.since);
    since.zip(limit).is_some_and(|(since, limit)| seen.event.at >= since.after(limit))
}

/// Whether a look that finds a pause too long is followed by what the plan says of it.
pub fn pause_exit_is_taken(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    let Some(plan) = state.plan.as_ref().filter(|_| pause_is_over(seen)) else { return true };
    seen.rest.iter().any(|event| {
        let Fact::Rollout(fact) = &event.fact else { return false };
        let goes_back = matches!(fact, Event::RollbackDecided { .. } | Event::Halted { .. });
        let calls = matches!(fact, Event::Paged { .. });
        goes_back
            || match plan.pause.exit {
                // What was forced and can't be undone calls a person, once.
                PauseExit::Rollback => calls && state.forced,
                PauseExit::Resume => matches!(fact, Event::Resumed),
                PauseExit::Hold => calls,
            }
    }) || (state.paged && (plan.pause.exit == PauseExit::Hold || state.forced))
}

/// More users will meet the new version, or less of a way back is left.
fn moves_on(event: &Event) -> bool {
    matches!(
        event,
        Event::Started { .. }
            | Event::StepPrepared { .. }
            | Event::StepEntered { .. }
            | Event::GateOpened { .. }
            | Event::Hurried { .. }
            | Event::PromotionDecided
            | Event::BakeBegun
            | Event::Switched
            | Event::OldRetired
    )
}
