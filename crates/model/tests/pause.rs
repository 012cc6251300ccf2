//! Pauses, and what is asked in every state: asking twice is asking once, and every state has an end of its own.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, by, check, steer};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::line::{Freeze, Scope};
use patchline_model::stage::approve::Answer;
use patchline_model::stage::detect::Until;
use patchline_model::stage::pause::{PauseExit, PauseLimit};
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Exit, Plan};
use patchline_model::stage::review::{self, End};
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::stage::safety::{ForwardOnly, NoReturn};
use patchline_model::time::Seconds;
use patchline_model::view::board;

use JudgeAnswer::{Continue, Promote, Rollback};

fn pause() -> Ask {
    steer(rollout::Command::Pause { reason: "it is late".to_owned() })
}

fn resume() -> Ask {
    steer(rollout::Command::Resume)
}

fn promote() -> Ask {
    steer(rollout::Command::Promote { reason: "it is urgent".to_owned() })
}

fn rollback() -> Ask {
    steer(rollout::Command::Rollback { reason: "it is wrong".to_owned() })
}

fn abort() -> Ask {
    Ask::Review(review::Command::Abort { reason: "it is wrong".to_owned() })
}

/// The answer to the job by which a rollout begins.
fn begins() -> Outcome {
    Outcome::Rollout(rollout::Outcome::Begun { stable: given::stable(), history: None })
}

/// A plan whose pauses end so after a minute.
fn limited(exit: PauseExit) -> Plan {
    Plan { pause: PauseLimit { deadline: Seconds(60), exit }, ..given::watched_plan() }
}

/// The words of what follows from a look at which the target has followed.
fn look(given: &Given, requests: u64) -> Vec<String> {
    let command = given.answer(given.followed(requests, Continue));
    given::words(&given.decide(command).expect("it is owed"))
}

/// A patch by this plan whose rollout may begin.
fn allowed(plan: Plan) -> Given {
    let mut given = Given::allowed();
    let opening = given.patch.opening.as_mut().map(std::sync::Arc::make_mut);
    if let Some(run) = opening.and_then(|opening| opening.service.run.as_mut()) {
        run.plan = plan;
    }
    given
}

/// Its rollout has begun; its first instances start.
fn begun(plan: Plan) -> Given {
    allowed(plan).answered(begins())
}

#[test]
fn resume_ends_a_pause_and_opens_the_gate_so_that_asking_twice_is_asking_once() {
    let at_gate = begun(given::watched_plan()).follows(0, Continue).later(11).follows(100, Promote);
    let paused = at_gate.asked("ann", pause());
    check(&paused, by("bob", resume()), Ok(&["rollout resumed", "rollout gate_opened"]));
    check(&paused.clone().asked("bob", resume()), by("bob", resume()), Ok(&[]));
    check(&paused, Command { by: Actor::Machine, ask: resume() }, Ok(&["rollout resumed"]));
    // What is frozen has its pause ended, and its gate stays shut.
    let mut frozen = paused;
    frozen.board.line.freezes.push(Freeze {
        number: 1,
        by: Actor::person("kim"),
        scope: Scope::Everything,
        from: frozen.now,
        until: frozen.now.after(Seconds(3600)),
        reason: "the quarter ends".to_owned(),
        hotfix_passes: false,
    });
    check(&frozen, by("bob", resume()), Ok(&["rollout resumed"]));
    check(&frozen.asked("bob", resume()), by("bob", resume()), Err("can't open its gate now"));
}

#[test]
fn a_persons_pause_stops_the_clocks_of_bake_and_deadline() {
    let given = begun(given::plan()).follows(0, Continue).later(4).asked("ann", pause());
    let given = given.later(3600).asked("ann", resume());
    assert_eq!(given.patch.rollout.active_millis(given.now), Some(4_000));
    // Six seconds of the bake are left.
    let early = given.clone().later(5);
    assert_eq!(look(&early, 100), ["rollout looked"]);
    assert_eq!(look(&early.later(1), 100), ["rollout looked", "rollout step_entered"]);
    // So are all but four of the deadline.
    let left = |seconds| given.clone().asked("bob", pause()).later(50).asked("bob", resume()).later(seconds);
    assert!(!look(&left(595), 0).contains(&"rollout rollback_decided".to_owned()));
    assert!(look(&left(596), 0).contains(&"rollout rollback_decided".to_owned()));
}

