//! What must hold of each fact of a rollout.

use patchline_model::actor::Actor;
use patchline_model::event::Fact;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::Plan;
use patchline_model::stage::rollout::{Event, JudgeAnswer, Tick, canary_of};
use patchline_model::stage::{approve, review};

use crate::breach::{Breach, hold};
use crate::invariants::paper::is_shown;
use crate::invariants::seen::Seen;

/// Checks one fact of the rollout.
pub fn check(seen: Seen<'_>, event: &Event) -> Result<(), Breach> {
    let before = &seen.before.rollout;
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{event:?} in {:?}", before.phase))
    };
    let met = || {
        let desired = before.desired();
        seen.observed().zip(desired).is_some_and(|(observed, desired)| observed.meets(&desired))
    };
    if before.is_going_back() {
        let goes_on = matches!(
            event,
            Event::ShareTaken | Event::Counted { .. } | Event::RolledBack | Event::Paged { .. }
        );
        says(goes_on, "a rollback once begun never goes forward again")?;
    }
    match event {
        Event::Started { stable, new, .. } => {
            says(before.plan.is_none(), "a rollout starts once")?;
            says(stable.artifact != new.artifact, "what runs already is not rolled out")?;
            started(seen)
        }
        Event::StepEntered { step } => {
            let plan = before.plan.as_ref();
            let from = match (step, &before.phase) {
                (0, Phase::Preparing) => met(),
                (step, Phase::Watching { step: left }) => {
                    left + 1 == *step
                        && plan.is_some_and(|plan| is_baked(seen, plan, *left))
                        && is_complete(seen)
                }
                _ => false,
            };
            says(from, "a step follows the one before, after its bake and with data")?;
            says(before.paused.is_none(), "nothing goes forward while paused")
        }
        Event::Looked { tick, cursor, judgement } => {
            looked(seen, tick)?;
            let truth = seen.observed().map(|observed| before.tick(observed).1);
            says(truth.as_ref() == Some(cursor), "a look remembers what was seen")?;
            let taken_back = seen
                .rest
                .iter()
                .any(|event| matches!(event.fact, Fact::Rollout(Event::RollbackDecided { .. })));
            let answered = judgement.answer != JudgeAnswer::Rollback || taken_back;
            says(answered, "the judge's rollback is followed at once")
        }
        Event::Counted { tick, .. } => looked(seen, tick),
        Event::Paused { .. } | Event::Resumed => {
            let pausable = matches!(before.phase, Phase::Preparing | Phase::Watching { .. });
            says(pausable, "only a canary can be held")
        }
        Event::Hurried { .. } => {
            let pausable = matches!(before.phase, Phase::Preparing | Phase::Watching { .. });
            says(pausable, "only a canary can be hurried")?;
            says(matches!(seen.event.by, Actor::Person(_)), "only a person promotes without evidence")
        }
        Event::PromotionDecided => {
            says(before.paused.is_none(), "nothing goes forward while paused")?;
            says(is_complete(seen), "no promotion while data is missing")?;
            says(before.hurried || shows_promotion(seen), "promotion only on evidence, or on a person's word")
        }
        Event::Switched => {
            says(before.phase == Phase::Growing && met(), "all traffic only with all of the capacity")
        }
        Event::OldRetired => says(
            before.phase == Phase::Switching && met(),
            "the old version goes after the switch is confirmed",
        ),
        Event::Promoted => {
            says(before.phase == Phase::Finishing && met(), "promoted means it runs everywhere")
        }
        Event::RollbackDecided { .. } => {
            let forward = matches!(
                before.phase,
                Phase::Preparing | Phase::Watching { .. } | Phase::Growing | Phase::Switching
            );
            says(forward, "a rollback is decided once, while the old version is there")
        }
        Event::ShareTaken => {
            let new = before.new.as_ref();
            let share = new.zip(seen.observed()).and_then(|(new, observed)| observed.arm(&new.artifact));
            let gone = share.is_none_or(|arm| arm.share.ppm() == 0);
            says(before.phase == Phase::RollingBack && gone, "the share is taken when the target says so")
        }
        Event::RolledBack => {
            says(
                before.phase == Phase::Retiring && met(),
                "rolled back means the stable version runs everywhere",
            )?;
            let ends = |event: &patchline_model::event::Event| {
                matches!(&event.fact, Fact::Review(review::Event::Ended(review::End::RolledBack(_))))
            };
            says(seen.rest.iter().any(ends), "a rollback's end is the patch's end")
        }
        Event::Paged { .. } => Ok(()),
    }
}

fn started(seen: Seen<'_>) -> Result<(), Breach> {
    let (patch, planned) = (seen.before, seen.planned);
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{:?}", patch.approve))
    };
    says(is_shown(patch), "only what was shown to be a fix is rolled out")?;
    let decision = patch.approve.decision.as_ref();
    let allows = decision.is_some_and(|decision| decision.answer == approve::Answer::Allow);
    let considered = patch.approve.considered == patch.approve.approvals.len();
    says(allows && considered, "nothing rolls out but by a decision that saw every approval")?;
    let filled = |role: &String| patch.approve.approvals.iter().any(|approval| approval.role == *role);
    says(planned.needs.iter().all(filled) && !planned.denied, "every role that was asked for has agreed")
}

/// Missing stays missing: a look counts exactly what the target's answer and the look before say.
fn looked(seen: Seen<'_>, tick: &Tick) -> Result<(), Breach> {
    let truth = seen.observed().map(|observed| seen.before.rollout.tick(observed).0);
    let invariant = "a look counts what was seen since the look before, and missing is missing";
    hold(truth.as_ref() == Some(tick), invariant, seen.patch(), || format!("{tick:?} instead of {truth:?}"))
}

fn is_complete(seen: Seen<'_>) -> bool {
    let last = seen.before.rollout.ticks.last();
    last.is_some_and(|tick| tick.canary.is_some() && tick.stable.is_some())
}

fn is_baked(seen: Seen<'_>, plan: &Plan, step: usize) -> bool {
    let bake = canary_of(plan).steps.get(step).map(|step| step.bake).unwrap_or_default();
    seen.event.at >= seen.before.rollout.since.after(bake)
}

fn shows_promotion(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    let judged = state.judgement.as_ref().is_some_and(|judgement| judgement.answer == JudgeAnswer::Promote);
    match (&state.phase, &state.plan) {
        (Phase::Watching { step }, Some(plan)) => {
            judged && step + 1 == canary_of(plan).steps.len() && is_baked(seen, plan, *step)
        }
        _ => false,
    }
}
