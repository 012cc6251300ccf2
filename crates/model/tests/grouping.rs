//! Which findings become one patch, and who of several patches begins first.

#[path = "fixtures/given.rs"]
mod given;

use std::collections::BTreeMap;
use std::sync::Arc;

use given::{Given, candidate, decision, finding, pair, proposal, scanned, verdict};
use patchline_model::context::Board;
use patchline_model::id::{FindingId, PatchId, Stage};
use patchline_model::job::Due;
use patchline_model::owner::{Named, Owners};
use patchline_model::patch::Patch;
use patchline_model::pipeline::survey::survey;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::terms::{Membership, Terms};
use patchline_model::stage::triage::prioritise;
use patchline_model::stage::verify::CheckResult;
use patchline_model::triage::action::Action;
use patchline_model::triage::group::groups;

const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const LOW: &str = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:L/A:N";

fn of(package: &str, advisory: &str, severity: &str, fixed: &[&str]) -> Finding {
    let mut one = finding();
    one.id = FindingId(format!("{advisory}@{package}"));
    one.package.as_mut().expect("it is of a package").name = package.to_owned();
    one.severity = vec![severity.to_owned()];
    one.fixed = fixed.iter().map(|version| (*version).to_owned()).collect();
    one
}

/// As [`finding`], of a file of code.
fn in_file(path: &str, rule: &str, severity: &str) -> Finding {
    let mut one = finding();
    one.id = FindingId(format!("{rule}@{path}"));
    one.package = None;
    one.location.path = path.to_owned();
    one.severity = vec![severity.to_owned()];
    one
}

fn named(owners: &[(&Finding, &str)]) -> Owners {
    let rule = ".github/CODEOWNERS:7".to_owned();
    let named = |owner: &str| Named { owner: owner.to_owned(), rule: rule.clone() };
    owners.iter().map(|(finding, owner)| (finding.id.clone(), named(owner))).collect()
}

fn grouped(findings: &[Finding]) -> Vec<(Action, Vec<String>)> {
    let given = Given::nothing();
    let mut service = given::service();
    service.tier = patchline_model::service::Tier::try_from(3).expect("3 is a tier");
    let priorities = prioritise(given.cx(), &service, findings, &Owners::new());
    let groups = groups(findings, &priorities);
    assert!(groups.iter().all(|group| group.owner == service.owner));
    groups
        .into_iter()
        .map(|group| (group.action, group.findings.into_iter().map(|id| id.0).collect()))
        .collect()
}

#[test]
fn one_group_for_each_priority_and_the_most_urgent_first() {
    let findings =
        [of("a", "1", LOW, &["2.0.0"]), of("b", "2", CRITICAL, &["2.0.0"]), of("c", "3", LOW, &["2.0.0"])];
    assert_eq!(
        grouped(&findings),
        [(Action::ActNow, vec!["2@b".to_owned()]), (Action::Watch, vec!["1@a".to_owned(), "3@c".to_owned()])]
    );
    assert_eq!(grouped(&[]), []);
}

#[test]
fn what_one_step_removes_is_one_patch_by_its_most_urgent_finding() {
    let findings = [of("a", "1", LOW, &["2.0.0"]), of("a", "2", CRITICAL, &["2.0.0"])];
    assert_eq!(grouped(&findings), [(Action::ActNow, vec!["1@a".to_owned(), "2@a".to_owned()])]);
}

#[test]
fn findings_of_one_priority_are_a_patch_for_each_owner_and_one_step_is_never_two() {
    let given = Given::nothing();
    let findings = [
        in_file("a.py", "1", CRITICAL),
        in_file("b.py", "2", CRITICAL),
        in_file("c.py", "3", CRITICAL),
        of("x", "4", LOW, &["2.0.0"]),
        of("x", "5", CRITICAL, &["2.0.0"]),
    ];
    let owners = named(&[
        (&findings[0], "@b"),
        (&findings[1], "@a @c"),
        (&findings[3], "@a @c"),
        (&findings[4], "@b"),
    ]);
    let priorities = prioritise(given.cx(), &given::service(), &findings, &owners);
    let told: Vec<(String, Vec<&str>)> = groups(&findings, &priorities)
        .iter()
        .map(|group| {
            (
                group.owner.clone(),
                findings
                    .iter()
                    .filter(|one| group.findings.contains(&one.id))
                    .map(|one| one.id.0.as_str())
                    .collect(),
            )
        })
        .collect();
    let us = given::service().owner;
    assert_eq!(
        told,
        [
            ("@a @c".to_owned(), vec!["2@b.py"]),
            ("@b".to_owned(), vec!["1@a.py", "4@x", "5@x"]),
            (us, vec!["3@c.py"]),
        ]
    );
    let first = priorities.iter().find(|priority| priority.finding == findings[0].id).expect("it is ranked");
    assert!(first.reasons.contains(&"`.github/CODEOWNERS:7` names its owner, @b.".to_owned()), "{first:?}");
}

/// A patch of the same service that may begin, for a finding of this severity.
fn allowed(severity: &str) -> Given {
    let mut one = finding();
    one.severity = vec![severity.to_owned()];
    Given::opened()
        .answered(scanned(vec![one]))
        .answered(proposal(candidate(1)))
        .answered(pair())
        .answered(verdict(CheckResult::Passed))
        .answered(decision(Answer::Allow, 0))
}

fn board(patches: &[&Patch]) -> Board {
    survey(BTreeMap::new(), patches.iter().copied())
}

#[test]
fn a_hotfix_that_is_allowed_begins_before_what_is_routine_and_one_that_is_not_holds_up_nobody() {
    let (mut routine, mut urgent) = (allowed(LOW), allowed(CRITICAL));
    urgent.patch.id = PatchId(routine.patch.id.0 + 1);
    routine.board = board(&[&routine.patch, &urgent.patch]);
    urgent.board = routine.board.clone();
    assert!(matches!(routine.due(), Due::Wake(_)), "{:?}", routine.due());
    assert!(matches!(urgent.due(), Due::Job(id, _) if id.stage == Stage::Rollout), "{:?}", urgent.due());
    // What can't be undone is as urgent; who waits for others of its set goes before nobody.
    let stated = |terms: Terms| {
        let mut urgent = urgent.patch.clone();
        Arc::make_mut(urgent.opening.as_mut().expect("it is open")).terms = terms;
        urgent
    };
    let forward_only =
        stated(Terms { forward_only: Some("it drops a column".to_owned()), ..Terms::default() });
    routine.board = board(&[&routine.patch, &forward_only]);
    assert!(matches!(routine.due(), Due::Wake(_)), "{:?}", routine.due());
    let set = Membership { name: "topic".parse().expect("a name"), after: vec![routine.patch.id] };
    let member = stated(Terms { set: Some(set), ..Terms::default() });
    routine.board = board(&[&routine.patch, &member]);
    assert!(matches!(routine.due(), Due::Job(id, _) if id.stage == Stage::Rollout), "{:?}", routine.due());
    // Not proven, or not allowed: the routine one waits for nobody.
    let mut unproven = Given::proposed();
    unproven.patch.id = urgent.patch.id;
    routine.board = board(&[&routine.patch, &unproven.patch]);
    assert!(matches!(routine.due(), Due::Job(id, _) if id.stage == Stage::Rollout), "{:?}", routine.due());
}
