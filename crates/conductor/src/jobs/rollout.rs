//! Carries out a look at the world: makes the target match, reads back what is there, and asks the judge.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use patchline_judge::answers::{AnswerLimits, Answers};
use patchline_judge::arms::{Arm, Latency, Tick as JudgeTick};
use patchline_judge::forecast::{Outlook, Regression, Step, detection};
use patchline_judge::gauge::{GaugeSettings, Gauges, Load};
use patchline_judge::incidents::{BothIncidents, Incidents};
use patchline_judge::judge::{Data, Decision, Judge, Settings, VERSION, Verdict};
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::JobId;
use patchline_model::patch::Patch;
use patchline_model::service::{Run, Service};
use patchline_model::share::Share;
use patchline_model::stage::budget::History;
use patchline_model::stage::detect::Opening;
use patchline_model::stage::plan::{Counts, Desired, Guards, Observed, Plan, Strategy, Usage, Version};
use patchline_model::stage::rollout::{Job, JudgeAnswer, Judgement, Outcome, Reading, State, Tick};
use patchline_model::stage::traffic::{FlagValue, Mirrored};
use patchline_model::strategy::course::course;
use patchline_model::time::Seconds;
use patchline_rollout::capability::{carries, converts};
use patchline_rollout::target::{Site, Target};
use patchline_sandbox::Git;

use crate::blocking::blocking;
use crate::clock;
use crate::conductor::Conductor;
use crate::establish::{bring_up, first_version, kept_on, run_and_target, site};
use crate::failures::git_failure;
use crate::failures::storage;
use crate::hands::{Hands, Seated};
use crate::jobs::smoke;

/// The judge looks this often.
const LOOK: Seconds = Seconds(1);

/// How much slower an answer must be, as a part of itself, to count as harm for promotion.
const LATENCY_MARGIN: f64 = 0.2;

/// The gauges, as people are told of them.
const MEMORY: &str = "memory";
const CPU: &str = "cpu";

/// Regressions, in error points, of which the dearest is what a plan may cost.
const REGRESSIONS: [f64; 3] = [0.005, 0.02, 0.2];

/// Looks before which nothing is promoted, whatever the steps' bakes say.
const LEAST_LOOKS: u32 = 3;

/// Canary requests before which nothing is promoted.
const LEAST_REQUESTS: u64 = 100;

pub async fn carry_out(
    hands: &Hands,
    conductor: &Conductor,
    opening: &Opening,
    patch: &Patch,
    id: JobId,
    job: &Job,
) -> Result<Outcome, Failure> {
    let (run, target) = run_and_target(hands, &opening.service)?;
    match job {
        Job::Begin => begin(hands, conductor, opening, patch).await,
        Job::Smoke { smoke, address } => smoke::carry_out(hands, opening, patch, smoke, address).await,
        // Nothing is asked of the world; what follows is in the patches.
        Job::Follow => Ok(Outcome::Followed),
        Job::Recall => recall(hands, opening, patch).await,
        Job::Reconcile { desired, look } => {
            if *look {
                // A clock that was set back delays no look.
                let wait = clock::until(patch.changed_at.after(LOOK));
                tokio::time::sleep(wait.min(Duration::from_secs(LOOK.0))).await;
            }
            let desired = with_kept_flags(conductor, desired).await?;
            let versions: Vec<&Version> = desired.arms.iter().map(|arm| &arm.version).collect();
            let site = site(hands, &opening.service, run, &versions)?;
            let observed = target.reconcile(id, &site, &desired).await?;
            let judgement = if *look { Some(Arc::new(judge(hands, patch, &observed)?)) } else { None };
            Ok(Outcome::Reconciled { observed, judgement })
        }
    }
}

/// A version that was promoted with a flag is told that it is on while another patch moves the service, too.
async fn with_kept_flags(conductor: &Conductor, desired: &Desired) -> Result<Desired, Failure> {
    let mut desired = desired.clone();
    for arm in &mut desired.arms {
        let kept = kept_on(conductor, &arm.version.artifact).await?;
        let is_new = |told: &FlagValue| arm.flags.iter().all(|ours| ours.flag != told.flag);
        let added: Vec<FlagValue> = kept.into_iter().filter(is_new).collect();
        arm.flags.extend(added);
    }
    Ok(desired)
}

