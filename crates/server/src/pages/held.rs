//! What is stopped and frozen, on top of everything; and the button that stops the line.

use maud::{Markup, html};
use patchline_model::line::{Freeze, Line, Scope, Stop};
use patchline_model::time::Timestamp;
use patchline_model::view::board::Card;

use crate::pages::words;

/// What is in force, what is ahead, and the form.
pub fn section(cards: &[Card], line: &Line, now: Timestamp) -> Markup {
    let freezes: Vec<&Freeze> = line.freezes.iter().filter(|freeze| now < freeze.until).collect();
    html! {
        @for stop in &line.stops { p.banner.bad role="status" { (stopped(stop)) } }
        @for freeze in &freezes {
            p.banner.warn[freeze.is_in_force(now)] role="status" { (frozen(freeze, now)) }
        }
        details.line open[!line.stops.is_empty()] {
            summary { @if line.stops.is_empty() { "Stop the line" } @else { "Start the line again" } }
            p.muted { "Nothing begins, grows or is promoted on a stopped line. Judges stay armed, and what is taken back goes on." }
            (form(cards, line))
        }
    }
}

fn stopped(stop: &Stop) -> Markup {
    html! {
        strong { "The line is stopped for " (stop.scope) "." }
        " " (stop.by) ", " (words::time(stop.at)) ": " (stop.reason)
    }
}

fn frozen(freeze: &Freeze, now: Timestamp) -> Markup {
    let begins = !freeze.is_in_force(now);
    html! {
        strong { "Freeze F-" (freeze.number) " " @if begins { "will hold " } @else { "holds " } (freeze.scope) }
        @if begins { " from " (words::time(freeze.from)) }
        " until " (words::time(freeze.until)) @if freeze.hotfix_passes { ", except for hotfixes" }
        ". " (freeze.by) ": " (freeze.reason)
    }
}

fn form(cards: &[Card], line: &Line) -> Markup {
    let mut services: Vec<&str> = cards.iter().map(|card| card.service.as_str()).collect();
    services.sort_unstable();
    services.dedup();
    let stopped = |service: &str| {
        line.stops.iter().any(|stop| matches!(&stop.scope, Scope::Service(name) if name.as_str() == service))
    };
    html! {
        form.act data-line="" {
            div.fields {
                label for="act-by" { "Your name"
                    input #act-by name="by" autocomplete="name" maxlength="200" required;
                }
                label for="line-service" { "For"
                    select #line-service name="service" {
                        option value="" { "every service" @if line.is_stopped(&Scope::Everything) { " (stopped)" } }
                        @for service in services.iter().filter(|service| !service.is_empty()) {
                            option value=(service) { (service) @if stopped(service) { " (stopped)" } }
                        }
                    }
                }
                label.wide for="act-reason" { "Reason"
                    input #act-reason name="reason" autocomplete="off" maxlength="2000";
                }
            }
            div.buttons {
                button #line-stop type="submit" name="action" value="stop" class="danger" { "Stop the line" }
                @if !line.stops.is_empty() {
                    button #line-start type="submit" name="action" value="start" class="quiet"
                        data-confirm="Let rollouts go on?" { "Start it again" }
                }
            }
            output role="status" aria-live="polite" {}
        }
        noscript { p.muted { "The buttons need JavaScript. In a terminal: " code { "patchline line stop" } } }
    }
}
