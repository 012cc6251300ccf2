//! What the old version can't undo: it halts instead of going back, and only a person moves it on.

#[path = "fixtures/given.rs"]
mod given;

use std::sync::Arc;

use given::{Given, by, check, steer};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::failure::Failure;
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::Observed;
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::stage::safety::{ForwardOnly, NoReturn};
use patchline_model::stage::verify::CheckResult;
use patchline_model::stage::{detect, review, verify};
use patchline_model::view::board;

fn bound(given: Given, from: NoReturn) -> Given {
    let mut given = given;
    let reason = "it drops a column".to_owned();
    Arc::make_mut(&mut given.patch.rollout).footing.forward_only = Some(ForwardOnly { reason, from });
    given
}

fn rollback() -> Ask {
    steer(rollout::Command::Rollback { reason: "carts are empty".to_owned() })
}

fn with_loss() -> Ask {
    steer(rollout::Command::RollbackWithLoss { reason: "there is a copy".to_owned() })
}

fn promote() -> Ask {
    steer(rollout::Command::Promote { reason: "forward is better".to_owned() })
}

fn halted() -> Given {
    bound(Given::watching(), NoReturn::Start).follows(50, JudgeAnswer::Rollback)
}

const HALTS: [&str; 3] = ["rollout looked", "rollout halted", "rollout paged"];

#[test]
fn the_judge_s_rollback_halts_it_and_calls_a_person() {
    let given = bound(Given::watching(), NoReturn::Start);
    let before = given.patch.rollout.desired();
    check(&given, given.answer(given.followed(50, JudgeAnswer::Rollback)), Ok(&HALTS));
    let given = halted();
    assert_eq!(given.patch.rollout.desired(), before, "nothing grows, nothing shrinks");
    assert!(board::card(&given.patch).waits_for_person);
    // The judge goes on looking, and nothing follows.
    assert!(matches!(given.due(), Due::Job(_, Job::Rollout(rollout::Job::Reconcile { look: true, .. }))));
    check(&given, given.answer(given.followed(90, JudgeAnswer::Rollback)), Ok(&["rollout looked"]));
    check(&given, given.answer(given.followed(90, JudgeAnswer::Promote)), Ok(&["rollout looked"]));
}

#[test]
fn what_a_check_saw_binds_the_rollout_unless_a_person_said_it_first() {
    let saw = |terms: Option<&str>| {
        let mut checks = given::checks(CheckResult::Warned);
        checks.checks[0].irreversible = Some("2.sql:1: drops the table carts".to_owned());
        let mut given = Given::built();
        let opening = given.patch.opening.as_mut().expect("it was opened");
        Arc::make_mut(opening).terms.forward_only = terms.map(str::to_owned);
        given.answered(Outcome::Verify(verify::Outcome { verdict: checks }))
    };
    let reason = |given: &Given| given.patch.forward_only().map(|bound| bound.reason);
    assert_eq!(reason(&Given::verified()), None);
    assert_eq!(reason(&saw(None)).as_deref(), Some("2.sql:1: drops the table carts"));
    assert_eq!(reason(&saw(Some("it is meant"))).as_deref(), Some("it is meant"));
}

#[test]
fn every_other_way_back_halts_as_well() {
    let late = bound(Given::preparing(), NoReturn::Start).later(31);
    let nothing = given::looked(Observed::default(), JudgeAnswer::Continue);
    check(&late, late.answer(nothing), Ok(&HALTS[1..]));
    let lost = bound(Given::watching(), NoReturn::Start);
    let lost = (0..3).fold(lost, |lost, _| lost.failed(Failure::transient("no route")).later(10));
    let command = Command::report(lost.owed(), Err(Failure::transient("no route")));
    check(&lost, command, Ok(&["faltered", "rollout halted", "rollout paged"]));
    let inconclusive = bound(Given::watching(), NoReturn::Start).later(601);
    let command = inconclusive.answer(inconclusive.followed(90, JudgeAnswer::Continue));
    check(&inconclusive, command, Ok(&HALTS));
}

