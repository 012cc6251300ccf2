//! Which findings become one patch: those of one priority and one owner, the most urgent first.

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

/// The groups of these findings. What one step removes can't be in two patches: it goes with the most urgent of them.
pub fn groups(findings: &[Finding], priorities: &[Priority]) -> Vec<Group> {
    let of = |finding: &Finding| priorities.iter().find(|priority| priority.finding == finding.id);
    let mut steps: BTreeMap<(String, &str), Action> = BTreeMap::new();
    for (finding, priority) in findings.iter().filter_map(|finding| Some((finding, of(finding)?))) {
        let action = steps.entry((finding.step(), &priority.owner)).or_insert(priority.action);
        *action = (*action).max(priority.action);
    }
    let mut groups: Vec<Group> = Vec::new();
    for (finding, priority) in findings.iter().filter_map(|finding| Some((finding, of(finding)?))) {
        let action =
            steps.get(&(finding.step(), priority.owner.as_str())).copied().unwrap_or(priority.action);
        let id = finding.id.clone();
        match groups.iter_mut().find(|group| group.action == action && group.owner == priority.owner) {
            Some(group) => group.findings.push(id),
            None => groups.push(Group { action, owner: priority.owner.clone(), findings: vec![id] }),
        }
    }
    groups.sort_by(|a, b| b.action.cmp(&a.action).then_with(|| a.owner.cmp(&b.owner)));
    groups
}