#[test]
fn a_pause_under_a_hold_is_not_counted_twice() {
    let given = begun(given::plan()).follows(0, Continue).later(10).asked("ann", pause()).later(10);
    let mut frozen = given.clone();
    frozen.board.line.freezes.push(Freeze {
        number: 1,
        by: Actor::person("kim"),
        scope: Scope::Everything,
        from: frozen.now,
        until: frozen.now.after(Seconds(3600)),
        reason: "the quarter ends".to_owned(),
        hotfix_passes: false,
    });
    let held = frozen.follows(0, Continue).later(10).asked("ann", resume()).later(10);
    let mut free = held;
    free.board.line.freezes.clear();
    let free = free.follows(0, Continue).later(10);
    assert_eq!(free.patch.rollout.active_millis(free.now), Some(20_000));
}

#[test]
fn a_persons_pause_ends_as_the_plan_says_wherever_it_stands() {
    let phases = |exit| {
        let preparing = begun(limited(exit));
        let watching = preparing.clone().follows(0, Continue).later(1);
        let at_gate = watching.clone().later(10).follows(100, Promote);
        let growing = watching.clone().asked("ann", promote()).follows(100, Continue);
        let baking = growing.clone().follows(200, Continue);
        let switching = baking.clone().later(20).follows(300, Continue);
        let rolling = begun(Plan { pause: limited(exit).pause, ..given::rolling_plan() });
        let filling = rolling.follows(0, Continue).later(10).follows(100, Continue);
        let all = [preparing, watching, at_gate, filling, growing, baking, switching];
        assert!(
            matches!(all[3].patch.rollout.phase, Phase::Filling { .. }),
            "{:?}",
            all[3].patch.rollout.phase
        );
        assert_eq!(all[6].patch.rollout.phase, Phase::Switching);
        all.map(|given| given.asked("ann", pause()))
    };
    let ends = |exit, word: &str| {
        for paused in phases(exit) {
            let phase = &paused.patch.rollout.phase;
            let early = paused.clone().later(59);
            assert!(!look(&early, 400).contains(&word.to_owned()), "{phase:?}");
            assert_eq!(
                look(&paused.clone().later(60), 400).last().map(String::as_str),
                Some(word),
                "{phase:?}"
            );
        }
    };
    ends(PauseExit::Rollback, "rollout rollback_decided");
    ends(PauseExit::Resume, "rollout resumed");
    ends(PauseExit::Hold, "rollout paged");
    for paused in phases(PauseExit::Hold) {
        let called = paused.later(60).follows(400, Continue);
        assert!(!look(&called, 500).contains(&"rollout paged".to_owned()), "once is enough");
        assert!(called.patch.rollout.paused.is_some());
        let again = called.asked("bob", resume()).asked("bob", pause()).later(60);
        assert_eq!(look(&again, 500).last().map(String::as_str), Some("rollout paged"));
    }
}

#[test]
fn the_judge_is_armed_however_long_a_pause_lasts() {
    let paused = begun(limited(PauseExit::Resume)).follows(0, Continue).asked("ann", pause());
    for seconds in [10, 60] {
        let given = paused.clone().later(seconds);
        let command = given.answer(given.followed(900, Rollback));
        check(&given, command, Ok(&["rollout looked", "rollout rollback_decided"]));
    }
}

#[test]
fn what_the_plan_holds_at_its_deadline_has_no_other_end() {
    let plan = Plan { at_deadline: Exit::Hold, ..limited(PauseExit::Rollback) };
    let held = begun(plan).follows(0, Continue).later(600).follows(100, Continue);
    assert!(held.patch.rollout.paused.is_some());
    assert_eq!(look(&held.later(3600), 200), ["rollout looked"]);
}

#[test]
fn only_a_person_pauses_by_a_command() {
    let given = Given::watching();
    check(&given, Command { by: Actor::Machine, ask: pause() }, Err("only a named person"));
}

#[test]
fn a_plan_from_before_pauses_had_an_end_gets_the_usual_one() {
    let text = serde_json::to_string(&given::plan()).expect("it is JSON");
    assert!(!text.contains("pause"), "what is usual is not written: {text}");
    let read: Plan = serde_json::from_str(&text).expect("a plan");
    assert_eq!(read.pause, PauseLimit { deadline: Seconds(86_400), exit: PauseExit::Rollback });
    let plan = limited(PauseExit::Hold);
    let text = serde_json::to_string(&plan).expect("it is JSON");
    assert_eq!(serde_json::from_str::<Plan>(&text).expect("a plan"), plan);
}

