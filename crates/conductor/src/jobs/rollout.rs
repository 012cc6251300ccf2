//! Carries out a look at the world: makes the target match, reads back what is there, and asks the judge.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use patchline_judge::forecast::{Outlook, Regression, Step, detection};
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::JobId;
use patchline_model::patch::Patch;
use patchline_model::service::{Run, Service};
use patchline_model::share::Share;
use patchline_model::stage::budget::History;
use patchline_model::stage::detect::Opening;
use patchline_model::stage::plan::{Desired, Observed, Plan, Version};
use patchline_model::stage::rollout::{Job, Judgement, Outcome};
use patchline_model::stage::traffic::FlagValue;
use patchline_model::strategy::course::course;
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
use crate::judging::{LOOK, RolloutJudge, finite, judge_settings};

/// Regressions, in error points, of which the dearest is what a plan may cost.
const REGRESSIONS: [f64; 3] = [0.005, 0.02, 0.2];

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
        None => Seated { started, seen: 0, judge: RolloutJudge::new(plan)?, asked: None },
    };
    if let Some((tick, judge)) = seated.asked.take()
        && ticks.get(seated.seen).is_some_and(|stored| **stored == tick)
    {
        (seated.judge, seated.seen) = (judge, seated.seen + 1);
    }
    for tick in &ticks[seated.seen..] {
        seated.judge.look(tick);
    }
    seated.seen = ticks.len();
    let (tick, _) = patch.rollout.tick(observed);
    let mut judge = seated.judge.clone();
    let word = judge.look(&tick);
    seated.asked = Some((tick, judge));
    judges.insert(patch.id, seated);
    Ok(word)
}
