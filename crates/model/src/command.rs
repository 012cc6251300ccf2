//! What may be asked of a patch, and by whom.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::failure::Failure;
use crate::id::JobId;
use crate::job::Outcome;
use crate::stage::{approve, detect, review, rollout};

/// A question to `decide`, with the hand that asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub by: Actor,
    pub ask: Ask,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Detect(detect::Command),
    Approve(approve::Command),
    Rollout(rollout::Command),
    Review(review::Command),
    /// The world's answer to a job.
    Report {
        job: JobId,
        answer: Result<Outcome, Failure>,
    },
}

impl Command {
    /// The loop reports what a hand answered.
    pub fn report(job: JobId, answer: Result<Outcome, Failure>) -> Self {
        Self { by: Actor::Machine, ask: Ask::Report { job, answer } }
    }
}
