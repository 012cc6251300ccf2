//! What the world owes a patch now, from its state alone. There is no queue that could drift.

use crate::context::Context;
use crate::id::{JobId, Stage};
use crate::job::{Due, Job};
use crate::patch::Patch;
use crate::pipeline::held::{is_emergency, is_held, is_hotfix};
use crate::pipeline::joint::Owed;
use crate::pipeline::others;
use crate::pipeline::paused;
use crate::stage::{approve, build, detect, generate, review, rollout, verify, walk};
use crate::time::Seconds;

/// How long to wait before asking again whether another patch has left the service.
const LOCK_WAIT: Seconds = Seconds(1);

/// A rollout that the error budget does not let begin is asked about at least this often.
pub const LONGEST_DEFERRAL: Seconds = Seconds(15 * 60);

/// How long to wait before asking again whether it may begin; who changes what is held wakes everybody anyway.
const HOLD_WAIT: Seconds = Seconds(1);

/// The next job, the time to look again, or nothing.
pub fn due(cx: Context<'_>, patch: &Patch) -> Due {
    let of_set = others::owed(cx.board, patch);
    let Some(job) = job(patch, of_set.as_ref()) else { return Due::Nothing };
    let stage = job.stage();
    if let Some(faltering) = patch.faltering.as_ref().filter(|faltering| faltering.stage == stage) {
        match faltering.retry_at {
            None => return Due::Nothing,
            // No wait is longer than the longest: what lies further ahead was written before the clock was set back.
            Some(retry_at) if cx.now < retry_at && retry_at <= cx.now.after(cx.policy.longest_wait) => {
                return Due::Wake(retry_at);
            }
            Some(_) => {}
        }
    }
    // Whose place another takes waits for nothing to end.
    if matches!(of_set, Some(Owed::Replaced { .. })) {
        return Due::Job(job_id(patch, stage), job);
    }
    if let Job::Rollout(rollout) = &job
        && let Some(instead) = paused::instead(cx, patch, rollout, job_id(patch, stage))
    {
        return instead;
    }
    if begins(patch, stage) && is_held(cx, patch) {
        return Due::Wake(cx.now.after(HOLD_WAIT));
    }
    // No wait is longer than the longest: what lies further ahead was written before the clock was set back.
    if begins(patch, stage)
        && let Some((_, until, _)) = &patch.rollout.deferred
        && cx.now < *until
        && *until <= cx.now.after(LONGEST_DEFERRAL)
    {
        return Due::Wake(*until);
    }
    if stage == Stage::Rollout && waits_for_another(cx, patch, of_set.as_ref()) {
        return Due::Wake(cx.now.after(LOCK_WAIT));
    }
    Due::Job(job_id(patch, stage), job)
}

/// The id of what this stage is owed now.
pub fn job_id(patch: &Patch, stage: Stage) -> JobId {
    JobId { patch: patch.id, stage, attempt: patch.attempts.get(&stage).copied().unwrap_or(0) }
}

/// The job that follows from what is there, stage by stage.
fn job(patch: &Patch, of_set: Option<&Owed>) -> Option<Job> {
    patch.opening.as_ref()?;
    if patch.has_ended() {
        let follows = matches!(of_set, Some(Owed::Returns { .. }));
        let look_back = || review::due(&patch.review).map(Job::Review);
        return if follows { Some(Job::Rollout(rollout::Job::Follow)) } else { look_back() };
    }
    if matches!(of_set, Some(Owed::Replaced { .. })) {
        return Some(Job::Rollout(rollout::Job::Follow));
    }
    if let Some(job) = detect::due(&patch.detect) {
        return Some(Job::Detect(job));
    }
    if let Some(job) = generate::due(patch.findings(), &patch.generate) {
        return Some(Job::Generate(job));
    }
    let candidate = patch.candidate()?;
    if let Some(job) = build::due(candidate, &patch.build) {
        return Some(Job::Build(job));
    }
    let built = patch.build.built.as_ref()?;
    if let Some(job) = verify::due(candidate, built, &patch.verify) {
        return Some(Job::Verify(job));
    }
    if !patch.goes_to_rollout() {
        return None;
    }
    if let Some(job) = approve::due(&patch.approve) {
        return Some(Job::Approve(job));
    }
    if !approve::allowed(&patch.approve) {
        return None;
    }
    match of_set {
        Some(Owed::GivesUp { .. } | Owed::Returns { .. } | Owed::Stays { .. } | Owed::Replaced { .. }) => {
            Some(Job::Rollout(rollout::Job::Follow))
        }
        Some(Owed::Waits { .. }) | None => walk::due(&patch.rollout).map(Job::Rollout),
    }
}

/// One rollout at a time for each service and environment, and those of a set one after the other.
fn waits_for_another(cx: Context<'_>, patch: &Patch, of_set: Option<&Owed>) -> bool {
    if matches!(of_set, Some(Owed::Waits { .. })) {
        return true;
    }
    if patch.rollout.plan.is_some() {
        return false;
    }
    let lock = patch.opening.as_ref().and_then(|opening| opening.service.lock());
    lock.is_some_and(|lock| cx.board.kept_by_other(&lock, patch.id).is_some() || lets_pass(cx, patch, &lock))
}

/// A hotfix jumps the queue of its service; it is as proven and as allowed as everything else that may begin.
fn lets_pass(cx: Context<'_>, patch: &Patch, lock: &str) -> bool {
    let waits = cx.board.hotfixes.contains_key(lock);
    waits && !is_hotfix(patch) && !is_emergency(cx, patch)
}

fn begins(patch: &Patch, stage: Stage) -> bool {
    stage == Stage::Rollout && patch.rollout.plan.is_none()
}
