//! Break-glass: what one person's word lets pass, what it never does, and the look that is owed afterwards.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, approve_as, by, check, dossier};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::line::{Freeze, Scope, Stop};
use patchline_model::pipeline::held::hold;
use patchline_model::stage::approve::{self, Answer, Reason};
use patchline_model::stage::review;
use patchline_model::time::{Seconds, Timestamp};

fn emergency(reason: &str) -> Ask {
    let (role, reason) = ("owner".to_owned(), reason.to_owned());
    Ask::Approve(approve::Command::Emergency { role, dossier: dossier(), reason })
}

fn reviewed(note: &str) -> Ask {
    Ask::Review(review::Command::ReviewEmergency { note: note.to_owned(), evidence: None })
}

/// What the policy says of it: allowed, and whether that is because of the emergency.
fn allows(passes: bool) -> Outcome {
    let mut decision = given::decided(Answer::Allow);
    let reason =
        Reason { rule: "emergency".to_owned(), holds: passes, text: String::new(), evidence: vec![] };
    decision.reasons.push(reason);
    Outcome::Approve(approve::Outcome { decision, considered: 1 })
}

fn frozen(mut given: Given) -> Given {
    given.board.line.freezes.push(Freeze {
        number: 1,
        scope: Scope::Everything,
        from: Timestamp(0),
        until: given.now.after(Seconds(7 * 86_400)),
        reason: "the sale".to_owned(),
        hotfix_passes: false,
        by: Actor::person("dee"),
    });
    given
}

#[test]
fn only_another_named_person_with_a_reason_and_over_what_is_shown() {
    let given = Given::needs_owner();
    check(&given, by("bob", emergency("it is exploited")), Ok(&["approve approved"]));
    check(&given, by("bob", emergency(" ")), Err("needs a reason"));
    check(&given, by("bob", emergency(&"x".repeat(4001))), Err("at most 4000 bytes"));
    let author = given.patch.candidate().expect("it was proposed").author.clone();
    check(&given, by(&author, emergency("it is exploited")), Err("another person must"));
    let machine = Command { by: Actor::Machine, ask: emergency("it is exploited") };
    check(&given, machine, Err("only a named person"));
    check(&Given::built(), by("bob", emergency("it is exploited")), Err("does not apply there"));
}

#[test]
fn it_passes_a_freeze_if_the_policy_agrees_and_never_a_stop() {
    let given = frozen(Given::needs_owner()).asked("bob", emergency("it is exploited"));
    assert!(matches!(given.due(), Due::Job(_, Job::Approve(_))), "the policy is asked again");
    let disagrees = given.clone().answered(allows(false));
    assert!(hold(disagrees.cx(), &disagrees.patch).is_some());
    let mut passes = given.answered(allows(true));
    assert_eq!(hold(passes.cx(), &passes.patch), None);
    assert!(matches!(passes.due(), Due::Job(_, Job::Rollout(_))));
    let lapsed = passes.clone().later(86_400);
    assert!(hold(lapsed.cx(), &lapsed.patch).is_some(), "it lasts a day");
    let (scope, reason) = (Scope::Everything, "the database burns".to_owned());
    passes.board.line.stops.push(Stop { scope, reason, by: Actor::person("dee"), at: passes.now });
    assert!(hold(passes.cx(), &passes.patch).is_some(), "what somebody stops just now is stopped");
}

#[test]
fn what_is_allowed_and_held_may_pass_as_well_and_what_has_begun_is_not_asked_again() {
    let held = frozen(Given::allowed());
    check(&held, by("bob", emergency("it is exploited")), Ok(&["approve approved"]));
    check(&held, by("bob", approve_as("owner", dossier())), Err("does not apply there"));
    check(&Given::watching(), by("bob", emergency("it is exploited")), Err("does not apply there"));
}

#[test]
fn a_look_is_owed_until_another_person_has_had_it_and_no_emergency_comes_before() {
    let given = Given::needs_owner().asked("bob", emergency("it is exploited")).surveyed();
    let owed = given.patch.review.afterwards.clone().expect("it is owed");
    assert_eq!((owed.by.name(), owed.due), ("bob", given.now.after(Seconds(3 * 86_400))));
    check(&given, by("bob", reviewed("all well")), Err("another person must look"));
    check(&given, by("cat", reviewed("")), Err("needs a reason"));
    check(&given, by("cat", reviewed("all well")), Ok(&["review emergency_reviewed"]));
    let closed = given.clone().asked("cat", reviewed("all well"));
    assert_eq!(closed.patch.review.afterwards, None);
    check(&closed, by("cat", reviewed("again")), Err("owes no review"));
    // Another patch of the same service must wait with its emergency for the review of the first.
    let mut other = Given::needs_owner();
    other.patch.id = patchline_model::id::PatchId(9);
    other.board = given.board.clone();
    check(&other, by("bob", emergency("once more")), Err("P-7 passed in an emergency"));
    check(&other, by("bob", approve_as("owner", dossier())), Ok(&["approve approved"]));
}
