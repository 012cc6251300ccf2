//! What follows from what, stage by stage: given a patch, when something is asked, then these facts, or a refusal.

#[path = "fixtures/given.rs"]
mod given;

use std::sync::Arc;

use given::{
    Given, approve_as, by, candidate, check, decision, dossier, finding, job, looked, open, pair, proposal,
};
use given::{review, reviewed, scanned, stable, steer, verdict};
use patchline_model::actor::Actor;
use patchline_model::agent::{Agent, ByCommand, Way};
use patchline_model::command::{Ask, Command};
use patchline_model::digest::Digest;
use patchline_model::failure::Failure;
use patchline_model::id::{PatchId, Stage};
use patchline_model::job::{Due, Outcome};
use patchline_model::stage::approve::{self, Answer};
use patchline_model::stage::build;
use patchline_model::stage::detect::{self, Until};
use patchline_model::stage::generate::{self, Candidate};
use patchline_model::stage::review as last;
use patchline_model::stage::rollout;
use patchline_model::stage::verify::{self, CheckResult, REQUIRED};
use patchline_model::time::Seconds;

fn abort() -> Ask {
    Ask::Review(last::Command::Abort { reason: "not now".to_owned() })
}

fn reason() -> String {
    "because".to_owned()
}

#[test]
fn a_patch_is_opened_once() {
    check(&Given::nothing(), by("ann", open(Until::Rollout)), Ok(&["detect opened"]));
    check(&Given::opened(), by("ann", open(Until::Rollout)), Err("already open"));
    check(&Given::nothing(), by("ann", abort()), Err("does not exist"));
}

#[test]
fn nothing_is_done_by_an_unnamed_hand() {
    check(&Given::nothing(), by("  ", open(Until::Rollout)), Err("only a named person"));
    check(&Given::watching(), by("", abort()), Err("only a named person"));
}

#[test]
fn findings_are_ranked_and_no_findings_are_the_end() {
    let given = Given::opened();
    let found = given.answer(scanned(vec![finding()]));
    check(&given, found, Ok(&["detect found", "triage prioritised"]));
    let clean = given.answer(scanned(Vec::new()));
    check(&given, clean, Ok(&["detect nothing_found", "review ended nothing_to_do"]));
}

#[test]
fn only_the_owed_job_is_answered() {
    let given = Given::found();
    let late = Command::report(job(Stage::Detect, 1), Ok(scanned(vec![finding()])));
    check(&given, late, Err("not owed now"));
    let early = Command::report(job(Stage::Build, 0), Ok(pair()));
    check(&given, early, Err("not owed now"));
    let twice = given.answer(proposal(candidate(1)));
    let answered = given.answered(proposal(candidate(1)));
    check(&answered, twice, Err("not owed now"));
}

#[test]
fn a_candidate_must_remove_a_known_finding_on_the_base() {
    let given = Given::found();
    check(&given, given.answer(proposal(candidate(1))), Ok(&["generate proposed"]));
    let mut useless = candidate(1);
    useless.removes.clear();
    let mut elsewhere = candidate(1);
    elsewhere.base = given::commit('b');
    let mut unknown = candidate(1);
    unknown.removes[0].0.push('x');
    let mut empty = candidate(1);
    empty.commit = empty.base.clone();
    for nonsense in [useless, elsewhere, unknown, empty] {
        check(&given, given.answer(proposal(nonsense)), Ok(&["faltered"]));
    }
}

#[test]
fn an_answer_without_sense_is_a_failed_try_and_is_given_up_at_last() {
    let mut given = Given::found();
    for _ in 1..given.policy.tries {
        given = given.answered(pair()).later(60);
    }
    check(&given, given.answer(pair()), Ok(&["faltered", "review ended abandoned"]));
}

#[test]
fn without_a_fix_the_patch_is_abandoned() {
    let given = Given::found();
    let none = generate::Outcome::NoFix { reasons: vec!["no version is published".to_owned()] };
    let command = given.answer(Outcome::Generate(none));
    check(&given, command, Ok(&["generate no_fix", "review ended abandoned"]));
}

