//! How long a patch took, stage by stage, and what users met on the way.

use patchline_model::event::{Event, Fact};
use patchline_model::id::Stage;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::evolve;
use patchline_model::stage::{detect, review};
use patchline_model::time::Timestamp;
use serde::Serialize;

/// What a look back finds, before it is signed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Facts {
    /// Seconds from the opening to the end, without those between an end and what followed it.
    pub lead_seconds: f64,
    /// Seconds in each stage that the patch was in, in the order of the stages. They sum to the lead time.
    pub stages: Vec<(String, f64)>,
    /// Seconds from the decision to take it back until the target confirmed that it had no share.
    pub rollback_seconds: Option<f64>,
    /// User requests that the new version failed.
    pub failed_by_canary: u64,
    /// User requests that no version answered, because traffic was moved.
    pub failed_by_shift: u64,
    /// User requests that either version got while the rollout was watched.
    pub requests: u64,
    /// Candidates that were proposed.
    pub candidates: u64,
    /// Tries of a job that failed.
    pub falters: u64,
}

/// What the events of a patch tell about its way, oldest first.
pub fn look_back(patch: &Patch, events: &[Event]) -> Facts {
    let stays = stays(patch, events);
    let seconds = |millis: u64| millis as f64 / 1000.0;
    let in_stage =
        |stage: Stage| stays.iter().filter(|stay| stay.0 == stage).map(|stay| stay.1).collect::<Vec<_>>();
    let stages = Stage::ALL.into_iter().filter_map(|stage| {
        let millis = in_stage(stage);
        (!millis.is_empty()).then(|| (stage.name().to_owned(), seconds(sum(millis))))
    });
    let rollout = &patch.rollout;
    let totals = &rollout.totals;
    let proposed = patch.generate.refused.len().saturating_add(usize::from(patch.candidate().is_some()));
    Facts {
        lead_seconds: seconds(sum(stays.iter().map(|stay| stay.1).collect())),
        stages: stages.collect(),
        rollback_seconds: rollout
            .rollback_decided
            .zip(rollout.rollback_confirmed)
            .map(|(decided, confirmed)| confirmed.seconds_since(decided)),
        failed_by_canary: totals.canary_errors,
        failed_by_shift: totals.unrouted,
        requests: totals.canary_requests.saturating_add(totals.stable_requests),
        candidates: u64::try_from(proposed).unwrap_or(u64::MAX),
        falters: events.iter().filter(|event| matches!(event.fact, Fact::Faltered { .. })).count() as u64,
    }
}

/// Milliseconds between each event and the one before it, with the stage that the patch was in meanwhile; from the
/// opening to the end, or to the last event while there is no end.
///
/// A clock that jumps back counts as no time, and what comes after it counts only once the clock has passed its highest
/// mark; so no second is counted twice, and the stages sum to the lead time.
fn stays(patch: &Patch, events: &[Event]) -> Vec<(Stage, u64)> {
    let mut so_far = Patch::new(patch.id);
    let mut latest: Option<Timestamp> = None;
    let mut stays = Vec::new();
    let is_end = |event: &Event| matches!(event.fact, Fact::Review(review::Event::Ended(_)));
    // A patch that was tried again, or taken back after its promotion, has several ends; the last one counts.
    let last = events.iter().rposition(is_end).unwrap_or(events.len());
    for (index, event) in events.iter().enumerate() {
        if let Some(before) = latest {
            // Between its end and the moment it was opened again nobody worked on it.
            if !so_far.has_ended() {
                stays.push((so_far.stage(), event.at.millis_since(before)));
            }
            latest = Some(before.max(event.at));
        } else if matches!(event.fact, Fact::Detect(detect::Event::Opened(_))) {
            latest = Some(event.at);
        }
        if index == last {
            break;
        }
        so_far = evolve(so_far, event);
    }
    stays
}

fn sum(millis: Vec<u64>) -> u64 {
    millis.into_iter().fold(0, u64::saturating_add)
}
