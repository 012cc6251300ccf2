//! What follows from a look at a rollout that goes forward: the next station, a hold, or the way back.
//!
//! One function for every strategy: the course says what stands where, and this what must have passed.

use std::sync::Arc;

use crate::context::Context;
use crate::hold::{Hold, Kind};
use crate::share::Share;
use crate::stage::conversion;
use crate::stage::pause::Pauser;
use crate::stage::phase::Phase;
use crate::stage::plan::{Exit, Observed, Plan};
use crate::stage::rollout::{Cause, Event, Gate, JudgeAnswer, Judgement, SmokeTest, State};
use crate::strategy::station::Course;
use crate::time::Seconds;

/// Most looks kept of one rollout: a day of them. Past it the deadline's exit is taken.
const MOST_LOOKS: usize = 86_400;

/// A rollout that stands so long under what has no end of its own calls a person.
const PAGE_AFTER_HELD: Seconds = Seconds(4 * 3600);

/// Why a dead version is taken back.
const DEAD: &str = "no instance of the new version is healthy";

/// The events of one look.
pub fn follows(
    cx: Context<'_>,
    plan: &Plan,
    state: &State,
    hold: Option<&Hold>,
    observed: &Observed,
    judgement: Option<&Arc<Judgement>>,
    met: bool,
) -> Vec<Event> {
    let Some(course) = &state.course else { return Vec::new() };
    let late = cx.now >= state.since.after(plan.start_deadline);
    let told = told(cx, state, hold);
    let unhealthy = |reason: String| Event::RollbackDecided { cause: Cause::Unhealthy { reason } };
    let stranger = conversion::stranger(state, observed);
    let waits = || unless_back(told.clone(), state.pause_over(&plan.pause, cx.now));
    match &state.phase {
        // The first look sets the cursor; from it on every request counts.
        Phase::Preparing if met && state.paused.is_none() && hold.is_none() && course.in_place => {
            let all_stable = conversion::at_first(state, observed);
            let begun = told.into_iter().chain([counted(state, observed)]).chain(all_stable);
            begun.chain([Event::StepPrepared { step: 0 }]).collect()
        }
        Phase::Preparing if met && state.paused.is_none() && hold.is_none() => {
            told.into_iter().chain([counted(state, observed), Event::StepEntered { step: 0 }]).collect()
        }
        Phase::Preparing if !met && late && course.in_place => {
            let start = plan.start_deadline;
            vec![unhealthy(format!(
                "not every instance said within {start} that it serves the stable version"
            ))]
        }
        Phase::Preparing if !met && late => {
            vec![unhealthy(format!("the new version was not healthy within {}", plan.start_deadline))]
        }
        Phase::Preparing => waits(),
        Phase::Switching if is_dead(state, observed) => vec![unhealthy(DEAD.to_owned())],
        Phase::Switching if stranger.is_some() => stranger.map(unhealthy).into_iter().collect(),
        // Until the old version goes, there is a way back: what is held or paused keeps it.
        Phase::Switching if met && !is_kept(hold) && state.paused.is_none() => {
            told.into_iter().chain([counted(state, observed), Event::OldRetired]).collect()
        }
        Phase::Switching if !met && late => {
            vec![unhealthy("the new version did not take all of the traffic".to_owned())]
        }
        Phase::Switching => waits(),
        Phase::Filling { .. } | Phase::Watching { .. } | Phase::Growing | Phase::Baking => {
            let look = Look::new(cx, plan, state, hold, observed, judgement, met, late);
            let next = look.next(course);
            [look.looked].into_iter().chain(unless_back(told, next)).collect()
        }
        Phase::Idle
        | Phase::Finishing
        | Phase::Promoted
        | Phase::Recalling
        | Phase::RollingBack
        | Phase::Retiring
        | Phase::RolledBack
        | Phase::Halted { .. } => Vec::new(),
    }
}