/// Which version runs now; where nothing runs yet, the patch's base is started first. A version that the patch was not
/// built upon is refused: rolling over it would take back what somebody else rolled out.
async fn begin(
    hands: &Hands,
    conductor: &Conductor,
    opening: &Opening,
    patch: &Patch,
) -> Result<Outcome, Failure> {
    let service = &opening.service;
    let (run, target) = run_and_target(hands, service)?;
    carries(target.name(), target.capabilities(), &run.plan)?;
    let mut observed = target.observe(&site(hands, service, run, &[])?).await?;
    let running = observed.as_ref().and_then(holder_of_most);
    let stable = match running {
        Some(artifact) => known_version(conductor, service, &artifact).await?,
        None if observed.is_some() => {
            return Err(Failure::transient(format!("no instance of {} runs at this moment", service.name)));
        }
        None => {
            let version = first_version(hands, conductor, service, &opening.base).await?;
            observed = Some(bring_up(hands, conductor, service, &version).await?);
            version
        }
    };
    converts(&run.plan, observed.as_ref().and_then(|observed| observed.arm(&stable.artifact)))?;
    let base = patch.build.built.as_ref().map(|pair| &pair.base.digest);
    if base != Some(&stable.artifact) && !is_contained(hands, conductor, opening, &stable).await? {
        let text = format!("{} runs {}, which this patch was not built upon", service.name, stable.label);
        return Err(
            Failure::permanent(text).with_hint("merge what was rolled out into the base, and fix again")
        );
    }
    let history = history(run, target, &site(hands, service, run, &[])?).await?;
    Ok(Outcome::Begun { stable, history: history.map(Box::new) })
}

/// What was counted of the service, with what the plan may cost of its error budget.
async fn history(run: &Run, target: &dyn Target, site: &Site) -> Result<Option<History>, Failure> {
    let Some(history) = target.history(site).await? else { return Ok(None) };
    let exposure = match run.slo {
        Some(_) => blocking(|| exposure(&run.plan, &history)),
        None => None,
    };
    Ok(Some(History { exposure, ..history }))
}

/// Failed requests that a bad version may cost at the first share that users meet, until the judge takes it back: the
/// worst of several regressions, so much that all but one in twenty stay below. `None` without traffic to go by.
fn exposure(plan: &Plan, history: &History) -> Option<f64> {
    let hour = history.window(3_600);
    let seconds = (history.minutes * 60).min(hour.seconds);
    let first = course(plan).stations.into_iter().find(|station| station.share != Share::NONE)?;
    let outlook = Outlook {
        steps: vec![Step { share: first.share.fraction(), bake_seconds: first.bake.0 as f64 }],
        requests_per_second: hour.requests as f64 / seconds.max(1) as f64,
        base_error_rate: (hour.errors as f64 / hour.requests.max(1) as f64).clamp(1e-4, 0.5),
        deadline_seconds: plan.deadline.0 as f64,
        settings: judge_settings(plan),
    };
    let failed = |error_points: f64| {
        let regression = Regression { error_points, latency_factor: 1.0 };
        detection(&outlook, regression).ok().map(|detection| finite(detection.failed_requests.p95))
    };
    REGRESSIONS.into_iter().filter_map(failed).reduce(f64::max)
}

/// What runs now, and whether the version before is still at hand: its bytes are taken from the registry and checked.
async fn recall(hands: &Hands, opening: &Opening, patch: &Patch) -> Result<Outcome, Failure> {
    let service = &opening.service;
    let (run, target) = run_and_target(hands, service)?;
    let Some(stable) = &patch.rollout.stable else {
        return Err(Failure::permanent("the rollout has no version to go back to"));
    };
    let observed = target.observe(&site(hands, service, run, &[])?).await?;
    let Some(runs) = observed.as_ref().and_then(holder_of_most) else {
        return Err(Failure::transient(format!("no instance of {} runs at this moment", service.name)));
    };
    let lacking = site(hands, service, run, &[stable]).err().map(|failure| failure.message);
    Ok(Outcome::Recallable { runs, lacking })
}

fn holder_of_most(observed: &Observed) -> Option<Digest> {
    observed
        .arms
        .iter()
        .filter(|arm| arm.instances > 0)
        .max_by_key(|arm| arm.share)
        .map(|arm| arm.artifact.clone())
}

/// The running version with the label that its patch gave it.
async fn known_version(
    conductor: &Conductor,
    service: &Service,
    artifact: &Digest,
) -> Result<Version, Failure> {
    let patches = conductor.patches().await.map_err(|error| storage(&error))?;
    let ours = patches.iter().filter(|known| {
        known.patch.opening.as_ref().is_some_and(|opening| opening.service.name == service.name)
    });
    let made_by =
        ours.filter_map(|known| known.patch.new_version()).find(|version| version.artifact == *artifact);
    Ok(made_by.unwrap_or_else(|| Version { artifact: artifact.clone(), label: artifact.short().into() }))
}

