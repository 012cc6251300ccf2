//! Pauses, and what is asked in every state: asking twice is asking once, and every state has an end of its own.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, by, check, steer};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::job::Outcome;
use patchline_model::line::{Freeze, Scope};
use patchline_model::stage::pause::{PauseExit, PauseLimit};
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Exit, Plan};
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::time::Seconds;

use JudgeAnswer::{Continue, Promote, Rollback};

fn pause() -> Ask {
    steer(rollout::Command::Pause { reason: "it is late".to_owned() })
}

fn resume() -> Ask {
    steer(rollout::Command::Resume)
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
    let begun = rollout::Outcome::Begun { stable: given::stable(), history: None };
    allowed(plan).answered(Outcome::Rollout(begun))
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
        let hurried = steer(rollout::Command::Promote { reason: "it is urgent".to_owned() });
        let growing = watching.clone().asked("ann", hurried).follows(100, Continue);
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
