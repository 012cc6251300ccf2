//! What must hold of each fact of a rollout.

use patchline_model::actor::Actor;
use patchline_model::command::Ask;
use patchline_model::event::Fact;
use patchline_model::job::Outcome;
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use patchline_model::stage::pause::Pauser;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Plan, Strategy};
use patchline_model::stage::rollout::Outcome as Reported;
use patchline_model::stage::rollout::{Cursor, Event, Gate, JudgeAnswer, Judgement, SmokeTest, Tick};
use patchline_model::stage::{approve, review};
use patchline_model::time::Seconds;

use crate::breach::{Breach, hold};
use crate::invariants::bound::standing;
use crate::invariants::control::{had_its_time, pause_exit_is_taken};
use crate::invariants::exposed;
use crate::invariants::named;
use crate::invariants::paper::is_shown;
use crate::invariants::place;
use crate::invariants::road::{self, Promised};
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
            Event::ShareTaken
                | Event::StableReturned { .. }
                | Event::Confirmed { .. }
                | Event::Counted { .. }
                | Event::RolledBack
                | Event::Paged { .. }
        );
        says(goes_on, "a rollback once begun never goes forward again")?;
    }
    match event {
        Event::Started { stable, new, .. } => {
            says(before.plan.is_none(), "a rollout starts once")?;
            says(before.paused.is_none(), "nothing begins while paused")?;
            says(stable.artifact != new.artifact, "what runs already is not rolled out")?;
            started(seen)
        }
        Event::StepEntered { step } => {
            let from = match (step, &before.phase) {
                (0, Phase::Preparing) => met(),
                (step, Phase::Watching { step: left }) => left + 1 == *step && may_leave(seen, *left)?,
                (step, Phase::Filling { step: filled }) => step == filled && met() && is_complete(seen),
                _ => false,
            };
            says(from, "a step follows the one before, after its bake and with data")?;
            says(before.paused.is_none(), "nothing goes forward while paused")
        }
        Event::StepPrepared { step } => {
            let from = match &before.phase {
                Phase::Preparing => *step == 0 && is_hot(seen) && met() && place::all_said(seen),
                Phase::Watching { step: left } => left + 1 == *step && may_leave(seen, *left)?,
                _ => false,
            };
            says(from, "a step follows the one before, after its bake and with data")?;
            says(before.paused.is_none(), "nothing goes forward while paused")
        }
        Event::GateReached { step } => {
            let there = before.phase == Phase::Watching { step: *step };
            let is_gate = promised(seen, *step).is_some_and(|promised| promised.gate);
            says(
                there && is_gate && is_baked(seen, *step),
                "a gate stands where the plan says, after the bake",
            )
        }
        Event::GateOpened { step } => {
            let waits = before.gate == Gate::Waits && before.phase == Phase::Watching { step: *step };
            says(waits && matches!(seen.event.by, Actor::Person(_)), "a person opens a gate that waits")
        }
        Event::Looked { tick, judgement, .. } => {
            let cursor = looked(seen, tick)?;
            exposed::check(seen, tick, judgement)?;
            says(cursor == seen.after.rollout.cursor, "a look remembers what was seen")?;
            let halted = matches!(before.phase, Phase::Halted { .. }) || before.forced;
            let followed = halted || seen.rest.iter().any(takes_back);
            let answered = judgement.answer != JudgeAnswer::Rollback || followed;
            says(answered, "the judge's rollback is followed at once")?;
            says(is_its_word(seen, judgement), "a look keeps the judge's word")?;
            says(exit_is_taken(seen), "past the deadline the plan's exit is taken, at a gate too")?;
            says(pause_exit_is_taken(seen), "a person's pause ends as the plan says")
        }
        Event::Counted { tick, .. } => looked(seen, tick).map(drop),
        // What is held is looked at in `control.rs`.
        Event::Deferred { .. } | Event::Held { .. } | Event::Released => Ok(()),
        Event::Paused { .. } | Event::Resumed => {
            let forward = is_undecided(&before.phase);
            let ends = matches!(before.phase, Phase::Growing | Phase::Switching | Phase::Finishing);
            let forward = forward || ends || before.phase == Phase::Idle;
            says(forward, "only what goes forward, or has not begun, can be paused")
        }
        Event::Hurried { .. } => {
            let is_ahead = before.phase == Phase::Idle && is_allowed(seen.before);
            says(
                is_ahead || is_undecided(&before.phase),
                "only what may begin, or is still watched, can be hurried",
            )?;
            says(matches!(seen.event.by, Actor::Person(_)), "only a person promotes without evidence")
        }
        Event::SmokeBegun { step, .. } => {
            let there =
                before.phase == Phase::Watching { step: *step } && before.allowed_share() == Share::NONE;
            says(there && is_baked(seen, *step), "a smoke test comes after the preview and before any user")
        }
        Event::SmokePassed { .. } => says(
            before.smoke != SmokeTest::Passed && !seen.planned.smokes,
            "a smoke test passes by its answer",
        ),
        Event::SmokeFailed { .. } => {
            says(seen.rest.iter().any(takes_back), "what fails its smoke test is taken back")
        }
        Event::PromotionDecided => {
            says(before.paused.is_none(), "nothing goes forward while paused")?;
            says(is_complete(seen), "no promotion while data is missing")?;
            says(
                before.hurried || shows_promotion(seen),
                "promotion only on evidence, or on a person's word",
            )?;
            says(before.hurried || answers_alike(seen), "a shadow is promoted by answers that agree")
        }
        Event::BakeBegun => {
            says(before.paused.is_none(), "nothing goes forward while paused")?;
            says(before.phase == Phase::Growing && met(), "all traffic only with all of the capacity")
        }
        Event::Switched => {
            let end = before.plan.as_deref().and_then(last_bake);
            let baked = end.is_none_or(|bake| has_baked(seen, bake));
            let from = match before.phase {
                Phase::Growing => end.is_none() && met(),
                Phase::Baking => is_complete(seen) && (baked || before.hurried),
                _ => false,
            };
            says(from, "all traffic only with all of the capacity, and after the last bake")?;
            says(before.paused.is_none(), "nothing goes forward while paused")
        }
        Event::OldRetired => {
            says(before.paused.is_none(), "nothing goes forward while paused")?;
            says(
                before.phase == Phase::Switching && met(),
                "the old version goes after the switch is confirmed",
            )?;
            place::stayed(seen)
        }
        Event::Confirmed { artifact, processes, .. } => says(
            place::is_its_word(seen, artifact, processes),
            "only an instance's own word confirms a conversion",
        ),
        Event::Recalled { .. } => says(
            *standing(&before.phase) == Phase::Promoted,
            "only what was promoted is taken back after its promotion",
        ),
        Event::ReturnBegun => {
            let ours = before.new.as_ref().map(|new| &new.artifact);
            let is_seen = match &seen.command.ask {
                Ask::Report {
                    answer: Ok(Outcome::Rollout(Reported::Recallable { runs, lacking })), ..
                } => Some(runs) == ours && lacking.is_none(),
                _ => false,
            };
            says(
                before.phase == Phase::Recalling && is_seen,
                "nothing is taken back before the way back is seen",
            )
        }
        Event::Kept { .. } => {
            says(before.phase == Phase::Recalling, "what stays was to be taken back")?;
            let is_stuck = match &seen.command.ask {
                Ask::Report {
                    answer: Ok(Outcome::Rollout(Reported::Recallable { runs, lacking })), ..
                } => lacking.is_some() && before.new.as_ref().is_some_and(|new| new.artifact == *runs),
                _ => false,
            };
            says(!(is_stuck && seen.planned.in_set), "a member of a set that can't go back is not given up")
        }
        Event::Promoted => {
            says(before.paused.is_none(), "nothing goes forward while paused")?;
            says(before.phase == Phase::Finishing && met(), "promoted means it runs everywhere")
        }
        Event::RollbackDecided { .. } => {
            let phase = standing(&before.phase);
            let forward = is_undecided(phase) || matches!(phase, Phase::Growing | Phase::Switching);
            // A person, whoever went on holidays in a pause, or the set that it holds up.
            let drains = *phase == Phase::Finishing
                && (matches!(seen.event.by, Actor::Person(_)) || before.paused.is_some());
            says(forward || drains, "a rollback is decided once, while the old version is there")
        }
        Event::StableReturned { instances } => {
            let stable = before.stable.as_ref();
            let arm = stable.zip(seen.observed()).and_then(|(it, observed)| observed.arm(&it.artifact));
            let healthy = arm.is_some_and(|arm| arm.healthy >= *instances);
            says(before.is_going_back() && healthy, "stable takes back what healthy instances can carry")
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
        Event::Halted { .. } | Event::Forced { .. } | Event::LossAccepted { .. } | Event::Paged { .. } => {
            Ok(())
        }
    }
}

