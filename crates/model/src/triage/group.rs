//! Which findings become one patch: those of one priority and one owner, the most urgent first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::id::FindingId;
use crate::stage::detect::Finding;
use crate::stage::triage::Priority;
use crate::triage::action::Action;

/// Findings for one patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub action: Action,
    pub owner: String,
    pub findings: Vec<FindingId>,
}

/// The groups of these findings. What one step removes can't be in two patches: it goes with the most urgent of them, to whoever
/// owns that one.
pub fn groups(findings: &[Finding], priorities: &[Priority]) -> Vec<Group> {
    let of = |finding: &Finding| priorities.iter().find(|priority| priority.finding == finding.id);
    let ranked = |priority: &Priority| (Reverse(priority.action), priority.finding.clone());
    let mut steps: BTreeMap<String, &Priority> = BTreeMap::new();
    for (finding, priority) in findings.iter().filter_map(|finding| Some((finding, of(finding)?))) {
        let first = steps.entry(finding.step()).or_insert(priority);
        if ranked(priority) < ranked(first) {
            *first = priority;
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for finding in findings {
        let Some(Priority { action, owner, .. }) = steps.get(&finding.step()) else { continue };
        let id = finding.id.clone();
        match groups.iter_mut().find(|group| group.action == *action && group.owner == *owner) {
            Some(group) => group.findings.push(id),
            None => groups.push(Group { action: *action, owner: owner.clone(), findings: vec![id] }),
        }
    }
    groups.sort_by(|a, b| b.action.cmp(&a.action).then_with(|| a.owner.cmp(&b.owner)));
    groups
}
