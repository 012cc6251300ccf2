//! What needs a fix: advisory, package, where, how bad, until when, and why.

use maud::{Markup, html};
use patchline_model::patch::Patch;
use patchline_model::stage::detect::{self, Finding, Subject};
use patchline_model::stage::triage::Priority;
use patchline_model::time::Timestamp;

use crate::pages::words;

/// Findings, and ways to one package, that are shown.
const MOST_FINDINGS: usize = 100;
const MOST_PATHS: usize = 5;

pub fn section(patch: &Patch, now: Timestamp) -> Option<Markup> {
    let findings = patch.findings();
    match &*patch.detect {
        detect::State::Idle => None,
        detect::State::Scanning => Some(html! { h2 { "Findings" } p.muted { "The scan is under way." } }),
        detect::State::Clean => {
            Some(html! { h2 { "Findings" } p { (words::chip("good", "clean")) " Nothing needs a fix." } })
        }
        detect::State::Found(_) => Some(html! {
            h2 { "Findings " span.count { (findings.len()) } }
            (report(patch))
            ul.findings role="list" {
                @for finding in findings.iter().take(MOST_FINDINGS) {
                    li { (one(finding, priority_of(patch, finding), now)) }
                }
            }
            @if findings.len() > MOST_FINDINGS { p.muted { "and " (findings.len() - MOST_FINDINGS) " more" } }
        }),
    }
}

fn report(patch: &Patch) -> Markup {
    let subject = patch.opening.as_ref().map(|opening| &opening.subject);
    html! {
        @if let Some(Subject::Change { report, author, .. }) = subject {
            p { (author) ": " (words::linked(report)) }
        }
        @if let Some(Subject::Report(report)) = subject {
            p { (report.reporter) ": " (words::linked(&report.reason)) }
        }
    }
}

fn priority_of<'a>(patch: &'a Patch, finding: &Finding) -> Option<&'a Priority> {
    patch.triage.priorities.iter().find(|priority| priority.finding == finding.id)
}

fn one(finding: &Finding, priority: Option<&Priority>, now: Timestamp) -> Markup {
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    html! {
        article.finding {
            h3 {
                span.advisory { (finding.advisory) }
                @if let Some(priority) = priority {
                    " " (words::action_chip(priority.action))
                    @if let Some(score) = &priority.score {
                        " " (words::chip("plain", &format!("CVSS {:.1} {}", score.value, score.rating)))
                    }
                }
                @if let Some(kind) = &finding.informational { " " (words::chip("plain", kind)) }
            }
            p { (words::linked(&finding.summary)) }
            dl.facts {
                @if let Some(package) = &finding.package {
                    div { dt { "Package" } dd { strong { (package) } " " span.muted { (package.ecosystem) } } }
                    div { dt { "Fixed in" } dd { (fixed(finding)) } }
                }
                div { dt { "Where" } dd { code { (finding.location.path) (line) } } }
                @if let Some(due) = priority.and_then(|priority| priority.due) {
                    div { dt { "Due" } dd { (due.date()) " " span.muted { "(" (words::until(due, now)) ")" } } }
                }
                @if let Some(priority) = priority { div { dt { "Owner" } dd { (priority.owner) } } }
                @if !finding.aliases.is_empty() {
                    div { dt { "Also known as" } dd { (finding.aliases.join(", ")) } }
                }
            }
            @if !finding.paths.is_empty() {
                ul.paths aria-label="How the package comes in" {
                    @for path in finding.paths.iter().take(MOST_PATHS) { li { (path.join(" → ")) } }
                    @if finding.paths.len() > MOST_PATHS {
                        li.muted { "and " (finding.paths.len() - MOST_PATHS) " more ways" }
                    }
                }
            }
            @if let Some(priority) = priority {
                details {
                    summary { "Why this priority" }
                    ul { @for reason in priority.reasons.iter().take(20) { li { (reason) } } }
                }
            }
        }
    }
}

fn fixed(finding: &Finding) -> String {
    if finding.fixed.is_empty() { "no version yet".to_owned() } else { finding.fixed.join(", ") }
}
