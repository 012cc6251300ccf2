//! Why a command was refused: an answer, not a fault.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hold::Hold;
use crate::id::{JobId, PatchId, Stage};
use crate::time::Timestamp;

/// The domain refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Rejection {
    #[error("{patch} is already open")]
    AlreadyOpen { patch: PatchId },
    #[error("{patch} does not exist")]
    NotOpen { patch: PatchId },
    #[error("{job} is not owed now: the answer came late, twice, or for a state that has passed")]
    NotOwed { job: JobId },
    #[error("the answer to {job} speaks of another stage")]
    WrongStage { job: JobId },
    #[error("{patch} is in stage `{stage}`; `{asked}` does not apply there")]
    NotNow { patch: PatchId, stage: Stage, asked: String },
    #[error("{patch} is not approved yet; `promote` applies once it is")]
    NotApproved { patch: PatchId },
    #[error("{patch} has ended; `{asked}` does not apply any more")]
    Ended { patch: PatchId, asked: String },
    #[error("what {patch} asks approval for has changed since it was shown; look at it again")]
    StaleDossier { patch: PatchId },
    #[error("{name} wrote this patch and can't approve it; another person must")]
    OwnPatch { name: String },
    #[error("only a named person can do this")]
    NotAPerson,
    #[error("{patch} is moving this service already; one rollout at a time")]
    Locked { patch: PatchId },
    #[error("{patch} can't be tried again: {why}")]
    NoRetry { patch: PatchId, why: String },
    #[error("{patch} can't be taken back any more: {why}")]
    NoRecall { patch: PatchId, why: String },
    #[error("{patch} can't be taken back without loss: {why}")]
    ForwardOnly { patch: PatchId, why: String },
    #[error("{patch} can't be opened in this set: {why}")]
    NotInSet { patch: PatchId, why: String },
    #[error("{patch} can't {asked} now: {hold}")]
    Held { patch: PatchId, asked: String, hold: Hold },
    #[error("this needs a reason; others read it")]
    NoReason,
    #[error("a reason has at most {most} bytes")]
    ReasonTooLong { most: usize },
    #[error("a freeze until {until} would never be in force")]
    NeverInForce { until: Timestamp },
    #[error("there is no freeze F-{freeze}")]
    NoFreeze { freeze: u32 },
    #[error("{most} stops and freezes are in force or ahead, and no more are taken")]
    TooMuchHeld { most: usize },
    #[error(
        "{patch} passed in an emergency, and the review of that is owed; no other does before it is done"
    )]
    ReviewOwed { patch: PatchId },
    #[error("{patch} owes no review of an emergency")]
    NoReviewOwed { patch: PatchId },
    #[error("{name} let it pass; another person must look at that afterwards")]
    OwnEmergency { name: String },
    #[error("{patch} can't replace {other}: {why}")]
    NoReplacement { patch: PatchId, other: PatchId, why: String },
    #[error("what shows a finding can't be added to {patch}: {why}")]
    NotShown { patch: PatchId, why: String },
    #[error("the answer makes no sense: {0}")]
    Nonsense(String),
}