/// What is told of a hold, and what follows; what goes back is held by nothing.
fn unless_back(told: Option<Event>, next: Option<Event>) -> Vec<Event> {
    let told = told.filter(|_| !matches!(next, Some(Event::RollbackDecided { .. })));
    told.into_iter().chain(next).collect()
}

/// A look where nothing follows: the judge stays armed and its word is kept, as far as there is room.
pub fn watched(state: &State, observed: &Observed, judgement: Option<&Arc<Judgement>>) -> Vec<Event> {
    if state.ticks.len() >= MOST_LOOKS {
        return Vec::new();
    }
    let (tick, cursor) = state.tick(observed);
    let judgement = judgement.cloned().unwrap_or_else(no_judgement);
    vec![Event::Looked { cursor: state.kept_cursor(&tick, cursor), tick: Arc::new(tick), judgement }]
}

/// What is new about what holds the rollout. Under a stop, which has no end of its own, a person is called at last.
fn told(cx: Context<'_>, state: &State, hold: Option<&Hold>) -> Option<Event> {
    match (&state.held, hold) {
        (None, None) => None,
        (Some(_), None) => Some(Event::Released),
        (Some((before, since)), Some(now)) if before.is_as(now) => {
            let long = cx.now >= since.after(PAGE_AFTER_HELD) && now.kind == Kind::Stop && !state.paged;
            long.then(|| Event::Paged { reason: format!("held for {PAGE_AFTER_HELD}: {now}") })
        }
        (Some(_) | None, Some(now)) => Some(Event::Held { hold: now.clone() }),
    }
}

/// What is decided already is kept where it is by what people hold, and by nothing else.
fn is_kept(hold: Option<&Hold>) -> bool {
    hold.is_some_and(|hold| hold.kind.holds_people())
}

/// What came since the last look, where the judge is not asked.
pub fn counted(state: &State, observed: &Observed) -> Event {
    let (tick, cursor) = state.tick(observed);
    Event::Counted { tick: Arc::new(tick), cursor }
}

/// One look with the judge armed, and all that its answer depends on.
struct Look<'a> {
    cx: Context<'a>,
    plan: &'a Plan,
    state: &'a State,
    hold: Option<&'a Hold>,
    looked: Event,
    judged: JudgeAnswer,
    reason: String,
    /// Both arms could be read.
    complete: bool,
    /// They did not get the shares of the plan.
    wrong_split: bool,
    /// Requests to the new version in this step.
    requests: u64,
    met: bool,
    /// The phase lasts longer than instances may take to start.
    late: bool,
    is_dead: bool,
    /// An instance is another process than before, where they are to stay.
    stranger: Option<String>,
    /// Where one of its instances listens.
    address: Option<String>,
}

impl<'a> Look<'a> {
    #[allow(clippy::too_many_arguments, reason = "a look depends on as much as this; it has one caller")]
    fn new(
        cx: Context<'a>,
        plan: &'a Plan,
        state: &'a State,
        hold: Option<&'a Hold>,
        observed: &Observed,
        judgement: Option<&Arc<Judgement>>,
        met: bool,
        late: bool,
    ) -> Self {
        let (tick, cursor) = state.tick(observed);
        let judgement = judgement.cloned().unwrap_or_else(no_judgement);
        let new = state.new.as_ref().and_then(|new| observed.arm(&new.artifact));
        Self {
            cx,
            plan,
            state,
            hold,
            judged: judgement.answer,
            reason: judgement.reason.clone(),
            complete: tick.canary.is_some() && tick.stable.is_some(),
            wrong_split: judgement.wrong_split,
            requests: tick
                .canary
                .as_ref()
                .map_or(0, |counts| counts.requests)
                .saturating_add(state.step_requests),
            looked: Event::Looked {
                cursor: state.kept_cursor(&tick, cursor),
                tick: Arc::new(tick),
                judgement,
            },
            met,
            late,
            address: new.and_then(|arm| arm.addresses.first().cloned()),
            is_dead: is_dead(state, observed),
            stranger: conversion::stranger(state, observed),
        }
    }

