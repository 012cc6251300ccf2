//! What choosing versions leads to: the plan, and the graph as it would be on the way to it.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::stage::generate::Rung;

use crate::dependency::graph::{Edge, Graph};

/// One copy that goes to another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) node: usize,
    pub(crate) to: String,
    pub(crate) rung: Rung,
}

/// One range of a manifest of the repository that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relaxed {
    pub(crate) from: usize,
    pub(crate) called: String,
    pub(crate) range: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) relaxed: Vec<Relaxed>,
    /// Copies in whose place another copy serves from now on.
    pub(crate) merged: Vec<usize>,
    /// Copies that no version can be found for, with why.
    pub(crate) unsolved: Vec<(usize, Vec<String>)>,
    /// Packages of which the market must know more before the plan counts.
    pub(crate) unknown: BTreeSet<String>,
    /// Copies that moved so that another one comes within them, if the newer archive has one: by the copy that it is about.
    pub(crate) hopes: BTreeMap<usize, usize>,
    /// Who asks for a copy that moves, with the range that holds then.
    pub(crate) asked: BTreeMap<usize, Vec<(usize, String)>>,
    /// Overrides of what comes along.
    pub(crate) guards: Vec<Guard>,
}

/// A version that a package gets which comes along with a step, where what asks for it takes only such as break a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Guard {
    /// Who asks.
    pub(crate) asking: String,
    pub(crate) called: String,
    pub(crate) to: String,
    /// The package and version of the step that it comes along with: without that nothing need be said.
    pub(crate) step: (String, String),
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.relaxed.is_empty() && self.merged.is_empty()
    }
}

/// The graph as it would be.
#[derive(Clone)]
pub(crate) struct Sketch {
    pub(crate) edges: Vec<Edge>,
    /// Places in `edges`, by where they lead.
    pub(crate) into: BTreeMap<usize, Vec<usize>>,
    pub(crate) out: BTreeMap<usize, Vec<usize>>,
    pub(crate) gone: BTreeSet<usize>,
    /// What stays without anything that leads to it.
    pub(crate) own: BTreeSet<usize>,
    pub(crate) merged: BTreeSet<usize>,
    pub(crate) steps: BTreeMap<usize, (String, Rung)>,
    pub(crate) relaxed: BTreeMap<(usize, String), Relaxed>,
    pub(crate) hopes: BTreeMap<usize, usize>,
    /// The ranges that an override was chosen against.
    pub(crate) overridden: BTreeMap<usize, Vec<String>>,
}

impl Sketch {
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut sketch = Self {
            edges: Vec::new(),
            into: BTreeMap::new(),
            out: BTreeMap::new(),
            gone: BTreeSet::new(),
            own: (0..graph.nodes.len())
                .filter(|node| graph.nodes[*node].own || graph.kept.contains(node))
                .collect(),
            merged: BTreeSet::new(),
            steps: BTreeMap::new(),
            relaxed: BTreeMap::new(),
            hopes: BTreeMap::new(),
            overridden: BTreeMap::new(),
        };
        graph.edges.iter().for_each(|edge| sketch.connect(edge.clone()));
        sketch
    }

    pub(crate) fn connect(&mut self, edge: Edge) {
        let at = self.edges.len();
        self.into.entry(edge.to).or_default().push(at);
        self.out.entry(edge.from).or_default().push(at);
        self.edges.push(edge);
    }

    pub(crate) fn edges_into(&self, node: usize) -> Vec<usize> {
        let live = |at: &&usize| !self.gone.contains(*at);
        self.into.get(&node).into_iter().flatten().filter(live).copied().collect()
    }

    /// Whether a way leads to it from the repository's own packages.
    pub(crate) fn is_needed(&self, node: usize) -> bool {
        let (mut open, mut seen) = (vec![node], BTreeSet::from([node]));
        while let Some(at) = open.pop() {
            if self.own.contains(&at) {
                return true;
            }
            let above = self.edges_into(at).into_iter().map(|edge| self.edges[edge].from);
            open.extend(above.filter(|above| seen.insert(*above)));
        }
        false
    }
}
