//! A job to its runner.

use std::time::Duration;

use patchline_model::failure::Failure;
use patchline_model::id::JobId;
use patchline_model::job::{Job, Outcome};
use patchline_model::stage::detect::Opening;

use crate::conductor::Conductor;
use crate::hands::Hands;
use crate::jobs;
use crate::projection::Known;

/// No job may take longer than this, whatever its own deadlines say.
const LONGEST_JOB: Duration = Duration::from_secs(2 * 3600);

/// Carries a job out. Dropping it stops the work: nothing of it goes on behind our back.
pub async fn dispatch(
    hands: &Hands,
    conductor: &Conductor,
    known: &Known,
    id: JobId,
    job: &Job,
) -> Result<Outcome, Failure> {
    let Some(opening) = known.patch.opening.as_ref() else {
        return Err(Failure::permanent(format!("{} was never opened", known.patch.id)));
    };
    match tokio::time::timeout(LONGEST_JOB, carry_out(hands, conductor, known, opening, id, job)).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::transient(format!("{id} took longer than {} s", LONGEST_JOB.as_secs()))),
    }
}

async fn carry_out(
    hands: &Hands,
    conductor: &Conductor,
    known: &Known,
    opening: &Opening,
    id: JobId,
    job: &Job,
) -> Result<Outcome, Failure> {
    let patch = &known.patch;
    match job {
        Job::Detect(_) => jobs::detect::carry_out(hands, opening, id.patch).await.map(Outcome::Detect),
        Job::Generate(job) => {
            jobs::generate::carry_out(hands, opening, patch, job).await.map(Outcome::Generate)
        }
        Job::Build(_) => jobs::build::carry_out(hands, opening, patch).await.map(Outcome::Build),
        Job::Verify(_) => jobs::verify::carry_out(hands, opening, patch).await.map(Outcome::Verify),
        Job::Approve(_) => jobs::approve::carry_out(hands, known).await.map(Outcome::Approve),
        Job::Rollout(job) => {
            jobs::rollout::carry_out(hands, conductor, opening, patch, id, job).await.map(Outcome::Rollout)
        }
        Job::Review(_) => jobs::review::carry_out(hands, conductor, known).await.map(Outcome::Review),
    }
}
