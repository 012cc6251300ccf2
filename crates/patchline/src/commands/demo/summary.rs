//! What came of the demo, in figures.

use patchline_conductor::projection::Known;
use patchline_model::event::Fact;
use patchline_model::stage::approve::{self, Answer};
use patchline_model::stage::review::End;
use serde::Serialize;

/// One patch of the demo.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub id: String,
    pub title: String,
    pub outcome: String,
    pub stages: std::collections::BTreeMap<String, f64>,
    /// From the decision to take it back until the bad version had no share; null where nothing was taken back.
    pub rollback_seconds: Option<f64>,
    pub requests_total: u64,
    pub requests_failed_by_canary: u64,
    pub requests_failed_by_shift: u64,
    #[serde(skip)]
    pub machine_seconds: f64,
}

/// The figures of a closed patch, from its events alone.
pub fn summary(known: &Known) -> Summary {
    let patch = &known.patch;
    let review = patch.review.reviewed.as_ref();
    Summary {
        id: patch.id.to_string(),
        title: patch.title(),
        outcome: patch.review.end.as_ref().map(End::word).unwrap_or("open").to_owned(),
        stages: review.map(|review| review.stages.iter().cloned().collect()).unwrap_or_default(),
        rollback_seconds: review.and_then(|review| review.rollback_seconds),
        requests_total: review.map_or(0, |review| review.requests),
        requests_failed_by_canary: review.map_or(0, |review| review.failed_by_canary),
        requests_failed_by_shift: review.map_or(0, |review| review.failed_by_shift),
        machine_seconds: machine_seconds(known),
    }
}

/// From the opening to the first word of the gate: what the machine did alone.
fn machine_seconds(known: &Known) -> f64 {
    let decided = known.events.iter().find(|event| {
        matches!(&event.fact, Fact::Approve(approve::Event::Decided { decision, .. }) if decision.answer != Answer::Deny)
    });
    decided.map_or(f64::NAN, |event| event.at.seconds_since(known.patch.opened_at))
}
