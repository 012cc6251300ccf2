//! How the looks of a rollout are judged: what the judge is told to hold, and of each look.

use std::collections::BTreeMap;

use patchline_judge::answers::{AnswerLimits, Answers};
use patchline_judge::arms::{Arm, Latency, Tick as JudgeTick};
use patchline_judge::gauge::{GaugeSettings, Gauges, Load};
use patchline_judge::incidents::{BothIncidents, Incidents};
use patchline_judge::judge::{Data, Decision, Judge, Settings, VERSION, Verdict};
use patchline_model::failure::Failure;
use patchline_model::share::Share;
use patchline_model::stage::plan::{Counts, Guards, Plan, Strategy, Usage};
use patchline_model::stage::rollout::{JudgeAnswer, Judgement, Reading, Tick};
use patchline_model::stage::traffic::Mirrored;
use patchline_model::time::Seconds;

/// The judge looks this often.
pub const LOOK: Seconds = Seconds(1);

/// How much slower an answer must be, as a part of itself, to count as harm for promotion.
const LATENCY_MARGIN: f64 = 0.2;

/// The gauges, as people are told of them.
const MEMORY: &str = "memory";
const CPU: &str = "cpu";

/// Looks before which nothing is promoted, whatever the steps' bakes say.
const LEAST_LOOKS: u32 = 3;

/// Canary requests before which nothing is promoted.
const LEAST_REQUESTS: u64 = 100;

/// The judge of one rollout: it is told of looks in their order, and says a word on each. The same looks give the same
/// words, to the byte, unless they were judged by another version of the judge.
#[derive(Clone)]
pub struct RolloutJudge {
    judge: Judge,
    answers: Option<AnswerLimits>,
}

impl RolloutJudge {
    /// # Errors
    ///
    /// If the plan's guards can't be judged.
    pub fn new(plan: &Plan) -> Result<Self, Failure> {
        let judge = Judge::new(judge_settings(plan))
            .map_err(|error| Failure::permanent(format!("the guards can't be judged: {error}")))?;
        Ok(Self { judge, answers: answer_limits(plan) })
    }

    /// One look: first what was mirrored, then both arms.
    pub fn look(&mut self, tick: &Tick) -> Judgement {
        if let (Some(limits), Some(mirrored)) = (self.answers, tick.mirrored()) {
            self.judge.compare(&answers(limits, mirrored));
        }
        judgement(self.judge.observe(&for_judge(tick)))
    }
}

/// What the judge of a rollout by this plan is told to hold.
pub fn judge_settings(plan: &Plan) -> Settings {
    let Guards { alpha, beta, error_margin, latency, instances } = &plan.guards;
    let (alpha, beta, error_margin, latency) = (*alpha, *beta, *error_margin, *latency);
    let needed = |settings: GaugeSettings, needed: bool| GaugeSettings { needed, ..settings };
    let memory = instances
        .memory_margin
        .map(|margin| (MEMORY, needed(GaugeSettings::memory(margin), instances.needs_memory)));
    let cpu =
        instances.cpu_margin.map(|margin| (CPU, needed(GaugeSettings::cpu(margin), instances.needs_cpu)));
    Settings {
        alpha,
        beta,
        margin: error_margin,
        latency,
        latency_margin: LATENCY_MARGIN,
        minimum_ticks: LEAST_LOOKS,
        minimum_requests: LEAST_REQUESTS,
        // They change from station to station; not to know them errs towards patience with pauses.
        instances: None,
        tick_seconds: LOOK.0 as f64,
        incidents: instances.incidents,
        gauges: memory.into_iter().chain(cpu).map(|(name, settings)| (name.to_owned(), settings)).collect(),
        answers: answer_limits(plan),
        ..Settings::default()
    }
}

