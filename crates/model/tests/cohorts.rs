//! Cohorts, flags and shadows: whom the world is asked to send where in each phase, what is counted, and what a flag says.

#[path = "fixtures/given.rs"]
mod given;

use std::collections::BTreeMap;

use given::{Given, check, steer};
use patchline_model::cohort::{Bucket, Cohort};
use patchline_model::job::Outcome;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::Plan;
use patchline_model::stage::rollout::{self, JudgeAnswer, Totals};
use patchline_model::stage::traffic::{Met, Mirrored, Others, Traffic};
use patchline_model::view::flags::{self, Answer, KeyMissing, Why};

use JudgeAnswer::{Continue, Promote};

/// A rollout by this plan has begun; its first instances start.
fn begun(plan: Plan) -> Given {
    let mut given = Given::allowed();
    let opening = given.patch.opening.as_mut().map(std::sync::Arc::make_mut);
    if let Some(run) = opening.and_then(|opening| opening.service.run.as_mut()) {
        run.plan = plan;
    }
    given.answered(Outcome::Rollout(rollout::Outcome::Begun { stable: given::stable(), history: None }))
}

fn traffic(given: &Given) -> Traffic {
    given.patch.rollout.desired().expect("it has begun").traffic
}

/// Instances of the new version, its percent, and what the arms are told of a flag.
fn asked(given: &Given) -> (u32, u32, Vec<bool>) {
    let desired = given.patch.rollout.desired().expect("it has begun");
    let new = given.patch.rollout.new.clone().expect("it has begun");
    let instances = desired.arms.iter().find(|arm| arm.version == new).map_or(0, |arm| arm.instances);
    let told = desired.arms.iter().flat_map(|arm| &arm.flags).map(|told| told.is_on).collect();
    (instances, given.patch.rollout.allowed_share().ppm() / 10_000, told)
}

fn rollback() -> patchline_model::command::Ask {
    steer(rollout::Command::Rollback { reason: "no".to_owned() })
}

#[test]
fn a_cohorts_canary_is_for_the_cohort_until_it_is_promoted_and_the_watched_end_is_for_everybody() {
    let cohort = given::cohort();
    let steps = Traffic::ByKey { cohort: cohort.clone(), others: Others::Stable };
    let everybody = Cohort { only: None, ..cohort };
    let end = Traffic::ByKey { cohort: everybody, others: Others::ByTurns };
    let given = begun(given::cohort_plan());
    assert_eq!(traffic(&given), steps);
    let given = given.follows(0, Continue).later(11).follows(100, Promote);
    let given = given.asked("ann", steer(rollout::Command::Resume)).follows(200, Promote).later(11);
    assert_eq!(
        (given.patch.rollout.phase.clone(), traffic(&given)),
        (Phase::Watching { step: 1 }, steps.clone())
    );
    let growing = given.follows(300, Promote);
    assert_eq!((growing.patch.rollout.phase.clone(), traffic(&growing)), (Phase::Growing, steps.clone()));
    let baking = growing.follows(400, Promote);
    assert_eq!((baking.patch.rollout.phase.clone(), traffic(&baking)), (Phase::Baking, end));
    assert_eq!(
        traffic(&baking.clone().asked("ann", rollback())),
        steps,
        "on the way back nobody else meets it"
    );
    let switching = baking.later(20).follows(500, Continue);
    assert_eq!(
        (switching.patch.rollout.phase.clone(), traffic(&switching)),
        (Phase::Switching, Traffic::ByTurns)
    );
}

#[test]
fn what_the_target_reads_back_otherwise_is_not_what_was_asked_for() {
    let given = begun(given::cohort_plan());
    let desired = given.patch.rollout.desired().expect("it has begun");
    let Outcome::Rollout(rollout::Outcome::Reconciled { mut observed, .. }) = given.followed(0, Continue)
    else {
        panic!("a look")
    };
    assert!(observed.meets(&desired));
    observed.traffic = Some(Traffic::ByTurns);
    assert!(!observed.meets(&desired));
}

#[test]
fn a_flags_instances_are_whole_before_its_first_user_and_it_goes_off_at_once() {
    let preparing = begun(given::flag_plan());
    assert_eq!(asked(&preparing), (3, 0, vec![false, true]));
    let on_for_some = preparing.follows(0, Continue);
    assert_eq!(asked(&on_for_some), (3, 5, vec![false, true]));
    let off = on_for_some.clone().later(1).asked("ann", rollback());
    assert_eq!(asked(&off), (3, 0, vec![false, true]), "no instance has to start or to stop for it");
    let more = on_for_some.later(11).follows(100, Promote);
    assert_eq!(asked(&more), (3, 50, vec![false, true]));
    let promoted = more.later(11).follows(200, Promote).follows(300, Promote).follows(400, Promote);
    let promoted = promoted.follows(500, Promote);
    assert_eq!(promoted.patch.rollout.phase, Phase::Promoted);
    assert_eq!(asked(&promoted), (3, 100, vec![true]), "it stays on where it was promoted");
    let artifact = &promoted.patch.rollout.new.as_ref().expect("it ran").artifact;
    let kept = flags::kept_on([&promoted.patch].into_iter(), artifact);
    assert_eq!(kept.iter().map(|flag| flag.as_str()).collect::<Vec<_>>(), ["new-parser"]);
}

