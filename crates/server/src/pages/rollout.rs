//! The rollout: where it stands, what users met, and its charts.

use maud::{Markup, html};
use patchline_model::event::Event;
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use patchline_model::stage::halt::is_halted;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{InstanceGuards, Plan, Strategy};
use patchline_model::stage::rollout::{JudgeAnswer, Judgement, Totals};
use patchline_model::stage::traffic::Mirrored;
use patchline_model::strategy::course::course;
use patchline_model::time::Timestamp;
use patchline_model::view::board::waits_at_gate;
use patchline_model::view::story::cause_text;

use crate::pages::chart;
use crate::pages::series::Series;
use crate::pages::words;

/// Steps of a plan that are shown.
const MOST_STEPS: usize = 30;

pub fn section(patch: &Patch, events: &[Event], now: Timestamp) -> Option<Markup> {
    let rollout = &patch.rollout;
    let plan = rollout.plan.as_ref()?;
    let (class, text) = standing(patch);
    Some(html! {
        h2 { "Rollout " (words::chip(class, text)) }
        @if let Some(reason) = &rollout.paused { p.banner.warn { strong { @if reason.trim().is_empty() { "Paused" } @else { "Paused: " } } (reason) } }
        @if rollout.paged && rollout.paused.is_some() { p.banner.bad { strong { "A person is needed. " } "The newest events below say why." } }
        @else if rollout.paged && !is_halted(rollout) { p.banner.bad { strong { "A person is needed. " } "The world could not be made to match; it is tried again." } }
        @if let Some(cause) = &rollout.cause {
            @let what = if is_halted(rollout) { "Halted: " } else { "Taken back: " };
            p.banner.bad { strong { (what) } (cause_text(cause)) }
        }
        @if let Some(bound) = &rollout.footing.forward_only {
            p.banner.warn { strong { "Forward only: " } (bound.reason) }
        }
        (steps(plan, &rollout.phase))
        (totals(patch, &rollout.totals))
        (mirrored(plan, &rollout.mirrored))
        @if let Some(series) = Series::of(events, now) {
            @if series.points.is_empty() { p.muted { "Nobody has looked yet." } }
            @else { (chart::charts(&series)) }
        }
        @if let Some(judgement) = &rollout.judgement { (judge(judgement)) }
        (versions(patch, plan))
    })
}

fn standing(patch: &Patch) -> (&'static str, &'static str) {
    match &patch.rollout.phase {
        Phase::Idle => ("plain", "has not begun"),
        Phase::Preparing => ("accent", "the new version starts"),
        Phase::Filling { .. } | Phase::Baking if patch.rollout.paused.is_some() => ("warn", "paused"),
        Phase::Filling { .. } => ("accent", "more instances start"),
        Phase::Watching { .. } if waits_at_gate(patch) => ("warn", "waits at a gate"),
        Phase::Watching { .. } if patch.rollout.paused.is_some() => ("warn", "paused"),
        Phase::Watching { .. } => ("accent", "watching the new version"),
        Phase::Baking => ("good", "promoted, watched once more"),
        Phase::Growing | Phase::Switching | Phase::Finishing => ("good", "being promoted"),
        Phase::Promoted => ("good", "promoted"),
        Phase::Recalling => ("bad", "to be taken back"),
        Phase::RollingBack => ("bad", "rolling back"),
        Phase::Retiring => ("warn", "taken back, bad version drains"),
        Phase::RolledBack => ("warn", "rolled back"),
        Phase::Halted { .. } => ("bad", "halted: a person decides"),
    }
}

fn steps(plan: &Plan, phase: &Phase) -> Markup {
    let course = course(plan);
    let is_promoted = match phase {
        Phase::Growing | Phase::Switching | Phase::Finishing | Phase::Promoted | Phase::Recalling => true,
        Phase::Idle
        | Phase::Preparing
        | Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Baking
        | Phase::RollingBack
        | Phase::Retiring
        | Phase::RolledBack
        | Phase::Halted { .. } => false,
    };
    html! {
        ol.steps aria-label="Steps of the plan" {
            @for (index, step) in course.stations.iter().take(MOST_STEPS).enumerate() {
                @let is_now = matches!(phase, Phase::Watching { step } if *step == index);
                li aria-current=[is_now.then_some("step")] {
                    @if let Some(mirror) = &step.mirror { strong { (mirror.share) " mirrored" } } @else { strong { (step.share) } } " " span.muted { "for " (words::span(step.bake.0 as f64)) @if step.gate { ", then a gate" } }
                }
            }
            @if let Some(end) = &course.end {
                li aria-current=[(*phase == Phase::Baking).then_some("step")] {
                    strong { (end.hold_back.rest()) } " " span.muted { "for " (words::span(end.bake.0 as f64)) }
                }
            }
            li aria-current=[is_promoted.then_some("step")] {
                strong { "100 %" } " " span.muted { "everywhere" }
            }
        }
    }
}

/// What users met, in numbers.
fn totals(patch: &Patch, totals: &Totals) -> Markup {
    let moved =
        if patch.rollout.is_going_back() { "0 %".to_owned() } else { patch.allowed_share().to_string() };
    let took = patch.rollout.rollback_decided.zip(patch.rollout.rollback_confirmed);
    html! {
        dl.figures {
            div { dt { "New version's share now" } dd { (moved) } }
            div { dt { "Canary" } dd { (words::number(totals.canary_requests)) " " small { "requests" } }
                dd.sub { (words::number(totals.canary_errors)) " failed · " (words::percent(totals.canary_errors, totals.canary_requests)) } }
            div { dt { "Stable" } dd { (words::number(totals.stable_requests)) " " small { "requests" } }
                dd.sub { (words::number(totals.stable_errors)) " failed · " (words::percent(totals.stable_errors, totals.stable_requests)) } }
            div { dt { "Failed by shifting" } dd { (words::number(totals.unrouted)) } dd.sub { "no version could be reached" } }
            @if let Some((decided, confirmed)) = took {
                div { dt { "Time to take it back" } dd { (words::span(confirmed.seconds_since(decided))) } dd.sub { "decision to no share" } }
            }
        }
    }
}

