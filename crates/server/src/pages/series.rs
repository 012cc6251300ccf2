//! What a rollout's charts show, read from its events: shares, looks, marks. Bounded, and free of odd numbers.

use patchline_model::event::{Event, Fact};
use patchline_model::stage::folding;
use patchline_model::stage::rollout::{self, Judgement, Reading, Tick};
use patchline_model::time::Timestamp;
use patchline_model::view::story::Mood;

/// Points of one line, at most: more looks than that are taken together.
pub const MOST_POINTS: usize = 600;

/// Steps, pauses and decisions that are marked, at most.
const MOST_MARKS: usize = 40;

/// Looks over which a rate of errors is taken, so that single requests don't shake it.
const WINDOW: usize = 5;

/// A look that comes so many times later than usual is late; one that comes within these seconds never is.
const LATE: f64 = 5.0;
const LEAST_LATE: f64 = 5.0;

/// A span below this between two looks gives no rate.
const LEAST_SPAN: f64 = 0.001;

/// The whole rollout, seconds counted from its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    pub seconds: f64,
    /// The share that was asked for, from this second on.
    pub shares: Vec<(f64, f64)>,
    pub points: Vec<Point>,
    pub marks: Vec<Mark>,
}

/// One look, or several taken together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    pub at: f64,
    /// Seconds since the point before.
    pub span: f64,
    /// The span is far longer than others: nobody looked.
    pub is_late: bool,
    pub canary: Option<Counted>,
    pub stable: Option<Counted>,
    pub harm: Option<Level>,
    pub promotion: Option<Level>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    pub requests: u64,
    pub errors: u64,
}

/// Evidence in nats, and where it suffices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pub log: f64,
    pub threshold: f64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub at: f64,
    pub text: String,
    pub mood: Mood,
}

impl Series {
    /// From all events of a patch. `None` until the rollout has begun; a running one reaches up to `now`.
    pub fn of(events: &[Event], now: Timestamp) -> Option<Self> {
        let facts = events.iter().filter_map(|event| match &event.fact {
            Fact::Rollout(fact) => Some((event, fact)),
            _ => None,
        });
        let mut gathering: Option<Gathering> = None;
        for (event, fact) in facts {
            if let rollout::Event::Started { .. } = fact {
                // Of several tries the newest one is shown.
                gathering = Some(Gathering::begin(event.at));
            }
            if let Some(gathering) = &mut gathering {
                gathering.take(event, fact);
            }
        }
        gathering.map(|gathering| gathering.finish(now))
    }

    /// Error rates of an arm as (second, fraction), each over the last looks.
    pub fn error_rates(&self, arm: impl Fn(&Point) -> Option<Counted>) -> Vec<(f64, Option<f64>)> {
        let rate = |index: usize| {
            arm(&self.points[index])?;
            let from = index.saturating_sub(WINDOW - 1);
            let sum =
                self.points[from..=index].iter().filter_map(&arm).fold(Counted::default(), Counted::plus);
            (sum.requests > 0).then(|| (sum.errors as f64 / sum.requests as f64).min(1.0))
        };
        self.line(rate)
    }

    /// Requests per second of an arm.
    pub fn request_rates(&self, arm: impl Fn(&Point) -> Option<Counted>) -> Vec<(f64, Option<f64>)> {
        self.line(|index| {
            let point = &self.points[index];
            let counted = arm(point)?;
            (point.span >= LEAST_SPAN).then(|| counted.requests as f64 / point.span)
        })
    }

    /// Evidence of one kind.
    pub fn levels(&self, level: impl Fn(&Point) -> Option<Level>) -> Vec<(f64, Option<f64>)> {
        self.line(|index| level(&self.points[index]).map(|level| level.log))
    }

    /// One value for each point, and a break where nobody looked.
    fn line(&self, value: impl Fn(usize) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        let both = self.points.iter().enumerate().map(|(index, point)| (point, (point.at, value(index))));
        both.flat_map(|(point, here)| {
            [point.is_late.then_some((point.at, None)), Some(here)].into_iter().flatten()
        })
        .collect()
    }

