//! A second try: who may ask for it, when it makes sense, and that nothing of the first try counts for it.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, approve_as, by, candidate, check, decision, dossier, finding, open, pair, proposal};
use given::{reviewed, scanned, stable, steer, verdict};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::id::Stage;
use patchline_model::job::{Due, Outcome};
use patchline_model::stage::approve::{self, Answer};
use patchline_model::stage::detect::Until;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::stage::verify::CheckResult;
use patchline_model::stage::{review, rollout::State};

fn retry() -> Ask {
    Ask::Review(review::Command::Retry { reason: "the database was full".to_owned() })
}

fn abort() -> Ask {
    Ask::Review(review::Command::Abort { reason: "not now".to_owned() })
}

/// Taken back, and looked back at.
fn rolled_back() -> Given {
    Given::retiring().follows(200, JudgeAnswer::Continue).answered(reviewed())
}

#[test]
fn what_was_taken_back_goes_to_the_gate_again_with_nothing_of_the_first_try() {
    let before = rolled_back();
    check(&before, by("ann", retry()), Ok(&["review retried"]));
    let again = before.clone().asked("ann", retry());
    assert_eq!(again.patch.stage(), Stage::Approve);
    assert_eq!(*again.patch.rollout, State::default());
    assert_eq!(*again.patch.approve, approve::State::default());
    assert_eq!(again.patch.new_version(), before.patch.new_version(), "it is the same artifact");
    assert!(matches!(again.due(), Due::Job(id, _) if id.stage == Stage::Approve));
    let begun = Outcome::Rollout(rollout::Outcome::Begun { stable: stable(), history: None });
    let again = again.answered(decision(Answer::Allow, 0)).answered(begun);
    assert_eq!(again.patch.rollout.phase, Phase::Preparing);
    let again = again.follows(0, JudgeAnswer::Continue);
    assert!(again.patch.rollout.ticks.is_empty(), "the judge begins anew");
}

#[test]
fn an_old_approval_does_not_count_for_the_new_try() {
    let approved = Given::needs_owner()
        .asked("bob@example.com", approve_as("owner", dossier()))
        .asked("ann", abort())
        .answered(reviewed());
    let again = approved.asked("ann", retry());
    check(&again, again.answer(decision(Answer::Allow, 1)), Ok(&["faltered"]));
    let again = again.answered(decision(Answer::Needs(vec!["owner".to_owned()]), 0));
    check(&again, by("bob@example.com", approve_as("owner", dossier())), Ok(&["approve approved"]));
}

#[test]
fn an_answer_to_the_first_try_is_not_owed_any_more() {
    let asked = Given::verified();
    let late = asked.answer(decision(Answer::Allow, 0));
    let again = asked.asked("ann", abort()).answered(reviewed()).asked("ann", retry());
    check(&again, late, Err("not owed now"));
}

#[test]
fn asking_twice_is_asking_once() {
    let again = rolled_back().asked("ann", retry());
    check(&again, by("bob", retry()), Ok(&[]));
    let begun = Outcome::Rollout(rollout::Outcome::Begun { stable: stable(), history: None });
    let moving = again.answered(decision(Answer::Allow, 0)).answered(begun);
    check(&moving, by("bob", retry()), Err("has not ended"));
}

#[test]
fn where_another_try_makes_no_sense_it_is_refused_with_the_reason() {
    check(&Given::nothing(), by("ann", retry()), Err("does not exist"));
    check(&Given::watching(), by("ann", retry()), Err("has not ended"));
    check(&Given::promoted().answered(reviewed()), by("ann", retry()), Err("was promoted"));
    let unseen = Given::retiring().follows(200, JudgeAnswer::Continue);
    check(&unseen, by("ann", retry()), Err("look back"));
    let unproven = Given::found().asked("ann", abort()).answered(reviewed());
    check(&unproven, by("ann", retry()), Err("before anything proven"));
    let branch = Given::nothing().asked("ann", open(Until::Verify)).answered(scanned(vec![finding()]));
    let branch = branch.answered(proposal(candidate(1))).answered(pair());
    let branch = branch.answered(verdict(CheckResult::Passed)).answered(reviewed());
    check(&branch, by("ann", retry()), Err("handed over"));
    let machine = Command { by: Actor::Machine, ask: retry() };
    check(&rolled_back(), machine, Err("only a named person"));
}

#[test]
fn a_try_can_be_taken_back_and_tried_again() {
    let begun = || Outcome::Rollout(rollout::Outcome::Begun { stable: stable(), history: None });
    let mut given = rolled_back();
    for _ in 0..3 {
        given = given.asked("ann", retry()).answered(decision(Answer::Allow, 0)).answered(begun());
        given = given.asked("ann", steer(rollout::Command::Rollback { reason: "no".to_owned() }));
        given = given.follows(0, JudgeAnswer::Continue).follows(0, JudgeAnswer::Continue);
        given = given.answered(reviewed());
    }
    assert_eq!(given.patch.review.retries, 3);
    assert!(given.patch.is_closed());
}