/// Whether the running version's commit is among the ancestors of the patch's base.
async fn is_contained(
    hands: &Hands,
    conductor: &Conductor,
    opening: &Opening,
    stable: &Version,
) -> Result<bool, Failure> {
    let Some(commit) = commit_of(hands, conductor, opening, stable).await? else { return Ok(false) };
    let git = Git::at(Path::new(&opening.service.repository));
    git.is_ancestor(commit.as_str(), opening.base.as_str()).await.map_err(|error| git_failure(&error))
}

async fn commit_of(
    hands: &Hands,
    conductor: &Conductor,
    opening: &Opening,
    version: &Version,
) -> Result<Option<Commit>, Failure> {
    let patches = conductor.patches().await.map_err(|error| storage(&error))?;
    let by_patch = patches
        .iter()
        .map(|known| &known.patch)
        .find(|patch| patch.build.built.as_ref().is_some_and(|pair| pair.patch.digest == version.artifact));
    if let Some(candidate) = by_patch.and_then(|patch| patch.candidate()) {
        return Ok(Some(candidate.commit.clone()));
    }
    let references = hands.attestor.blobs().references().map_err(|error| storage(&error))?;
    let prefix = format!("{}/", opening.service.name);
    for (reference, manifest) in references {
        let Some(Ok(commit)) = reference.strip_prefix(&prefix).map(str::parse::<Commit>) else { continue };
        let bytes = hands.attestor.blobs().get(&manifest, 1024 * 1024).map_err(|error| storage(&error))?;
        let text = String::from_utf8_lossy(&bytes);
        if text.contains(version.artifact.as_str()) {
            return Ok(Some(commit));
        }
    }
    Ok(None)
}

/// The judge's word on this look. Its state is made from the looks in the ledger, so that a restart forgets nothing.
fn judge(hands: &Hands, patch: &Patch, observed: &Observed) -> Result<Judgement, Failure> {
    let Some(plan) = &patch.rollout.plan else {
        return Err(Failure::permanent("the rollout has no plan"));
    };
    let mut judges = hands.judges.lock().unwrap_or_else(PoisonError::into_inner);
    let (started, ticks) = (patch.rollout.started, &patch.rollout.ticks);
    let known = judges.remove(&patch.id);
    let known = known.filter(|seated| seated.started == started && seated.seen <= ticks.len());
    let mut seated = match known {
        Some(seated) => seated,
        None => Seated { started, seen: 0, judge: new_judge(plan)?, asked: None },
    };
    if let Some((tick, judge)) = seated.asked.take()
        && ticks.get(seated.seen).is_some_and(|stored| **stored == tick)
    {
        (seated.judge, seated.seen) = (judge, seated.seen + 1);
    }
    let limits = answer_limits(plan);
    for tick in &ticks[seated.seen..] {
        look(&mut seated.judge, limits, tick);
    }
    seated.seen = ticks.len();
    let (tick, _) = patch.rollout.tick(observed);
    let mut judge = seated.judge.clone();
    let verdict = look(&mut judge, limits, &tick);
    seated.asked = Some((tick, judge));
    judges.insert(patch.id, seated);
    Ok(judgement(verdict))
}

/// One look of the judge: first what was mirrored, then both arms.
fn look(judge: &mut Judge, limits: Option<AnswerLimits>, tick: &Tick) -> Verdict {
    if let (Some(limits), Some(mirrored)) = (limits, tick.mirrored()) {
        judge.compare(&answers(limits, mirrored));
    }
    judge.observe(&for_judge(tick))
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

/// Replays a rollout from its looks: the same looks give the same word, to the byte, unless they were judged by another
/// version of the judge.
pub fn replay(plan: &Plan, state: &State) -> Result<Option<Judgement>, Failure> {
    let mut judge = new_judge(plan)?;
    let limits = answer_limits(plan);
    Ok(state.ticks.iter().map(|tick| judgement(look(&mut judge, limits, tick))).last())
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

fn new_judge(plan: &Plan) -> Result<Judge, Failure> {
    Judge::new(judge_settings(plan))
        .map_err(|error| Failure::permanent(format!("the guards can't be judged: {error}")))
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
fn finite(number: f64) -> f64 {
    const GREATEST: f64 = 1e12;
    if number.is_nan() { 0.0 } else { number.clamp(-GREATEST, GREATEST) }
}