/// A version is taken back, or halts where that would undo nothing.
fn takes_back(event: &patchline_model::event::Event) -> bool {
    matches!(event.fact, Fact::Rollout(Event::RollbackDecided { .. } | Event::Halted { .. }))
}

fn is_hot(seen: Seen<'_>) -> bool {
    let plan = seen.before.rollout.plan.as_ref();
    plan.is_some_and(|plan| matches!(plan.strategy, Strategy::Hot(_)))
}

fn started(seen: Seen<'_>) -> Result<(), Breach> {
    let (patch, planned) = (seen.before, seen.planned);
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{:?}", patch.approve))
    };
    says(is_shown(patch), "only what was shown to be a fix is rolled out")?;
    says(is_allowed(patch), "nothing rolls out but by a decision that saw every approval")?;
    let filled = |role: &String| patch.approve.approvals.iter().any(|approval| approval.role == *role);
    let agreed = planned.needs.iter().all(filled) || seen.is_said_to_be_urgent();
    says(agreed && !planned.denied, "every role that was asked for has agreed")
}

fn is_allowed(patch: &Patch) -> bool {
    let decision = patch.approve.decision.as_ref();
    let allows = decision.is_some_and(|decision| decision.answer == approve::Answer::Allow);
    allows && patch.approve.considered == patch.approve.approvals.len()
}