    /// The judge's word and a dead version first, in every phase, held or not, at a gate or not.
    fn next(&self, course: &Course) -> Option<Event> {
        // A person has sent it forward in spite of this: the verdict is shown, and not followed.
        let is_followed = !self.state.forced;
        if is_followed && self.judged == JudgeAnswer::Rollback {
            return Some(Event::RollbackDecided { cause: Cause::Judge { reason: self.reason.clone() } });
        }
        if is_followed && self.is_dead {
            return Some(self.unhealthy(DEAD.to_owned()));
        }
        if let Some(reason) = &self.stranger {
            return Some(self.unhealthy(reason.clone()));
        }
        if let Some(event) = self.state.pause_over(&self.plan.pause, self.cx.now) {
            return Some(event);
        }
        match &self.state.phase {
            Phase::Filling { .. } if !self.met && self.late => {
                Some(self.unhealthy(format!("the batch was not healthy within {}", self.plan.start_deadline)))
            }
            Phase::Growing if !self.met && self.late => Some(
                self.unhealthy(format!("full capacity was not healthy within {}", self.plan.start_deadline)),
            ),
            Phase::Growing if !self.met || is_kept(self.hold) || self.state.paused.is_some() => None,
            Phase::Growing if course.end.is_some() => Some(Event::BakeBegun),
            Phase::Growing => Some(Event::Switched),
            Phase::Filling { step } => self.held(None).unwrap_or_else(|| self.filled(*step)),
            Phase::Watching { step } => {
                self.held(self.hurried(course, *step)).unwrap_or_else(|| self.watched(course, *step))
            }
            Phase::Baking => {
                self.held(Some(Event::Switched)).unwrap_or_else(|| self.baked(bake_at_the_end(course)))
            }
            Phase::Idle
            | Phase::Preparing
            | Phase::Switching
            | Phase::Finishing
            | Phase::Promoted
            | Phase::Recalling
            | Phase::RollingBack
            | Phase::Retiring
            | Phase::RolledBack
            | Phase::Halted { .. } => None,
        }
    }

    /// What a person's word leads to. Who has a name leaves no room for more instances, so batch follows batch all the same, each
    /// when the one before is healthy.
    fn hurried(&self, course: &Course, step: usize) -> Option<Event> {
        if course.order.is_none() || course.is_last(step) {
            return Some(Event::PromotionDecided);
        }
        self.met.then_some(Event::StepPrepared { step: step + 1 })
    }

    /// What holds the rollout where it is, or ends its waiting; none: it may go on by itself. `hurried` is what a
    /// person's word leads to here.
    fn held(&self, hurried: Option<Event>) -> Option<Option<Event>> {
        let state = self.state;
        // The time that people hold it is not the version's: it does not count, and no deadline passes meanwhile. But
        // there is an end to the looks that are kept.
        let active = state.active_millis(self.cx.now).unwrap_or(0);
        let stands_still = self.hold.is_some_and(|hold| hold.kind.stops_the_deadline());
        let late = active >= self.plan.deadline.0.saturating_mul(1000) && !stands_still;
        let past_deadline = late || state.ticks.len() >= MOST_LOOKS;
        // What a person paused, and what the plan holds at its deadline, waits for a person.
        let waits_for_person = state.paused.is_some() && state.pauser != Pauser::Machine;
        let says_nothing = !self.complete || self.wrong_split;
        let missing = if !says_nothing { 0 } else { state.missing.saturating_add(1) };
        // A person's word holds past the deadline too; else a rollout that waits for one could never be promoted.
        let people_wait = self.hold.is_some_and(|hold| hold.kind.holds_people());
        if state.hurried && state.paused.is_none() && self.complete && !people_wait {
            return hurried.map(Some);
        }
        if past_deadline && !waits_for_person && !state.forced {
            return Some(Some(self.at_deadline()));
        }
        if missing >= self.plan.missing_limit && state.paused.is_none() {
            let reason = if self.wrong_split {
                "the versions do not get the shares of the plan: the target is at fault".to_owned()
            } else {
                format!("no data for {missing} looks in a row; missing data is never good news")
            };
            return Some(Some(Event::Paused { reason, by_machine: true }));
        }
        (state.paused.is_some() || says_nothing || self.hold.is_some()).then_some(None)
    }

