//! What is found in a commit, as one group of findings for each patch that it shall get.

use std::path::Path;
use std::sync::Arc;

use patchline_model::context::{Board, Context};
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::{FindingId, PatchId};
use patchline_model::owner::Owners;
use patchline_model::policy::Policy;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Finding, Subject, Until};
use patchline_model::stage::triage::prioritise;
use patchline_model::triage::group::{Group, groups};
use patchline_sandbox::Git;

use crate::clock;
use crate::conductor::Conductor;
use crate::failures::{git_failure, storage};
use crate::hands::Hands;
use crate::jobs::detect::{Seen, findings_to_fix, is_own, refuse_unknown, wanted};
use crate::jobs::generate::has_fixer;
use crate::projection::Known;

/// Which findings share a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Those of one priority and one owner.
    #[default]
    Priority,
    /// All of them.
    All,
}

/// What of a name that no finding bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// It is an error.
    AllThere,
    /// What it named was fixed meanwhile.
    SomeGone,
}

/// What is to be fixed at a commit, and whom it names as owners of that.
#[derive(Debug)]
pub struct Found {
    pub findings: Vec<Finding>,
    pub owners: Owners,
    /// What is to be said of old advisories.
    pub warning: Option<String>,
}

/// The findings at a commit that are to be fixed, as far as they bear one of these names; nothing is left behind.
pub async fn found(
    hands: &Hands,
    service: &Service,
    base: &Commit,
    (only, names): (&[String], Names),
    reports: &[Digest],
) -> Result<Found, Failure> {
    let scratch =
        hands.home.root().join("work").join(format!("found-{}-{}", service.name, std::process::id()));
    let git = Git::at(Path::new(&service.repository));
    let unmade = |error: std::io::Error| Failure::transient(format!("{}: {error}", scratch.display()));
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(unmade)?;
    }
    git.export(base.as_str(), &scratch).await.map_err(|error| git_failure(&error))?;
    let seen = findings_to_fix(hands, service, (base, &scratch), reports).await;
    // What could not be removed is replaced by the next look.
    drop(std::fs::remove_dir_all(&scratch));
    let Seen { findings: found, owners, warning, .. } = seen?;
    if names == Names::AllThere {
        refuse_unknown(only, &found)?;
    }
    let findings = found.into_iter().filter(|finding| wanted(finding, only)).collect();
    Ok(Found { findings, owners, warning })
}

/// These findings by triage's priority and owner, the most urgent first. What no fixer can do anything about here gets no patch
/// of its own: it is left, by name, in the first one.
pub fn grouped(
    hands: &Hands,
    policy: &Policy,
    service: &Service,
    Found { findings, owners, .. }: &Found,
    grouping: Grouping,
) -> Vec<Group> {
    let board = Board::default();
    let cx = Context { now: clock::now(), policy, board: &board };
    let is_hopeless = |id: &FindingId| {
        let is_it =
            |finding: &&Finding| finding.id == *id && is_own(finding) && has_fixer(finding, &hands.fixers);
        !findings.iter().any(|finding| is_it(&finding))
    };
    let groups = groups(findings, &prioritise(cx, service, findings, owners));
    gathered(groups, |group| grouping == Grouping::All || group.findings.iter().all(is_hopeless))
}

/// The groups without those that are to be part of the first other one; where there is no other, all are one.
fn gathered(groups: Vec<Group>, joins: impl Fn(&Group) -> bool) -> Vec<Group> {
    let (joining, mut own): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(joins);
    let mut joining = joining.into_iter();
    if own.is_empty() {
        own.extend(joining.next());
    }
    if let Some(first) = own.first_mut() {
        first.findings.extend(joining.flat_map(|group| group.findings));
    }
    own
}

/// What a patch of this group is opened for.
pub fn subject(group: &Group, reports: &[Digest]) -> Subject {
    let only = group.findings.iter().map(|finding| finding.0.clone()).collect();
    Subject::Scan { only, reports: reports.to_vec() }
}

/// The patch under way that has all of these findings. One that goes to a rollout stands for them whatever was committed since; one
/// that ends as a branch, on its own base alone.
pub async fn open_for(
    conductor: &Conductor,
    service: &Service,
    base: &Commit,
    findings: &[FindingId],
    until: Until,
) -> Result<Option<PatchId>, Failure> {
    let patches = conductor.patches().await.map_err(|error| storage(&error))?;
    let is_it = |known: &&Arc<Known>| {
        let patch = &known.patch;
        let Some(opening) = patch.opening.as_ref().filter(|_| !patch.has_ended()) else { return false };
        let is_same = opening.service.name == service.name
            && opening.service.lock() == service.lock()
            && opening.service.folder == service.folder
            && opening.until == until
            && opening.terms.is_blank()
            && matches!(opening.subject, Subject::Scan { .. });
        let is_there = opening.base == *base || patch.goes_to_rollout();
        let has = |id: &FindingId| patch.findings().iter().any(|finding| finding.id == *id);
        is_same && is_there && !findings.is_empty() && findings.iter().all(has)
    };
    Ok(patches.iter().find(is_it).map(|known| known.patch.id))
}

#[cfg(test)]
mod tests {
    use patchline_model::id::FindingId;
    use patchline_model::triage::action::Action;
    use patchline_model::triage::group::Group;

    use super::gathered;

    fn check(given: &[(Action, &str)], joins: &[&str], then: &[&[&str]]) {
        let group = |(action, name): &(Action, &str)| {
            let findings = vec![FindingId((*name).to_owned())];
            Group { action: *action, owner: "us".to_owned(), findings }
        };
        let groups = gathered(given.iter().map(group).collect(), |group| {
            group.findings.iter().any(|id| joins.contains(&id.0.as_str()))
        });
        let names = |group: &Group| group.findings.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
        assert_eq!(groups.iter().map(names).collect::<Vec<_>>(), then);
    }

    #[test]
    fn what_nobody_can_fix_gets_no_patch_of_its_own_unless_there_is_nothing_else() {
        let three = [(Action::ActNow, "a"), (Action::Schedule, "b"), (Action::Watch, "c")];
        check(&three, &[], &[&["a"], &["b"], &["c"]]);
        check(&three, &["a"], &[&["b", "a"], &["c"]]);
        check(&three, &["a", "b", "c"], &[&["a", "b", "c"]]);
        check(&[], &[], &[]);
    }
}
