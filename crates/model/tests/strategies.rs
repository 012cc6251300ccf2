//! Each strategy's walk: what the world is asked for from the start to the end, gates, bakes, and the way back.

#[path = "fixtures/given.rs"]
mod given;
#[path = "fixtures/small.rs"]
mod small;

use std::sync::Arc;

use given::{Given, by, check, steer};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::digest::Digest;
use patchline_model::event::{Event, Fact};
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Exit, Hot, Observed, Order, Plan, Process, Rolling, Strategy, Version};
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::strategy::course::course;
use patchline_model::time::Seconds;
use patchline_model::view::board;

use JudgeAnswer::{Continue, Promote, Rollback};

/// A rollout by this plan has begun; its first instances start.
fn begun(plan: Plan) -> Given {
    let mut given = Given::allowed();
    let opening = given.patch.opening.as_mut().map(std::sync::Arc::make_mut);
    if let Some(run) = opening.and_then(|opening| opening.service.run.as_mut()) {
        run.plan = plan;
    }
    given.answered(Outcome::Rollout(rollout::Outcome::Begun { stable: given::stable(), history: None }))
}

/// Instances of stable and new, and the new version's percent: what the world is asked for.
fn asked(given: &Given) -> (u32, u32, u32) {
    let state = &given.patch.rollout;
    let desired = state.desired().expect("it has begun");
    let instances = |version: &Option<patchline_model::stage::plan::Version>| {
        let arm = desired.arms.iter().find(|arm| Some(&arm.version) == version.as_ref());
        arm.map_or(0, |arm| arm.instances)
    };
    (instances(&state.stable), instances(&state.new), state.allowed_share().ppm().div_ceil(10_000))
}

/// Everything that the world is asked for, one after the other, when the target follows and the judge is content.
fn walk(plan: Plan) -> Vec<(u32, u32, u32)> {
    let mut given = begun(plan);
    let mut walked = vec![asked(&given)];
    for look in 1..60 {
        given = given.follows(look * 100, Promote).later(11);
        let now = asked(&given);
        if walked.last() != Some(&now) {
            walked.push(now);
        }
        if given.patch.has_ended() {
            assert_eq!(given.patch.rollout.phase, Phase::Promoted);
            return walked;
        }
    }
    panic!("it does not end: {:?}", given.patch.rollout.phase);
}

fn rolling(instances: u32, batch: u32, max_unavailable: u32) -> Plan {
    let rolling = Rolling { batch, max_unavailable, bake: Seconds(10), order: None };
    Plan { instances, strategy: Strategy::Rolling(rolling), ..given::plan() }
}

fn resume() -> Ask {
    steer(rollout::Command::Resume)
}

fn promote() -> Ask {
    steer(rollout::Command::Promote { reason: "now".to_owned() })
}

fn rollback() -> Ask {
    steer(rollout::Command::Rollback { reason: "no".to_owned() })
}

/// Four instances with names, the highest number first.
fn ordered(batch: u32, partition: u32) -> Plan {
    let names = (0..4).rev().map(|number| number.to_string().parse().expect("a name")).collect();
    let order = Some(Order { names, partition });
    let rolling = Rolling { batch, max_unavailable: 0, bake: Seconds(10), order };
    Plan { instances: 4, strategy: Strategy::Rolling(rolling), ..given::plan() }
}

/// The names that the old and the new version are to have.
fn names(given: &Given) -> (String, String) {
    let state = &given.patch.rollout;
    let desired = state.desired().expect("it has begun");
    let of = |version: &Option<Version>| {
        let artifact = version.as_ref().map(|version| &version.artifact);
        let arm = desired.arms.iter().find(|arm| Some(&arm.version.artifact) == artifact);
        arm.map_or(String::new(), |arm| arm.names.iter().map(ToString::to_string).collect())
    };
    (of(&state.stable), of(&state.new))
}

