//! What a scan amounts to, in numbers; those of its parts add up.

use std::collections::BTreeMap;

use patchline_model::triage::action::Action;

use crate::report::scanned::Scanned;
use crate::report::words::counted;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub findings: usize,
    /// How many findings ask for which action.
    pub actions: BTreeMap<Action, usize>,
    pub packages: usize,
    /// How many packages are of which ecosystem.
    pub ecosystems: BTreeMap<String, usize>,
    pub unresolved: usize,
}

impl Tally {
    pub fn of(scanned: &Scanned) -> Self {
        let mut actions = BTreeMap::new();
        for row in &scanned.rows {
            *actions.entry(row.priority.action).or_default() += 1;
        }
        let ecosystems = counted(&scanned.inventory).into_iter();
        Self {
            findings: scanned.rows.len(),
            actions,
            packages: scanned.inventory.len(),
            ecosystems: ecosystems.map(|(name, count)| (name.to_owned(), count)).collect(),
            unresolved: scanned.unresolved.len(),
        }
    }

    pub fn add(&mut self, more: Tally) {
        let Tally { findings, actions, packages, ecosystems, unresolved } = more;
        self.findings += findings;
        self.packages += packages;
        self.unresolved += unresolved;
        for (action, count) in actions {
            *self.actions.entry(action).or_default() += count;
        }
        for (name, count) in ecosystems {
            *self.ecosystems.entry(name).or_default() += count;
        }
    }

    /// The most urgent of all that is to be done.
    pub fn worst(&self) -> Option<Action> {
        self.actions.keys().next_back().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use patchline_model::triage::action::Action;

    use super::Tally;

    #[test]
    fn parts_add_up() {
        let part = |actions: &[(Action, usize)], name: &str| Tally {
            findings: actions.iter().map(|(_, count)| count).sum(),
            actions: actions.iter().copied().collect(),
            packages: 10,
            ecosystems: BTreeMap::from([(name.to_owned(), 10)]),
            unresolved: 1,
        };
        let mut whole = Tally::default();
        assert_eq!(whole.worst(), None);
        whole.add(part(&[(Action::Watch, 2), (Action::Schedule, 1)], "npm"));
        whole.add(part(&[(Action::Watch, 3)], "npm"));
        whole.add(part(&[(Action::ActNow, 1)], "Go"));
        let actions = [(Action::Watch, 5), (Action::Schedule, 1), (Action::ActNow, 1)];
        assert_eq!(
            whole,
            Tally {
                findings: 7,
                actions: BTreeMap::from(actions),
                packages: 30,
                ecosystems: BTreeMap::from([("npm".to_owned(), 20), ("Go".to_owned(), 10)]),
                unresolved: 3,
            }
        );
        assert_eq!(whole.worst(), Some(Action::ActNow));
    }
}