    /// Spans in which an arm could not be read, or nobody looked.
    pub fn gaps(&self) -> Vec<(f64, f64)> {
        let mut spans: Vec<(f64, f64)> = Vec::new();
        let is_gap = |point: &&Point| point.canary.is_none() || point.stable.is_none() || point.is_late;
        for point in self.points.iter().filter(is_gap) {
            let from = (point.at - point.span).max(0.0);
            match spans.last_mut() {
                Some((_, to)) if *to >= from => *to = point.at,
                _ => spans.push((from, point.at)),
            }
        }
        spans
    }
}

impl Counted {
    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            errors: self.errors.saturating_add(other.errors),
        }
    }
}

/// The series while it is read.
struct Gathering {
    start: Timestamp,
    /// The rollout as far as it is read, without its looks.
    state: rollout::State,
    has_ended: bool,
    series: Series,
}

impl Gathering {
    fn begin(start: Timestamp) -> Self {
        Self { start, state: rollout::State::default(), has_ended: false, series: Series::default() }
    }

    fn take(&mut self, event: &patchline_model::event::Event, fact: &rollout::Event) {
        use rollout::Event;
        if self.has_ended {
            return;
        }
        // A clock that went backwards moves nothing to the left.
        let second = event.at.seconds_since(self.start).max(self.series.seconds);
        self.series.seconds = second;
        let is_look = matches!(fact, Event::Looked { .. } | Event::Counted { .. });
        if !is_look {
            folding::evolve(&mut self.state, event.at, &event.by, fact);
            self.share(second, self.state.allowed_share().fraction());
        }
        match fact {
            Event::Started { .. } | Event::StepPrepared { .. } | Event::OldRetired => {}
            Event::StableReturned { .. } | Event::Confirmed { .. } | Event::SmokeBegun { .. } => {}
            Event::SmokePassed { .. } => self.mark(second, Mood::Good, "smoke test"),
            Event::SmokeFailed { .. } => self.mark(second, Mood::Bad, "smoke test"),
            Event::StepEntered { step } => {
                self.mark(second, Mood::Plain, format!("step {}", step.saturating_add(1)));
            }
            Event::GateReached { .. } => self.mark(second, Mood::Warn, "gate"),
            Event::GateOpened { .. } => self.mark(second, Mood::Plain, "gate opened"),
            Event::BakeBegun => self.mark(second, Mood::Good, "last bake"),
            Event::Looked { tick, judgement, .. } => self.point(second, tick, Some(judgement)),
            Event::Counted { tick, .. } => self.point(second, tick, None),
            Event::Paused { .. } => self.mark(second, Mood::Warn, "paused"),
            Event::Resumed => self.mark(second, Mood::Plain, "resumed"),
            Event::Deferred { .. } => {}
            Event::Held { .. } => self.mark(second, Mood::Warn, "held"),
            Event::Released => self.mark(second, Mood::Plain, "released"),
            Event::Hurried { .. } => self.mark(second, Mood::Warn, "hurried"),
            Event::PromotionDecided => self.mark(second, Mood::Good, "promote"),
            Event::Switched => self.mark(second, Mood::Good, "switch"),
            Event::Halted { .. } => self.mark(second, Mood::Bad, "halted"),
            Event::Forced { .. } => self.mark(second, Mood::Warn, "forced"),
            Event::LossAccepted { .. } => {}
            Event::RollbackDecided { .. } => self.mark(second, Mood::Bad, "roll back"),
            Event::ShareTaken => self.mark(second, Mood::Good, "no share"),
            Event::Paged { .. } => self.mark(second, Mood::Bad, "paged"),
            // What comes after a promotion comes perhaps days later, and would squeeze what is drawn.
            Event::Promoted | Event::RolledBack => self.has_ended = true,
            Event::Recalled { .. } | Event::ReturnBegun | Event::Kept { .. } => {}
        }
    }

    fn share(&mut self, second: f64, share: f64) {
        if self.series.shares.last().is_none_or(|(_, before)| *before != share) {
            self.series.shares.push((second, share));
        }
    }

    fn mark(&mut self, at: f64, mood: Mood, text: impl Into<String>) {
        if self.series.marks.len() < MOST_MARKS {
            self.series.marks.push(Mark { at, mood, text: text.into() });
        }
    }