#[test]
fn named_instances_go_before_the_new_ones_of_their_names_come() {
    let one_by_one =
        [(3, 1, 0), (3, 1, 25), (2, 2, 34), (2, 2, 50), (1, 3, 67), (1, 3, 75), (1, 3, 100), (0, 4, 100)];
    assert_eq!(walk(ordered(1, 0)), one_by_one);
    assert_eq!(walk(ordered(3, 0)), [(1, 3, 0), (1, 3, 75), (1, 3, 100), (0, 4, 100)]);
}

#[test]
fn named_instances_are_replaced_in_order_and_come_back_in_the_reverse_one() {
    let mut given = begun(ordered(1, 0)).follows(0, Continue).later(11);
    for look in 1..6 {
        given = given.follows(look * 100, Continue).later(6);
    }
    assert_eq!(names(&given), ("0".to_owned(), "321".to_owned()));
    let back = given.asked("ann", rollback());
    assert_eq!((names(&back), asked(&back)), (("10".to_owned(), "32".to_owned()), (2, 2, 67)));
    let back = back.clone().answered(with_stable(&back, 2));
    assert_eq!((names(&back), asked(&back)), (("210".to_owned(), "3".to_owned()), (3, 1, 34)));
    let back = back.clone().answered(with_stable(&back, 3));
    assert_eq!((names(&back), asked(&back)), (("3210".to_owned(), String::new()), (4, 0, 0)));
}

#[test]
fn before_the_partition_a_person_is_asked_and_who_hurries_still_goes_batch_by_batch() {
    let mut given = begun(ordered(3, 2)).follows(0, Continue).later(11);
    assert_eq!(names(&given), ("10".to_owned(), "32".to_owned()), "no batch goes over the partition");
    given = given.follows(100, Promote).later(11).follows(200, Promote);
    assert_eq!(given.patch.rollout.gate, rollout::Gate::Waits);
    let given = given.asked("ann", resume()).follows(300, Promote);
    assert_eq!(given.patch.rollout.phase, Phase::Growing, "what is left is one batch");

    let mut given = begun(ordered(1, 2)).follows(0, Continue).asked("ann", promote());
    let mut walked = Vec::new();
    for look in 1..9 {
        walked.push(names(&given).1);
        given = given.follows(look * 100, Continue);
    }
    walked.dedup();
    assert_eq!(walked, ["3", "32", "321", "3210"]);
}

#[test]
fn rolling_replaces_batch_by_batch_with_capacity_before_weight() {
    let surge = [(3, 1, 0), (3, 1, 34), (2, 2, 34), (2, 2, 67), (2, 3, 67), (2, 3, 100), (0, 3, 100)];
    assert_eq!(walk(rolling(3, 1, 0)), surge);
    let in_two = [(4, 2, 0), (4, 2, 50), (4, 4, 50), (4, 4, 100), (0, 4, 100)];
    assert_eq!(walk(rolling(4, 2, 0)), in_two);
    let without_room = [(2, 1, 0), (2, 1, 34), (1, 2, 50), (1, 2, 67), (1, 3, 67), (1, 3, 100), (0, 3, 100)];
    assert_eq!(walk(rolling(3, 1, 1)), without_room);
    assert_eq!(walk(rolling(1, 1, 0)), [(1, 1, 0), (1, 1, 50), (1, 1, 100), (0, 1, 100)]);
}

fn observed(outcome: Outcome) -> (Observed, Option<Arc<rollout::Judgement>>) {
    match outcome {
        Outcome::Rollout(rollout::Outcome::Reconciled { observed, judgement }) => (observed, judgement),
        other => panic!("{other:?}"),
    }
}

fn seen(observed: Observed, judgement: Option<Arc<rollout::Judgement>>) -> Outcome {
    Outcome::Rollout(rollout::Outcome::Reconciled { observed, judgement })
}

