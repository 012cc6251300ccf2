//! Steps that are refused together: tried in parts, until the bad one is alone and the others stand.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, candidate, check, finding, pair, proposal, scanned, verdict};
use patchline_model::id::FindingId;
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::{self, Candidate};
use patchline_model::stage::review::End;
use patchline_model::stage::verify::CheckResult::{Failed, Passed};

const NEXT: [&str; 3] = ["generate refused", "build dropped", "verify dropped"];

fn named(name: &str) -> Finding {
    let mut one = finding();
    one.id = FindingId(name.to_owned());
    one.package.as_mut().expect("it is of a package").name = name.to_owned();
    one
}

/// Findings of these packages, and a candidate for all of them.
fn proposed(names: &[&str]) -> Given {
    let findings = names.iter().map(|name| named(name)).collect();
    Given::opened().answered(scanned(findings)).answered(proposal(for_these(1, names)))
}

fn for_these(number: u32, names: &[&str]) -> Candidate {
    Candidate {
        removes: names.iter().map(|name| FindingId((*name).to_owned())).collect(),
        ..candidate(number)
    }
}

fn scope(given: &Given) -> Vec<String> {
    let division = given.patch.generate.division.as_ref().expect("it was divided");
    division.scope().into_iter().map(|id| id.0).collect()
}

#[test]
fn the_bad_step_is_left_by_name_and_the_others_are_one_patch() {
    let given = proposed(&["a", "b", "c", "d"]).answered(pair());
    let refused = given.answer(verdict(Failed));
    check(&given, refused, Ok(&["verify verified", NEXT[0], "generate divided", NEXT[1], NEXT[2]]));
    let given = given.answered(verdict(Failed));
    assert_eq!(scope(&given), ["a", "b"]);
    assert!(matches!(given.due(), Due::Job(_, Job::Generate(generate::Job::Propose { number: 2 }))));
    let given = given.answered(proposal(for_these(2, &["a", "b"]))).answered(pair());
    let holds = given.answer(verdict(Passed));
    check(&given, holds, Ok(&["verify verified", "generate held", NEXT[1], NEXT[2]]));
    // `c` and `d` with what holds are all of them, and known to be refused: `c` is tried alone.
    let given = given.answered(verdict(Passed));
    assert_eq!(scope(&given), ["a", "b", "c"]);
    let given = given.answered(proposal(for_these(3, &["a", "b", "c"]))).answered(pair());
    let holds = given.answer(verdict(Passed));
    check(&given, holds, Ok(&["verify verified", "generate settled"]));
    let given = given.answered(verdict(Passed));
    let kept = given.patch.candidate().expect("it is kept").clone();
    assert_eq!(kept.number, 3);
    let (left, why) = &kept.leaves[0];
    assert_eq!(left.0, "d");
    assert!(why.starts_with("its step breaks a check: ") && why.contains("crashes before"), "{why}");
    assert!(given.patch.verify.verdict.is_some() && !given.patch.has_ended());
}

#[test]
fn what_holds_is_proven_as_a_whole_where_the_last_try_was_another() {
    let given = proposed(&["a", "b", "c"]).answered(pair()).answered(verdict(Failed));
    let given =
        given.answered(proposal(for_these(2, &["a", "b"]))).answered(pair()).answered(verdict(Failed));
    assert_eq!(scope(&given), ["a"]);
    let given = given.answered(proposal(for_these(3, &["a"]))).answered(pair()).answered(verdict(Passed));
    assert_eq!(scope(&given), ["a", "c"], "`b` is bad: with `a` it was refused, without it `a` held");
    let given = given.answered(proposal(for_these(4, &["a", "c"]))).answered(pair());
    check(&given, given.answer(verdict(Failed)), Ok(&["verify verified", NEXT[0], NEXT[1], NEXT[2]]));
    let given = given.answered(verdict(Failed));
    assert_eq!(scope(&given), ["a"], "it holds, and is made once more");
    let given = given.answered(proposal(for_these(5, &["a"]))).answered(pair());
    check(&given, given.answer(verdict(Passed)), Ok(&["verify verified", "generate settled"]));
    let failed = given.answer(verdict(Failed));
    let end = ["verify verified", NEXT[0], NEXT[1], NEXT[2], "review ended abandoned"];
    check(&given, failed, Ok(&end));
}

#[test]
fn a_part_that_nobody_can_make_is_a_part_that_does_not_hold() {
    let none =
        || Outcome::Generate(generate::Outcome::NoFix { reasons: vec!["it needs the other".to_owned()] });
    let given = proposed(&["a", "b"]).answered(pair()).answered(verdict(Failed));
    check(&given, given.answer(none()), Ok(&["generate refused"]));
    let given = given.answered(none());
    assert_eq!(scope(&given), ["b"]);
    check(&given, given.answer(none()), Ok(&["generate refused", "review ended abandoned"]));
    let given = given.answered(none());
    assert!(
        matches!(&given.patch.review.end, Some(End::Abandoned(why)) if why.contains("no step of it holds"))
    );
    let leaves = given.patch.generate.division.as_ref().expect("it was divided").leaves();
    assert_eq!(leaves.len(), 2);
}

#[test]
fn what_is_one_step_has_other_versions_to_try_and_is_not_divided() {
    let mut twice = named("a");
    twice.id = FindingId("a, by another advisory".to_owned());
    let found = Given::opened().answered(scanned(vec![named("a"), twice]));
    let both = for_these(1, &["a", "a, by another advisory"]);
    let given = found.answered(proposal(both)).answered(pair());
    check(&given, given.answer(verdict(Failed)), Ok(&["verify verified", NEXT[0], NEXT[1], NEXT[2]]));
}