    fn filled(&self, step: usize) -> Option<Event> {
        self.met.then_some(Event::StepEntered { step })
    }

    /// After the bake the gate, after the gate the smoke test, then the next station, and after the last one the evidence.
    fn watched(&self, course: &Course, step: usize) -> Option<Event> {
        let station = course.stations.get(step);
        if station.is_some_and(|station| !self.is_over(station.bake)) {
            return None;
        }
        match (self.state.gate, station.is_some_and(|station| station.gate)) {
            (Gate::Ahead, true) => return Some(Event::GateReached { step }),
            (Gate::Waits, true) => return None,
            (Gate::Opened, true) | (Gate::Ahead | Gate::Waits | Gate::Opened, false) => {}
        }
        if station.is_some_and(|station| station.smoke.is_some()) {
            match &self.state.smoke {
                // A target that can't say where an instance listens leaves the exit at the deadline.
                SmokeTest::Ahead => {
                    return self.address.clone().map(|address| Event::SmokeBegun { step, address });
                }
                SmokeTest::Runs { .. } => return None,
                SmokeTest::Passed => {}
            }
        }
        if course.is_last(step) {
            return (self.judged == JudgeAnswer::Promote).then_some(Event::PromotionDecided);
        }
        // A share that is not in force, or that nobody used, has shown nothing: no more users meet the version for it.
        let is_shared = station.is_some_and(|station| station.share != Share::NONE);
        if is_shared && (!self.met || self.requests == 0) {
            return None;
        }
        let step = step + 1;
        Some(if course.must_fill(step) { Event::StepPrepared { step } } else { Event::StepEntered { step } })
    }

    fn baked(&self, bake: Seconds) -> Option<Event> {
        self.is_over(bake).then_some(Event::Switched)
    }

    fn is_over(&self, bake: Seconds) -> bool {
        self.state.has_baked(bake, self.cx.now)
    }

    fn at_deadline(&self) -> Event {
        let deadline = self.plan.deadline;
        let waits_at_gate =
            matches!(self.state.phase, Phase::Watching { .. }) && self.state.gate == Gate::Waits;
        let without = if waits_at_gate {
            "and nobody opened the gate"
        } else if self.state.phase == Phase::Baking {
            "before the bake at the end was over"
        } else {
            "without enough evidence either way"
        };
        let reason = format!("{deadline} passed {without}");
        match self.plan.at_deadline {
            Exit::Rollback => Event::RollbackDecided { cause: Cause::Inconclusive { reason } },
            Exit::Hold => Event::Paused { reason, by_machine: false },
        }
    }

    fn unhealthy(&self, reason: String) -> Event {
        Event::RollbackDecided { cause: Cause::Unhealthy { reason } }
    }
}

/// The new version holds most of the traffic, and none of its instances can take it: nobody else gets those requests, so
/// it is taken back at once.
fn is_dead(state: &State, observed: &Observed) -> bool {
    let new = state.new.as_ref().and_then(|new| observed.arm(&new.artifact));
    let is_ill = new.is_some_and(|arm| arm.healthy == 0);
    let holds_most = || state.allowed_share() > state.allowed_share().rest();
    is_ill && holds_most()
}

fn bake_at_the_end(course: &Course) -> Seconds {
    course.end.as_ref().map(|end| end.bake).unwrap_or_default()
}

fn no_judgement() -> Arc<Judgement> {
    Arc::new(Judgement {
        answer: JudgeAnswer::Continue,
        reason: "the judge did not look".to_owned(),
        readings: Vec::new(),
        wrong_split: false,
        judge: 0,
    })
}