const NEXT_CANDIDATE: [&str; 3] = ["generate refused", "build dropped", "verify dropped"];

#[test]
fn what_does_not_build_gives_way_to_the_next_candidate() {
    let given = Given::proposed();
    check(&given, given.answer(pair()), Ok(&["build built"]));
    let broken = || {
        Outcome::Build(build::Outcome::Broken {
            why: "a type does not fit".to_owned(),
            log: Digest::of(b"log"),
        })
    };
    let base = build::Outcome::BaseBroken { why: "a type does not fit".to_owned(), log: Digest::of(b"log") };
    check(&given, given.answer(Outcome::Build(base)), Ok(&["build base_broken", "review ended abandoned"]));
    let expected = [&["build broken"], &NEXT_CANDIDATE[..]].concat();
    check(&given, given.answer(broken()), Ok(&expected));
    let given = given.answered(broken());
    check(&given, given.answer(proposal(candidate(1))), Ok(&["faltered"]));
    let given = given.answered(proposal(candidate(2))).answered(broken()).answered(proposal(candidate(3)));
    check(&given, given.answer(broken()), Ok(&["build broken", "review ended abandoned"]));
}

#[test]
fn a_persons_change_has_no_next_candidate() {
    let mut change = candidate(1);
    change.fixer = "person".to_owned();
    let given = Given::found().answered(proposal(change)).answered(pair());
    let failed = given.answer(verdict(CheckResult::Failed));
    check(&given, failed, Ok(&["verify verified", "review ended abandoned"]));
}

#[test]
fn each_agent_has_its_turn_before_there_is_no_fix() {
    let agent = |number: u32| Agent {
        name: format!("agent-{number}"),
        way: Way::Command(ByCommand {
            command: vec!["mend".to_owned()],
            network: false,
            readable: Vec::new(),
        }),
        seconds: Seconds(600),
        files: 10,
        lines: 400,
        paths: Vec::new(),
    };
    let mut opening = given::opening(Until::Verify);
    opening.service.agents = (1..=4).map(agent).collect();
    let open = Ask::Detect(detect::Command::Open(Box::new(opening)));
    let mut given = Given::nothing().asked("ann", open).answered(scanned(vec![finding()]));
    for number in 1..=4 {
        let change = Candidate { fixer: agent(number).fixer(), ..candidate(number) };
        given = given.answered(proposal(change)).answered(pair());
        let refused = [&["verify verified"], &NEXT_CANDIDATE[..]].concat();
        check(&given, given.answer(verdict(CheckResult::Failed)), Ok(&refused));
        given = given.answered(verdict(CheckResult::Failed));
    }
    let none = Outcome::Generate(generate::Outcome::NoFix { reasons: vec!["all were asked".to_owned()] });
    check(&given, given.answer(none), Ok(&["generate no_fix", "review ended abandoned"]));
}

#[test]
fn a_verdict_speaks_of_every_required_check_and_none_failed() {
    let given = Given::built();
    check(&given, given.answer(verdict(CheckResult::Passed)), Ok(&["verify verified"]));
    let expected = [&["verify verified"], &NEXT_CANDIDATE[..]].concat();
    check(&given, given.answer(verdict(CheckResult::Failed)), Ok(&expected));
    for left_out in 0..REQUIRED.len() {
        let mut half = given::checks(CheckResult::Passed);
        half.checks.remove(left_out);
        let half = Outcome::Verify(verify::Outcome { verdict: half });
        check(&given, given.answer(half), Ok(&["faltered"]));
    }
}

#[test]
fn a_patch_until_verify_hands_its_branch_over() {
    let given = Given::nothing().asked("ann", open(Until::Verify)).answered(scanned(vec![finding()]));
    let given = given.answered(proposal(candidate(1))).answered(pair());
    let command = given.answer(verdict(CheckResult::Passed));
    check(&given, command, Ok(&["verify verified", "review ended handed_over"]));
}

