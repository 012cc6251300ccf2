//! Which range gets which version: what was planned, and for what the planned versions ask anew a version that is there.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::stage::generate::Rung;

use crate::dependency::market::{Kind, Market};
use crate::dependency::node::range::{admits, is_above};
use crate::dependency::sketch::Plan;
use crate::dependency::yarn::lock::{Ask, Lock};

/// One range with the version that it is to get.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pin {
    pub(crate) called: String,
    pub(crate) range: String,
    /// The registry's name.
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Pin {
    pub(crate) fn ask(&self) -> Ask {
        (self.called.clone(), self.range.clone())
    }

    /// The version as a range of berry.
    pub(crate) fn exactly(&self) -> String {
        if self.called == self.name {
            format!("npm:{}", self.version)
        } else {
            format!("npm:{}@{}", self.name, self.version)
        }
    }
}

/// An override is no pin: what asks for it does not take it.
pub(crate) fn pins(plan: &Plan, lock: &Lock, market: &dyn Market) -> Vec<Pin> {
    let graph = &lock.state.graph;
    let to: BTreeMap<usize, &str> = plan.steps.iter().map(|step| (step.node, step.to.as_str())).collect();
    let mut pinned: BTreeMap<Ask, Pin> = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| !lock.resolved.contains_key(&step.node)) {
        let node = &graph.nodes[step.node];
        let ranges: BTreeSet<&String> =
            plan.asked.get(&step.node).into_iter().flatten().map(|(_, range)| range).collect();
        for range in ranges {
            let ask = (node.called.clone(), range.clone());
            // A range that the lockfile answers elsewhere is chosen for there.
            let elsewhere = lock.answered.get(&ask).is_some_and(|other| *other != step.node);
            if elsewhere || (step.rung == Rung::Override && !admits(range, &step.to)) {
                continue;
            }
            let (called, range) = ask.clone();
            pinned.insert(ask, Pin { called, range, name: node.name.clone(), version: step.to.clone() });
        }
    }
    for step in &plan.steps {
        let releases = market.releases(&graph.nodes[step.node].name).unwrap_or_default();
        let release = releases.iter().find(|release| release.version == step.to);
        for required in release.into_iter().flat_map(|release| &release.requirements) {
            let ask = (required.called.clone(), required.range.clone());
            if matches!(required.kind, Kind::Peer | Kind::OptionalPeer)
                || pinned.contains_key(&ask)
                || lock.answered.contains_key(&ask)
            {
                continue;
            }
            let mut best: Option<(&str, &str)> = None;
            for at in graph.called(&required.called) {
                let version = to.get(at).copied().unwrap_or(&graph.nodes[*at].version);
                let name = &graph.nodes[*at].name;
                let fits = graph.nodes[*at].movable
                    && admits(&required.range, version)
                    && !market.is_vulnerable(name, version);
                if fits && best.is_none_or(|(_, best)| is_above(version, best)) {
                    best = Some((name, version));
                }
            }
            if let Some((name, version)) = best {
                let (called, range) = ask.clone();
                pinned.insert(ask, Pin { called, range, name: name.to_owned(), version: version.to_owned() });
            }
        }
    }
    pinned.into_values().collect()
}
