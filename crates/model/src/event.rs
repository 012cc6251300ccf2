//! What has happened: facts, for ever.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::failure::Failure;
use crate::id::{JobId, Stage};
use crate::stage::{approve, build, detect, generate, review, rollout, triage, verify};
use crate::time::Timestamp;

/// One fact, with when and by whose hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub by: Actor,
    pub fact: Fact,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Detect(detect::Event),
    Triage(triage::Event),
    Generate(generate::Event),
    Build(build::Event),
    Verify(verify::Event),
    Approve(approve::Event),
    Rollout(rollout::Event),
    Review(review::Event),
    /// A job could not be carried out; `retry_at` says when it is owed again, if ever.
    Faltered {
        job: JobId,
        failure: Failure,
        retry_at: Option<Timestamp>,
    },
}

impl Fact {
    /// The stage that the fact belongs to.
    pub fn stage(&self) -> Stage {
        match self {
            Fact::Detect(_) => Stage::Detect,
            Fact::Triage(_) => Stage::Triage,
            Fact::Generate(_) => Stage::Generate,
            Fact::Build(_) => Stage::Build,
            Fact::Verify(_) => Stage::Verify,
            Fact::Approve(_) => Stage::Approve,
            Fact::Rollout(_) => Stage::Rollout,
            Fact::Review(_) => Stage::Review,
            Fact::Faltered { job, .. } => job.stage,
        }
    }
}