#[test]
fn the_policy_allows_denies_or_asks_for_people() {
    let given = Given::verified();
    check(&given, given.answer(decision(Answer::Allow, 0)), Ok(&["approve decided"]));
    let denied = given.answer(decision(Answer::Deny, 0));
    check(&given, denied, Ok(&["approve decided", "review ended abandoned"]));
    let asked = Given::needs_owner();
    assert_eq!(asked.due(), Due::Nothing);
    assert_eq!(asked.patch.stage(), Stage::Approve);
}

#[test]
fn an_approval_is_a_persons_own_word_over_what_was_shown() {
    let given = Given::needs_owner();
    let approve = || approve_as("owner", dossier());
    check(&given, by("bob@example.com", approve()), Ok(&["approve approved"]));
    check(&given, Command { by: Actor::Machine, ask: approve() }, Err("only a named person"));
    check(&given, by("Pat <PATCHLINE@example.com>", approve()), Err("wrote this patch"));
    check(&given, by("bob@example.com", approve_as("owner", Digest::of(b"older"))), Err("has changed"));
    check(&Given::built(), by("bob@example.com", approve()), Err("stage `verify`"));
    check(&Given::watching(), by("bob@example.com", approve()), Err("stage `rollout`"));
}

#[test]
fn every_approval_is_considered_before_anything_moves() {
    let given = Given::needs_owner().asked("bob@example.com", approve_as("owner", dossier()));
    assert!(matches!(given.due(), Due::Job(id, _) if id.stage == Stage::Approve));
    check(&given, given.answer(decision(Answer::Allow, 0)), Ok(&["faltered"]));
    check(&given, given.answer(decision(Answer::Allow, 1)), Ok(&["approve decided"]));
    check(&given, by("bob@example.com", approve_as("owner", dossier())), Ok(&[]));
}

#[test]
fn a_persons_no_is_the_end() {
    let reject = Ask::Approve(approve::Command::Reject { reason: reason() });
    check(&Given::needs_owner(), by("bob", reject), Ok(&["approve rejected", "review ended abandoned"]));
}

#[test]
fn a_rollout_begins_beside_another_version_and_alone() {
    let mut given = Given::allowed();
    let begun = |stable| Outcome::Rollout(rollout::Outcome::Begun { stable, history: None });
    check(&given, given.answer(begun(stable())), Ok(&["rollout started"]));
    let same = given.patch.new_version().expect("it was built");
    check(&given, given.answer(begun(same)), Ok(&["faltered"]));
    let answer = given.answer(begun(stable()));
    given.board.locks.insert("notebook/production".to_owned(), PatchId(3));
    check(&given, answer, Err("not owed now"));
    assert!(matches!(given.due(), Due::Wake(_)));
}

#[test]
fn the_canary_gets_a_share_when_it_is_healthy_and_not_before() {
    use rollout::JudgeAnswer::Continue;
    let given = Given::preparing();
    let healthy = given.answer(given.followed(0, Continue));
    check(&given, healthy.clone(), Ok(&["rollout counted", "rollout step_entered"]));
    let nothing_yet = looked(Default::default(), Continue);
    check(&given, given.answer(nothing_yet.clone()), Ok(&[]));
    let late = given.clone().later(30);
    check(&late, late.answer(nothing_yet), Ok(&["rollout rollback_decided"]));
    let paused = given.asked("ann", steer(rollout::Command::Pause { reason: reason() }));
    check(&paused, paused.answer(paused.followed(0, Continue)), Ok(&[]));
}

#[test]
fn steps_follow_each_other_after_their_bake() {
    use rollout::JudgeAnswer::{Continue, Promote};
    let early = Given::watching();
    check(&early, early.answer(early.followed(100, Promote)), Ok(&["rollout looked"]));
    let baked = early.later(10);
    let command = baked.answer(baked.followed(100, Continue));
    check(&baked, command, Ok(&["rollout looked", "rollout step_entered"]));
}

