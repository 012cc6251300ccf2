//! What choosing versions leads to: the plan, and the graph as it would be on the way to it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

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
    /// Those of them that go to a version with fewer known problems all the same.
    pub(crate) lessened: BTreeSet<usize>,
    /// Packages of which the market must know more before the plan counts.
    pub(crate) unknown: BTreeSet<String>,
    /// Packages of which the market could know more, so that more might be cleared.
    pub(crate) might_help: BTreeSet<String>,
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

/// The graph as it would be. Only what differs from the graph is kept, so that a copy costs little.
#[derive(Clone)]
pub(crate) struct Sketch<'a> {
    graph: &'a Graph,
    /// The graph's own edges, by where they lead and whence.
    ways: Rc<Ways>,
    /// Edges beyond those of the graph, which are numbered on.
    added: Vec<Edge>,
    added_ways: Ways,
    /// What an edge of the graph asks for instead.
    asked: BTreeMap<usize, String>,
    pub(crate) gone: BTreeSet<usize>,
    pub(crate) merged: BTreeSet<usize>,
    pub(crate) steps: BTreeMap<usize, (String, Rung)>,
    pub(crate) relaxed: BTreeMap<(usize, String), Relaxed>,
    pub(crate) hopes: BTreeMap<usize, usize>,
    /// The ranges that an override was chosen against.
    pub(crate) overridden: BTreeMap<usize, Vec<String>>,
}

/// The numbers of edges, by the nodes at their ends.
#[derive(Clone, Default)]
struct Ways {
    into: BTreeMap<usize, Vec<usize>>,
    out: BTreeMap<usize, Vec<usize>>,
}

impl Ways {
    fn connect(&mut self, at: usize, edge: &Edge) {
        self.into.entry(edge.to).or_default().push(at);
        self.out.entry(edge.from).or_default().push(at);
    }
}

impl<'a> Sketch<'a> {
    pub(crate) fn of(graph: &'a Graph) -> Self {
        let mut ways = Ways::default();
        graph.edges.iter().enumerate().for_each(|(at, edge)| ways.connect(at, edge));
        Self {
            graph,
            ways: Rc::new(ways),
            added: Vec::new(),
            added_ways: Ways::default(),
            asked: BTreeMap::new(),
            gone: BTreeSet::new(),
            merged: BTreeSet::new(),
            steps: BTreeMap::new(),
            relaxed: BTreeMap::new(),
            hopes: BTreeMap::new(),
            overridden: BTreeMap::new(),
        }
    }

    pub(crate) fn connect(&mut self, edge: Edge) {
        self.added_ways.connect(self.graph.edges.len() + self.added.len(), &edge);
        self.added.push(edge);
    }

    /// Who asks, and which copy serves.
    pub(crate) fn ends(&self, at: usize) -> (usize, usize) {
        let Edge { from, to, .. } = *self.edge(at);
        (from, to)
    }

    /// What is asked for, where that is written down.
    pub(crate) fn requirement(&self, at: usize) -> Option<&str> {
        self.asked.get(&at).map(String::as_str).or_else(|| self.edge(at).requirement.as_deref())
    }

    pub(crate) fn ask(&mut self, at: usize, range: &str) {
        self.asked.insert(at, range.to_owned());
    }

    pub(crate) fn edges_into(&self, node: usize) -> Vec<usize> {
        self.live(&self.ways.into, &self.added_ways.into, node).collect()
    }

    pub(crate) fn edges_out(&self, node: usize) -> Vec<usize> {
        self.live(&self.ways.out, &self.added_ways.out, node).collect()
    }

    /// The edges that were not there in `base`, or else in the graph, and those at what moves or asks for another range since.
    pub(crate) fn changed(&self, base: Option<&Self>) -> BTreeSet<usize> {
        let known = self.graph.edges.len();
        let added = base.map_or(0, |base| base.added.len());
        let mut changed: BTreeSet<usize> = (known + added..known + self.added.len()).collect();
        let was_there = |node: &usize, to: &String| {
            base.and_then(|base| base.steps.get(node)).is_some_and(|(was, _)| was == to)
        };
        for (node, _) in self.steps.iter().filter(|(node, (to, _))| !was_there(node, to)) {
            changed.extend(self.edges_into(*node));
            changed.extend(self.edges_out(*node));
        }
        let was_asked =
            |asks: &Relaxed| base.is_some_and(|base| base.relaxed.values().any(|was| was == asks));
        for Relaxed { from, called, .. } in self.relaxed.values().filter(|asks| !was_asked(asks)) {
            let is_relaxed = |at: &usize| self.graph.nodes[self.ends(*at).1].called == *called;
            changed.extend(self.edges_out(*from).into_iter().filter(is_relaxed));
        }
        changed.retain(|at| !self.gone.contains(at));
        changed
    }

    fn edge(&self, at: usize) -> &Edge {
        let known = self.graph.edges.len();
        if at < known { &self.graph.edges[at] } else { &self.added[at - known] }
    }

    fn live<'s>(
        &'s self,
        known: &'s BTreeMap<usize, Vec<usize>>,
        added: &'s BTreeMap<usize, Vec<usize>>,
        node: usize,
    ) -> impl Iterator<Item = usize> + 's {
        let all = known.get(&node).into_iter().chain(added.get(&node)).flatten().copied();
        all.filter(|at| !self.gone.contains(at))
    }

    /// Whether a way leads to it from the repository's own packages.
    pub(crate) fn is_needed(&self, node: usize) -> bool {
        let mut seen = vec![false; self.graph.nodes.len()];
        let mut open = vec![node];
        while let Some(at) = open.pop() {
            // What was seen to stay does so without anything that leads to it.
            if self.graph.nodes[at].own || self.graph.kept.contains(&at) {
                return true;
            }
            let above = self.live(&self.ways.into, &self.added_ways.into, at).map(|edge| self.ends(edge).0);
            open.extend(above.filter(|above| !std::mem::replace(&mut seen[*above], true)));
        }
        false
    }
}
