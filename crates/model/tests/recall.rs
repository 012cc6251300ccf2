//! Taking back what was promoted: who may ask, what must still be so, and that it walks the same way back.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, by, check, reviewed, stable, steer};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::digest::Digest;
use patchline_model::failure::Failure;
use patchline_model::id::{PatchId, Stage};
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::pipeline::evolve::locks;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::review::End;
use patchline_model::stage::rollout::{self, JudgeAnswer};

fn rollback() -> Ask {
    steer(rollout::Command::Rollback { reason: "carts are empty".to_owned() })
}

fn promoted() -> Given {
    Given::promoted().answered(reviewed()).later(86_400).surveyed()
}

fn recalling() -> Given {
    promoted().asked("ann", rollback())
}

fn seen(runs: Digest, lacking: Option<&str>) -> Outcome {
    Outcome::Rollout(rollout::Outcome::Recallable { runs, lacking: lacking.map(str::to_owned) })
}

fn ours(given: &Given) -> Digest {
    given.patch.new_version().expect("it was built").artifact
}

/// Instances and share of each version asked for, the old one first.
fn asked(given: &Given) -> Vec<(u32, Share)> {
    let desired = given.patch.rollout.desired().expect("a rollout desires something");
    desired.arms.iter().map(|arm| (arm.instances, arm.share)).collect()
}

#[test]
fn the_old_version_comes_back_before_the_new_one_loses_anything() {
    let given = recalling();
    assert!(
        matches!(given.due(), Due::Job(id, Job::Rollout(rollout::Job::Recall)) if id.stage == Stage::Rollout)
    );
    assert_eq!(asked(&given), [(3, Share::ALL)], "nothing moves before the way back is seen");
    let given = given.clone().answered(seen(ours(&given), None));
    assert_eq!(given.patch.rollout.phase, Phase::RollingBack);
    assert_eq!(asked(&given), [(3, Share::NONE), (3, Share::ALL)]);
    // The target says that every instance of the old version is healthy.
    let given = given.follows(600, JudgeAnswer::Continue);
    assert_eq!(asked(&given), [(3, Share::ALL), (3, Share::NONE)]);
    let given = given.follows(700, JudgeAnswer::Continue);
    assert_eq!((given.patch.rollout.phase.clone(), asked(&given)), (Phase::Retiring, vec![(3, Share::ALL)]));
    let given = given.follows(700, JudgeAnswer::Continue);
    let end = End::RolledBack("ann: carts are empty".to_owned());
    assert_eq!(given.patch.review.end, Some(end));
    assert!(!given.patch.is_closed(), "it is looked back at once more");
    assert!(given.answered(reviewed()).patch.is_closed());
}

#[test]
fn a_recall_claims_the_service_and_gives_it_back() {
    let given = promoted();
    let lock = given.patch.opening.as_ref().and_then(|opening| opening.service.lock());
    let events = given.decide(by("ann", rollback())).unwrap();
    assert_eq!(locks(&given.patch, &events), (lock.clone(), None));
    let given = given.takes(&events);
    let kept = given.decide(given.answer(seen(Digest::of(b"other"), None))).unwrap();
    assert_eq!(locks(&given.patch, &kept), (None, lock));
}

#[test]
fn where_the_way_back_is_gone_it_stays_promoted_and_says_why() {
    let given = recalling();
    let then: Result<&[&str], &str> = Ok(&["rollout kept", "review ended promoted"]);
    check(&given, given.answer(seen(stable().artifact, None)), then);
    check(&given, given.answer(seen(ours(&given), Some("its bytes are gone"))), then);
    let kept = given.clone().answered(seen(ours(&given), Some("its bytes are gone")));
    assert_eq!((&kept.patch.rollout.phase, kept.patch.rollout.recalled), (&Phase::Promoted, None));
    assert_eq!(kept.patch.rollout.cause, None);
    check(&kept.surveyed(), by("ann", rollback()), Ok(&["rollout recalled"]));
}

#[test]
fn a_person_may_think_again_until_something_moves() {
    let given = recalling();
    let promote = || steer(rollout::Command::Promote { reason: "it was the other one".to_owned() });
    check(&given, by("bob", rollback()), Ok(&[]));
    check(&given, by("bob", promote()), Ok(&["rollout kept", "review ended promoted"]));
    let moving = given.clone().answered(seen(ours(&given), None));
    check(&moving, by("bob", promote()), Err("does not apply"));
}

#[test]
fn only_what_runs_is_taken_back_and_only_by_a_person() {
    let given = promoted();
    check(&given, Command { by: Actor::Machine, ask: rollback() }, Err("only a named person"));
    let lock = given.patch.opening.as_ref().and_then(|opening| opening.service.lock()).unwrap();
    let mut moved = given.clone();
    moved.board.locks.insert(lock.clone(), PatchId(9));
    check(&moved, by("ann", rollback()), Err("P-9 moves this service"));
    let mut covered = given.clone();
    covered.board.runs.insert(lock, PatchId(9));
    check(&covered, by("ann", rollback()), Err("P-9 was promoted over it"));
    let back = Given::retiring().follows(200, JudgeAnswer::Continue);
    check(&back, by("ann", rollback()), Ok(&[]));
}

#[test]
fn a_target_that_can_t_be_asked_is_asked_again_and_a_person_is_called() {
    let mut given = recalling();
    for _ in 0..5 {
        given = given.failed(Failure::permanent("no route to the host")).later(2);
    }
    assert_eq!(given.patch.rollout.phase, Phase::Recalling);
    assert!(given.patch.rollout.paged);
    assert!(matches!(given.due(), Due::Job(_, Job::Rollout(rollout::Job::Recall))));
}
