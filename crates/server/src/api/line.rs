//! The line over the API: what is stopped and frozen, and a person's word on it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use patchline_conductor::clock;
use patchline_model::line::{Command, Scope};
use patchline_model::service::{Name, Tier};
use patchline_model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::actions::{LONGEST_REASON, person, plain};
use crate::problem::Problem;
use crate::state::Shared;

/// Newest events in one answer, at most.
const MOST_EVENTS: usize = 200;

/// What a person sends with their word. Without service and tier it is about everything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Word {
    by: String,
    reason: String,
    service: Option<String>,
    tier: Option<u8>,
    /// Milliseconds since 1970; without it, now.
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    except_hotfix: bool,
    freeze: Option<u32>,
}

/// What is in force or ahead, and the newest of what was said about it.
pub async fn line(State(shared): State<Shared>) -> Result<Json<Value>, Problem> {
    let conductor = &shared.app.conductor;
    let line = conductor.line().await.map_err(|error| Problem::store(&error))?;
    let events = conductor.line_events().await.map_err(|error| Problem::store(&error))?;
    let newest = &events[events.len().saturating_sub(MOST_EVENTS)..];
    let now = clock::now();
    let freezes: Vec<_> = line.freezes.iter().filter(|freeze| now < freeze.until).collect();
    Ok(Json(json!({ "version": line.version, "stops": line.stops, "freezes": freezes, "events": newest })))
}

/// Stops, starts, freezes or thaws; answers the events that follow, none when it was so already.
pub async fn act(
    State(shared): State<Shared>,
    Path(action): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let word: Word = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("could not read the body: {error}")))?;
    let by = person(&word.by)?;
    let command = command(&action, &word)?;
    let held = shared.app.conductor.hold(&shared.app.attestor, &by, command).await;
    let events = held.map_err(|error| Problem::submit(&error))?;
    Ok(Json(json!({ "events": events })))
}

fn command(action: &str, word: &Word) -> Result<Command, Problem> {
    let reason = plain("reason", &word.reason, LONGEST_REASON)?;
    match action {
        "stop" => Ok(Command::Stop { scope: scope(word)?, reason }),
        "start" => Ok(Command::Start { scope: scope(word)?, reason }),
        "freeze" => {
            let until = word.until.ok_or_else(|| Problem::bad_request("`until` is missing"))?;
            let (from, hotfix_passes) = (word.from.unwrap_or_else(clock::now), word.except_hotfix);
            Ok(Command::Freeze { scope: scope(word)?, from, until, reason, hotfix_passes })
        }
        "thaw" => {
            let freeze = word.freeze.ok_or_else(|| Problem::bad_request("`freeze` is missing"))?;
            Ok(Command::Thaw { freeze, reason })
        }
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such action")
            .with_hint("actions are stop, start, freeze and thaw")),
    }
}

fn scope(word: &Word) -> Result<Scope, Problem> {
    let wrong = |error: &dyn std::error::Error| Problem::bad_request(error.to_string());
    match (word.service.as_deref().filter(|name| !name.is_empty()), word.tier) {
        (None, None) => Ok(Scope::Everything),
        (Some(name), None) => name.parse::<Name>().map(Scope::Service).map_err(|error| wrong(&error)),
        (None, Some(tier)) => Tier::try_from(tier).map(Scope::Tier).map_err(|error| wrong(&error)),
        (Some(_), Some(_)) => Err(Problem::bad_request("name a `service` or a `tier`, not both")),
    }
}