    fn point(&mut self, at: f64, tick: &Tick, judgement: Option<&Judgement>) {
        let before = self.series.points.last().map_or(0.0, |point| point.at);
        let counted = |counts: &patchline_model::stage::plan::Counts| Counted {
            requests: counts.requests,
            errors: counts.errors,
        };
        let readings = judgement.map_or(&[][..], |judgement| &judgement.readings);
        self.series.points.push(Point {
            at,
            span: at - before,
            is_late: false,
            canary: tick.canary.as_ref().map(counted),
            stable: tick.stable.as_ref().map(counted),
            harm: harm(readings).and_then(level),
            promotion: readings.iter().find(|reading| reading.guard == "promotion").and_then(level),
        });
    }

    fn finish(mut self, now: Timestamp) -> Series {
        if !self.has_ended {
            self.series.seconds = self.series.seconds.max(now.seconds_since(self.start));
        }
        mark_late(&mut self.series.points);
        self.series.points = thinned(&self.series.points);
        self.series
    }
}

/// Marks the looks that came late, seen from how the others came.
fn mark_late(points: &mut [Point]) {
    let mut spans: Vec<f64> = points.iter().map(|point| point.span).collect();
    spans.sort_by(f64::total_cmp);
    let usual = spans.get(spans.len() / 2).copied().unwrap_or(0.0);
    // The first look has nothing before it.
    for point in points.iter_mut().skip(1) {
        point.is_late = point.span > (usual * LATE).max(LEAST_LATE);
    }
}

/// The reading that decides on a rollback: all guards together, or the worst one.
fn harm(readings: &[Reading]) -> Option<&Reading> {
    let together = readings.iter().find(|reading| reading.guard == "together");
    let guards = readings.iter().filter(|reading| reading.guard != "promotion");
    together.or_else(|| guards.max_by(|a, b| a.log_evidence.total_cmp(&b.log_evidence)))
}

fn level(reading: &Reading) -> Option<Level> {
    let is_plain = reading.log_evidence.is_finite() && reading.threshold.is_finite();
    is_plain.then_some(Level { log: reading.log_evidence, threshold: reading.threshold })
}

/// At most so many points as may be drawn: neighbours are taken together, and of their evidence the highest stays, so
/// that no crossing of a threshold is hidden.
fn thinned(points: &[Point]) -> Vec<Point> {
    let together = points.len().div_ceil(MOST_POINTS).max(1);
    points.chunks(together).map(merged).collect()
}