/// Missing stays missing: a look counts exactly what the target's answer and the look before say. Answers where the next one
/// begins.
fn looked(seen: Seen<'_>, tick: &Tick) -> Result<Option<Cursor>, Breach> {
    let (truth, cursor) = seen.observed().map(|observed| seen.before.rollout.tick(observed)).unzip();
    let invariant = "a look counts what was seen since the look before, and missing is missing";
    let says = || format!("{tick:?} instead of {truth:?}");
    hold(truth.as_ref() == Some(tick), invariant, seen.patch(), says)?;
    Ok(cursor)
}

fn is_complete(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    let both = state.ticks.last().is_some_and(|tick| tick.canary.is_some() && tick.stable.is_some());
    // A person may know better than the split; nobody knows what was not read.
    both && (state.hurried || state.judgement.as_ref().is_none_or(|said| !said.wrong_split))
}

fn promised(seen: Seen<'_>, step: usize) -> Option<Promised> {
    seen.before.rollout.plan.as_ref().and_then(|plan| road::promised(plan, step))
}

fn is_baked(seen: Seen<'_>, step: usize) -> bool {
    let bake = promised(seen, step).map(|promised| promised.bake).unwrap_or_default();
    has_baked(seen, bake)
}

/// The phase has lasted so long, without what a person has paused of it.
fn has_baked(seen: Seen<'_>, bake: Seconds) -> bool {
    seen.pauses.is_some_and(|pauses| pauses.has_baked(bake, seen.event.at))
}

