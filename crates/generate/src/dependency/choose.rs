//! Chooses versions: over the whole graph and all findings at once, the fewest and smallest steps that leave no
//! vulnerable copy. A ladder, each rung only where the one before does not hold: another version within what is
//! required of it; a newer version of what requires too little; another range in the repository's own manifest; an override.
//! Where copies share one place, what a step requires moves along, and a step into the line of another copy ends in that one.

use std::collections::BTreeSet;

use patchline_model::stage::generate::Rung;

use crate::dependency::graph::{Edge, Graph, Sharing};
use crate::dependency::market::{Kind, Market, Release, Requirement};
use crate::dependency::sketch::{Plan, Relaxed, Sketch, Step};

/// How far up the ways to a package are followed.
const DEEPEST: usize = 12;
/// Most steps that are looked at before the search for one package is given up.
const MOST_TRIED: usize = 20_000;
/// Versions within the range that are tried when what they require has to move along.
const MOST_IN_RANGE: usize = 12;
/// Packages that move along with one.
const MOST_ALONG: usize = 200;

/// A plan that clears these copies.
pub(crate) fn choose(graph: &Graph, market: &dyn Market, vulnerable: &[usize]) -> Plan {
    let mut chooser =
        Chooser { graph, market, sketch: Sketch::of(graph), unknown: BTreeSet::new(), tried: 0 };
    let mut unsolved = Vec::new();
    // What needs more than a step of its own comes first: it may take others along.
    let (easy, hard): (Vec<usize>, Vec<usize>) =
        vulnerable.iter().partition(|node| chooser.in_range(**node).is_some());
    for node in hard.into_iter().chain(easy) {
        if let Err(why) = chooser.clear(node) {
            unsolved.push((node, why));
        }
    }
    let Chooser { sketch, unknown, .. } = chooser;
    // What nothing needs any more need not move.
    let steps = sketch.steps.iter().filter(|(node, _)| sketch.is_needed(**node));
    let steps = steps.map(|(node, (to, rung))| Step { node: *node, to: to.clone(), rung: *rung }).collect();
    let merged = sketch.merged.iter().copied().collect();
    Plan { steps, merged, relaxed: sketch.relaxed.into_values().collect(), unsolved, unknown }
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
        let mut best: Option<(usize, &Release)> = None;
        for release in self.fitting(node) {
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

    /// The candidates that all ranges take, the lowest first.
    fn fitting(&mut self, node: usize) -> Vec<&'a Release> {
        let (ranges, market) = (self.ranges(node), self.market);
        let mut fitting = self.candidates(node);
        fitting.retain(|release| ranges.iter().all(|range| market.admits(range, &release.version)));
        fitting.retain(|release| self.has_room(node, release));
        fitting
    }

    /// Whether no other copy is in the way: in the line of another one, that one must be able to serve as well.
    fn has_room(&self, node: usize, release: &Release) -> bool {
        let Some(other) = self.neighbour(node, &release.version) else { return true };
        let version = self.version(other);
        version == release.version
            || (self.graph.nodes[other].movable
                && self.market.is_above(&release.version, version)
                && self.ranges(other).iter().all(|range| self.market.admits(range, &release.version)))
    }

    /// Another copy of the same package, in whose line of versions this one lies.
    fn neighbour(&self, node: usize, version: &str) -> Option<usize> {
        let copies = match self.graph.sharing {
            Sharing::Folders => &[],
            Sharing::Lines => self.graph.copies(&self.graph.nodes[node].called),
        };
        let is_near = |other: &usize| {
            *other != node && self.is_used(*other) && !self.market.is_major(self.version(*other), version)
        };
        copies.iter().copied().find(is_near)
    }

    fn is_used(&self, node: usize) -> bool {
        !self.sketch.edges_into(node).is_empty()
    }

    /// The copy that `from` gets when it asks for this.
    fn serving(&mut self, from: usize, called: &str, range: &str) -> Option<usize> {
        if self.graph.sharing == Sharing::Folders {
            return self.graph.visible(from, called);
        }
        let (graph, market) = (self.graph, self.market);
        let copies: Vec<usize> =
            graph.copies(called).iter().copied().filter(|copy| self.is_used(*copy)).collect();
        if let Some(copy) = copies.iter().find(|copy| market.admits(range, self.version(**copy))) {
            return Some(*copy);
        }
        // One that would have to move up, but within its line.
        copies.into_iter().find(|copy| {
            let version = self.version(*copy).to_owned();
            self.releases(&graph.nodes[*copy].name).iter().any(|release| {
                market.admits(range, &release.version) && !market.is_major(&version, &release.version)
            })
        })
    }

    fn ranges(&self, node: usize) -> Vec<String> {
        self.sketch.edges_into(node).iter().map(|edge| self.sketch.edges[*edge].requirement.clone()).collect()
    }

    /// How many packages would have to come or move with it.
    fn cost(&mut self, node: usize, release: &Release) -> usize {
        let mut cost = 0;
        for required in &release.requirements {
            let weight = match required.kind {
                Kind::Normal | Kind::Optional => 1,
                Kind::Feature => usize::from(self.has_edge(node, &required.called)),
                // Whoever uses the package would have to bring another one.
                Kind::Peer => 10,
            };
            let is_met = weight == 0
                || self
                    .serving(node, &required.called, &required.range)
                    .is_some_and(|found| self.market.admits(&required.range, self.version(found)));
            cost += if is_met { 0 } else { weight };
        }
        cost
    }

    fn has_edge(&self, node: usize, called: &str) -> bool {
        let live =
            self.sketch.out.get(&node).into_iter().flatten().filter(|edge| !self.sketch.gone.contains(*edge));
        live.into_iter().any(|edge| self.graph.nodes[self.sketch.edges[*edge].to].called == called)
    }

    /// What a release asks for where it is served by this copy. It may ask for one package twice, in two lines.
    fn required<'r>(&self, release: &'r Release, copy: usize) -> Option<&'r Requirement> {
        let called = &self.graph.nodes[copy].called;
        let mut same = release.requirements.iter().filter(|required| required.called == *called);
        let fits = |required: &&Requirement| self.market.admits(&required.range, self.version(copy));
        same.clone().find(fits).or_else(|| same.next())
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
        let before = self.sketch.clone();
        let mut why = Vec::new();
        let mut nearest: Vec<(usize, &Release)> =
            self.fitting(node).into_iter().map(|release| (self.cost(node, release), release)).collect();
        nearest.sort_by_key(|(cost, _)| *cost);
        for (_, release) in nearest.into_iter().take(MOST_IN_RANGE) {
            self.take(node, release, Rung::InRange);
            if self.settle(false, &mut why) {
                return Ok(());
            }
            self.sketch = before.clone();
        }
        for relax in [false, true] {
            if self.make_way(node, relax, 0, &mut why) && self.settle(relax, &mut why) {
                return Ok(());
            }
            self.sketch = before.clone();
        }
        if let Some(release) = self.market.has_overrides().then(|| self.for_override(node)).flatten() {
            self.take(node, release, Rung::Override);
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        why.retain(|reason| seen.insert(reason.clone()));
        why.truncate(4);
        if why.is_empty() || self.candidates(node).is_empty() {
            why = vec![self.nothing_better(node)];
        }
        Err(why)
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
                        "`{} {}` comes within `{} {}`: only another version of that can bring another one",
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
        // Without a good version there may still be something above that does without any.
        let found = &self.graph.nodes[node];
        if !found.movable || depth > DEEPEST || self.market.releases(&found.name).is_none() {
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
            let Edge { from, requirement, .. } = self.sketch.edges[edge].clone();
            if accepts(self, &requirement) {
                continue;
            }
            if self.graph.nodes[from].own {
                if !(relax && self.relax(edge, &candidates)) {
                    let name = &self.graph.nodes[node].called;
                    let fixed = fixed_in(&candidates);
                    why.push(format!("the project's own manifest requires `{name} {requirement}`{fixed}"));
                    return false;
                }
            } else if !self.lift(from, node, &requirement, &candidates, relax, depth, why) {
                return false;
            }
        }
        self.split(node, &candidates);
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
                    let (name, ranges) = (&self.graph.nodes[node].name, self.ranges(node).join("` and `"));
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
        let name = self.graph.nodes[parent].name.clone();
        let version = self.version(parent).to_owned();
        let mut newer: Vec<&Release> = self.candidates(parent);
        newer.retain(|release| match self.required(release, node) {
            None => true,
            Some(required) => candidates.iter().any(|one| market.admits(&required.range, &one.version)),
        });
        if newer.is_empty() {
            let newest = self.releases(&name).iter().rfind(|release| release.usable);
            let newest = newest.map(|newest| match newest.version == version {
                true => " and is the newest".to_owned(),
                false => format!("; the newest, {}, does not help either", newest.version),
            });
            why.push(format!(
                "`{name} {version}` requires `{called} {requirement}`{}{}",
                fixed_in(candidates),
                newest.unwrap_or_default()
            ));
            return false;
        }
        // First what everybody above takes as it is; then what has to be made room for.
        let ranges = self.ranges(parent);
        let fits = |release: &&&Release| {
            ranges.iter().all(|range| market.admits(range, &release.version))
                && self.has_room(parent, release)
        };
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
            let Edge { from, requirement, .. } = self.sketch.edges[edge].clone();
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
        self.split(node, wanted);
        let ranges = self.ranges(node);
        let market = self.market;
        let fits = |release: &&&Release| {
            ranges.iter().all(|range| market.admits(range, &release.version)) && self.has_room(node, release)
        };
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
        let Edge { from, to, requirement } = self.sketch.edges[edge].clone();
        if !self.market.may_relax(&self.graph.nodes[to].called) {
            return false;
        }
        let others: Vec<String> = self
            .sketch
            .edges_into(to)
            .into_iter()
            .filter(|other| !self.graph.nodes[self.sketch.edges[*other].from].own)
            .map(|other| self.sketch.edges[other].requirement.clone())
            .collect();
        let market = self.market;
        let taken = |release: &&&Release| others.iter().all(|range| market.admits(range, &release.version));
        let Some(release) = wanted.iter().find(taken).or_else(|| wanted.first()) else { return false };
        let Some(range) = market.relaxed(&requirement, &release.version) else { return false };
        let called = self.graph.nodes[to].called.clone();
        self.ask(edge, &range);
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

    /// Moves a copy, and what it requires with it. In the line of another copy that one serves from now on.
    fn take(&mut self, node: usize, release: &Release, rung: Rung) {
        if let Some(other) = self.neighbour(node, &release.version) {
            for edge in self.sketch.edges_into(node) {
                self.lead(edge, other);
            }
            self.sketch.merged.insert(node);
            return;
        }
        for edge in self.sketch.out.get(&node).cloned().unwrap_or_default() {
            if self.sketch.gone.contains(&edge) {
                continue;
            }
            match self.required(release, self.sketch.edges[edge].to) {
                Some(required) => self.ask(edge, &required.range),
                None => {
                    self.sketch.gone.insert(edge);
                }
            }
        }
        for required in release.requirements.iter().filter(|required| required.kind != Kind::Feature) {
            let is_known = self.has_edge(node, &required.called);
            let serving = if is_known { None } else { self.serving(node, &required.called, &required.range) };
            if let Some(to) = serving {
                self.sketch.connect(Edge { from: node, to, requirement: required.range.clone() });
            }
        }
        let rung = self.sketch.steps.get(&node).map_or(rung, |(_, before)| rung.max(*before));
        self.sketch.steps.insert(node, (release.version.clone(), rung));
    }

    /// Asks for another range, of the copy that serves it then.
    fn ask(&mut self, edge: usize, range: &str) {
        self.sketch.edges[edge].requirement = range.to_owned();
        let Edge { from, to, .. } = self.sketch.edges[edge];
        if self.graph.sharing == Sharing::Folders || self.market.admits(range, self.version(to)) {
            return;
        }
        if let Some(other) =
            self.serving(from, &self.graph.nodes[to].called, range).filter(|other| *other != to)
        {
            self.lead(edge, other);
        }
    }

    fn lead(&mut self, edge: usize, to: usize) {
        let moved = Edge { to, ..self.sketch.edges[edge].clone() };
        self.sketch.gone.insert(edge);
        self.sketch.connect(moved);
    }

    /// Lets go who gets a copy of its own: where no version serves all, each line has one, and who asks for another line
    /// than most no longer asks for this copy.
    fn split(&mut self, node: usize, wanted: &[&Release]) {
        let (market, ranges) = (self.market, self.ranges(node));
        let takes_all =
            |release: &&Release| ranges.iter().all(|range| market.admits(range, &release.version));
        if self.graph.sharing == Sharing::Folders || wanted.iter().any(takes_all) {
            return;
        }
        let installed = self.version(node).to_owned();
        for edge in self.sketch.edges_into(node) {
            let range = &self.sketch.edges[edge].requirement;
            let mut taken = wanted.iter().filter(|release| market.admits(range, &release.version)).peekable();
            if taken.peek().is_some() && taken.all(|release| market.is_major(&installed, &release.version)) {
                self.sketch.gone.insert(edge);
            }
        }
    }

    /// Where copies share one place, what the steps require anew moves along, each by the smallest step that all who use
    /// it take. Whether there is one for each.
    fn settle(&mut self, relax: bool, why: &mut Vec<String>) -> bool {
        if self.graph.sharing == Sharing::Folders {
            return true;
        }
        for _ in 0..MOST_ALONG {
            let Some(edge) = self.unmet() else { return true };
            let Edge { from, to, requirement } = self.sketch.edges[edge].clone();
            let market = self.market;
            let version = self.version(to).to_owned();
            let in_line = |release: &&Release| {
                market.admits(&requirement, &release.version) && !market.is_major(&version, &release.version)
            };
            // Of another line it gets a copy of its own.
            if !self.releases(&self.graph.nodes[to].name).iter().any(|release| in_line(&release)) {
                self.sketch.gone.insert(edge);
                continue;
            }
            let mut wanted = self.candidates(to);
            wanted.retain(in_line);
            if wanted.is_empty() || !self.make_room(to, &wanted, relax, 1, why) {
                let (name, asking) = (&self.graph.nodes[to].name, &self.graph.nodes[from].name);
                why.push(format!("`{asking} {}` requires `{name} {requirement}`", self.version(from)));
                return false;
            }
        }
        false
    }

    /// A requirement of what moved, or on what moved, that is not met.
    fn unmet(&self) -> Option<usize> {
        let steps = &self.sketch.steps;
        (0..self.sketch.edges.len()).find(|at| {
            let Edge { from, to, requirement } = &self.sketch.edges[*at];
            let is_new = *at >= self.graph.edges.len()
                || steps.contains_key(from)
                || steps.contains_key(to)
                || self.sketch.relaxed.contains_key(&(*from, self.graph.nodes[*to].called.clone()));
            is_new
                && !self.sketch.gone.contains(at)
                && !self.market.admits(requirement, self.version(*to))
                && self.sketch.is_needed(*from)
        })
    }
}

fn fixed_in(candidates: &[&Release]) -> String {
    candidates.first().map(|lowest| format!(", fixed in {}", lowest.version)).unwrap_or_default()
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