#[test]
fn a_step_whose_share_nobody_used_or_that_is_not_in_force_is_not_left() {
    use rollout::JudgeAnswer::{Continue, Promote};
    let baked = Given::watching().later(10);
    check(&baked, baked.answer(baked.followed(0, Promote)), Ok(&["rollout looked"]));
    let mut unmet = baked.followed(100, Promote);
    if let Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. }) = &mut unmet {
        observed.arms[1].share = patchline_model::share::Share::NONE;
    }
    check(&baked, baked.answer(unmet), Ok(&["rollout looked"]));
    let used = baked.follows(100, Continue);
    assert_eq!(used.patch.rollout.step_requests, 0, "the next step begins with none");
}

#[test]
fn promotion_needs_the_last_step_its_bake_and_the_judges_word() {
    use rollout::JudgeAnswer::{Continue, Inconclusive, Promote};
    let given = Given::baked();
    for answer in [Continue, Inconclusive] {
        check(&given, given.answer(given.followed(200, answer)), Ok(&["rollout looked"]));
    }
    let command = given.answer(given.followed(200, Promote));
    check(&given, command, Ok(&["rollout looked", "rollout promotion_decided"]));
}

/// The looks of a target that can't say how often the canary was asked.
fn blind(given: &Given) -> Outcome {
    let mut outcome = given.followed(200, rollout::JudgeAnswer::Promote);
    if let Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. }) = &mut outcome {
        observed.arms[1].counts = None;
    }
    outcome
}

#[test]
fn missing_data_never_promotes_and_pauses_at_last() {
    let given = Given::baked();
    check(&given, given.answer(blind(&given)), Ok(&["rollout looked"]));
    let outcome = blind(&given);
    let once = given.answered(outcome);
    let outcome = blind(&once);
    let twice = once.answered(outcome);
    check(&twice, twice.answer(blind(&twice)), Ok(&["rollout looked", "rollout paused"]));
}

#[test]
fn a_pause_of_our_own_eats_the_deadline_and_a_persons_does_not() {
    let mut paused = Given::baked();
    for _ in 0..3 {
        let outcome = blind(&paused);
        paused = paused.answered(outcome);
    }
    let late = paused.later(600);
    check(&late, late.answer(blind(&late)), Ok(&["rollout looked", "rollout rollback_decided"]));
    let asked = Given::baked().asked("ann", steer(rollout::Command::Pause { reason: reason() }));
    let late = asked.later(600);
    check(&late, late.answer(blind(&late)), Ok(&["rollout looked"]));
    let resumed = late.asked("ann", steer(rollout::Command::Resume));
    check(&resumed, resumed.answer(blind(&resumed)), Ok(&["rollout looked"]));
}

#[test]
fn a_reset_of_the_counters_is_missing_data() {
    let given = Given::baked();
    let backwards = given.answer(given.followed(1, rollout::JudgeAnswer::Promote));
    check(&given, backwards, Ok(&["rollout looked"]));
}

#[test]
fn the_judge_takes_a_canary_back_in_every_step_paused_or_not() {
    use rollout::JudgeAnswer::Rollback;
    let paused = Given::watching().asked("ann", steer(rollout::Command::Pause { reason: reason() }));
    for given in [Given::watching(), Given::baked(), Given::growing(), paused] {
        let command = given.answer(given.followed(900, Rollback));
        check(&given, command, Ok(&["rollout looked", "rollout rollback_decided"]));
    }
}

#[test]
fn past_the_deadline_the_plans_exit_is_taken() {
    use patchline_model::stage::plan::Exit;
    use rollout::JudgeAnswer::Continue;
    let mut given = Given::baked().later(600);
    let command = given.answer(given.followed(200, Continue));
    check(&given, command.clone(), Ok(&["rollout looked", "rollout rollback_decided"]));
    if let Some(plan) = &mut Arc::make_mut(&mut given.patch.rollout).plan {
        Arc::make_mut(plan).at_deadline = Exit::Hold;
    }
    check(&given, command, Ok(&["rollout looked", "rollout paused"]));
    let outcome = given.followed(200, Continue);
    let held = given.answered(outcome);
    let promoted = held.asked("ann", steer(rollout::Command::Promote { reason: reason() }));
    let command = promoted.answer(promoted.followed(300, Continue));
    check(&promoted, command, Ok(&["rollout looked", "rollout promotion_decided"]));
}

