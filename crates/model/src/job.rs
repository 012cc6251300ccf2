//! What the world owes a patch, and what it answered.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, Stage};
use crate::stage::{approve, build, detect, generate, review, rollout, verify};
use crate::time::Timestamp;

/// What follows from a patch's state alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    Job(JobId, Job),
    /// Look again then: nothing is owed before.
    Wake(Timestamp),
    /// Nothing, until somebody asks for something.
    Nothing,
}

/// One job, one variant a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Detect(detect::Job),
    Generate(generate::Job),
    Build(build::Job),
    Verify(verify::Job),
    Approve(approve::Job),
    Rollout(rollout::Job),
    Review(review::Job),
}

/// The answer to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Detect(detect::Outcome),
    Generate(generate::Outcome),
    Build(build::Outcome),
    Verify(verify::Outcome),
    Approve(approve::Outcome),
    Rollout(rollout::Outcome),
    Review(review::Outcome),
}

impl Job {
    pub fn stage(&self) -> Stage {
        match self {
            Job::Detect(_) => Stage::Detect,
            Job::Generate(_) => Stage::Generate,
            Job::Build(_) => Stage::Build,
            Job::Verify(_) => Stage::Verify,
            Job::Approve(_) => Stage::Approve,
            Job::Rollout(_) => Stage::Rollout,
            Job::Review(_) => Stage::Review,
        }
    }
}
