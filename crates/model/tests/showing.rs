//! What shows a finding, added to a patch that is open: given a patch, when a person adds it, then it is proven again.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, approve_as, by, check, decision, dossier, pair, verdict};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::id::Stage;
use patchline_model::job::{Due, Job};
use patchline_model::reproducer::How;
use patchline_model::service::Reproducer;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::detect::{Command as Detect, Until};
use patchline_model::stage::verify;
use patchline_model::stage::verify::CheckResult::Passed;

fn show(advisory: &str, program: &str) -> Ask {
    let how = How::Command(vec![program.to_owned()]);
    Ask::Detect(Detect::Show(Box::new(Reproducer { advisory: advisory.to_owned(), how })))
}

/// A patch at the gate, with nothing that shows its finding.
fn at_the_gate() -> Given {
    let mut opening = given::opening(Until::Rollout);
    opening.service.reproducers.clear();
    let open = Ask::Detect(Detect::Open(Box::new(opening)));
    Given::nothing()
        .asked("ann", open)
        .answered(given::scanned(vec![given::finding()]))
        .answered(given::proposal(given::candidate(1)))
        .answered(pair())
        .answered(verdict(Passed))
        .answered(decision(Answer::Needs(vec!["owner".to_owned()]), 0))
}

#[test]
fn what_was_proven_without_it_is_proven_again_and_nobodys_word_on_that_counts() {
    let given = at_the_gate().asked("bob", approve_as("owner", dossier()));
    check(&given, by("ann", show("RUSTSEC-2018-0006", "show")), Ok(&["detect shown", "verify dropped"]));
    let gate = given.owed();
    let given = given.asked("ann", show("RUSTSEC-2018-0006", "show"));
    assert!(
        matches!(given.due(), Due::Job(id, Job::Verify(verify::Job::Check)) if id.stage == Stage::Verify)
    );
    let reproducers = &given.patch.opening.as_ref().expect("it is open").service.reproducers;
    assert_eq!(reproducers.len(), 1);
    assert!(given.patch.approve.approvals.is_empty() && given.patch.candidate().is_some());
    // What the policy said of the proof before comes too late.
    let late = Command::report(gate, Ok(decision(Answer::Allow, 1)));
    check(&given, late, Err("not owed now"));
    let given = given.answered(verdict(Passed));
    assert!(matches!(given.due(), Due::Job(id, _) if id.stage == Stage::Approve));
}

#[test]
fn it_is_added_once_by_a_person_and_for_a_finding_of_the_patch() {
    let given = at_the_gate();
    check(&given, by("ann", show("CVE-2018-20993", "show")), Ok(&["detect shown", "verify dropped"]));
    check(&given, by("ann", show("CVE-0000-0000", "show")), Err("it has no finding `CVE-0000-0000`"));
    let machine = Command { by: Actor::Machine, ask: show("RUSTSEC-2018-0006", "show") };
    check(&given, machine, Err("only a named person"));
    let given = given.asked("ann", show("CVE-2018-20993", "show"));
    check(&given, by("ann", show("RUSTSEC-2018-0006", "show")), Ok(&[]));
    check(&given, by("ann", show("RUSTSEC-2018-0006", "other")), Err("something else shows"));
}

#[test]
fn what_has_not_come_to_a_proof_takes_it_along_and_what_moves_or_has_ended_is_too_late() {
    check(&Given::found(), by("ann", show("RUSTSEC-2018-0006", "other")), Err("something else shows"));
    check(&Given::watching(), by("ann", show("RUSTSEC-2018-0006", "show")), Err("`report` does not apply"));
    check(&Given::promoted(), by("ann", show("RUSTSEC-2018-0006", "show")), Err("`report` does not apply"));
    check(&Given::nothing(), by("ann", show("RUSTSEC-2018-0006", "show")), Err("does not exist"));
}
