//! Everything that happened, newest first.

use maud::{Markup, html};
use patchline_model::event::Event;
use patchline_model::view::story::{Line, line};

use crate::pages::words;

/// Lines that are shown; the API has every event.
const MOST_LINES: usize = 200;
const MOST_DETAILS: usize = 40;

pub fn section(events: &[Event]) -> Option<Markup> {
    let told: Vec<Line> = events.iter().rev().filter_map(line).take(MOST_LINES + 1).collect();
    if told.is_empty() {
        return None;
    }
    Some(html! {
        h2 { "Timeline " span.count { "newest first, in UTC" } }
        ol.timeline role="list" reversed { @for line in told.iter().take(MOST_LINES) { (entry(line)) } }
        @if told.len() > MOST_LINES { p.muted { "Earlier facts are in the API's list of events." } }
    })
}

fn entry(line: &Line) -> Markup {
    html! {
        li class={ "entry " (words::mood_class(line.mood)) } {
            p.entry-head {
                (words::bare_time(line.at)) " " span.stage { (line.stage) } " " span.by { (line.by) }
            }
            p.entry-text { (words::linked(&line.text)) }
            @if !line.details.is_empty() {
                details {
                    summary { "more" }
                    ul { @for detail in line.details.iter().take(MOST_DETAILS) { li { (words::linked(detail)) } } }
                }
            }
        }
    }
}
