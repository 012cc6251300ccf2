//! Chooses versions: over the whole graph and all findings at once, the fewest and smallest steps that leave no
//! vulnerable copy. A ladder, each rung only where the one before does not hold: another version within what is
//! required of it; a newer version of what requires too little; another range in the repository's own manifest; an override.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::stage::generate::Rung;

use crate::dependency::graph::{Edge, Graph, Layout};
use crate::dependency::market::{Kind, Market, Release, Requirement};

/// How far up the ways to a package are followed.
const DEEPEST: usize = 12;
/// Most steps that are looked at before the search for one package is given up.
const MOST_TRIED: usize = 20_000;

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
    /// Copies that no version can be found for, with why.
    pub(crate) unsolved: Vec<(usize, Vec<String>)>,
    /// Packages of which the market must know more before the plan counts.
    pub(crate) unknown: BTreeSet<String>,
    /// Copies that moved so that another one comes within them, if the newer archive has one: by the copy that it is about.
    pub(crate) hopes: BTreeMap<usize, usize>,
    /// Who asks for a copy that moves, with the range that holds then.
    pub(crate) asked: BTreeMap<usize, Vec<(usize, String)>>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.relaxed.is_empty()
    }
}

/// A plan that clears these copies.
pub(crate) fn choose(graph: &Graph, market: &dyn Market, vulnerable: &[usize]) -> Plan {
    let mut chooser =
        Chooser { graph, market, sketch: Sketch::of(graph), unknown: BTreeSet::new(), tried: 0 };
    let mut unsolved = Vec::new();
    // What needs more than a step of its own comes first: it may take others along.
    let (easy, hard): (Vec<usize>, Vec<usize>) =
        vulnerable.iter().partition(|node| chooser.in_range(**node).is_some());
    let order: Vec<usize> = hard.into_iter().chain(easy).collect();
    for node in &order {
        if let Err(why) = chooser.clear(*node) {
            unsolved.push((*node, why));
        }
    }
    for node in order {
        if chooser.drop_stale_override(node)
            && let Err(why) = chooser.clear(node)
        {
            unsolved.push((node, why));
        }
    }
    // What nothing needs any more need not move.
    let moving = chooser.sketch.steps.iter().filter(|(node, _)| chooser.sketch.is_needed(**node));
    let steps: Vec<Step> =
        moving.map(|(node, (to, rung))| Step { node: *node, to: to.clone(), rung: *rung }).collect();
    let asked = steps.iter().map(|step| (step.node, chooser.asked(step.node))).collect();
    let Chooser { sketch, unknown, .. } = chooser;
    let Sketch { relaxed, hopes, .. } = sketch;
    Plan { steps, relaxed: relaxed.into_values().collect(), unsolved, unknown, hopes, asked }
}

/// The graph as it would be.
#[derive(Clone)]
struct Sketch {
    edges: Vec<Edge>,
    /// Places in `edges`, by where they lead.
    into: BTreeMap<usize, Vec<usize>>,
    out: BTreeMap<usize, Vec<usize>>,
    gone: BTreeSet<usize>,
    own: BTreeSet<usize>,
    steps: BTreeMap<usize, (String, Rung)>,
    relaxed: BTreeMap<(usize, String), Relaxed>,
    hopes: BTreeMap<usize, usize>,
    /// The ranges that an override was chosen against.
    overridden: BTreeMap<usize, Vec<String>>,
}

impl Sketch {
    fn of(graph: &Graph) -> Self {
        let mut sketch = Self {
            edges: Vec::new(),
            into: BTreeMap::new(),
            out: BTreeMap::new(),
            gone: BTreeSet::new(),
            own: (0..graph.nodes.len()).filter(|node| graph.nodes[*node].own).collect(),
            steps: BTreeMap::new(),
            relaxed: BTreeMap::new(),
            hopes: BTreeMap::new(),
            overridden: BTreeMap::new(),
        };
        graph.edges.iter().for_each(|edge| sketch.connect(edge.clone()));
        sketch
    }

    fn connect(&mut self, edge: Edge) {
        let at = self.edges.len();
        self.into.entry(edge.to).or_default().push(at);
        self.out.entry(edge.from).or_default().push(at);
        self.edges.push(edge);
    }

