//! Live streams: server-sent events on each change of the board, or of one patch until it is closed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use patchline_conductor::clock;
use patchline_conductor::conductor::Around;
use patchline_conductor::projection::Known;
use patchline_model::id::PatchId;
use patchline_model::line::Line;
use patchline_model::stage::rollout::Tick;
use patchline_model::view::board::{Card, card_under};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::api::facts::RolloutFacts;
use crate::pages::show::{self, Diff};
use crate::pages::{board, story};
use crate::problem::Problem;
use crate::state::Shared;

/// Changes that come faster than this are told together.
const LEAST_BETWEEN: Duration = Duration::from_millis(250);

/// A comment this often shows that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Newest looks in one update, at most.
const MOST_TICKS: usize = 600;

/// What a page asks for beyond the facts.
#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    /// Send the page's changed parts as HTML too.
    #[serde(default)]
    fragments: bool,
}

/// What an `update` says of a patch.
#[derive(Serialize)]
struct Update<'a> {
    id: String,
    version: u64,
    stage: &'static str,
    doing: &'a str,
    outcome: Option<&'a str>,
    waits_for_person: bool,
    rollout: Option<RolloutFacts<'a>>,
    /// Looks since the update before.
    ticks: &'a [Arc<Tick>],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fragments: BTreeMap<&'static str, String>,
}

/// Each change of any card.
pub async fn board(
    State(shared): State<Shared>,
    Query(wish): Query<Wish>,
) -> Result<impl IntoResponse, Problem> {
    let live = Live::begin(shared, wish)?;
    Ok(sse(unfold((live, (Vec::new(), Line::default())), |(mut live, mut told)| async move {
        let event = live.next_board(&mut told).await?;
        Some((Ok(event), (live, told)))
    })))
}

/// Each change of one patch, and the looks that came with it. Ends with an `end` event when the patch is closed.
pub async fn patch(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<impl IntoResponse, Problem> {
    let id = shared.patch(&id).await?.patch.id;
    let told = Told {
        id,
        version: 0,
        looks: 0,
        around: Around::default(),
        fragments: BTreeMap::new(),
        diff: None,
        progress: Progress::Open,
    };
    let live = Live::begin(shared, wish)?;
    Ok(sse(unfold((live, told), |(mut live, mut told)| async move {
        let event = live.next_patch(&mut told).await?;
        Some((Ok(event), (live, told)))
    })))
}

fn sse(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> impl IntoResponse {
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive"))
}

/// One open stream; its place is free again when it is dropped.
struct Live {
    shared: Shared,
    wish: Wish,
    changes: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    has_begun: bool,
    _place: OwnedSemaphorePermit,
}

/// What a patch's stream has told already.
struct Told {
    id: PatchId,
    version: u64,
    looks: usize,
    around: Around,
    fragments: BTreeMap<&'static str, String>,
    diff: Option<Diff>,
    progress: Progress,
}

#[derive(PartialEq)]
enum Progress {
    Open,
    Closed,
    Over,
}

impl Live {
    fn begin(shared: Shared, wish: Wish) -> Result<Self, Problem> {
        let place = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many live streams are open")
                .with_hint("close a page that you no longer look at")
        })?;
        let (changes, stop) = (shared.app.conductor.subscribe(), shared.stop.subscribe());
        Ok(Self { shared, wish, changes, stop, has_begun: false, _place: place })
    }

    async fn next_board(&mut self, told: &mut (Vec<Card>, Line)) -> Option<Event> {
        loop {
            let first = !self.has_begun;
            self.changed().await?;
            // A ledger that can't be read now may be readable at the next change.
            let Ok((cards, line)) = show::cards_and_line(&self.shared).await else { continue };
            if !first && told.1 == line && !shows_change(&told.0, &cards) {
                continue;
            }
            let html = self.wish.fragments.then(|| board::columns(&cards, &line, clock::now()).into_string());
            let fragments = html.map(|html| json!({ "board": html }));
            let update = json!({ "cards": cards, "line": line, "fragments": fragments });
            *told = (cards, line);
            return Some(event("update", &update));
        }
    }

    async fn next_patch(&mut self, told: &mut Told) -> Option<Event> {
        loop {
            match told.progress {
                Progress::Open => self.changed().await?,
                Progress::Closed => {
                    told.progress = Progress::Over;
                    return Some(event("end", &json!({})));
                }
                Progress::Over => return None,
            }
            let Ok(Some(known)) = self.shared.app.conductor.patch(told.id).await else { continue };
            let around = self.shared.app.conductor.around(&known.patch).await.unwrap_or_default();
            if known.patch.version == told.version && around == told.around {
                continue;
            }
            told.around = around;
            return Some(self.update(&known, told).await);
        }
    }

    async fn update(&self, known: &Known, told: &mut Told) -> Event {
        let patch = &known.patch;
        let fragments = if self.wish.fragments { self.fragments(known, told).await } else { BTreeMap::new() };
        let ticks = &patch.rollout.ticks;
        let from = told.looks.max(ticks.len().saturating_sub(MOST_TICKS)).min(ticks.len());
        let card = card_under(patch, told.around.hold.clone());
        let update = Update {
            id: patch.id.to_string(),
            version: patch.version,
            stage: card.stage.name(),
            doing: &card.doing,
            outcome: card.outcome.as_deref(),
            waits_for_person: card.waits_for_person,
            rollout: RolloutFacts::of(patch),
            ticks: &ticks[from..],
            fragments,
        };
        let event = event("update", &update);
        told.version = patch.version;
        told.looks = ticks.len();
        told.progress = if patch.is_closed() { Progress::Closed } else { Progress::Open };
        event
    }

    /// The parts of the page that differ from what was sent before.
    async fn fragments(&self, known: &Known, told: &mut Told) -> BTreeMap<&'static str, String> {
        told.diff = show::diff(&self.shared, &known.patch, told.diff.take()).await;
        let parts = story::parts(&known.patch, &known.events, &told.around, told.diff.as_ref(), clock::now());
        let rendered = parts.into_iter().map(|part| (part.id, part.html.into_string()));
        let changed = rendered.filter(|(id, html)| told.fragments.get(id) != Some(html));
        let changed: BTreeMap<&'static str, String> = changed.collect();
        told.fragments.extend(changed.clone());
        changed
    }

    /// At once the first time, then at each change; `None` when the server stops.
    async fn changed(&mut self) -> Option<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return (!*self.stop.borrow()).then_some(());
        }
        let (changes, stop) = (&mut self.changes, &mut self.stop);
        let change = async move {
            tokio::time::sleep(LEAST_BETWEEN).await;
            changes.changed().await.ok()
        };
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => None,
            changed = change => changed,
        }
    }
}

/// Whether anybody could see a difference; that a running rollout looked once more is none.
fn shows_change(before: &[Card], after: &[Card]) -> bool {
    let same =
        |(before, after): (&Card, &Card)| Card { changed_at: after.changed_at, ..before.clone() } == *after;
    before.len() != after.len() || !before.iter().zip(after).all(same)
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let text = serde_json::to_string(data).expect("updates have text keys only");
    Event::default().event(name).data(text)
}