/// What a shadow's copies came to.
fn mirrored(plan: &Plan, mirrored: &Mirrored) -> Markup {
    let Strategy::Shadow(shadow) = &plan.strategy else { return html! {} };
    let kinds = [
        ("no whole answer", mirrored.unanswered),
        ("another class of status", mirrored.class),
        ("another status", mirrored.status),
        ("another header", mirrored.header),
        ("another body", mirrored.body),
    ];
    html! {
        dl.figures {
            div { dt { "Mirrored" } dd { (words::number(mirrored.pairs)) " " small { "pairs compared" } }
                dd.sub { (words::number(mirrored.over_limit)) " not mirrored, too many at once" } }
            div { dt { "Different answers" } dd { (words::number(mirrored.mismatches())) }
                dd.sub { (words::percent(mirrored.mismatches(), mirrored.pairs)) ", " (shadow.most_mismatches) " may differ" } }
            @if shadow.mirror.control != Share::NONE {
                div { dt { "Asked twice of stable" } dd { (words::number(mirrored.controlled)) }
                    dd.sub { (words::number(mirrored.worse)) " only new differs · " (words::number(mirrored.noise)) " only stable itself" } }
            }
        }
        @if mirrored.mismatches() > 0 {
            p.muted {
                @for (index, (kind, count)) in kinds.iter().filter(|(_, count)| *count > 0).enumerate() {
                    @if index > 0 { " · " }
                    (words::number(*count)) " " (kind)
                }
                @if let Some(example) = &mirrored.example { ", as in " code { (example) } }
            }
        }
    }
}

fn judge(judgement: &Judgement) -> Markup {
    let (class, word) = match judgement.answer {
        JudgeAnswer::Continue => ("plain", "go on watching"),
        JudgeAnswer::Promote => ("good", "promote"),
        JudgeAnswer::Rollback => ("bad", "roll back"),
        JudgeAnswer::Inconclusive => ("warn", "inconclusive"),
    };
    html! {
        p.judge {
            "The judge says " (words::chip(class, word)) " "
            @if judgement.wrong_split { (words::chip("warn", "wrong split")) " " }
            (judgement.reason)
        }
        details {
            summary { "Its numbers" }
            table {
                thead { tr { th scope="col" { "Guard" } th scope="col" { "Log evidence" } th scope="col" { "Suffices at" } } }
                tbody {
                    @for reading in judgement.readings.iter().take(20) {
                        tr { th scope="row" { (reading.guard) } td { (figure(reading.log_evidence)) } td { (figure(reading.threshold)) } }
                    }
                }
            }
        }
    }
}

fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "–".to_owned() }
}

fn versions(patch: &Patch, plan: &Plan) -> Markup {
    let rollout = &patch.rollout;
    html! {
        dl.facts {
            @if let Some(new) = &rollout.new { div.wide { dt { "New" } dd { code { (new.artifact.short()) } " " (new.label) } } }
            @if let Some(stable) = &rollout.stable { div.wide { dt { "Stable" } dd { code { (stable.artifact.short()) } " " (stable.label) } } }
            div { dt { "Instances" } dd { (plan.instances) " stable" @if let Some(first) = course(plan).stations.first() { ", " (first.new) " new at first" } } }
            div { dt { "Strategy" } dd { (plan.strategy.word()) } }
            @if let Some(text) = told_apart(plan) { div.wide { dt { "Whom it meets" } dd { (text) } } }
            div { dt { "False alarm at most" } dd { (percent(plan.guards.alpha)) } }
            div { dt { "Harm that matters" } dd { (points(plan.guards.error_margin)) " points more failures" @if plan.guards.latency { ", or slower answers" } (beside(&plan.guards.instances)) } }
            div { dt { "Looks" } dd { (rollout.ticks.len()) } }
        }
    }
}

/// What is held against the instances themselves, as the rest of a sentence.
fn beside(guards: &InstanceGuards) -> String {
    let margin = |name: &str, margin: Option<f64>| {
        margin.map_or_else(String::new, |margin| format!(", or {} more {name}", percent(margin)))
    };
    let incidents = if guards.incidents { ", or instances that end more often" } else { "" };
    format!("{incidents}{}{}", margin("memory", guards.memory_margin), margin("CPU", guards.cpu_margin))
}

/// Users of a cohort, or none.
fn told_apart(plan: &Plan) -> Option<String> {
    match &plan.strategy {
        Strategy::Canary(canary) => canary.cohort.as_ref().map(ToString::to_string),
        Strategy::Flag(flag) => Some(format!("{}, by the flag {}", flag.cohort, flag.flag)),
        Strategy::Shadow(shadow) => {
            Some(format!("nobody while {} of the requests are mirrored", shadow.mirror.share))
        }
        Strategy::Rolling(_) | Strategy::BlueGreen(_) | Strategy::Hot(_) => None,
    }
}

fn percent(fraction: f64) -> String {
    format!("{} %", points(fraction))
}

/// A fraction in hundredths.
fn points(fraction: f64) -> String {
    let text = format!("{:.2}", fraction * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