    fn edges_into(&self, node: usize) -> Vec<usize> {
        let live = |at: &&usize| !self.gone.contains(*at);
        self.into.get(&node).into_iter().flatten().filter(live).copied().collect()
    }

    /// Whether a way leads to it from the repository's own packages.
    fn is_needed(&self, node: usize) -> bool {
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

struct Chooser<'a> {
    graph: &'a Graph,
    market: &'a dyn Market,
    sketch: Sketch,
    unknown: BTreeSet<String>,
    tried: usize,
}

impl<'a> Chooser<'a> {
    fn version(&self, node: usize) -> &str {
        self.sketch.steps.get(&node).map_or(self.graph.nodes[node].version.as_str(), |(to, _)| to)
    }

    fn releases(&mut self, name: &str) -> &'a [Release] {
        match self.market.releases(name) {
            Some(releases) => releases,
            None => {
                self.unknown.insert(name.to_owned());
                &[]
            }
        }
    }

    /// The releases that could replace a copy, the lowest first.
    fn candidates(&mut self, node: usize) -> Vec<&'a Release> {
        let market = self.market;
        let Some(found) = self.graph.nodes.get(node).filter(|node| node.movable) else { return Vec::new() };
        let installed = self.version(node).to_owned();
        let above = |release: &&Release| market.is_above(&release.version, &installed);
        let good = self.releases(&found.name).iter().filter(|release| release.usable).filter(above);
        good.filter(|release| !market.is_vulnerable(&found.name, &release.version)).collect()
    }

    /// Of the candidates that all ranges take, the one that moves the fewest others, and of those the lowest.
    fn in_range(&mut self, node: usize) -> Option<&'a Release> {
        let ranges: Vec<String> = self.ranges(node);
        let market = self.market;
        let mut fitting = self.candidates(node);
        fitting.retain(|release| ranges.iter().all(|range| market.admits(range, &release.version)));
        let mut best: Option<(usize, &Release)> = None;
        for release in fitting {
            let cost = self.cost(node, release);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, release));
            }
            if cost == 0 {
                break;
            }
        }
        best.map(|(_, release)| release)
    }

    fn ranges(&mut self, node: usize) -> Vec<String> {
        let edges = self.sketch.edges_into(node);
        let mut ranges: Vec<String> = edges.into_iter().map(|edge| self.requirement(edge)).collect();
        ranges.sort_unstable();
        ranges.dedup();
        ranges
    }

    fn asked(&mut self, node: usize) -> Vec<(usize, String)> {
        let edges = self.sketch.edges_into(node);
        edges.into_iter().map(|edge| (self.sketch.edges[edge].from, self.requirement(edge))).collect()
    }

    /// What is required, by the lockfile or else by what is published of the version that requires it.
    fn requirement(&mut self, edge: usize) -> String {
        let Edge { from, to, requirement } = &self.sketch.edges[edge];
        if let Some(requirement) = requirement {
            return requirement.clone();
        }
        let (from, called) = (&self.graph.nodes[*from], &self.graph.nodes[*to].called);
        let releases = self.releases(&from.name);
        let release = releases.iter().find(|release| release.version == from.version);
        let required =
            release.and_then(|release| release.requirements.iter().find(|one| one.called == *called));
        // What is not published comes by something else than the package's own word, and takes any version.
        required.map_or_else(|| "*".to_owned(), |required| required.range.clone())
    }

    /// The copy that would serve this requirement of `node`.
    fn serving(&self, node: usize, required: &Requirement) -> Option<usize> {
        match self.graph.layout {
            Layout::Folders => self.graph.visible(node, &required.called),
            Layout::Store => {
                let fits = |copy: &&usize| self.market.admits(&required.range, self.version(**copy));
                self.graph.called(&required.called).iter().rfind(fits).copied()
            }
        }
    }

    /// How many packages would have to come or move with it.
    fn cost(&self, node: usize, release: &Release) -> usize {
        let missing = |required: &&Requirement| match self.serving(node, required) {
            Some(found) => !self.market.admits(&required.range, self.version(found)),
            None => true,
        };
        let weight = |kind: Kind| match kind {
            Kind::Normal => 1,
            Kind::Optional => 1,
            // Whoever uses the package would have to bring another one.
            Kind::Peer => 10,
        };
        let unmet = release.requirements.iter().filter(missing);
        unmet.map(|required| weight(required.kind)).sum()
    }

    /// Whether there is nothing (more) to do for this copy.
    fn is_clear(&self, node: usize) -> bool {
        let name = &self.graph.nodes[node].name;
        !self.market.is_vulnerable(name, self.version(node)) || !self.sketch.is_needed(node)
    }

    fn clear(&mut self, node: usize) -> Result<(), Vec<String>> {
        if self.is_clear(node) {
            return Ok(());
        }
        self.tried = 0;
        if let Some((parent, called)) = self.graph.bundler(node) {
            return self.clear_bundled(node, parent, called);
        }
        if let Some(release) = self.in_range(node) {
            self.take(node, release, Rung::InRange);
            return Ok(());
        }
        let before = self.sketch.clone();
        let mut why = Vec::new();
        for relax in [false, true] {
            if self.make_way(node, relax, 0, &mut why) {
                return Ok(());
            }
            self.sketch = before.clone();
        }
        if let Some(release) = self.for_override(node) {
            let ranges = self.ranges(node);
            self.sketch.overridden.insert(node, ranges);
            self.take(node, release, Rung::Override);
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        why.retain(|reason| seen.insert(reason.clone()));
        why.truncate(4);
        if why.is_empty() {
            why.push(self.nothing_better(node));
        }
        Err(why)
    }

    /// What comes within another moves with it alone: to the lowest version that brings it no more, or else to the newest
    /// that is in range, or at all, of which only the archive tells what it brings.
    fn clear_bundled(&mut self, node: usize, parent: usize, called: &str) -> Result<(), Vec<String>> {
        if self.sketch.steps.contains_key(&parent) {
            self.sketch.hopes.insert(node, parent);
            return Ok(());
        }
        let (newer, ranges, market) = (self.candidates(parent), self.ranges(parent), self.market);
        let fits = |release: &&Release| ranges.iter().all(|range| market.admits(range, &release.version));
        let without = |release: &&Release| !release.bundles.iter().any(|bundled| bundled == called);
        let near: Vec<&Release> = newer.iter().copied().filter(fits).collect();
        if let Some(release) = near.iter().copied().find(without).or(near.last().copied()) {
            self.take(parent, release, Rung::Lift);
            self.sketch.hopes.insert(node, parent);
            return Ok(());
        }
        let far: Vec<&Release> = newer.iter().copied().filter(without).collect();
        let far = if far.is_empty() { newer.last().copied().into_iter().collect() } else { far };
        let (before, mut why) = (self.sketch.clone(), Vec::new());
        for relax in [false, true] {
            if !far.is_empty() && self.make_room(parent, &far, relax, 0, &mut why) {
                self.sketch.hopes.insert(node, parent);
                return Ok(());
            }
            self.sketch = before.clone();
        }
        Err(vec![self.nothing_better(node)])
    }

    /// An override is for the ranges that were there: with others, it may be a step down, or not needed.
    fn drop_stale_override(&mut self, node: usize) -> bool {
        let Some(before) = self.sketch.overridden.get(&node).cloned() else { return false };
        let is_stale = before != self.ranges(node);
        if is_stale {
            self.sketch.overridden.remove(&node);
            self.sketch.steps.remove(&node);
        }
        is_stale
    }

    fn nothing_better(&self, node: usize) -> String {
        let found = &self.graph.nodes[node];
        match found.movable {
            true => {
                format!("no version of `{}` above {} is free of known problems", found.name, found.version)
            }
            false => {
                match found.within.map(|around| &self.graph.nodes[around]).filter(|around| !around.own) {
                    Some(around) => format!(
                        "`{} {}` comes within `{} {}`: only a newer version of that can bring another one, and there is \
                         none that could take its place",
                        found.name, found.version, around.name, around.version
                    ),
                    None => format!("`{} {}` does not come from the registry", found.name, found.version),
                }
            }
        }
    }

    /// Lets what requires too little ask for more, so that the copy can move: by newer versions of it, and with `relax`
    /// by the repository's own manifests.
    fn make_way(&mut self, node: usize, relax: bool, depth: usize, why: &mut Vec<String>) -> bool {
        let candidates = self.candidates(node);
        if candidates.is_empty() || depth > DEEPEST {
            why.push(self.nothing_better(node));
            return false;
        }
        let accepts = |chooser: &Self, range: &str| {
            candidates.iter().any(|release| chooser.market.admits(range, &release.version))
        };
        for edge in self.sketch.edges_into(node) {
            if self.sketch.gone.contains(&edge) {
                continue;
            }
            let (from, requirement) = (self.sketch.edges[edge].from, self.requirement(edge));
            if accepts(self, &requirement) {
                continue;
            }
            let fixed = &candidates[0].version;
            if self.graph.nodes[from].own {
                if !(relax && self.relax(edge, &candidates)) {
                    let name = &self.graph.nodes[node].called;
                    why.push(format!(
                        "the project's own manifest requires `{name} {requirement}`, fixed in {fixed}"
                    ));
                    return false;
                }
            } else if !self.lift(from, node, &requirement, &candidates, relax, depth, why) {
                return false;
            }
        }
        match self.in_range(node) {
            Some(release) => {
                let called = &self.graph.nodes[node].called;
                let is_relaxed = self.sketch.relaxed.values().any(|relaxed| relaxed.called == *called);
                self.take(node, release, if is_relaxed { Rung::Relax } else { Rung::Lift });
                true
            }
            // Nothing needs it any more, or a range that was written down elsewhere takes none of what others take.
            None => {
                let clear = self.is_clear(node);
                if !clear {
                    let ranges = self.ranges(node).join("` and `");
                    let name = &self.graph.nodes[node].name;
                    why.push(format!("no fixed version of `{name}` is within `{ranges}` at once"));
                }
                clear
            }
        }
    }

    /// A newer version of `parent` that takes one of the candidates for `node`, or that does without it.
    #[expect(clippy::too_many_arguments, reason = "one step of a search that carries its whole state")]
    fn lift(
        &mut self,
        parent: usize,
        node: usize,
        requirement: &str,
        candidates: &[&'a Release],
        relax: bool,
        depth: usize,
        why: &mut Vec<String>,
    ) -> bool {
        let called = self.graph.nodes[node].called.clone();
        let market = self.market;
        let helps = |release: &&Release| match release.requirements.iter().find(|one| one.called == called) {
            None => true,
            Some(required) => candidates.iter().any(|one| market.admits(&required.range, &one.version)),
        };
        let name = self.graph.nodes[parent].name.clone();
        let version = self.version(parent).to_owned();
        let newer: Vec<&Release> = self.candidates(parent).into_iter().filter(helps).collect();
        if newer.is_empty() {
            let newest = self.releases(&name).iter().rfind(|release| release.usable);
            let newest = newest.map(|newest| match newest.version == version {
                true => " and is the newest".to_owned(),
                false => format!("; the newest, {}, does not help either", newest.version),
            });
            let fixed = &candidates[0].version;
            why.push(format!(
                "`{name} {version}` requires `{called} {requirement}`, fixed in {fixed}{}",
                newest.unwrap_or_default()
            ));
            return false;
        }
        // First what everybody above takes as it is; then what has to be made room for.
        let ranges = self.ranges(parent);
        let fits = |release: &&&Release| ranges.iter().all(|range| market.admits(range, &release.version));
        if let Some(release) = newer.iter().find(fits).copied() {
            self.take(parent, release, Rung::Lift);
            return true;
        }
        self.make_room(parent, &newer, relax, depth + 1, why)
    }

    /// Moves a copy to one of these releases although what requires it does not take any of them yet.
    fn make_room(
        &mut self,
        node: usize,
        wanted: &[&'a Release],
        relax: bool,
        depth: usize,
        why: &mut Vec<String>,
    ) -> bool {
        self.tried += 1;
        if depth > DEEPEST || self.tried > MOST_TRIED {
            why.push("the search was given up: too many ways lead to it".to_owned());
            return false;
        }
        let before = self.sketch.clone();
        for edge in self.sketch.edges_into(node) {
            if self.sketch.gone.contains(&edge) {
                continue;
            }
            let (from, requirement) = (self.sketch.edges[edge].from, self.requirement(edge));
            if wanted.iter().any(|release| self.market.admits(&requirement, &release.version)) {
                continue;
            }
            let done = match self.graph.nodes[from].own {
                true => relax && self.relax(edge, wanted),
                false => self.lift(from, node, &requirement, wanted, relax, depth, why),
            };
            if !done {
                if self.graph.nodes[from].own {
                    let name = &self.graph.nodes[node].called;
                    why.push(format!("the project's own manifest requires `{name} {requirement}`"));
                }
                self.sketch = before;
                return false;
            }
        }
        let ranges = self.ranges(node);
        let market = self.market;
        let fits = |release: &&&Release| ranges.iter().all(|range| market.admits(range, &release.version));
        match wanted.iter().find(fits).copied() {
            Some(release) => {
                self.take(node, release, Rung::Lift);
                true
            }
            None if !self.sketch.is_needed(node) => true,
            None => {
                self.sketch = before;
                false
            }
        }
    }

    /// Writes another range into a manifest of the repository: the lowest version that its other users take.
    fn relax(&mut self, edge: usize, wanted: &[&Release]) -> bool {
        let Edge { from, to, .. } = self.sketch.edges[edge];
        let requirement = self.requirement(edge);
        let others = self.sketch.edges_into(to).into_iter();
        let others = others.filter(|other| !self.graph.nodes[self.sketch.edges[*other].from].own);
        let others: Vec<usize> = others.collect();
        let others: Vec<String> = others.into_iter().map(|other| self.requirement(other)).collect();
        let market = self.market;
        let taken = |release: &&&Release| others.iter().all(|range| market.admits(range, &release.version));
        let Some(release) = wanted.iter().find(taken).or(wanted.first()) else { return false };
        let Some(range) = market.relaxed(&requirement, &release.version) else { return false };
        let called = self.graph.nodes[to].called.clone();
        self.sketch.edges[edge].requirement = Some(range.clone());
        self.sketch.relaxed.insert((from, called.clone()), Relaxed { from, called, range });
        true
    }

    /// The lowest candidate of the same line of versions, or else the lowest: what it breaks, tests must show.
    fn for_override(&mut self, node: usize) -> Option<&'a Release> {
        let installed = self.version(node).to_owned();
        let candidates = self.candidates(node);
        let near = candidates.iter().find(|release| !self.market.is_major(&installed, &release.version));
        near.or(candidates.first()).copied()
    }

    /// Where any copy within the range serves: another one without a known problem, when this one is not within it.
    fn served_elsewhere(&self, node: usize, to: usize, required: &Requirement) -> Option<usize> {
        if self.graph.layout == Layout::Folders || self.market.admits(&required.range, self.version(to)) {
            return None;
        }
        let name = &self.graph.nodes[to].name;
        let good = |other: &usize| !self.market.is_vulnerable(name, self.version(*other));
        self.serving(node, required).filter(good)
    }

    /// Moves a copy, and what it requires with it.
    fn take(&mut self, node: usize, release: &Release, rung: Rung) {
        for edge in self.sketch.out.get(&node).cloned().unwrap_or_default() {
            let to = self.sketch.edges[edge].to;
            let called = &self.graph.nodes[to].called;
            match release.requirements.iter().find(|required| required.called == *called) {
                Some(required) => match self.served_elsewhere(node, to, required) {
                    Some(other) => {
                        self.sketch.gone.insert(edge);
                        let requirement = Some(required.range.clone());
                        self.sketch.connect(Edge { from: node, to: other, requirement });
                    }
                    None => self.sketch.edges[edge].requirement = Some(required.range.clone()),
                },
                None => {
                    self.sketch.gone.insert(edge);
                }
            }
        }
        for required in &release.requirements {
            let known = self.sketch.out.get(&node).into_iter().flatten();
            let is_known = known
                .filter(|edge| !self.sketch.gone.contains(*edge))
                .any(|edge| self.graph.nodes[self.sketch.edges[*edge].to].called == required.called);
            if let (false, Some(to)) = (is_known, self.serving(node, required)) {
                self.sketch.connect(Edge { from: node, to, requirement: Some(required.range.clone()) });
            }
        }
        let rung = self.sketch.steps.get(&node).map_or(rung, |(_, before)| rung.max(*before));
        self.sketch.steps.insert(node, (release.version.clone(), rung));
    }
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