/// Artifact, what was served before, and the pids.
fn confirmed(events: &[Event]) -> Vec<(Digest, Option<Digest>, Vec<u32>)> {
    let of = |event: &Event| match &event.fact {
        Fact::Rollout(rollout::Event::Confirmed { artifact, before, processes }) => {
            let pids = processes.iter().map(|process| process.pid).collect();
            Some((artifact.clone(), before.clone(), pids))
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn hot_converts_batch_by_batch_and_both_versions_are_always_the_plans_instances() {
    let walked = [(4, 0, 0), (3, 1, 25), (2, 2, 50), (1, 3, 75), (0, 4, 100)];
    assert_eq!(walk(given::hot_plan()), walked);
    let in_two = Plan { strategy: Strategy::Hot(Hot { batch: 2, bake: Seconds(10) }), ..given::hot_plan() };
    assert_eq!(walk(in_two), [(4, 0, 0), (2, 2, 50), (0, 4, 100)]);
    let uneven = Plan { strategy: Strategy::Hot(Hot { batch: 3, bake: Seconds(10) }), ..given::hot_plan() };
    assert_eq!(walk(uneven), [(4, 0, 0), (1, 3, 75), (0, 4, 100)]);
}

#[test]
fn the_record_shows_of_each_process_what_it_served_and_serves() {
    let given = begun(given::hot_plan());
    let (stable, new) =
        (given::stable().artifact, given.patch.rollout.new.clone().expect("it has one").artifact);
    let first = given.decide(given.answer(given.followed(10, Continue))).expect("it is good");
    assert_eq!(confirmed(&first), [(stable.clone(), None, vec![1, 2, 3, 4])]);
    let given = given.takes(&first);
    assert_eq!(given.patch.rollout.phase, Phase::Filling { step: 0 });
    let second = given.decide(given.answer(given.followed(20, Continue))).expect("it is good");
    assert_eq!(confirmed(&second), [(new.clone(), Some(stable.clone()), vec![1])]);
    let given = given.takes(&second);
    assert_eq!(given.patch.rollout.phase, Phase::Watching { step: 0 });
    // Back: the same process serves the stable version again.
    let given = given.follows(30, Rollback);
    assert_eq!(asked(&given), (4, 0, 0));
    let back = given.decide(given.answer(given.followed(40, Continue))).expect("it is good");
    assert_eq!(confirmed(&back), [(stable, Some(new), vec![1])]);
}

#[test]
fn who_has_not_said_what_it_serves_is_not_converted_and_nothing_moves() {
    let given = begun(given::hot_plan());
    let (mut silent, judgement) = observed(given.followed(10, Continue));
    silent.arms[0].processes.pop();
    let given = given.answered(seen(silent.clone(), judgement.clone()));
    assert_eq!(given.patch.rollout.phase, Phase::Preparing);
    let given = given.later(31).answered(seen(silent, judgement));
    assert!(given.patch.rollout.is_going_back());
    assert_eq!(asked(&given), (4, 0, 0));
}

#[test]
fn a_conversion_that_is_not_confirmed_in_time_is_taken_back() {
    let given = begun(given::hot_plan()).follows(10, Continue);
    let (mut unconfirmed, judgement) = observed(given.followed(20, Continue));
    let moved = unconfirmed.arms[1].processes.pop().expect("one is to be converted");
    unconfirmed.arms[0].processes.push(moved);
    (unconfirmed.arms[0].share, unconfirmed.arms[1].share) = (Share::ALL, Share::NONE);
    (unconfirmed.arms[0].healthy, unconfirmed.arms[1].healthy) = (4, 0);
    let given = given.answered(seen(unconfirmed.clone(), judgement.clone()));
    assert_eq!(given.patch.rollout.phase, Phase::Filling { step: 0 });
    let given = given.later(31).answered(seen(unconfirmed, judgement));
    assert!(matches!(given.patch.rollout.cause, Some(rollout::Cause::Unhealthy { .. })));
}

#[test]
fn a_process_that_came_in_place_of_another_one_is_no_conversion() {
    let change = |change: fn(&mut Process)| {
        let given = begun(given::hot_plan()).follows(10, Continue);
        let (mut other, judgement) = observed(given.followed(20, Continue));
        change(&mut other.arms[1].processes[0]);
        given.answered(seen(other, judgement)).patch.rollout
    };
    assert_eq!(change(|_| {}).phase, Phase::Watching { step: 0 });
    for replaced in [change(|it| it.pid = 99), change(|it| it.started += 1)] {
        assert_eq!(replaced.phase, Phase::RollingBack);
        assert!(replaced.processes.iter().all(|(_, serves)| *serves == given::stable().artifact));
    }
}

#[test]
fn a_single_instance_is_not_converted_with_nothing_to_compare_it_with() {
    let given = Given::allowed();
    let mut lonely = given;
    let opening = lonely.patch.opening.as_mut().map(std::sync::Arc::make_mut);
    if let Some(run) = opening.and_then(|opening| opening.service.run.as_mut()) {
        run.plan = Plan { instances: 1, ..given::hot_plan() };
    }
    let begin =
        lonely.answer(Outcome::Rollout(rollout::Outcome::Begun { stable: given::stable(), history: None }));
    let events = lonely.decide(begin).expect("it is taken in");
    let has_started = |event: &Event| matches!(event.fact, Fact::Rollout(rollout::Event::Started { .. }));
    assert!(!events.iter().any(has_started), "{events:?}");
}

#[test]
fn a_canary_gets_the_instances_that_a_share_takes_before_the_share() {
    let walked = [(3, 1, 0), (3, 1, 5), (3, 2, 5), (3, 2, 50), (3, 3, 50), (3, 3, 100), (0, 3, 100)];
    assert_eq!(walk(small::small(given::plan())), walked);
}

#[test]
fn blue_green_stands_whole_before_it_takes_everything_but_the_hold_back() {
    let walked = [(3, 3, 0), (3, 3, 95), (3, 3, 100), (0, 3, 100)];
    assert_eq!(walk(given::blue_green_plan()), walked);
}

#[test]
fn a_watched_end_keeps_the_old_version_whole_and_held_back() {
    let mut given = begun(given::watched_plan()).follows(0, Continue).later(11);
    given = given.follows(100, Promote).asked("ann", resume()).follows(200, Promote).later(11);
    given = given.follows(300, Promote).follows(400, Promote);
    assert_eq!((given.patch.rollout.phase.clone(), asked(&given)), (Phase::Baking, (3, 3, 95)));
    let early = given.clone().later(19);
    check(&early, early.answer(early.followed(500, Promote)), Ok(&["rollout looked"]));
    let baked = given.clone().later(20);
    let command = baked.answer(baked.followed(500, Continue));
    check(&baked, command, Ok(&["rollout looked", "rollout switched"]));
    let ill = given.answer(given.followed(500, Rollback));
    check(&given, ill, Ok(&["rollout looked", "rollout rollback_decided"]));
    let back = given.clone().asked("ann", rollback());
    assert_eq!(asked(&back), (3, 3, 0), "stable has all of its instances and takes everything at once");
    let late = given.clone().later(600);
    let command = late.answer(late.followed(500, Continue));
    check(&late, command, Ok(&["rollout looked", "rollout rollback_decided"]));
    let hurried = given.asked("ann", promote());
    let command = hurried.answer(hurried.followed(500, Continue));
    check(&hurried, command, Ok(&["rollout looked", "rollout switched"]));
}

#[test]
fn a_person_who_skips_the_steps_does_not_skip_the_last_bake() {
    let given = begun(given::watched_plan()).follows(0, Continue).later(1).asked("ann", promote());
    let given = given.follows(100, Continue).follows(200, Continue);
    assert_eq!(given.patch.rollout.phase, Phase::Baking);
    let command = given.answer(given.followed(300, Promote));
    check(&given, command, Ok(&["rollout looked"]));
}

#[test]
fn a_gate_waits_for_a_person_and_never_disarms_the_judge() {
    let given = begun(given::watched_plan()).follows(0, Continue).later(1);
    check(&given, by("ann", resume()), Ok(&[]));
    let given = given.later(10);
    let reached = given.answer(given.followed(100, Promote));
    check(&given, reached, Ok(&["rollout looked", "rollout gate_reached"]));
    let at_gate = given.follows(100, Promote).later(5);
    assert!(board::card(&at_gate.patch).waits_for_person);
    let Due::Job(_, Job::Rollout(rollout::Job::Reconcile { look, .. })) = at_gate.due() else {
        panic!("a look is owed at a gate")
    };
    assert!(look, "the judge looks at a gate");
    check(&at_gate, at_gate.answer(at_gate.followed(200, Promote)), Ok(&["rollout looked"]));
    let ill = at_gate.answer(at_gate.followed(200, Rollback));
    check(&at_gate, ill, Ok(&["rollout looked", "rollout rollback_decided"]));
    check(&at_gate, by("ann", rollback()), Ok(&["rollout rollback_decided"]));
    check(&at_gate, Command { by: Actor::Machine, ask: resume() }, Err("only a named person"));
    check(&at_gate, by("ann", resume()), Ok(&["rollout gate_opened"]));
    let open = at_gate.asked("ann", resume());
    check(&open, by("bob", resume()), Ok(&[]));
    let command = open.answer(open.followed(200, Continue));
    check(&open, command, Ok(&["rollout looked", "rollout step_entered"]));
}

#[test]
fn a_gate_that_nobody_opens_ends_by_the_plans_exit() {
    let at_gate = begun(given::watched_plan()).follows(0, Continue).later(11).follows(100, Promote);
    let late = at_gate.later(600);
    let events = late.decide(late.answer(late.followed(200, Continue))).expect("it is owed");
    assert_eq!(given::words(&events), ["rollout looked", "rollout rollback_decided"]);
    let told = patchline_model::view::story::line(&events[1]).expect("it is told").text;
    assert!(told.contains("nobody opened the gate"), "{told}");
    let held = Plan { at_deadline: Exit::Hold, ..given::watched_plan() };
    let late = begun(held).follows(0, Continue).later(11).follows(100, Promote).later(600);
    let command = late.answer(late.followed(200, Continue));
    check(&late, command, Ok(&["rollout looked", "rollout paused"]));
}

#[test]
fn a_smoke_test_tries_an_instance_before_any_user_does() {
    let smoked = |failed: Option<&str>| {
        let (failed, evidence) = (failed.map(str::to_owned), Digest::of(b"smoke"));
        Outcome::Rollout(rollout::Outcome::Smoked { failed, evidence })
    };
    let preview = begun(given::smoking_plan()).follows(0, Continue).later(6);
    let command = preview.answer(preview.followed(0, Continue));
    check(&preview, command, Ok(&["rollout looked", "rollout smoke_begun"]));
    let early = preview.answer(smoked(None));
    check(&preview, early, Ok(&["faltered"]));
    let owed = preview.follows(0, Continue);
    let Due::Job(_, Job::Rollout(rollout::Job::Smoke { address, .. })) = owed.due() else {
        panic!("the smoke test is owed")
    };
    assert_eq!((address.as_str(), asked(&owed)), ("127.0.0.1:4711", (3, 3, 0)));
    check(&owed, owed.answer(owed.followed(0, Promote)), Ok(&["faltered"]));
    let failed = owed.answer(smoked(Some("the smoke test failed: no notes")));
    check(&owed, failed, Ok(&["rollout smoke_failed", "rollout rollback_decided"]));
    check(&owed, by("ann", rollback()), Ok(&["rollout rollback_decided"]));
    check(&owed, owed.answer(smoked(None)), Ok(&["rollout smoke_passed"]));
    let passed = owed.answered(smoked(None));
    let command = passed.answer(passed.followed(0, Continue));
    check(&passed, command, Ok(&["rollout looked", "rollout step_entered"]));
}

/// The same look, but so many stable instances are healthy.
fn with_stable(given: &Given, healthy: u32) -> Outcome {
    let mut outcome = given.followed(900, Continue);
    if let Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. }) = &mut outcome {
        let stable = observed.arms.first_mut().expect("stable is asked for");
        (stable.healthy, stable.instances) = (healthy, healthy);
    }
    outcome
}

#[test]
fn a_rolling_rollback_takes_what_stable_can_carry_and_the_bad_version_goes_last() {
    let mut given = begun(rolling(4, 1, 0)).follows(0, Continue).later(11);
    for look in 1..6 {
        given = given.follows(look * 100, Continue).later(6);
    }
    assert_eq!((given.patch.rollout.phase.clone(), asked(&given)), (Phase::Watching { step: 2 }, (2, 3, 75)));
    let command = given.answer(given.followed(800, Rollback));
    check(&given, command, Ok(&["rollout looked", "rollout rollback_decided"]));
    let back = given.follows(800, Rollback);
    assert_eq!(asked(&back), (4, 3, 50), "two stable instances carry a half at once");
    check(&back, back.answer(with_stable(&back, 2)), Ok(&[]));
    let command = back.answer(with_stable(&back, 3));
    check(&back, command, Ok(&["rollout stable_returned"]));
    let outcome = with_stable(&back, 3);
    let back = back.answered(outcome);
    assert_eq!(asked(&back), (4, 3, 25));
    let outcome = with_stable(&back, 4);
    let back = back.answered(outcome);
    assert_eq!(asked(&back), (4, 3, 0), "all are there, and the bad version's instances still are");
    let gone = back.answer(back.followed(1000, Continue));
    check(&back, gone, Ok(&["rollout counted", "rollout share_taken"]));
    let retiring = back.follows(1000, Continue);
    assert_eq!(asked(&retiring), (4, 0, 0));
}

#[test]
fn with_room_to_spare_the_share_goes_first_and_the_bad_version_still_last() {
    let mut given = begun(rolling(3, 1, 1)).follows(0, Continue).later(11);
    for look in 1..3 {
        given = given.follows(look * 100, Continue).later(6);
    }
    assert_eq!(asked(&given), (1, 2, 67));
    let back = given.asked("ann", rollback());
    assert_eq!(asked(&back), (3, 2, 50), "one of the two that carry everything");
    let outcome = with_stable(&back, 2);
    let back = back.answered(outcome);
    assert_eq!(asked(&back), (3, 2, 0));
    let outcome = with_stable(&back, 2);
    let back = back.answered(outcome);
    assert_eq!((back.patch.rollout.phase.clone(), asked(&back)), (Phase::Retiring, (3, 2, 0)));
    let back = back.follows(1000, Continue);
    assert_eq!(asked(&back), (3, 0, 0));
    let command = back.answer(back.followed(1100, Continue));
    check(&back, command, Ok(&["rollout counted", "rollout rolled_back", "review ended rolled_back"]));
}

#[test]
fn a_dead_version_that_holds_most_of_the_traffic_is_taken_back_at_once() {
    let given = begun(given::blue_green_plan()).follows(0, Continue).later(6).follows(0, Continue);
    assert_eq!(asked(&given), (3, 3, 95));
    let mut outcome = given.followed(100, Continue);
    if let Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. }) = &mut outcome {
        observed.arms[1].healthy = 0;
    }
    let command = given.answer(outcome);
    check(&given, command, Ok(&["rollout looked", "rollout rollback_decided"]));
}

#[test]
fn whatever_the_numbers_a_course_keeps_stable_able_to_carry_its_share() {
    for instances in 1..=12 {
        for batch in 1..=instances {
            for max_unavailable in 0..=instances {
                let plan = rolling(instances, batch, max_unavailable);
                let course = course(&plan);
                let mut last = Share::NONE;
                for station in &course.stations {
                    assert!(station.share > last && station.share_before >= last, "{plan:?}");
                    assert!(station.share_before <= station.share, "{plan:?}");
                    assert!(course.carriers(station.share_before.rest()) <= station.stable, "{plan:?}");
                    assert!(course.carriers(station.share) <= station.new, "{plan:?}");
                    assert!((1..=instances).contains(&station.stable), "{plan:?}");
                    last = station.share;
                }
                assert!(last < Share::ALL && !course.stations.is_empty(), "{plan:?}");
            }
        }
    }
}
