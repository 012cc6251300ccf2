//! Patches as JSON: the board's cards, one patch's facts, its events.

use axum::Json;
use axum::extract::{Path, Query, State};
use patchline_model::event::Event;
use patchline_model::view::board::Card;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::facts::Facts;
use crate::problem::Problem;
use crate::state::Shared;

/// Events in one answer, at most.
const MOST_EVENTS: usize = 10_000;

/// Where the events begin that are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Versions up to this one are known already.
    #[serde(default)]
    after: usize,
    limit: Option<usize>,
}

/// One event with its version: its number among the patch's events, from 1.
#[derive(Serialize)]
struct Numbered<'a> {
    version: usize,
    #[serde(flatten)]
    event: &'a Event,
}

/// A card for each patch, oldest first.
pub async fn list(State(shared): State<Shared>) -> Result<Json<Vec<Card>>, Problem> {
    Ok(Json(shared.app.conductor.cards().await.map_err(|error| Problem::store(&error))?))
}

/// What is known of one patch.
pub async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let known = shared.patch(&id).await?;
    let around = shared.app.conductor.around(&known.patch).await;
    let hold = around.map_err(|error| Problem::store(&error))?.hold;
    let facts = serde_json::to_value(Facts::of(&known.patch, hold)).expect("facts have text keys only");
    Ok(Json(facts))
}

/// What happened to one patch, oldest first; `next` is the `after` of the answer that follows, if there is more.
pub async fn events(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    range: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(range) = range.map_err(|error| Problem::bad_request(error.body_text()))?;
    let known = shared.patch(&id).await?;
    let limit = range.limit.unwrap_or(MOST_EVENTS).clamp(1, MOST_EVENTS);
    let from = range.after.min(known.events.len());
    let to = from.saturating_add(limit).min(known.events.len());
    let numbered = known.events[from..to].iter().zip(from + 1..);
    let events: Vec<Numbered<'_>> = numbered.map(|(event, version)| Numbered { version, event }).collect();
    let next = (to < known.events.len()).then_some(to);
    Ok(Json(json!({ "patch": known.patch.id.to_string(), "events": events, "next": next })))
}
