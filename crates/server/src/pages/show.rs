//! The handlers of the pages: read what is there, hand it to the pure functions.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use patchline_conductor::clock;
use patchline_ledger::store::StoreError;
use patchline_model::line::Line;
use patchline_model::patch::Patch;
use patchline_model::view::board::Card;

use crate::api::blobs;
use crate::pages::change::DiffText;
use crate::pages::{board, layout, story};
use crate::problem::Problem;
use crate::state::Shared;

/// Largest diff that is read for a page; longer ones are linked.
const MOST_DIFF_BYTES: u64 = 512 * 1024;

/// A candidate's diff as it was read, kept so that a live page reads it once.
pub type Diff = DiffText;

pub async fn board(State(shared): State<Shared>) -> Response {
    match cards_and_line(&shared).await {
        Ok((cards, line)) => Html(board::page(&cards, &line, clock::now()).into_string()).into_response(),
        Err(error) => page_of(&Problem::store(&error)),
    }
}

/// What the board shows.
pub async fn cards_and_line(shared: &Shared) -> Result<(Vec<Card>, Line), StoreError> {
    let conductor = &shared.app.conductor;
    Ok((conductor.cards().await?, conductor.line().await?))
}

pub async fn story(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    match shared.patch(&id).await {
        Ok(known) => {
            let diff = diff(&shared, &known.patch, None).await;
            let around = shared.app.conductor.around(&known.patch).await.unwrap_or_default();
            let page = story::page(&known.patch, &known.events, &around, diff.as_ref(), clock::now());
            Html(page.into_string()).into_response()
        }
        Err(problem) => page_of(&problem),
    }
}

/// No such path: JSON for programs, a page for people.
pub async fn nothing_here(uri: Uri) -> Response {
    let problem = Problem::new(StatusCode::NOT_FOUND, "there is nothing here");
    if uri.path().starts_with("/api/") { problem.into_response() } else { page_of(&problem) }
}

/// The candidate's diff: the one at hand if it is still the right one, else read anew.
pub async fn diff(shared: &Shared, patch: &Patch, at_hand: Option<Diff>) -> Option<Diff> {
    let digest = &patch.candidate()?.diff;
    if let Some(diff) = at_hand.filter(|diff| diff.digest == *digest) {
        return Some(diff);
    }
    let read = blobs::read(shared.app.blobs.clone(), digest.clone(), MOST_DIFF_BYTES).await;
    let text =
        read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|problem| problem.error);
    Some(Diff { digest: digest.clone(), text })
}

fn page_of(problem: &Problem) -> Response {
    let page = layout::notice(&problem.error, problem.hint.as_deref());
    (problem.status, Html(page.into_string())).into_response()
}