#[test]
fn before_the_point_of_no_return_it_goes_back_as_any_other() {
    let given = bound(Given::preparing(), NoReturn::Share);
    check(&given, by("ann", rollback()), Ok(&["rollout rollback_decided"]));
    let given = given.follows(0, JudgeAnswer::Continue);
    assert_ne!(given.patch.allowed_share(), Share::NONE);
    check(&given, by("ann", rollback()), Err("without loss: it drops a column"));
    // A new instance may migrate as it starts, so the default is the start.
    check(&bound(Given::preparing(), NoReturn::Start), by("ann", rollback()), Err("without loss"));
}

#[test]
fn a_person_sends_it_forward_in_spite_of_the_judge() {
    let given = halted();
    check(&given, Command { by: Actor::Machine, ask: promote() }, Err("only a named person"));
    let given = given.asked("ann", promote());
    assert_eq!(given.patch.rollout.phase, Phase::Watching { step: 0 });
    // The judge still says no; its word is kept and not followed.
    let given = given.follows(100, JudgeAnswer::Rollback);
    assert_eq!(given.patch.rollout.phase, Phase::Growing);
    let given = given.follows(150, JudgeAnswer::Rollback).follows(200, JudgeAnswer::Rollback);
    assert_eq!(given.follows(250, JudgeAnswer::Rollback).patch.rollout.phase, Phase::Promoted);
}

#[test]
fn a_person_who_answers_for_the_loss_takes_it_back() {
    for given in [halted(), bound(Given::watching(), NoReturn::Start)] {
        check(&given, by("ann", rollback()), Err("without loss"));
        let abort = Ask::Review(review::Command::Abort { reason: "no".to_owned() });
        check(&given, by("ann", abort), Err("without loss"));
        check(&given, Command { by: Actor::Machine, ask: with_loss() }, Err("only a named person"));
        let accepted: Result<&[&str], &str> = Ok(&["rollout loss_accepted", "rollout rollback_decided"]);
        check(&given, by("ann", with_loss()), accepted);
    }
    let given = halted().asked("ann", with_loss());
    assert_eq!(given.patch.rollout.phase, Phase::RollingBack);
    let given = given.follows(100, JudgeAnswer::Continue).follows(100, JudgeAnswer::Continue);
    assert_eq!(given.patch.rollout.phase, Phase::RolledBack);
    // Where nothing is lost, the word is as good as the plain one.
    check(&Given::watching(), by("ann", with_loss()), Ok(&["rollout rollback_decided"]));
}

#[test]
fn after_its_promotion_too_it_goes_back_only_with_loss() {
    let given = bound(Given::promoted(), NoReturn::Start).surveyed();
    check(&given, by("ann", rollback()), Err("without loss"));
    check(&given, by("ann", with_loss()), Ok(&["rollout loss_accepted", "rollout recalled"]));
}

#[test]
fn the_service_s_rule_and_a_person_s_word_are_kept_with_the_start() {
    let mut opening = given::opening(detect::Until::Rollout);
    if let Some(run) = &mut opening.service.run {
        run.plan.irreversible = given::irreversible();
        run.plan.irreversible.paths = vec!["**/Cargo.lock".to_owned()];
    }
    let starts = |opening: detect::Opening| {
        let given = Given::nothing()
            .asked("ops", Ask::Detect(detect::Command::Open(Box::new(opening))))
            .answered(given::scanned(vec![given::finding()]))
            .answered(given::proposal(given::candidate(1)))
            .answered(given::pair())
            .answered(given::verdict(patchline_model::stage::verify::CheckResult::Passed))
            .answered(given::decision(patchline_model::stage::approve::Answer::Allow, 0))
            .answered(Outcome::Rollout(rollout::Outcome::Begun { stable: given::stable(), history: None }));
        given.patch.rollout.footing.forward_only.clone()
    };
    let ruled = starts(opening.clone()).expect("the candidate changes Cargo.lock");
    assert!(ruled.reason.contains("Cargo.lock"), "{}", ruled.reason);
    opening.terms = given::terms();
    assert_eq!(starts(opening.clone()).expect("it is stated").reason, "it drops a column");
    assert_eq!(starts(given::opening(detect::Until::Rollout)), None);
}
