//! The line: who stops and freezes what, how it is stored, and what it holds and does not hold.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, by, check, steer};
use patchline_model::actor::Actor;
use patchline_model::hold::Kind;
use patchline_model::id::Stage;
use patchline_model::job::Due;
use patchline_model::line::{self, Command, Event, Fact, Line, Scope};
use patchline_model::pipeline::held::hold;
use patchline_model::service::Tier;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::time::{Seconds, Timestamp};
use patchline_model::view::board::card_under;

fn ann() -> Actor {
    Actor::person("ann@example.com")
}

fn stop(scope: Scope) -> Command {
    Command::Stop { scope, reason: "the database burns".to_owned() }
}

fn start(scope: Scope) -> Command {
    Command::Start { scope, reason: String::new() }
}

fn freeze(scope: Scope, from: Timestamp, until: Timestamp, hotfix_passes: bool) -> Command {
    Command::Freeze { scope, from, until, reason: "the sale".to_owned(), hotfix_passes }
}

fn service(name: &str) -> Scope {
    Scope::Service(name.parse().expect("a name"))
}

fn after(line: Line, now: Timestamp, command: Command) -> Line {
    let events = line::decide(&line, now, &ann(), command).expect("it is taken");
    events.iter().fold(line, line::evolve)
}

/// The patch under this line.
fn under(mut given: Given, command: Command) -> Given {
    given.board.line = after(given.board.line.clone(), given.now, command);
    given
}

fn promote() -> patchline_model::command::Ask {
    steer(rollout::Command::Promote { reason: "now".to_owned() })
}