/// With a control, the pairs that have one; else all of them, noise included.
fn answers(limits: AnswerLimits, mirrored: &Mirrored) -> Answers {
    let example = mirrored.example.clone();
    if limits.controlled {
        let Mirrored { controlled, worse, noise, .. } = *mirrored;
        return Answers { pairs: controlled, worse, noise, example };
    }
    Answers { pairs: mirrored.pairs, worse: mirrored.mismatches(), noise: 0, example }
}

/// What a shadow's answers are held to.
fn answer_limits(plan: &Plan) -> Option<AnswerLimits> {
    match &plan.strategy {
        Strategy::Shadow(shadow) => Some(AnswerLimits {
            most: shadow.most_mismatches.fraction(),
            margin: plan.guards.error_margin,
            controlled: shadow.mirror.control != Share::NONE,
        }),
        Strategy::Canary(_)
        | Strategy::Rolling(_)
        | Strategy::BlueGreen(_)
        | Strategy::Hot(_)
        | Strategy::Flag(_) => None,
    }
}

fn for_judge(tick: &Tick) -> JudgeTick {
    let arm = |counts: &Counts| Arm {
        requests: counts.requests,
        errors: counts.errors,
        latency: Latency { buckets: counts.latency.clone() },
    };
    JudgeTick {
        canary: tick.canary.as_ref().map(arm),
        baseline: tick.stable.as_ref().map(arm),
        planned_share: tick.planned_share().map(Share::fraction),
        canary_instances: tick.signs.as_ref().map(|signs| signs.canary_instances),
        incidents: incidents(tick),
        gauges: gauges(tick),
        load: tick.served().map(|(canary, stable)| Load { canary: canary as f64, baseline: stable as f64 }),
    }
}

/// Both arms were watched for the same time, so how long that was has no say in the comparison.
fn incidents(tick: &Tick) -> Option<BothIncidents> {
    let wanted = tick.signs.as_ref()?.wanted?;
    let of = |counts: &Option<Counts>, wanted: u32| {
        let exposure = f64::from(wanted) * LOOK.0 as f64;
        Some(Incidents { count: counts.as_ref()?.restarts, exposure })
    };
    Some(BothIncidents {
        canary: of(&tick.canary, wanted.canary)?,
        baseline: of(&tick.stable, wanted.stable)?,
    })
}

fn gauges(tick: &Tick) -> BTreeMap<String, Gauges> {
    let Some(signs) = tick.signs.as_ref() else { return BTreeMap::new() };
    let of = |value: fn(&Usage) -> f64| {
        let read = |arm: &[Usage]| arm.iter().map(|used| (used.instance.clone(), value(used))).collect();
        Gauges { canary: read(&signs.canary_usage), baseline: read(&signs.stable_usage) }
    };
    let memory = of(|used| used.memory_bytes as f64);
    let cpu = of(|used| used.cpu_millis as f64 / 1000.0);
    BTreeMap::from([(MEMORY.to_owned(), memory), (CPU.to_owned(), cpu)])
}

fn judgement(verdict: Verdict) -> Judgement {
    let answer = match verdict.decision {
        Decision::Continue => JudgeAnswer::Continue,
        Decision::Promote => JudgeAnswer::Promote,
        Decision::Rollback => JudgeAnswer::Rollback,
        Decision::Inconclusive => JudgeAnswer::Inconclusive,
    };
    let readings = verdict.guards.into_iter().chain([verdict.promotion]);
    let reading = |reading: patchline_judge::judge::Reading| Reading {
        guard: reading.name,
        log_evidence: finite(reading.log_evidence),
        threshold: finite(reading.threshold),
    };
    let wrong_split = verdict.data == Data::WrongSplit;
    Judgement {
        answer,
        reason: verdict.reason,
        readings: readings.map(reading).collect(),
        wrong_split,
        judge: VERSION,
    }
}

/// What is kept as JSON must be a number.
pub fn finite(number: f64) -> f64 {
    const GREATEST: f64 = 1e12;
    if number.is_nan() { 0.0 } else { number.clamp(-GREATEST, GREATEST) }
}
