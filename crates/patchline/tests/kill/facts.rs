//! What the ledger must hold whatever was killed: nothing lost, nothing twice, the same end.

use std::collections::BTreeMap;

use patchline_model::event::{Event, Fact};
use patchline_model::stage::rollout::Cause;
use patchline_model::stage::{approve, build, detect, generate, review, rollout, verify};
use patchline_model::view::story;

/// Facts that a promoted patch has exactly once.
const PROMOTED: &[&str] = &[
    "opened",
    "found",
    "proposed",
    "built",
    "verified",
    "approved",
    "started",
    "step 1",
    "step 2",
    "promotion decided",
    "switched",
    "old retired",
    "promoted",
    "ended",
    "reviewed",
];

/// Facts that a patch that was taken back has exactly once. How far it came before is the judge's affair.
const TAKEN_BACK: &[&str] = &[
    "opened",
    "found",
    "proposed",
    "built",
    "verified",
    "approved",
    "started",
    "step 1",
    "rollback decided",
    "share taken",
    "rolled back",
    "ended",
    "reviewed",
];

/// Facts that may or may not be there, once.
const MAYBE: &[&str] = &["step 2"];

/// Facts that come as often as they come.
const MANY: &[&str] = &["looked", "counted", "triaged", "decided"];

/// Holds a closed patch's story against what it must be.
#[track_caller]
pub fn check_story(events: &[Event], is_good: bool) {
    let must = if is_good { PROMOTED } else { TAKEN_BACK };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in events {
        *counts.entry(word(&event.fact)).or_default() += 1;
    }
    for (word, count) in &counts {
        let word = word.as_str();
        let fits = match word {
            _ if MANY.contains(&word) => true,
            _ if must.contains(&word) || MAYBE.contains(&word) => *count == 1,
            _ => false,
        };
        assert!(fits, "`{word}` is there {count} times\n{}", told(events));
    }
    let missing: Vec<&&str> = must.iter().filter(|word| !counts.contains_key(**word)).collect();
    assert!(missing.is_empty(), "{missing:?} did not happen\n{}", told(events));
    let allowed = counts["decided"];
    assert_eq!(allowed, 2, "the policy is asked once before and once after the approval\n{}", told(events));
    if !is_good {
        let by_judge = events.iter().any(|event| {
            matches!(
                &event.fact,
                Fact::Rollout(rollout::Event::RollbackDecided { cause: Cause::Judge { .. } })
            )
        });
        assert!(by_judge, "it was not the judge who took it back\n{}", told(events));
    }
}

/// What was read before is still there, unchanged, whatever came after it.
#[track_caller]
pub fn check_nothing_lost(before: &[Event], after: &[Event]) {
    assert!(
        after.starts_with(before),
        "what was acknowledged is not there any more\nbefore:\n{}\nafter:\n{}",
        told(before),
        told(after)
    );
}

/// The story in words, for a person who has to find out what happened.
pub fn told(events: &[Event]) -> String {
    let lines = events.iter().filter_map(|event| {
        let line = story::line(event)?;
        let details = line.details.iter().map(|detail| format!("\n      {detail}")).collect::<String>();
        Some(format!("  {} {} {}{details}", event.at, line.stage, line.text))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn word(fact: &Fact) -> String {
    let word = match fact {
        Fact::Detect(detect::Event::Opened(_)) => "opened",
        Fact::Detect(detect::Event::Found { .. }) => "found",
        Fact::Detect(detect::Event::NothingFound { .. }) => "nothing found",
        Fact::Detect(detect::Event::Shown(_)) => "shown",
        Fact::Triage(_) => "triaged",
        Fact::Generate(generate::Event::Proposed { .. }) => "proposed",
        Fact::Generate(generate::Event::NoFix { .. }) => "no fix",
        Fact::Generate(generate::Event::Refused { .. }) => "refused",
        Fact::Generate(generate::Event::Divided { .. }) => "divided",
        Fact::Generate(generate::Event::Held) => "held",
        Fact::Generate(generate::Event::Settled { .. }) => "settled",
        Fact::Build(build::Event::Built(_)) => "built",
        Fact::Build(build::Event::Broken { .. } | build::Event::BaseBroken { .. }) => "broken",
        Fact::Build(build::Event::Dropped) => "build dropped",
        Fact::Verify(verify::Event::Verified { .. }) => "verified",
        Fact::Verify(verify::Event::Dropped) => "verdict dropped",
        Fact::Approve(approve::Event::Decided { .. }) => "decided",
        Fact::Approve(approve::Event::Approved(_)) => "approved",
        Fact::Approve(approve::Event::Rejected { .. }) => "rejected",
        Fact::Rollout(fact) => return rollout_word(fact),
        Fact::Review(review::Event::Ended(_)) => "ended",
        Fact::Review(review::Event::Reviewed(_)) => "reviewed",
        Fact::Review(review::Event::Retried { .. }) => "retried",
        Fact::Review(review::Event::EmergencyReviewed { .. }) => "emergency_reviewed",
        Fact::Faltered { .. } => "faltered",
    };
    word.to_owned()
}

fn rollout_word(fact: &rollout::Event) -> String {
    use rollout::Event;
    let word = match fact {
        Event::Started { .. } => "started",
        Event::StepPrepared { step } => return format!("step {} prepared", step + 1),
        Event::StepEntered { step } => return format!("step {}", step + 1),
        Event::GateReached { .. } => "gate reached",
        Event::GateOpened { .. } => "gate opened",
        Event::SmokeBegun { .. } => "smoke begun",
        Event::SmokePassed { .. } => "smoke passed",
        Event::SmokeFailed { .. } => "smoke failed",
        Event::BakeBegun => "bake begun",
        Event::Confirmed { .. } => "confirmed",
        Event::StableReturned { .. } => "stable returned",
        Event::Looked { .. } => "looked",
        Event::Paused { .. } => "paused",
        Event::Resumed => "resumed",
        Event::Deferred { .. } => "deferred",
        Event::Held { .. } => "held",
        Event::Released => "released",
        Event::Hurried { .. } => "hurried",
        Event::PromotionDecided => "promotion decided",
        Event::Switched => "switched",
        Event::OldRetired => "old retired",
        Event::Promoted => "promoted",
        Event::Halted { .. } => "halted",
        Event::Forced { .. } => "forced",
        Event::LossAccepted { .. } => "loss accepted",
        Event::Recalled { .. } => "recalled",
        Event::ReturnBegun => "return begun",
        Event::Kept { .. } => "kept",
        Event::RollbackDecided { .. } => "rollback decided",
        Event::ShareTaken => "share taken",
        Event::Counted { .. } => "counted",
        Event::RolledBack => "rolled back",
        Event::Paged { .. } => "paged",
    };
    word.to_owned()
}