#[test]
fn a_line_event_is_stored_as_it_always_was() {
    let scope = || service("notebook");
    let reason = || "because".to_owned();
    let (from, until) = (Timestamp(1_767_225_600_000), Timestamp(1_767_312_000_000));
    for (fact, stored) in [
        (
            Fact::Stopped { scope: Scope::Everything, reason: reason() },
            r#"{"stopped":{"scope":"everything","reason":"because"}}"#,
        ),
        (
            Fact::Started { scope: scope(), reason: reason() },
            r#"{"started":{"scope":{"service":"notebook"},"reason":"because"}}"#,
        ),
        (
            Fact::Frozen {
                freeze: 3,
                scope: Scope::Tier(Tier::try_from(1).expect("a tier")),
                from,
                until,
                reason: reason(),
                hotfix_passes: true,
            },
            r#"{"frozen":{"freeze":3,"scope":{"tier":1},"from":1767225600000,"until":1767312000000,"reason":"because","hotfix_passes":true}}"#,
        ),
        (Fact::Thawed { freeze: 3, reason: reason() }, r#"{"thawed":{"freeze":3,"reason":"because"}}"#),
    ] {
        let event = Event { at: Timestamp(5), by: ann(), fact, evidence: None };
        let whole =
            format!(r#"{{"at":5,"by":{{"kind":"person","name":"ann@example.com"}},"fact":{stored}}}"#);
        assert_eq!(serde_json::to_string(&event).expect("JSON"), whole);
        assert_eq!(serde_json::from_str::<Event>(&whole).expect("an event"), event);
    }
}

#[test]
fn stopping_twice_is_stopping_once_and_each_scope_is_its_own() {
    let now = Timestamp(1_000);
    let line = after(Line::default(), now, stop(Scope::Everything));
    assert_eq!(after(line.clone(), now, stop(Scope::Everything)), line, "nothing changes");
    let line = after(line, now, stop(service("notebook")));
    assert_eq!((line.version, line.stops.len()), (2, 2));
    let line = after(line, now, start(Scope::Everything));
    assert!(line.is_stopped(&service("notebook")) && !line.is_stopped(&Scope::Everything));
    assert_eq!(after(line.clone(), now, start(Scope::Everything)), line, "nothing changes");
}

#[test]
fn the_line_is_held_by_named_people_who_say_why() {
    let now = Timestamp(1_000);
    let refuses = |by: &Actor, command: Command, words: &str| {
        let text = line::decide(&Line::default(), now, by, command).unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    };
    refuses(&Actor::Machine, stop(Scope::Everything), "only a named person");
    refuses(&Actor::person(" "), start(Scope::Everything), "only a named person");
    let silent = Command::Stop { scope: Scope::Everything, reason: "  ".to_owned() };
    refuses(&ann(), silent, "needs a reason");
    let long = Command::Stop { scope: Scope::Everything, reason: "x".repeat(5_000) };
    refuses(&ann(), long, "at most");
    refuses(&ann(), freeze(Scope::Everything, Timestamp(9), Timestamp(9), false), "never be in force");
    refuses(&ann(), freeze(Scope::Everything, Timestamp(1), Timestamp(900), false), "never be in force");
    refuses(&ann(), Command::Thaw { freeze: 1, reason: String::new() }, "no freeze F-1");
    let full = (0..200)
        .fold(Line::default(), |line, number| after(line, now, stop(service(&format!("s-{number}")))));
    let text = line::decide(&full, now, &ann(), stop(Scope::Everything)).unwrap_err().to_string();
    assert!(text.contains("no more are taken"), "{text}");
}

#[test]
fn a_freeze_holds_whom_it_is_about_and_while_it_is_in_force() {
    let given = Given::allowed();
    let (now, scope) = (given.now, |number| Scope::Tier(Tier::try_from(number).expect("a tier")));
    let (from, until) = (now.after(Seconds(60)), now.after(Seconds(120)));
    let held = |given: &Given| hold(given.cx(), &given.patch).map(|hold| (hold.kind, hold.until));
    let frozen = under(given.clone(), freeze(scope(2), from, until, false));
    assert_eq!(held(&frozen), None, "it is ahead");
    assert_eq!(held(&frozen.clone().later(60)), Some((Kind::Freeze, Some(until))));
    assert_eq!(held(&frozen.clone().later(120)), None, "it ended by itself");
    let lifted = under(frozen.later(60), Command::Thaw { freeze: 1, reason: String::new() });
    assert_eq!(held(&lifted), None, "it was lifted");
    assert_eq!(held(&under(given.clone(), freeze(scope(1), now, until, false))), None, "another tier");
    assert_eq!(held(&under(given.clone(), freeze(service("other"), now, until, false))), None);
    let both = under(given.clone(), freeze(Scope::Everything, now, from, false));
    let both = under(both, freeze(service("notebook"), now, until, false));
    assert_eq!(held(&both), Some((Kind::Freeze, Some(until))), "the one that ends last");
    assert!(patchline_model::pipeline::held::is_hotfix(&given.patch), "it says to act now");
    assert_eq!(held(&under(given, freeze(Scope::Everything, now, until, true))), None, "a hotfix passes");
}

#[test]
fn nothing_begins_on_a_stopped_line_and_everything_does_when_it_is_lifted() {
    let given = Given::allowed();
    let stopped = under(given.clone(), stop(Scope::Everything));
    assert!(matches!(stopped.due(), Due::Wake(_)));
    let answer = given.answer(patchline_model::job::Outcome::Rollout(rollout::Outcome::Begun {
        stable: given::stable(),
        history: None,
    }));
    check(&stopped, answer.clone(), Err("not owed now"));
    let held = hold(stopped.cx(), &stopped.patch).expect("it is held");
    let card = card_under(&stopped.patch, Some(held));
    assert!(card.doing.contains("may not begin") && card.doing.contains("the database burns"), "{card:?}");
    let lifted = under(stopped, start(Scope::Everything));
    check(&lifted, answer, Ok(&["rollout started"]));
    assert!(matches!(Given::found().due(), Due::Job(id, _) if id.stage == Stage::Generate));
    let scanning = under(Given::found(), stop(Scope::Everything));
    assert!(matches!(scanning.due(), Due::Job(..)), "what moves no user is not held");
}

#[test]
fn a_stopped_rollout_stands_where_it_is_with_the_judge_armed() {
    let given = under(Given::watching().later(10), stop(service("notebook")));
    let look = |answer| given.answer(given.followed(100, answer));
    check(&given, look(JudgeAnswer::Promote), Ok(&["rollout looked", "rollout held"]));
    check(&given, look(JudgeAnswer::Rollback), Ok(&["rollout looked", "rollout rollback_decided"]));
    check(&given, by("ann", promote()), Err("ann@example.com stopped the line for notebook"));
    let back = steer(rollout::Command::Rollback { reason: String::new() });
    check(&given, by("ann", back), Ok(&["rollout rollback_decided"]));
    let held = given.clone().follows(100, JudgeAnswer::Promote).later(1);
    check(&held, held.answer(held.followed(200, JudgeAnswer::Promote)), Ok(&["rollout looked"]));
    let lifted = under(held, start(service("notebook")));
    let command = lifted.answer(lifted.followed(200, JudgeAnswer::Promote));
    check(&lifted, command, Ok(&["rollout looked", "rollout released", "rollout step_entered"]));
    let preparing = under(Given::preparing(), stop(Scope::Everything));
    check(&preparing, preparing.answer(preparing.followed(0, JudgeAnswer::Continue)), Ok(&["rollout held"]));
    let baked = under(Given::baked(), stop(Scope::Everything));
    let command = baked.answer(baked.followed(200, JudgeAnswer::Promote));
    check(&baked, command, Ok(&["rollout looked", "rollout held"]));
    let growing = under(Given::growing(), stop(Scope::Everything));
    let command = growing.answer(growing.followed(300, JudgeAnswer::Promote));
    check(&growing, command, Ok(&["rollout looked", "rollout held"]));
}

#[test]
fn a_stop_before_the_old_version_goes_keeps_the_way_back() {
    let given = under(Given::switching(), stop(Scope::Everything));
    check(&given, given.answer(given.followed(400, JudgeAnswer::Continue)), Ok(&["rollout held"]));
    let held = given.follows(400, JudgeAnswer::Continue).later(100);
    check(&held, held.answer(held.followed(400, JudgeAnswer::Continue)), Ok(&[]));
    let back = steer(rollout::Command::Rollback { reason: String::new() });
    check(&held, by("ann", back), Ok(&["rollout rollback_decided"]));
    let going = under(Given::finishing(), stop(Scope::Everything));
    let command = going.answer(going.followed(500, JudgeAnswer::Continue));
    check(&going, command, Ok(&["rollout counted", "rollout promoted", "review ended promoted"]));
}

#[test]
fn time_under_a_stop_does_not_count_towards_the_deadline() {
    // The plan's deadline is 600 s after the start.
    let stopped = under(Given::watching().later(10), stop(Scope::Everything));
    let held = stopped.follows(100, JudgeAnswer::Continue).later(5_000);
    check(&held, held.answer(held.followed(100, JudgeAnswer::Continue)), Ok(&["rollout looked"]));
    let lifted = under(held.follows(100, JudgeAnswer::Continue), start(Scope::Everything));
    // Nobody used the version meanwhile, so it waits in its step.
    let released = lifted.clone().follows(100, JudgeAnswer::Continue);
    assert!(!released.patch.rollout.is_going_back());
    let active = released.patch.rollout.active_millis(released.now);
    assert!(active.is_some_and(|active| active < 60_000), "{active:?}");
    let late = released.later(600);
    let command = late.answer(late.followed(100, JudgeAnswer::Continue));
    check(&late, command, Ok(&["rollout looked", "rollout rollback_decided"]));
}

#[test]
fn who_forgets_a_stop_is_called() {
    let given =
        under(Given::watching().later(10), stop(Scope::Everything)).follows(100, JudgeAnswer::Continue);
    let long = given.later(4 * 3600);
    let command = long.answer(long.followed(100, JudgeAnswer::Continue));
    check(&long, command, Ok(&["rollout looked", "rollout paged"]));
    let called = long.follows(100, JudgeAnswer::Continue).later(1);
    check(&called, called.answer(called.followed(100, JudgeAnswer::Continue)), Ok(&["rollout looked"]));
    assert_eq!(called.patch.rollout.phase, Phase::Watching { step: 0 });
}
