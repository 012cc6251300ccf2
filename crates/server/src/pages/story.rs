//! One patch's story: how far it is, and every part of it in order.

use std::collections::BTreeMap;

use maud::{Markup, html};
use patchline_conductor::conductor::Around;
use patchline_model::event::Event;
use patchline_model::id::Stage;
use patchline_model::patch::Patch;
use patchline_model::stage::review::End;
use patchline_model::time::Timestamp;
use patchline_model::view::board::card_under;

use crate::pages::change::{self, DiffText};
use crate::pages::layout::{Page, frame};
use crate::pages::{act, decision, findings, proof, rollout, timeline, words};

/// One part of the page, which a live page replaces alone.
pub struct Part {
    pub id: &'static str,
    /// Empty when there is nothing to say yet.
    pub html: Markup,
}

/// The whole page. What matters now stands first; the order stays as it was when the page was loaded.
pub fn page(
    patch: &Patch,
    events: &[Event],
    around: &Around,
    diff: Option<&DiffText>,
    now: Timestamp,
) -> Markup {
    let mut parts = parts(patch, events, around, diff, now);
    let first = if patch.rollout.plan.is_some() { "rollout" } else { "decision" };
    let has_pressing = patch.rollout.plan.is_some() || decision::asked(patch).is_some();
    parts.sort_by_key(|part| match part.id {
        "head" => 0,
        "act" => 1,
        id if has_pressing && id == first => 2,
        _ => 3,
    });
    let body = html! {
        @for part in parts {
            section #{ "part-" (part.id) } class={ "card part-" (part.id) } hidden[part.html.0.is_empty()] { (part.html) }
        }
    };
    let title = format!("{} {}", patch.id, patch.title());
    let stream = format!("/api/v1/patches/{}/stream?fragments=true", patch.id);
    let stream = (!patch.is_closed()).then_some(stream.as_str());
    frame(Page { title: &title, stream, class: "story-page", body })
}

/// Every part in the order in which a patch walks.
pub fn parts(
    patch: &Patch,
    events: &[Event],
    around: &Around,
    diff: Option<&DiffText>,
    now: Timestamp,
) -> Vec<Part> {
    let part = |id: &'static str, html: Option<Markup>| Part { id, html: html.unwrap_or_else(|| html! {}) };
    vec![
        part("head", Some(head(patch, events, around, now))),
        part("act", act::section(patch, around)),
        part("findings", findings::section(patch, now)),
        part("change", change::section(patch, diff)),
        part("build", proof::build(patch)),
        part("verification", proof::verification(patch)),
        part("decision", decision::section(patch)),
        part("rollout", rollout::section(patch, events, now)),
        part("review", review(patch)),
        part("timeline", timeline::section(events)),
    ]
}

fn head(patch: &Patch, events: &[Event], around: &Around, now: Timestamp) -> Markup {
    let card = card_under(patch, around.hold.clone());
    let ended = card.outcome.as_deref().map(words::outcome);
    html! {
        p.crumbs { a href="/" { "Board" } " / " span.id { (patch.id) } " " span.service { (card.service) } }
        h1 { (card.title) }
        p.status {
            @if let Some((class, word)) = ended { (words::chip(class, word)) } @else { (words::chip("accent", &card.doing)) }
            @if card.waits_for_person { " " (words::chip("warn", "waits for a person")) }
            @if let Some(action) = card.action { " " (words::action_chip(action)) }
            span.muted {
                " opened " (words::time(patch.opened_at))
                @if let Some(due) = card.due.filter(|_| ended.is_none()) { " · " (words::until(due, now)) }
                @if let Some(opening) = &patch.opening {
                    " · " (opening.service.owner) ", " (opening.service.tier)
                    @if let Some(other) = opening.terms.supersedes { " · replaces " a href={ "/patches/" (other) } { (other) } }
                    @if let Some(set) = &opening.terms.set {
                        " · in the set " (set.name)
                        @for (number, before) in set.after.iter().enumerate() {
                            @if number == 0 { " after " } @else { ", " }
                            a href={ "/patches/" (before) } { (before) }
                        }
                    }
                }
            }
        }
        @if let Some(End::Abandoned(why) | End::RolledBack(why)) = &patch.review.end { p.why { (words::linked(why)) } }
        @if let Some(faltering) = patch.faltering.as_ref().filter(|_| ended.is_none()) {
            p.banner.warn { strong { "Try " (faltering.tries) " in `" (faltering.stage) "` failed: " } (faltering.message) }
        }
        @if let Some(owed) = &patch.review.afterwards {
            p.banner.warn {
                strong { "Passed in an emergency. " } (owed.by) ": " (owed.reason) ". A review by somebody else is owed, "
                (words::until(owed.due, now)) ": " code { "patchline review " (patch.id) }
            }
        }
        @if let Some(hold) = &card.hold {
            p.banner.warn {
                strong { @if patch.rollout.plan.is_some() { "Held where it is: " } @else { "It may not begin: " } }
                (hold)
            }
        }
        (stepper(patch, events, now))
    }
}

/// The stages with the seconds that each took, and links to what they left.
fn stepper(patch: &Patch, events: &[Event], now: Timestamp) -> Markup {
    let mut seconds = stage_seconds(events);
    let present = patch.stage();
    if !patch.is_closed() && patch.opening.is_some() {
        *seconds.entry(present).or_insert(0.0) += now.seconds_since(patch.changed_at);
    }
    html! {
        ol.stepper aria-label="Stages" {
            @for stage in Stage::ALL {
                @let took = seconds.get(&stage);
                @let class = if stage == present && !patch.is_closed() { "now" } else if took.is_some() { "done" } else { "open" };
                li class=(class) aria-current=[(class == "now").then_some("step")] {
                    @match part_of(stage).filter(|_| took.is_some()) {
                        Some(part) => a href={ "#part-" (part) } { (stage) },
                        None => span { (stage) },
                    }
                    span.took { @match took { Some(took) => (words::span(*took)), None => "–" } }
                }
            }
        }
    }
}

fn part_of(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Detect | Stage::Triage => Some("findings"),
        Stage::Generate => Some("change"),
        Stage::Build => Some("build"),
        Stage::Verify => Some("verification"),
        Stage::Approve => Some("decision"),
        Stage::Rollout => Some("rollout"),
        Stage::Review => Some("review"),
    }
}

/// Seconds by stage: the time before an event belongs to the stage that led to it.
pub fn stage_seconds(events: &[Event]) -> BTreeMap<Stage, f64> {
    let mut seconds = BTreeMap::new();
    let mut before = events.first().map(|event| event.at).unwrap_or_default();
    for event in events {
        *seconds.entry(event.fact.stage()).or_insert(0.0) += event.at.seconds_since(before);
        before = before.max(event.at);
    }
    seconds
}

fn review(patch: &Patch) -> Option<Markup> {
    let review = patch.review.reviewed.as_ref()?;
    Some(html! {
        h2 { "Review" }
        dl.figures {
            div { dt { "Lead time" } dd { (words::span(review.lead_seconds)) } dd.sub { "finding to end" } }
            div { dt { "Requests" } dd { (words::number(review.requests)) } dd.sub { "while it rolled out" } }
            div { dt { "Failed by the new version" } dd { (words::number(review.failed_by_canary)) } }
            div { dt { "Failed by shifting" } dd { (words::number(review.failed_by_shift)) } }
            @if let Some(seconds) = review.rollback_seconds { div { dt { "Time to roll back" } dd { (words::span(seconds)) } } }
        }
        p { (words::evidence(&review.note, "Release note")) " · " (words::evidence(&review.evidence, "signed review")) }
    })
}
