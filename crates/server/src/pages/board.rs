//! The board: every patch by stage.

use maud::{Markup, html};
use patchline_model::id::Stage;
use patchline_model::line::Line;
use patchline_model::time::Timestamp;
use patchline_model::view::board::Card;

use crate::pages::held;
use crate::pages::layout::{Page, frame};
use crate::pages::words;

/// Ended patches that are shown, newest first; the API lists all.
const MOST_DONE: usize = 30;

/// The columns from left to right, and which stage stands where.
const COLUMNS: [&str; 7] = ["Detect", "Generate", "Build", "Verify", "Approve", "Rollout", "Done"];

/// The whole page.
pub fn page(cards: &[Card], line: &Line, now: Timestamp) -> Markup {
    let body = html! {
        div #part-board { (columns(cards, line, now)) }
    };
    frame(Page { title: "Board", stream: Some("/api/v1/stream?fragments=true"), class: "board-page", body })
}

/// What changes: what is held, the summary and the columns.
pub fn columns(cards: &[Card], line: &Line, now: Timestamp) -> Markup {
    html! {
        (held::section(cards, line, now))
        div.board-head {
            h1 { "Patches" }
            p.muted { (summary(cards)) }
        }
        div.board {
            @for (index, name) in COLUMNS.into_iter().enumerate() {
                (column(name, &cards_of(cards, index), now))
            }
        }
    }
}

fn summary(cards: &[Card]) -> String {
    let open = cards.iter().filter(|card| card.outcome.is_none()).count();
    let waiting = cards.iter().filter(|card| card.waits_for_person).count();
    let wait = match waiting {
        0 => "nobody is waited for".to_owned(),
        1 => "1 waits for a person".to_owned(),
        many => format!("{many} wait for a person"),
    };
    format!("{open} under way · {wait} · {} done", cards.len() - open)
}

/// The cards of a column, most urgent first; what is done, newest first.
fn cards_of(cards: &[Card], column: usize) -> Vec<&Card> {
    let mut here: Vec<&Card> = cards.iter().filter(|card| column_of(card.stage) == column).collect();
    if column == column_of(Stage::Review) {
        here.sort_by_key(|card| std::cmp::Reverse((card.changed_at, card.id)));
    } else {
        here.sort_by_key(|card| (!card.waits_for_person, std::cmp::Reverse(card.action), card.due, card.id));
    }
    here
}

fn column_of(stage: Stage) -> usize {
    match stage {
        Stage::Detect | Stage::Triage => 0,
        Stage::Generate => 1,
        Stage::Build => 2,
        Stage::Verify => 3,
        Stage::Approve => 4,
        Stage::Rollout => 5,
        Stage::Review => 6,
    }
}

fn column(name: &str, cards: &[&Card], now: Timestamp) -> Markup {
    let id = format!("column-{}", name.to_lowercase());
    html! {
        section.column.empty[cards.is_empty()] aria-labelledby=(id) {
            h2 #(id) { (name) " " span.count { (cards.len()) } }
            @if cards.is_empty() {
                p.nothing { "nothing here" }
            } @else {
                ul role="list" {
                    @for card in cards.iter().take(MOST_DONE) { li { (tile(card, now)) } }
                }
                @if cards.len() > MOST_DONE {
                    p.nothing { "and " (cards.len() - MOST_DONE) " more" }
                }
            }
        }
    }
}

fn tile(card: &Card, now: Timestamp) -> Markup {
    let over = card.outcome.as_deref().map(words::outcome);
    html! {
        article.tile.waits[card.waits_for_person] {
            p.tile-top { span.id { (card.id) } span.service { (card.service) } }
            h3 { a href={ "/patches/" (card.id) } { (card.title) } }
            p.doing { (card.doing) }
            p.chips {
                @if card.waits_for_person { (words::chip("accent", "needs a person")) }
                @if let Some((class, word)) = over {
                    (words::chip(class, word))
                } @else if let Some(action) = card.action {
                    (words::action_chip(action))
                }
            }
            p.when {
                @if over.is_some() {
                    "ended " (words::age(card.changed_at, now))
                } @else {
                    @if let Some(due) = card.due {
                        span.overdue[due < now] { (words::until(due, now)) }
                        br;
                    }
                    "opened " (words::age(card.opened_at, now))
                }
            }
        }
    }
}