fn follow(given: &Given) -> Command {
    assert!(matches!(given.due(), Due::Job(_, Job::Rollout(rollout::Job::Follow))), "{:?}", given.due());
    given.answer(Outcome::Rollout(rollout::Outcome::Followed))
}

#[test]
fn a_paused_rollout_does_not_begin_until_it_is_resumed() {
    let given = allowed(limited(PauseExit::Rollback));
    let late = given.answer(begins());
    check(&given, by("ann", resume()), Ok(&[]));
    let paused = given.asked("ann", pause());
    check(&paused, by("bob", pause()), Ok(&[]));
    assert_eq!(paused.due(), Due::Wake(paused.now.after(Seconds(60))));
    check(&paused, late, Err("not owed now"));
    assert_eq!(board::card(&paused.patch).doing, "paused: it is late");
    let resumed = paused.later(59).asked("bob", resume());
    check(&resumed, resumed.answer(begins()), Ok(&["rollout started"]));
    let begun = resumed.answered(begins()).later(5);
    assert_eq!(
        begun.patch.rollout.active_millis(begun.now),
        Some(5_000),
        "what was before it is not counted"
    );
}

#[test]
fn a_pause_before_it_begins_ends_as_the_plan_says() {
    let over = |exit| allowed(limited(exit)).asked("ann", pause()).later(60);
    let given = over(PauseExit::Rollback);
    check(&given, follow(&given), Ok(&["review ended abandoned"]));
    let given = over(PauseExit::Resume);
    check(&given, follow(&given), Ok(&["rollout resumed"]));
    let given = over(PauseExit::Hold);
    check(&given, follow(&given), Ok(&["rollout paged"]));
    let command = follow(&given);
    let events = given.decide(command).expect("it is owed");
    let called = given.takes(&events);
    assert_eq!(called.due(), Due::Nothing, "a person was called");
    check(&called, by("ann", resume()), Ok(&["rollout resumed"]));
}

#[test]
fn a_rollout_is_hurried_before_it_begins_and_the_judge_looks_all_the_same() {
    let given = allowed(given::plan());
    check(&given, Command { by: Actor::Machine, ask: promote() }, Err("only a named person"));
    check(&given, by("ann", promote()), Ok(&["rollout hurried"]));
    let hurried = given.asked("ann", pause()).asked("ann", promote());
    check(&hurried, by("bob", promote()), Ok(&[]));
    let watching = hurried.answered(begins()).follows(0, Continue);
    let bad = watching.answer(watching.followed(100, Rollback));
    check(&watching, bad, Ok(&["rollout looked", "rollout rollback_decided"]));
    assert_eq!(look(&watching, 100), ["rollout looked", "rollout promotion_decided"]);
}

#[test]
fn what_has_not_begun_is_taken_back_by_not_beginning() {
    let given = allowed(given::plan());
    for ask in [rollback(), abort()] {
        check(&given, by("ann", ask.clone()), Ok(&["review ended abandoned"]));
        let ended = given.clone().asked("ann", ask.clone());
        check(&ended, by("bob", ask), Ok(&[]));
        check(&ended, by("bob", promote()), Err("has ended"));
    }
    let ended = given.asked("ann", rollback());
    let why = "taken back before it began by ann: it is wrong".to_owned();
    assert_eq!(ended.patch.review.end, Some(End::Abandoned(why)));
}

#[test]
fn before_the_gate_opens_a_pause_is_kept_for_later() {
    let plan = limited(PauseExit::Rollback);
    for mut given in [Given::found(), Given::built(), Given::needs_owner()] {
        let opening = given.patch.opening.as_mut().map(std::sync::Arc::make_mut);
        if let Some(run) = opening.and_then(|opening| opening.service.run.as_mut()) {
            run.plan = plan.clone();
        }
        check(&given, by("ann", resume()), Ok(&[]));
        check(&given, by("ann", promote()), Err("not approved yet"));
        let owed = given.due();
        let paused = given.asked("ann", pause());
        assert_eq!(paused.due(), owed, "nothing else is kept");
        assert!(board::card(&paused.patch).doing.ends_with("; its rollout is paused: it is late"));
        check(&paused, by("ann", pause()), Ok(&[]));
        check(&paused, by("ann", rollback()), Ok(&["review ended abandoned"]));
    }
    // Its limit counts from the moment when it would begin.
    let paused = allowed(plan).patch;
    let given = Given { patch: paused, ..Given::nothing() };
    let mut asked = Given::verified();
    asked.patch.opening.clone_from(&given.patch.opening);
    let asked = asked.asked("ann", pause()).later(3600).answered(given::decision(Answer::Allow, 0));
    assert_eq!(asked.due(), Due::Wake(asked.now.after(Seconds(60))));
    let resumed = asked.asked("ann", resume());
    check(&resumed, resumed.answer(begins()), Ok(&["rollout started"]));
    // What ends with its proof has no rollout to pause.
    let short = Given::nothing().asked("ann", given::open(Until::Verify));
    check(&short, by("ann", pause()), Err("does not apply there"));
}

