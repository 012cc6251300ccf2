//! Looks back: figures and a release note, from the events alone.

use patchline_evidence::statement::PATCHLINE_REVIEW;
use patchline_model::digest::Commit;
use patchline_model::failure::Failure;
use patchline_model::patch::Patch;
use patchline_model::stage::review::{End, Outcome, Review};
use patchline_model::stage::rollout::State;
use patchline_review::{look_back, release_note};
use serde_json::{Value, json};

use crate::attest::{commit_subject, digest_subject};
use crate::conductor::Conductor;
use crate::hands::Hands;
use crate::projection::Known;

/// Writes the note, signs the review, and clears the work in progress away.
pub async fn carry_out(hands: &Hands, conductor: &Conductor, known: &Known) -> Result<Outcome, Failure> {
    let facts = look_back(&known.patch, &known.events);
    let note = release_note(&known.patch, &known.events, &facts);
    let note = hands.attestor.keep(note.as_bytes())?;
    let mut subjects = vec![digest_subject("release-note", &note)];
    if let Some(candidate) = known.patch.candidate() {
        subjects.push(commit_subject(&candidate.branch, &candidate.commit));
    }
    let end = known.patch.review.end.as_ref().map(|end| end.word());
    let predicate = json!({
        "patch": known.patch.id, "outcome": end, "leadSeconds": facts.lead_seconds, "stages": facts.stages,
        "rollbackSeconds": facts.rollback_seconds, "failedByCanary": facts.failed_by_canary,
        "failedByShift": facts.failed_by_shift, "requests": facts.requests,
        "approvals": known.patch.approve.approvals, "rollout": rollout(hands, &known.patch.rollout)?,
    });
    let evidence = hands.attestor.attest(subjects, PATCHLINE_REVIEW, predicate)?;
    clear(hands, conductor, known).await;
    let review = Review {
        lead_seconds: facts.lead_seconds,
        stages: facts.stages,
        rollback_seconds: facts.rollback_seconds,
        failed_by_canary: facts.failed_by_canary,
        failed_by_shift: facts.failed_by_shift,
        requests: facts.requests,
        note,
        evidence,
    };
    Ok(Outcome { review })
}

/// How the rollout went, with the judge's whole input among the blobs, so that its word can be computed again.
fn rollout(hands: &Hands, state: &State) -> Result<Value, Failure> {
    if state.plan.is_none() {
        return Ok(Value::Null);
    }
    let looks = serde_json::to_vec(&state.ticks).map_err(|error| Failure::permanent(error.to_string()))?;
    Ok(json!({
        "phase": state.phase, "stable": state.stable, "new": state.new, "plan": state.plan, "totals": state.totals,
        "cause": state.cause, "judgement": state.judgement, "looks": hands.attestor.keep(&looks)?,
    }))
}

/// Removes the patch's worktrees and the built trees that nobody asks for any more: artifacts and evidence are among the
/// blobs. What can't be removed now is in nobody's way: it only takes room.
async fn clear(hands: &Hands, conductor: &Conductor, known: &Known) {
    let patch = &known.patch;
    let _ = tokio::fs::remove_dir_all(hands.home.work(patch.id)).await;
    let Some(opening) = &patch.opening else { return };
    // Without knowing who else is at work nothing is removed.
    let Ok(patches) = conductor.patches().await else { return };
    let others =
        patches.iter().map(|other| &other.patch).filter(|other| other.id != patch.id && !other.is_closed());
    let needed: Vec<&Commit> = others.flat_map(commits_of).collect();
    let promoted = patch.review.end == Some(End::Promoted);
    let kept = patch.candidate().filter(|_| promoted).map(|candidate| &candidate.commit);
    for commit in commits_of(patch) {
        let trees = hands.home.builds(&opening.service.name).join(commit.as_str());
        if needed.contains(&commit) {
            continue;
        }
        // What was promoted is the base of what comes next: its first tree stays.
        let unneeded = if kept == Some(commit) { trees.join("b") } else { trees };
        let _ = tokio::fs::remove_dir_all(unneeded).await;
    }
}

/// The commits that were built for a patch.
fn commits_of(patch: &Patch) -> Vec<&Commit> {
    let base = patch.opening.iter().map(|opening| &opening.base);
    let refused = patch.generate.refused.iter().map(|(candidate, _)| candidate);
    base.chain(refused.chain(patch.candidate()).map(|candidate| &candidate.commit)).collect()
}