/// Whether this step's bake is over, with data; its gate, if it has one, must have been opened.
fn may_leave(seen: Seen<'_>, step: usize) -> Result<bool, Breach> {
    let state = &seen.before.rollout;
    if state.hurried && state.plan.as_deref().is_some_and(named::has_names) {
        let desired = state.desired();
        let met = seen.observed().zip(desired).is_some_and(|(observed, desired)| observed.meets(&desired));
        return Ok(met && is_complete(seen));
    }
    let gated = promised(seen, step).is_some_and(|promised| promised.gate);
    let gate = seen.before.rollout.gate;
    let tried = match seen.before.rollout.plan.as_ref().map(|plan| &plan.strategy) {
        Some(Strategy::BlueGreen(blue_green)) => {
            step > 0 || blue_green.smoke.is_none() || seen.before.rollout.smoke == SmokeTest::Passed
        }
        Some(
            Strategy::Canary(_)
            | Strategy::Rolling(_)
            | Strategy::Flag(_)
            | Strategy::Shadow(_)
            | Strategy::Hot(_),
        )
        | None => true,
    };
    hold(tried, "no user meets what its smoke test has not passed", seen.patch(), || format!("step {step}"))?;
    let open = !gated || gate == Gate::Opened;
    hold(open, "nothing passes a gate that no person has opened", seen.patch(), || format!("{gate:?}"))?;
    Ok(is_baked(seen, step) && is_complete(seen))
}

fn is_undecided(phase: &Phase) -> bool {
    matches!(phase, Phase::Preparing | Phase::Filling { .. } | Phase::Watching { .. } | Phase::Baking)
}

fn last_bake(plan: &Plan) -> Option<Seconds> {
    match &plan.strategy {
        Strategy::Canary(canary) => canary.end.as_ref().map(|end| end.bake),
        Strategy::Flag(flag) => flag.end.as_ref().map(|end| end.bake),
        Strategy::Shadow(shadow) => Some(shadow.end.bake),
        Strategy::Rolling(_) | Strategy::BlueGreen(_) | Strategy::Hot(_) => None,
    }
}

/// Whether a shadow's version truly answers like the one that runs; a judge that lies has no numbers to show.
fn answers_alike(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    let is_shadow = state.plan.as_ref().is_some_and(|plan| matches!(plan.strategy, Strategy::Shadow(_)));
    let lies = state.judgement.as_ref().is_some_and(|judgement| judgement.readings.is_empty());
    // What runs already under another name answers as it did.
    let is_known = seen.planned.builds_the_same.is_some();
    !is_shadow || lies || is_known || seen.planned.differs <= 0.1
}

/// What is stored of a look is what the judge said.
fn is_its_word(seen: Seen<'_>, stored: &Judgement) -> bool {
    match &seen.command.ask {
        Ask::Report { answer: Ok(Outcome::Rollout(Reported::Reconciled { judgement, .. })), .. } => {
            judgement.as_deref().is_none_or(|said| said == stored)
        }
        _ => false,
    }
}

/// Past its deadline a rollout goes back or is held for a person, unless a person's word moves it.
fn exit_is_taken(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    // While it stands under a hold no deadline passes; the look that finds it lifted tells so, and then one may.
    let lifts = |event: &patchline_model::event::Event| matches!(event.fact, Fact::Rollout(Event::Released));
    let stands = || seen.is_held() || (seen.stands_still && !seen.rest.iter().any(lifts));
    let past = is_undecided(&state.phase) && had_its_time(seen) && !stands();
    let with_person =
        (state.paused.is_some() && state.pauser != Pauser::Machine) || state.hurried || state.forced;
    let exit = |event: &patchline_model::event::Event| {
        takes_back(event) || matches!(event.fact, Fact::Rollout(Event::Paused { .. }))
    };
    !past || with_person || seen.rest.iter().any(exit)
}

fn shows_promotion(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    let judged = state.judgement.as_ref().is_some_and(|judgement| judgement.answer == JudgeAnswer::Promote);
    match (&state.phase, &state.plan) {
        (Phase::Watching { step }, Some(plan)) => {
            let gated = promised(seen, *step).is_some_and(|promised| promised.gate);
            let open = !gated || state.gate == Gate::Opened;
            judged && open && step + 1 == road::steps(plan) && is_baked(seen, *step)
        }
        _ => false,
    }
}