fn finishing(exit: PauseExit) -> Given {
    let plan = Plan { pause: limited(exit).pause, ..given::plan() };
    let given = begun(plan).follows(0, Continue).asked("ann", promote());
    let given = given.follows(100, Continue).follows(200, Continue).follows(300, Continue);
    assert_eq!(given.patch.rollout.phase, Phase::Finishing);
    given
}

#[test]
fn a_pause_keeps_what_is_left_of_the_old_version() {
    let given = finishing(PauseExit::Rollback);
    let late = given.answer(given.followed(400, Continue));
    check(&given, by("ann", resume()), Ok(&[]));
    check(&given, by("ann", promote()), Ok(&[]));
    let paused = given.asked("ann", pause());
    check(&paused, late, Err("not owed now"));
    assert_eq!(paused.due(), Due::Wake(paused.now.after(Seconds(60))));
    check(&paused, by("bob", resume()), Ok(&["rollout resumed"]));
    check(&paused, by("bob", promote()), Ok(&["rollout resumed"]));
    let resumed = paused.clone().asked("bob", resume());
    assert_eq!(look(&resumed, 400), ["rollout counted", "rollout promoted", "review ended promoted"]);
    let over = paused.later(60);
    check(&over, follow(&over), Ok(&["rollout rollback_decided"]));
    for (exit, word) in [(PauseExit::Resume, "rollout resumed"), (PauseExit::Hold, "rollout paged")] {
        let over = finishing(exit).asked("ann", pause()).later(60);
        check(&over, follow(&over), Ok(&[word]));
    }
}

#[test]
fn while_the_old_version_drains_it_comes_back_before_it_is_given_anything() {
    let given = finishing(PauseExit::Rollback);
    check(&given, Command { by: Actor::Machine, ask: rollback() }, Err("only a named person"));
    let given = given.asked("ann", rollback());
    let state = &given.patch.rollout;
    assert_eq!(state.phase, Phase::RollingBack);
    let desired = state.desired().expect("it has begun");
    let asked: Vec<_> = desired.arms.iter().map(|arm| (arm.instances, arm.share.ppm())).collect();
    assert_eq!(asked, [(3, 0), (3, 1_000_000)]);
    let back = given.follows(400, Continue);
    assert_eq!(back.patch.rollout.phase, Phase::RollingBack, "the share follows the instances");
    let back = back.follows(400, Continue).follows(400, Continue);
    assert_eq!(back.patch.review.end, Some(End::RolledBack("ann: it is wrong".to_owned())));
    check(&back, by("bob", rollback()), Ok(&[]));
    check(&back, by("bob", promote()), Err("has ended"));
}

#[test]
fn what_can_t_be_undone_halts_when_its_pause_has_no_other_end() {
    let mut given = finishing(PauseExit::Rollback).asked("ann", pause()).later(60);
    let reason = "it drops a column".to_owned();
    let state = std::sync::Arc::make_mut(&mut given.patch.rollout);
    state.footing.forward_only = Some(ForwardOnly { reason, from: NoReturn::Start });
    check(&given, follow(&given), Ok(&["rollout halted", "rollout paged"]));
    let command = follow(&given);
    let events = given.decide(command).expect("it is owed");
    let halted = given.takes(&events);
    check(&halted, by("ann", rollback()), Err("without loss"));
    let forced = halted.asked("ann", promote());
    assert_eq!(forced.patch.rollout.phase, Phase::Finishing);
}

#[test]
fn what_was_promoted_is_promoted_however_often_one_asks() {
    let given = Given::promoted();
    check(&given, by("ann", promote()), Ok(&[]));
    check(&given, by("ann", pause()), Err("has ended"));
    check(&given, by("ann", resume()), Err("has ended"));
}