#[test]
fn a_flag_says_of_every_user_what_the_proxy_is_asked_for() {
    let says = |given: &Given, key: Option<&str>| {
        let all = flags::standing([&given.patch].into_iter());
        all["new-parser"][0].answer(key, &BTreeMap::new())
    };
    let preparing = begun(given::flag_plan());
    assert_eq!(says(&preparing, None), Ok(Answer { is_on: false, why: Why::Disabled }));
    let some = preparing.follows(0, Continue).later(11).follows(100, Promote);
    assert_eq!(says(&some, None), Err(KeyMissing));
    let half = Share::from_fraction(0.5).expect("a share");
    let mut on = 0;
    for user in 0..200 {
        let key = format!("user-{user}");
        let is_on = Bucket::of("notebook", key.as_bytes()).is_within(half);
        assert_eq!(says(&some, Some(&key)), Ok(Answer { is_on, why: Why::Split }));
        on += usize::from(is_on);
    }
    assert!((60..140).contains(&on), "{on} of 200");
    let off = some.clone().asked("ann", rollback());
    assert_eq!(says(&off, Some("user-1")), Ok(Answer { is_on: false, why: Why::Disabled }), "at once");
    let promoted = some
        .later(11)
        .follows(200, Promote)
        .follows(300, Promote)
        .follows(400, Promote)
        .follows(500, Promote);
    assert_eq!(says(&promoted, None), Ok(Answer { is_on: true, why: Why::Static }));
    assert!(flags::standing([&begun(given::plan()).patch].into_iter()).is_empty());
}

#[test]
fn a_flag_is_gone_with_the_version_that_had_it() {
    let promoted = |plan: Plan| {
        let given = begun(plan).follows(0, Continue).later(11).follows(100, Promote).later(11);
        given.follows(200, Promote).follows(300, Promote).follows(400, Promote).follows(500, Promote)
    };
    let flagged = promoted(given::flag_plan());
    let mut later = promoted(given::plan());
    later.patch.id = patchline_model::id::PatchId(8);
    let started = flagged.patch.rollout.started.map(|at| at.after(patchline_model::time::Seconds(60)));
    std::sync::Arc::make_mut(&mut later.patch.rollout).started = started;
    assert_eq!(flags::standing([&flagged.patch].into_iter()).len(), 1);
    assert!(flags::standing([&flagged.patch, &later.patch].into_iter()).is_empty());
}

#[test]
fn a_shadow_gives_the_new_version_no_user_until_the_evidence_promotes_it() {
    let given = begun(given::shadow_plan());
    assert_eq!((asked(&given).1, traffic(&given)), (0, Traffic::ByTurns));
    let watching = given.follows(0, Continue);
    assert_eq!(watching.patch.rollout.allowed_share(), Share::NONE);
    assert!(matches!(traffic(&watching), Traffic::Mirrored(_)));
    let late = watching.clone().later(11);
    check(&late, late.answer(late.followed(100, Continue)), Ok(&["rollout looked"]));
    let growing = late.follows(100, Promote);
    assert_eq!((growing.patch.rollout.phase.clone(), asked(&growing).1), (Phase::Growing, 0));
    let baking = growing.follows(200, Promote);
    assert_eq!((baking.patch.rollout.phase.clone(), asked(&baking).1), (Phase::Baking, 95));
    assert_eq!(traffic(&baking), Traffic::ByTurns);
}

#[test]
fn mirrored_answers_are_evidence_and_no_users_requests() {
    let watching = begun(given::shadow_plan()).follows(0, Continue).later(1);
    let look = |given: &Given, pairs: u64, users: u64| {
        let Outcome::Rollout(rollout::Outcome::Reconciled { mut observed, judgement }) =
            given.followed(pairs, Continue)
        else {
            panic!("a look")
        };
        let new = given.patch.rollout.new.clone().expect("it has begun").artifact;
        for arm in &mut observed.arms {
            let is_new = arm.artifact == new;
            arm.met = Some(Met { requests: if is_new { 0 } else { users }, errors: 0 });
            let mirrored = Mirrored {
                pairs,
                body: pairs / 10,
                example: Some("GET /: the body".to_owned()),
                ..Mirrored::default()
            };
            arm.mirrored = is_new.then_some(mirrored);
        }
        Outcome::Rollout(rollout::Outcome::Reconciled { observed, judgement })
    };
    let first = watching.clone().answered(look(&watching, 0, 1000));
    let second = first.clone().answered(look(&first, 50, 1100));
    let state = &second.patch.rollout;
    let tick = state.ticks.last().expect("a look");
    assert_eq!(tick.canary.as_ref().map(|counts| counts.requests), Some(50));
    let apart = tick.apart.as_deref().expect("users met something else");
    assert_eq!((apart.canary, apart.stable), (met(0), met(100)));
    assert_eq!(state.mirrored.mismatches(), 5);
    assert_eq!(state.mirrored.example.as_deref(), Some("GET /: the body"));
    let before = &watching.patch.rollout.totals;
    let totals = Totals { stable_requests: before.stable_requests + 100, ..before.clone() };
    assert_eq!(state.totals, totals, "users met the stable version alone");
    let third = second.clone().answered(look(&second, 50, 1100));
    let tick = third.patch.rollout.ticks.last().expect("a look");
    assert_eq!(tick.mirrored(), Some(&Mirrored::default()), "an old example is not told again");
}

fn met(requests: u64) -> Option<Met> {
    Some(Met { requests, errors: 0 })
}