#[test]
fn people_hold_go_on_hurry_and_take_back() {
    let pause = || steer(rollout::Command::Pause { reason: reason() });
    let resume = || steer(rollout::Command::Resume);
    let promote = || steer(rollout::Command::Promote { reason: reason() });
    let rollback = || steer(rollout::Command::Rollback { reason: reason() });
    for given in [Given::preparing(), Given::watching()] {
        check(&given, by("ann", resume()), Ok(&[]));
        check(&given, by("ann", pause()), Ok(&["rollout paused"]));
        let paused = given.clone().asked("ann", pause());
        check(&paused, by("bob", pause()), Ok(&[]));
        check(&paused, by("bob", resume()), Ok(&["rollout resumed"]));
        let hurried = paused.asked("bob", promote());
        check(&hurried, by("bob", promote()), Ok(&[]));
        let held_again = hurried.asked("ann", pause());
        check(&held_again, by("bob", promote()), Ok(&["rollout hurried"]));
        check(&given, Command { by: Actor::Machine, ask: promote() }, Err("only a named person"));
    }
    for given in [Given::preparing(), Given::watching(), Given::growing(), Given::switching()] {
        check(&given, by("ann", rollback()), Ok(&["rollout rollback_decided"]));
    }
    for given in [Given::rolling_back(), Given::retiring()] {
        check(&given, by("ann", rollback()), Ok(&[]));
        check(&given, by("ann", promote()), Err("does not apply"));
        check(&given, by("ann", resume()), Ok(&[]));
    }
    // Decided is not done: until the old version goes, a person can make it stand.
    for given in [Given::growing(), Given::switching()] {
        check(&given, by("ann", promote()), Ok(&[]));
        let paused = given.clone().asked("ann", pause());
        let look = |given: &Given| {
            given::words(
                &given
                    .decide(given.answer(given.followed(0, rollout::JudgeAnswer::Continue)))
                    .expect("taken"),
            )
        };
        assert!(look(&given).iter().any(|word| word.contains("switched") || word.contains("old_retired")));
        assert!(!look(&paused).iter().any(|word| word.contains("switched") || word.contains("old_retired")));
        check(&paused, by("ann", pause()), Ok(&[]));
        check(&paused, by("bob", promote()), Ok(&["rollout resumed"]));
        check(&paused, by("bob", resume()), Ok(&["rollout resumed"]));
    }
    check(&Given::finishing(), by("ann", promote()), Ok(&[]));
    check(&Given::finishing(), by("ann", pause()), Ok(&["rollout paused"]));
    check(&Given::finishing(), by("ann", rollback()), Ok(&["rollout rollback_decided"]));
    check(&Given::needs_owner(), by("ann", rollback()), Ok(&["review ended abandoned"]));
    check(&Given::promoted(), by("ann", rollback()), Err("does not run any more"));
}

#[test]
fn a_hurried_canary_is_promoted_at_the_next_complete_look() {
    let given = Given::watching().asked("ann", steer(rollout::Command::Promote { reason: reason() }));
    check(&given, given.answer(blind(&given)), Ok(&["rollout looked"]));
    let command = given.answer(given.followed(100, rollout::JudgeAnswer::Continue));
    check(&given, command, Ok(&["rollout looked", "rollout promotion_decided"]));
}

#[test]
fn a_promotion_walks_to_its_end_only_when_the_target_confirms() {
    use rollout::JudgeAnswer::Continue;
    let none = || looked(Default::default(), Continue);
    let rows: [(Given, &[&str], &[&str]); 3] = [
        (Given::growing(), &["rollout looked", "rollout switched"], &["rollout looked"]),
        (Given::switching(), &["rollout counted", "rollout old_retired"], &[]),
        (Given::finishing(), &["rollout counted", "rollout promoted", "review ended promoted"], &[]),
    ];
    for (given, confirmed, unconfirmed) in rows {
        check(&given, given.answer(given.followed(900, Continue)), Ok(confirmed));
        check(&given, given.answer(none()), Ok(unconfirmed));
    }
    for given in [Given::growing().later(30), Given::switching().later(30)] {
        let words = given::words(&given.decide(given.answer(none())).expect("it is owed"));
        assert_eq!(words.last().map(String::as_str), Some("rollout rollback_decided"));
    }
}

