//! The error budget before a rollout and during one: what may begin, what waits, what stands where it is.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, by, check, finding, opening, scanned, steer};
use patchline_model::job::{Due, Outcome};
use patchline_model::stage::approve::Answer;
use patchline_model::stage::budget::{History, Slo, Window};
use patchline_model::stage::detect::{self, Finding, Until};
use patchline_model::stage::plan::Observed;
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::stage::verify::CheckResult;
use patchline_model::time::Seconds;
use patchline_model::view::board::card;

/// Allowed to roll out, with an objective of 99.9 %; a hotfix, or routine.
fn allowed(is_hotfix: bool) -> Given {
    let mut opening = opening(Until::Rollout);
    if let Some(run) = &mut opening.service.run {
        run.slo = Some(Slo { availability: 0.999, period: Seconds(30 * 86_400) });
    }
    let mild = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N".to_owned();
    let severity = if is_hotfix { finding().severity } else { vec![mild] };
    let found = Finding { severity, ..finding() };
    let open = patchline_model::command::Ask::Detect(detect::Command::Open(Box::new(opening)));
    let given = Given::nothing().asked("ops@example.com", open).answered(scanned(vec![found]));
    let given = given.answered(given::proposal(given::candidate(1))).answered(given::pair());
    given.answered(given::verdict(CheckResult::Passed)).answered(given::decision(Answer::Allow, 0))
}

/// Ten requests a second; so many of a thousand failed in the last hour, and none before.
fn begun(per_mille: u64) -> Outcome {
    let window = |seconds: u64| {
        let failed = if seconds <= 3_600 { per_mille } else { 0 };
        Window { seconds, requests: seconds * 10, errors: seconds * 10 * failed / 1000 }
    };
    let windows = [300, 1_800, 3_600, 21_600, 259_200].map(window).to_vec();
    begun_after(Some(History { minutes: 4_320, windows, ..History::default() }))
}

fn begun_after(history: Option<History>) -> Outcome {
    let history = history.map(Box::new);
    Outcome::Rollout(rollout::Outcome::Begun { stable: given::stable(), history })
}

fn note(given: &Given, outcome: Outcome) -> Option<String> {
    let events = given.decide(given.answer(outcome)).expect("it is owed");
    match &events[0].fact {
        patchline_model::event::Fact::Rollout(rollout::Event::Started { note, .. }) => note.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_routine_rollout_waits_while_the_budget_burns_and_is_asked_again() {
    let given = allowed(false);
    check(&given, given.answer(begun(0)), Ok(&["rollout started"]));
    check(&given, given.answer(begun(20)), Ok(&["rollout deferred"]));
    let mut waits = given.answered(begun(20));
    let told = card(&waits.patch).doing;
    assert!(told.contains("may not begin") && told.contains("20.0 times too fast over 1 h"), "{told}");
    for seconds in [60, 120, 240, 480, 900, 900] {
        let Due::Wake(at) = waits.due() else { panic!("it waits") };
        assert_eq!(at, waits.now.after(Seconds(seconds)), "less often the longer it burns");
        let back =
            Given { now: patchline_model::time::Timestamp(waits.now.0 - 1_000_000_000), ..waits.clone() };
        assert!(matches!(back.due(), Due::Job(..)), "a clock that is set back delays nobody");
        waits = waits.later(seconds).answered(begun(20));
    }
    let waits = waits.later(900);
    check(&waits, waits.answer(begun(0)), Ok(&["rollout started"]));
}

#[test]
fn a_hotfix_begins_and_says_that_the_budget_burns() {
    let given = allowed(true);
    check(&given, given.answer(begun(20)), Ok(&["rollout started"]));
    assert!(note(&given, begun(20)).is_some_and(|note| note.contains("20.0 times too fast")));
    assert_eq!(note(&given, begun(0)), None);
}

#[test]
fn what_is_not_known_is_said_and_holds_up_nobody() {
    let given = allowed(false);
    assert!(note(&given, begun_after(None)).is_some_and(|note| note.contains("unknown")));
    let young = History { minutes: 7, ..History::default() };
    assert!(note(&given, begun_after(Some(young))).is_some_and(|note| note.contains("7 minutes of history")));
}

/// Both versions served so many requests, and so many of the canary's failed.
fn look(given: &Given, requests: u64, errors: u64, answer: JudgeAnswer) -> Outcome {
    let Outcome::Rollout(rollout::Outcome::Reconciled { observed, judgement }) =
        given.followed(requests, answer)
    else {
        panic!("a look")
    };
    let mut observed: Observed = observed;
    for counts in observed.arms.iter_mut().filter_map(|arm| arm.counts.as_mut()) {
        counts.errors = errors;
    }
    Outcome::Rollout(rollout::Outcome::Reconciled { observed, judgement })
}

#[test]
fn a_canary_as_ill_as_the_rest_stays_where_it_is_until_its_deadline() {
    let given = allowed(false).answered(begun(0)).follows(0, JudgeAnswer::Continue).later(1);
    let ill = look(&given, 1_000, 100, JudgeAnswer::Continue);
    let given = given.answered(ill).later(20);
    let promotes = look(&given, 1_100, 110, JudgeAnswer::Promote);
    check(&given, given.answer(promotes.clone()), Ok(&["rollout looked", "rollout held"]));
    let held = given.answered(promotes).later(1);
    let (more, worse) =
        (look(&held, 1_200, 120, JudgeAnswer::Promote), look(&held, 1_200, 120, JudgeAnswer::Rollback));
    check(&held, held.answer(more.clone()), Ok(&["rollout looked"]));
    check(&held, held.answer(worse), Ok(&["rollout looked", "rollout rollback_decided"]));
    let told = card(&held.patch).doing;
    assert!(told.contains("the new version's own requests burn"), "{told}");
    let late = held.clone().later(600);
    check(&late, late.answer(more), Ok(&["rollout looked", "rollout rollback_decided"]));
    let promote = steer(rollout::Command::Promote { reason: "the rest is worse".to_owned() });
    check(&held, by("ann", promote), Ok(&["rollout hurried"]));
    let well = look(&held, 100_000, 120, JudgeAnswer::Continue);
    let well = held.answered(well).later(1);
    let command = well.answer(look(&well, 200_000, 120, JudgeAnswer::Continue));
    check(&well, command, Ok(&["rollout looked", "rollout released", "rollout step_entered"]));
}
