//! Pauses, and what is asked in every state: asking twice is asking once, and every state has an end of its own.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, by, check, steer};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::job::Outcome;
use patchline_model::line::{Freeze, Scope};
use patchline_model::stage::plan::Plan;
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::time::Seconds;

use JudgeAnswer::{Continue, Promote};

fn pause() -> Ask {
    steer(rollout::Command::Pause { reason: "it is late".to_owned() })
}

fn resume() -> Ask {
    steer(rollout::Command::Resume)
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
