//! Review: how it ended, how long everything took, and what is owed to the reader.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::stage::approve::Approval;
use crate::stage::emergency::Afterwards;

/// How a patch ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "why")]
pub enum End {
    /// Every instance runs it.
    Promoted,
    /// It was taken back.
    RolledBack(String),
    /// A proven branch was handed over; nobody asked for more.
    HandedOver,
    /// Nothing needed a fix.
    NothingToDo,
    /// It ended before it moved anything.
    Abandoned(String),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub end: Option<End>,
    pub reviewed: Option<Review>,
    /// Times that the patch was opened again after its end.
    pub retries: u32,
    /// The look at an emergency that is owed; a second try owes it as well.
    pub afterwards: Option<Afterwards>,
}

/// What the look back found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Seconds from the finding to the end.
    pub lead_seconds: f64,
    /// Seconds in each stage, in order.
    pub stages: Vec<(String, f64)>,
    /// Seconds from the decision to take it back until it had no share.
    pub rollback_seconds: Option<f64>,
    /// User requests that the new version failed.
    pub failed_by_canary: u64,
    /// User requests that failed because traffic was moved.
    pub failed_by_shift: u64,
    pub requests: u64,
    /// The release note, among the blobs.
    pub note: Digest,
    pub evidence: Digest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Ended(End),
    Reviewed(Box<Review>),
    /// A person tries it again: the gate is asked anew and the rollout begins anew, with the same artifact.
    Retried {
        reason: String,
    },
    /// Somebody has looked at what passed in an emergency.
    EmergencyReviewed {
        note: String,
        /// The signed statement of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Digest>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Give the patch up. A rollout that is under way is taken back first.
    Abort { reason: String },
    /// Try an ended patch again, from the gate on.
    Retry { reason: String },
    /// Close the review that an emergency owes.
    ReviewEmergency { note: String, evidence: Option<Digest> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    LookBack,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub review: Review,
}

pub fn report(outcome: Outcome) -> Vec<Event> {
    vec![Event::Reviewed(Box::new(outcome.review))]
}

pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Ended(end) => state.end = Some(end.clone()),
        Event::Reviewed(review) => state.reviewed = Some((**review).clone()),
        Event::Retried { .. } => {
            reopen(state);
            state.retries = state.retries.saturating_add(1);
        }
        Event::EmergencyReviewed { .. } => state.afterwards = None,
    }
}

/// An approval in an emergency owes a look afterwards; of several, the one that is due first counts.
pub fn owe(state: &mut State, approval: &Approval) {
    let Some(emergency) = &approval.emergency else { return };
    state.afterwards.get_or_insert_with(|| Afterwards {
        by: approval.by.clone(),
        at: approval.at,
        reason: emergency.reason.clone(),
        due: emergency.review_due,
    });
}

/// It goes on though it had ended; what was looked back at is looked back at again.
pub fn reopen(state: &mut State) {
    (state.end, state.reviewed) = (None, None);
}

pub fn due(state: &State) -> Option<Job> {
    (state.end.is_some() && state.reviewed.is_none()).then_some(Job::LookBack)
}

impl End {
    /// The word in JSON and tables.
    pub fn word(&self) -> &'static str {
        match self {
            End::Promoted => "promoted",
            End::RolledBack(_) => "rolled_back",
            End::HandedOver => "handed_over",
            End::NothingToDo => "nothing_to_do",
            End::Abandoned(_) => "abandoned",
        }
    }
}