fn merged(points: &[Point]) -> Point {
    let sum = |arm: fn(&Point) -> Option<Counted>| points.iter().filter_map(arm).reduce(Counted::plus);
    let highest = |level: fn(&Point) -> Option<Level>| {
        points.iter().filter_map(level).max_by(|a, b| a.log.total_cmp(&b.log))
    };
    Point {
        at: points.last().map_or(0.0, |point| point.at),
        span: points.iter().map(|point| point.span).sum(),
        is_late: points.iter().any(|point| point.is_late),
        canary: sum(|point| point.canary),
        stable: sum(|point| point.stable),
        harm: highest(|point| point.harm),
        promotion: highest(|point| point.promotion),
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, MOST_POINTS, Series};
    use patchline_model::actor::Actor;
    use patchline_model::digest::Digest;
    use patchline_model::event::{Event, Fact};
    use patchline_model::share::Share;
    use patchline_model::stage::footing::Footing;
    use patchline_model::stage::plan::{
        Canary, Counts, Exit, Guards, InstanceGuards, Plan, Step, Strategy as PlanStrategy, Version,
    };
    use patchline_model::stage::rollout::{self, JudgeAnswer, Judgement, Reading, Tick};
    use patchline_model::time::{Seconds, Timestamp};
    use proptest::prelude::{Strategy, any, prop_assert, proptest};

    fn started() -> rollout::Event {
        let version = |text: &str| Version { artifact: Digest::of(text.as_bytes()), label: text.into() };
        let step = Step { share: Share::from_fraction(0.1).unwrap(), bake: Seconds(5), gate: false };
        let plan = Plan {
            instances: 1,
            strategy: PlanStrategy::Canary(Canary {
                instances: 1,
                steps: vec![step],
                end: None,
                cohort: None,
            }),
            guards: Guards {
                alpha: 0.01,
                beta: 0.05,
                error_margin: 0.02,
                latency: false,
                instances: InstanceGuards::default(),
            },
            deadline: Seconds(60),
            start_deadline: Seconds(60),
            missing_limit: 5,
            at_deadline: Exit::Rollback,
            pause: Default::default(),
            irreversible: Default::default(),
        };
        rollout::Event::Started {
            stable: version("old"),
            new: version("new"),
            plan: Box::new(plan),
            footing: Footing::default(),
            before: None,
            note: None,
        }
    }

    fn looked(requests: u64, log_evidence: f64) -> rollout::Event {
        let counts = Counts { requests, errors: requests / 2, ..Counts::default() };
        let reading = |guard: &str| Reading { guard: guard.to_owned(), log_evidence, threshold: 4.6 };
        rollout::Event::Looked {
            tick: Tick { canary: Some(counts.clone()), stable: Some(counts), ..Tick::default() }.into(),
            cursor: None,
            judgement: Judgement {
                answer: JudgeAnswer::Continue,
                reason: String::new(),
                readings: vec![reading("together"), reading("promotion")],
                wrong_split: false,
                judge: 0,
            }
            .into(),
        }
    }

    fn at(millis: i64, fact: rollout::Event) -> Event {
        Event { at: Timestamp(millis), by: Actor::Machine, fact: Fact::Rollout(fact) }
    }

    #[test]
    fn many_looks_are_taken_together_and_no_request_is_lost() {
        let looks =
            (1..=5000).map(|second| at(second * 1000, looked(10, if second == 2501 { 9.0 } else { 0.0 })));
        let events: Vec<Event> = [at(0, started())].into_iter().chain(looks).collect();
        let series = Series::of(&events, Timestamp(5_000_000)).unwrap();
        assert!(series.points.len() <= MOST_POINTS, "{}", series.points.len());
        let total: u64 = series
            .points
            .iter()
            .filter_map(|point| point.canary)
            .map(|Counted { requests, .. }| requests)
            .sum();
        assert_eq!(total, 50_000);
        let highest =
            series.points.iter().filter_map(|point| point.harm).map(|level| level.log).fold(0.0, f64::max);
        assert_eq!(highest, 9.0, "a crossing is not hidden");
    }

    #[test]
    fn a_time_in_which_nobody_looked_breaks_the_lines() {
        let seconds = [1, 2, 3, 60, 61, 62];
        let looks = seconds.map(|second| at(second * 1000, looked(10, 0.0)));
        let events: Vec<Event> = [at(0, started())].into_iter().chain(looks).collect();
        let series = Series::of(&events, Timestamp(62_000)).unwrap();
        assert_eq!(series.gaps(), vec![(3.0, 60.0)]);
        assert!(series.levels(|point| point.harm).contains(&(60.0, None)));
    }

    #[test]
    fn without_a_rollout_there_is_nothing_to_draw() {
        assert_eq!(Series::of(&[at(0, looked(1, 0.0))], Timestamp(0)), None);
    }

    fn any_fact() -> impl Strategy<Value = rollout::Event> {
        (0..8_u8, any::<u64>(), any::<f64>(), any::<usize>()).prop_map(|(kind, requests, log, step)| {
            match kind {
                0 => started(),
                1 => rollout::Event::StepEntered { step },
                2 => rollout::Event::Switched,
                3 => rollout::Event::ShareTaken,
                4 => rollout::Event::Paused { reason: "x".to_owned(), by_machine: false },
                _ => looked(requests, log),
            }
        })
    }

    proptest! {
        #[test]
        fn whatever_happened_when_the_series_is_orderly(
            facts in proptest::collection::vec((any::<i64>(), any_fact()), 0..60), now in any::<i64>()
        ) {
            let events: Vec<Event> =
                [at(0, started())].into_iter().chain(facts.into_iter().map(|(millis, fact)| at(millis, fact))).collect();
            let series = Series::of(&events, Timestamp(now)).unwrap();
            prop_assert!(series.points.is_sorted_by_key(|point| point.at));
            prop_assert!(series.points.iter().all(|point| point.at.is_finite() && point.at <= series.seconds));
            prop_assert!(series.shares.iter().all(|(_, share)| (0.0..=1.0).contains(share)));
            let levels = series.levels(|point| point.harm);
            prop_assert!(levels.iter().filter_map(|(_, log)| *log).all(f64::is_finite));
        }
    }
}
