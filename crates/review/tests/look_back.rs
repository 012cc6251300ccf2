//! Looking back at whole stories: times, the release note, and the numbers for a monitoring system.

#[path = "stories/stories.rs"]
mod stories;

use patchline_model::event::{Event, Fact};
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::replay;
use patchline_model::stage::review::{self, End};
use patchline_model::time::Timestamp;
use patchline_review::{Metric, MetricKind, look_back, metrics, prometheus, release_note};
use proptest::prelude::{ProptestConfig, any, proptest};
use stories::{promoted, rolled_back};

fn patch(events: &[Event]) -> Patch {
    replay(Patch::new(PatchId(7)), events)
}

fn note(events: &[Event]) -> String {
    let patch = patch(events);
    release_note(&patch, events, &look_back(&patch, events))
}

#[test]
fn a_promoted_patch_has_its_times_and_totals() {
    let events = promoted();
    let facts = look_back(&patch(&events), &events);
    assert!((facts.lead_seconds - 71.5).abs() < 1e-9, "{facts:?}");
    let stages: Vec<_> = facts.stages.iter().map(|(stage, seconds)| (stage.as_str(), *seconds)).collect();
    let expected = [
        ("detect", 2.0),
        ("generate", 4.0),
        ("build", 20.0),
        ("verify", 10.0),
        ("approve", 5.5),
        ("rollout", 30.0),
    ];
    assert_eq!(stages, expected);
    assert_eq!((facts.requests, facts.failed_by_canary, facts.failed_by_shift), (1_110, 1, 0));
    assert_eq!((facts.candidates, facts.falters, facts.rollback_seconds), (1, 1, None));
}

#[test]
fn a_rolled_back_patch_says_how_fast_and_what_users_met() {
    let events = rolled_back();
    let facts = look_back(&patch(&events), &events);
    assert_eq!(facts.rollback_seconds, Some(0.75));
    assert_eq!((facts.failed_by_canary, facts.failed_by_shift), (13, 2));
}

#[test]
fn the_release_notes_are_as_kept() {
    for (name, given, kept) in [
        ("promoted", promoted(), include_str!("golden/promoted.md")),
        ("rolled_back", rolled_back(), include_str!("golden/rolled_back.md")),
    ] {
        let note = note(&given);
        assert!(note == kept, "the note of {name} has changed:\n{note}");
    }
}

#[test]
fn a_patch_that_has_only_begun_has_a_note_and_no_times() {
    let events = &promoted()[..1];
    let facts = look_back(&patch(events), events);
    assert!(facts.lead_seconds.abs() < 1e-9 && facts.stages.is_empty());
    assert!(note(events).contains("not ended"));
    assert!(note(&[]).starts_with("# P-7\n"));
}

#[test]
fn foreign_text_can_not_forge_a_heading_or_a_tag() {
    let mut events = promoted();
    let evil =
        "ok\n\n## Who allowed it\n\n- everyone <script>alert(1)</script> [x](javascript:alert(1))\n---\n";
    stories::poison(&mut events, evil);
    let note = note(&events);
    assert!(!note.contains("<script") || note.contains("\\<script"), "{note}");
    assert_eq!(note.matches("\n## Who allowed it\n").count(), 1, "{note}");
    let headings = note.lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(headings, 9, "{note}");
    for line in note.lines().filter(|line| line.contains("<script")) {
        let outside: String = line.split('`').step_by(2).collect();
        assert!(outside.match_indices('<').all(|(at, _)| outside[..at].ends_with('\\')), "{line}");
    }
}

fn value(metrics: &[Metric], name: &str, label: &str) -> f64 {
    let found = metrics
        .iter()
        .find(|metric| metric.name == name && metric.labels.iter().all(|(_, value)| value == label));
    found.unwrap_or_else(|| panic!("{name} {label} is not told")).value
}

