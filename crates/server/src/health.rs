//! Whether the server lives, whether it can work, and what Prometheus scrapes.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use patchline_conductor::clock;
use patchline_model::event::Event;
use patchline_model::failure::in_full;
use patchline_model::patch::Patch;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::state::Shared;

/// The process answers.
pub async fn alive(State(shared): State<Shared>) -> Json<Value> {
    let up = clock::now().seconds_since(shared.app.started);
    Json(json!({ "status": "ok", "uptime_seconds": up }))
}

/// The ledger can be read.
pub async fn ready(State(shared): State<Shared>) -> Result<Json<Value>, Problem> {
    let board = shared.app.conductor.board([]).await;
    board.map_err(|error| Problem::store(&error))?;
    Ok(Json(json!({ "status": "ready" })))
}

/// The measures of all patches, in the text format of Prometheus.
pub async fn metrics(State(shared): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let all = shared.app.conductor.patches().await.map_err(|error| Problem::store(&error))?;
    let task = tokio::task::spawn_blocking(move || {
        let told: Vec<(Patch, Vec<Event>)> =
            all.iter().map(|known| (known.patch.clone(), known.events.clone())).collect();
        patchline_review::prometheus(&patchline_review::metrics(&told))
    });
    let failed = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, in_full(&error));
    let mut text = task.await.map_err(failed)?;
    let up = clock::now().seconds_since(shared.app.started);
    text.push_str(&format!(
        "# HELP patchline_uptime_seconds Seconds since the server started.\n\
         # TYPE patchline_uptime_seconds gauge\npatchline_uptime_seconds {up}\n"
    ));
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
