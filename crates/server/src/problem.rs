//! What went wrong, as an API answers it: `{error, hint}` with a status.

use patchline_model::failure::in_full;
use std::error::Error;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use patchline_conductor::turn::SubmitError;
use patchline_ledger::store::StoreError;
use patchline_model::id::PatchId;
use patchline_model::rejection::Rejection;
use serde::Serialize;

/// An answer other than the one asked for.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub error: String,
    pub hint: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl Problem {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: None }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub fn not_found(error: &dyn Error) -> Self {
        Self::new(StatusCode::NOT_FOUND, in_full(error))
    }

    pub fn unknown(id: PatchId) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{id} does not exist"))
            .with_hint("`/api/v1/patches` lists those that do")
    }

    /// The ledger could not be asked: nothing is known to have changed.
    pub fn store(error: &StoreError) -> Self {
        if error.is_conflict() {
            return Self::new(StatusCode::CONFLICT, in_full(error)).with_hint("ask again");
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, in_full(error))
            .with_hint("look at the ledger and its disk")
    }

    /// The domain's refusal, or the ledger's trouble.
    pub fn submit(error: &SubmitError) -> Self {
        match error {
            SubmitError::Rejected(Rejection::NotOpen { patch }) => Self::unknown(*patch),
            SubmitError::Rejected(rejection) => Self::rejected(rejection),
            SubmitError::Store(error) => Self::store(error),
            SubmitError::Unsigned(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                .with_hint("look at the data folder and its disk"),
        }
    }

    fn rejected(rejection: &Rejection) -> Self {
        let problem = Self::new(StatusCode::CONFLICT, rejection.to_string());
        match hint(rejection) {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body { error: &self.error, hint: self.hint.as_deref() };
        let text = serde_json::to_string(&body).expect("two texts are always JSON");
        (self.status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
}

/// What a person can do about a refusal.
fn hint(rejection: &Rejection) -> Option<&'static str> {
    match rejection {
        Rejection::StaleDossier { .. } => Some("reload the patch and look at what it asks for now"),
        Rejection::OwnPatch { .. } => Some("ask a colleague in that role"),
        Rejection::NotAPerson => Some("give your own name in `by`"),
        Rejection::NotNow { .. } => Some("look at the patch: it has moved on"),
        Rejection::NotApproved { .. } => Some("approve it first"),
        Rejection::NoRetry { .. } | Rejection::NoRecall { .. } => Some("look at how the patch ended"),
        Rejection::ForwardOnly { .. } => {
            Some("`patchline rollback P-7 --accept-data-loss REASON` takes it back all the same")
        }
        Rejection::NotInSet { .. } => Some("open the patches that it comes after first"),
        Rejection::Held { .. } => Some("lift what holds it first, or wait; taking it back is never held"),
        Rejection::ReviewOwed { .. } => {
            Some("`patchline review` closes it: another person says what they found")
        }
        Rejection::OwnEmergency { .. } => Some("ask a colleague"),
        Rejection::NoReplacement { .. } => Some("open it without taking the other's place"),
        Rejection::NotShown { .. } => Some("name a finding of the patch that nothing shows yet"),
        Rejection::NoReason => Some("give a `reason`"),
        Rejection::NoFreeze { .. } => Some("`/api/v1/line` lists what is in force"),
        Rejection::TooMuchHeld { .. } => Some("lift some of them, or hold everything at once"),
        Rejection::ReasonTooLong { .. } | Rejection::NeverInForce { .. } => None,
        Rejection::Locked { .. } => Some("wait until the other patch has ended"),
        Rejection::AlreadyOpen { .. }
        | Rejection::NotOpen { .. }
        | Rejection::NotOwed { .. }
        | Rejection::WrongStage { .. }
        | Rejection::NoReviewOwed { .. }
        | Rejection::Ended { .. }
        | Rejection::Nonsense(_) => None,
    }
}