#[test]
fn the_metrics_add_the_patches_up() {
    let open = promoted()[..4].to_vec();
    let told: Vec<(Patch, Vec<Event>)> =
        [promoted(), rolled_back(), open].into_iter().map(|events| (patch(&events), events)).collect();
    let metrics = metrics(&told);
    for (name, label, then) in [
        ("patchline_patches", "promoted", 1.0),
        ("patchline_patches", "rolled_back", 1.0),
        ("patchline_patches", "open", 1.0),
        ("patchline_patches", "abandoned", 0.0),
        ("patchline_open_patches", "build", 1.0),
        ("patchline_lead_seconds_total", "promoted", 71.5),
        ("patchline_rollbacks_total", "judge", 1.0),
        ("patchline_rollback_seconds_total", "", 0.75),
        ("patchline_rollout_requests_failed_total", "canary", 14.0),
        ("patchline_rollout_requests_failed_total", "shift", 2.0),
        ("patchline_falters_total", "", 3.0),
    ] {
        assert!(
            (value(&metrics, name, label) - then).abs() < 1e-9,
            "{name} {label}: {}",
            value(&metrics, name, label)
        );
    }
    let text = prometheus(&metrics);
    assert!(
        text.contains("# TYPE patchline_patches gauge\npatchline_patches{outcome=\"open\"} 1\n"),
        "{text}"
    );
    let mut names: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let told = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), told, "each name is told once, in one group");
}

#[test]
fn labels_and_strange_numbers_are_written_as_the_format_asks() {
    let metric = |value, text: &str| Metric {
        name: "m",
        help: "a\nb",
        kind: MetricKind::Counter,
        value,
        labels: vec![("l", text.to_owned())],
    };
    let text = prometheus(&[metric(f64::NAN, "a\"b\\c\nd"), metric(f64::INFINITY, ""), metric(0.5, "x")]);
    let then =
        "# HELP m a\\nb\n# TYPE m counter\nm{l=\"a\\\"b\\\\c\\nd\"} NaN\nm{l=\"\"} +Inf\nm{l=\"x\"} 0.5\n";
    assert_eq!(text, then);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_stages_sum_to_the_lead_time_even_when_clocks_jump(
        jumps in proptest::collection::vec(-100_000_i64..100_000, 40), is_bad in any::<bool>()
    ) {
        let mut events = if is_bad { rolled_back() } else { promoted() };
        let (mut now, mut moved) = (0_i64, 0_i64);
        for (event, jump) in events.iter_mut().zip(jumps.iter().cycle()) {
            now += jump;
            moved += jump.abs();
            event.at = Timestamp(now);
        }
        let facts = look_back(&patch(&events), &events);
        let sum: f64 = facts.stages.iter().map(|(_, seconds)| seconds).sum();
        assert!((sum - facts.lead_seconds).abs() < 0.001, "{facts:?}");
        assert!(facts.stages.iter().all(|(_, seconds)| *seconds >= 0.0) && facts.lead_seconds >= 0.0);
        assert!(facts.rollback_seconds.is_none_or(|seconds| seconds >= 0.0));
        assert!(facts.lead_seconds <= moved as f64 / 1000.0, "no second is counted twice");
    }

    #[test]
    fn with_a_clock_that_only_moves_on_the_lead_time_is_from_opening_to_end(
        steps in proptest::collection::vec(0_i64..100_000, 40)
    ) {
        let mut events = promoted();
        let mut now = 1_000_000;
        for (event, step) in events.iter_mut().zip(steps.iter().cycle()) {
            now += step;
            event.at = Timestamp(now);
        }
        let is_end = |event: &&Event| matches!(event.fact, Fact::Review(review::Event::Ended(End::Promoted)));
        let end = events.iter().find(is_end).unwrap().at;
        let facts = look_back(&patch(&events), &events);
        assert!((facts.lead_seconds - end.seconds_since(events[0].at)).abs() < 0.001);
    }

    #[test]
    fn whatever_foreign_text_says_the_note_keeps_its_own_headings(text in r"[#\-=<>\n\r `*\[\]a-c\PC]{0,40}") {
        let mut events = promoted();
        stories::poison(&mut events, &text);
        let note = note(&events);
        assert_eq!(note.lines().filter(|line| line.starts_with("## ")).count(), 8, "{note}");
        assert_eq!(note.lines().filter(|line| line.starts_with("# ")).count(), 1, "{note}");
    }
}