#[test]
fn a_rollback_walks_to_its_end_or_pages() {
    use rollout::JudgeAnswer::Continue;
    let given = Given::rolling_back();
    let command = given.answer(given.followed(100, Continue));
    check(&given, command, Ok(&["rollout counted", "rollout share_taken"]));
    let given = Given::retiring();
    let command = given.answer(given.followed(100, Continue));
    check(&given, command, Ok(&["rollout counted", "rollout rolled_back", "review ended rolled_back"]));
    let none = || looked(Default::default(), Continue);
    check(&given, given.answer(none()), Ok(&[]));
    let late = given.later(30);
    check(&late, late.answer(none()), Ok(&["rollout paged"]));
    let paged = late.answered(none());
    check(&paged, paged.answer(none()), Ok(&[]));
}

#[test]
fn an_abort_ends_at_once_or_takes_back_first() {
    for given in [Given::opened(), Given::found(), Given::built(), Given::needs_owner(), Given::allowed()] {
        check(&given, by("ann", abort()), Ok(&["review ended abandoned"]));
    }
    check(&Given::watching(), by("ann", abort()), Ok(&["rollout rollback_decided"]));
    check(&Given::promoted(), by("ann", abort()), Err("has ended"));
}

#[test]
fn a_failed_job_is_tried_again_and_given_up_at_last() {
    let mut given = Given::proposed();
    let down = || Failure::transient("the registry is down");
    for wait in [1, 2, 4] {
        given = given.failed(down());
        assert_eq!(given.due(), Due::Wake(given.now.after(patchline_model::time::Seconds(wait))));
        given = given.later(wait);
    }
    let fourth = Command::report(given.owed(), Err(down()));
    check(&given, fourth, Ok(&["faltered", "review ended abandoned"]));
    let mut given = Given::proposed().failed(down());
    given.now.0 -= 3_600_000;
    assert!(matches!(given.due(), Due::Job(..)), "a clock that was set back makes nobody wait for an hour");
    let given = Given::proposed();
    let for_good = Command::report(given.owed(), Err(Failure::permanent("cargo is not installed")));
    check(&given, for_good, Ok(&["faltered", "review ended abandoned"]));
}

#[test]
fn a_rollout_that_cannot_be_steered_goes_back_and_a_rollback_pages_and_goes_on() {
    let down = || Failure::permanent("the target is gone");
    let fails = |mut given: Given, times: u32| {
        for _ in 0..times {
            given = given.failed(down()).later(2);
        }
        given
    };
    let given = fails(Given::watching(), 3);
    let fourth = Command::report(given.owed(), Err(down()));
    check(&given, fourth, Ok(&["faltered", "rollout rollback_decided"]));
    let given = fails(Given::rolling_back(), 4);
    let fifth = Command::report(given.owed(), Err(down()));
    check(&given, fifth, Ok(&["faltered", "rollout paged"]));
    let given = fails(given, 200);
    assert!(matches!(given.due(), Due::Job(id, _) if id.stage == Stage::Rollout));
    let command = given.answer(given.followed(100, rollout::JudgeAnswer::Continue));
    check(&given, command, Ok(&["rollout counted", "rollout share_taken"]));
}

#[test]
fn an_ended_patch_is_looked_back_at_once() {
    let given = Given::promoted();
    check(&given, given.answer(reviewed()), Ok(&["review reviewed"]));
    let again = given.answer(reviewed());
    let closed = given.answered(reviewed());
    assert!(closed.patch.is_closed());
    assert_eq!(closed.patch.review.reviewed, Some(review()));
    assert_eq!(closed.due(), Due::Nothing);
    check(&closed, again, Err("not owed now"));
}
