//! How things stand on the way to a plan: the graph as the steps so far would leave it, and what the market says of it.
//! Which copy serves whom, what a step would bring, and the step itself.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::stage::generate::Rung;

use crate::dependency::graph::{Edge, Graph, Layout};
use crate::dependency::market::{Kind, Market, Release, Requirement};
use crate::dependency::sketch::Sketch;

/// What bringing a problem in counts as, in packages.
pub(crate) const PROBLEM: usize = 1_000;
/// How far what would come is followed.
const DEEPEST_COMER: usize = 3;

pub(crate) struct Standing<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) market: &'a dyn Market,
    pub(crate) sketch: Sketch<'a>,
    /// Whether nothing is taken that would bring a problem along.
    pub(crate) strict: bool,
    /// Whether a peer was in the way of a release.
    pub(crate) has_refused: bool,
    /// Packages of which the market must know more.
    pub(crate) unknown: BTreeSet<String>,
    /// For copies that can't be cleared: the versions that will do although they have known problems.
    enough: BTreeMap<usize, BTreeSet<String>>,
    /// Whether what would come has a known problem, or brings one.
    comers: BTreeMap<(String, String), bool>,
}

impl<'a> Standing<'a> {
    pub(crate) fn of(graph: &'a Graph, market: &'a dyn Market) -> Self {
        let (unknown, enough, comers) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (strict, has_refused) = (false, false);
        Self { graph, market, sketch: Sketch::of(graph), strict, has_refused, unknown, enough, comers }
    }

    pub(crate) fn version(&self, node: usize) -> &str {
        self.sketch.steps.get(&node).map_or(self.graph.nodes[node].version.as_str(), |(to, _)| to)
    }

    pub(crate) fn releases(&mut self, name: &str) -> &'a [Release] {
        match self.market.releases(name) {
            Some(releases) => releases,
            None => {
                self.unknown.insert(name.to_owned());
                &[]
            }
        }
    }

    /// The releases that could replace a copy, the lowest first.
    pub(crate) fn candidates(&mut self, node: usize) -> Vec<&'a Release> {
        let mut good = self.good(node);
        let all = good.len();
        good.retain(|release| self.refused(node, release).is_none());
        self.has_refused |= good.len() < all;
        good
    }

    /// The same, whatever peers they want.
    pub(crate) fn good(&mut self, node: usize) -> Vec<&'a Release> {
        let market = self.market;
        let Some(found) = self.graph.nodes.get(node).filter(|node| node.movable) else { return Vec::new() };
        let installed = self.version(node).to_owned();
        let above = |release: &&Release| market.is_above(&release.version, &installed);
        let good = self.releases(&found.name).iter().filter(|release| release.usable).filter(above);
        let good = good.filter(|release| !market.is_barred(&found.name, &release.version));
        good.filter(|release| self.will_do(node, &release.version)).collect()
    }

    /// Lets these versions do for these copies, or where there are none only such as have no known problem.
    pub(crate) fn make_do(&mut self, nodes: &[usize], versions: &BTreeSet<String>) {
        for node in nodes {
            match versions.is_empty() {
                true => self.enough.remove(node),
                false => self.enough.insert(*node, versions.clone()),
            };
        }
        self.comers.clear();
    }

    /// Whether a version is what is looked for: one without a known problem, or of those that are enough for this copy.
    fn will_do(&self, node: usize, version: &str) -> bool {
        match self.enough.get(&node) {
            Some(versions) => versions.contains(version),
            None => !self.market.is_vulnerable(&self.graph.nodes[node].name, version),
        }
    }

    /// The peer for which no tool would take it: what the repository asks for itself must get along with those that are there.
    fn refused<'r>(&mut self, node: usize, release: &'r Release) -> Option<&'r Requirement> {
        let peers = |required: &&Requirement| matches!(required.kind, Kind::Peer | Kind::OptionalPeer);
        let mut peers = release.requirements.iter().filter(peers).peekable();
        if peers.peek().is_none() || self.graph.layout != Layout::Folders {
            return None;
        }
        let own = |edge: usize| self.graph.nodes[self.sketch.ends(edge).0].own;
        let is_own = self.sketch.edges_into(node).into_iter().any(own);
        peers.find(|required| is_own && self.is_in_the_way(node, required))
    }

    /// Why the first good version can't be had, where only a peer is in its way.
    fn refusal(&mut self, node: usize) -> Option<String> {
        let (graph, market) = (self.graph, self.market);
        let found = graph.nodes.get(node).filter(|found| found.movable)?;
        let installed = self.version(node).to_owned();
        let is_good = |release: &&Release| {
            release.usable
                && market.is_above(&release.version, &installed)
                && !market.is_vulnerable(&found.name, &release.version)
        };
        let release = self.releases(&found.name).iter().find(is_good)?;
        let required = self.refused(node, release)?;
        let Requirement { called, range, .. } = required;
        let there = self.serving(node, called, range).map(|there| self.version(there).to_owned())?;
        Some(format!(
            "`{} {}` goes with `{called} {range}`, and `{called} {there}` is there",
            found.name, release.version
        ))
    }

    /// Why a copy stays that there is nothing better for.
    pub(crate) fn nothing_better(&mut self, node: usize) -> String {
        let found = &self.graph.nodes[node];
        if let Some(why) = self.refusal(node) {
            return why;
        }
        match found.movable {
            true if self.was_tried(node) => format!(
                "each version of `{}` above {} without known problems broke a rule where it was tried",
                found.name, found.version
            ),
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

    /// Whether there are good versions above a copy, which are left because of what came of them.
    fn was_tried(&mut self, node: usize) -> bool {
        let (graph, market) = (self.graph, self.market);
        let Some(found) = graph.nodes.get(node) else { return false };
        let installed = self.version(node).to_owned();
        self.releases(&found.name).iter().any(|release| {
            market.is_barred(&found.name, &release.version)
                && release.usable
                && market.is_above(&release.version, &installed)
                && !market.is_vulnerable(&found.name, &release.version)
        })
    }

    /// Whether a peer is there that does not fit.
    fn is_in_the_way(&mut self, node: usize, required: &Requirement) -> bool {
        let serving = self.serving(node, &required.called, &required.range);
        serving.is_some_and(|found| !self.market.admits(&required.range, self.version(found)))
            && self.is_range(&required.range)
    }

    /// Of the candidates that all ranges take, the one that moves the fewest others, and of those the lowest.
    pub(crate) fn in_range(&mut self, node: usize) -> Option<&'a Release> {
        let mut best: Option<(usize, &Release)> = None;
        for release in self.fitting(node) {
            let cost = self.cost(node, release);
            let is_allowed = !self.strict || cost < PROBLEM;
            if is_allowed && best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, release));
            }
            if cost == 0 {
                break;
            }
        }
        best.map(|(_, release)| release)
    }

    /// The candidates that all ranges take, the lowest first.
    pub(crate) fn fitting(&mut self, node: usize) -> Vec<&'a Release> {
        let (ranges, market) = (self.ranges(node), self.market);
        let mut fitting = self.candidates(node);
        fitting.retain(|release| ranges.iter().all(|range| market.admits(range, &release.version)));
        fitting.retain(|release| self.has_room(node, release));
        fitting
    }

    /// The first of these that all ranges take.
    pub(crate) fn first_fitting(&mut self, node: usize, releases: &[&'a Release]) -> Option<&'a Release> {
        let (ranges, market) = (self.ranges(node), self.market);
        let mut second = None;
        for release in releases.iter().copied() {
            let fits = ranges.iter().all(|range| market.admits(range, &release.version))
                && self.has_room(node, release);
            match fits && self.brings_problem(node, release) {
                false if fits => return Some(release),
                true => second = second.or(Some(release).filter(|_| !self.strict)),
                false => {}
            }
        }
        second
    }

    /// Whether something would have to come with it that has a known problem, or that brings one: of what is not there yet
    /// the newest version within the range, the one that a tool takes.
    pub(crate) fn brings_problem(&mut self, node: usize, release: &Release) -> bool {
        if self.graph.layout == Layout::Lines {
            return false;
        }
        release.requirements.iter().any(|required| {
            let serving = self.serving(node, &required.called, &required.range);
            let is_met =
                serving.is_some_and(|found| self.market.admits(&required.range, self.version(found)));
            match required.kind {
                Kind::Normal => !is_met && self.comes_with_problem(required, 0),
                Kind::Peer | Kind::OptionalPeer => self.is_in_the_way(node, required),
                Kind::Optional | Kind::Feature => false,
            }
        })
    }

    /// Whether the version that a tool takes for this range has a known problem.
    pub(crate) fn newest_is_bad(&mut self, name: &str, range: &str) -> bool {
        let market = self.market;
        let fitting = self.releases(name).iter().filter(|one| market.admits(range, &one.version));
        fitting.rev().find(|one| one.usable).is_none_or(|newest| market.is_vulnerable(name, &newest.version))
    }

    /// Whether what would come with it is of no matter, or has no known problem.
    pub(crate) fn may_bring(&mut self, node: usize, release: &Release) -> bool {
        !(self.strict && self.brings_problem(node, release))
    }

    fn is_range(&self, range: &str) -> bool {
        self.market.relaxed(range, "1.0.0").is_some()
    }

    /// Whether something would have to come of which no copy is there, and that has a known problem, or brings one.
    pub(crate) fn comes_anew_with_problem(&mut self, node: usize, release: &Release) -> bool {
        release.requirements.iter().any(|required| {
            required.kind == Kind::Normal
                && self.serving(node, &required.called, &required.range).is_none()
                && self.comes_with_problem(required, 0)
        })
    }

    pub(crate) fn comes_with_problem(&mut self, required: &Requirement, depth: usize) -> bool {
        let (market, name) = (self.market, &required.called);
        let admits = |version: &str| market.admits(&required.range, version);
        // A copy that moves for fewer problems serves then.
        let will_serve = |copy: &usize| {
            let enough = self.enough.get(copy).into_iter().flatten();
            admits(self.version(*copy)) || enough.into_iter().any(|version| admits(version))
        };
        if self.graph.called(name).iter().any(will_serve) {
            return false;
        }
        let is_known = market.releases(name).is_some();
        let mut within =
            self.releases(name).iter().rev().filter(|one| market.admits(&required.range, &one.version));
        let Some(newest) = within.clone().find(|one| one.usable).or(within.next()) else {
            // A range that nothing which is published is in can't be met at all.
            return is_known && self.is_range(&required.range);
        };
        if let Some(known) = self.comers.get(&(name.clone(), newest.version.clone())) {
            return *known;
        }
        let normal = newest.requirements.iter().filter(|required| required.kind == Kind::Normal);
        let bad = market.is_vulnerable(name, &newest.version)
            || (depth < DEEPEST_COMER
                && normal.into_iter().any(|one| self.comes_with_problem(one, depth + 1)));
        self.comers.insert((name.clone(), newest.version.clone()), bad);
        bad
    }

    /// Whether no other copy is in the way: in the line of another one, that one must be able to serve as well.
    fn has_room(&mut self, node: usize, release: &Release) -> bool {
        let Some(other) = self.neighbour(node, &release.version) else { return true };
        let (market, version) = (self.market, self.version(other));
        if version == release.version {
            return true;
        }
        let may_move = self.graph.nodes[other].movable && market.is_above(&release.version, version);
        may_move && self.ranges(other).iter().all(|range| market.admits(range, &release.version))
    }

    /// Another copy of the same package, in whose line of versions this one lies.
    fn neighbour(&self, node: usize, version: &str) -> Option<usize> {
        let copies = match self.graph.layout {
            Layout::Folders | Layout::Store => &[],
            Layout::Lines => self.graph.called(&self.graph.nodes[node].called),
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
        match self.graph.layout {
            Layout::Folders => self.graph.visible(from, called),
            Layout::Store => {
                let fits = |copy: &&usize| self.market.admits(range, self.version(**copy));
                self.graph.called(called).iter().rfind(fits).copied()
            }
            Layout::Lines => self.serving_in_lines(called, range),
        }
    }

    fn serving_in_lines(&mut self, called: &str, range: &str) -> Option<usize> {
        let (graph, market) = (self.graph, self.market);
        let copies: Vec<usize> =
            graph.called(called).iter().copied().filter(|copy| self.is_used(*copy)).collect();
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

    pub(crate) fn ranges(&mut self, node: usize) -> Vec<String> {
        let edges = self.sketch.edges_into(node);
        let mut ranges: Vec<String> = edges.into_iter().map(|edge| self.requirement(edge)).collect();
        ranges.sort_unstable();
        ranges.dedup();
        ranges
    }

    pub(crate) fn asked(&mut self, node: usize) -> Vec<(usize, String)> {
        let edges = self.sketch.edges_into(node);
        edges.into_iter().map(|edge| (self.sketch.ends(edge).0, self.requirement(edge))).collect()
    }

    /// What is required, by the lockfile or else by what is published of the version that requires it.
    pub(crate) fn requirement(&mut self, edge: usize) -> String {
        if let Some(requirement) = self.sketch.requirement(edge) {
            return requirement.to_owned();
        }
        let (from, to) = self.sketch.ends(edge);
        let (from, called) = (&self.graph.nodes[from], &self.graph.nodes[to].called);
        let releases = self.releases(&from.name);
        let release = releases.iter().find(|release| release.version == from.version);
        let required =
            release.and_then(|release| release.requirements.iter().find(|one| one.called == *called));
        // What is not published comes by something else than the package's own word, and takes any version.
        required.map_or_else(|| "*".to_owned(), |required| required.range.clone())
    }

    /// How many packages would have to come or move with it.
    pub(crate) fn cost(&mut self, node: usize, release: &Release) -> usize {
        let mut cost = 0;
        for required in &release.requirements {
            let weight = match required.kind {
                Kind::Normal | Kind::Optional => 1,
                Kind::Feature => usize::from(self.has_edge(node, &required.called)),
                // Whoever uses the package would have to bring another one.
                Kind::Peer => 10,
                Kind::OptionalPeer => 0,
            };
            let is_met = weight == 0
                || self
                    .serving(node, &required.called, &required.range)
                    .is_some_and(|found| self.market.admits(&required.range, self.version(found)));
            cost += if is_met { 0 } else { weight };
        }
        // A copy with a problem of its own is worse than any number without.
        if self.brings_problem(node, release) { cost + PROBLEM } else { cost }
    }

    pub(crate) fn has_edge(&self, node: usize, called: &str) -> bool {
        let mut edges = self.sketch.edges_out(node).into_iter();
        edges.any(|edge| self.graph.nodes[self.sketch.ends(edge).1].called == called)
    }

    /// What a release asks for where it is served by this copy.
    pub(crate) fn required<'r>(&self, release: &'r Release, copy: usize) -> Option<&'r Requirement> {
        let called = &self.graph.nodes[copy].called;
        let mut same = release.requirements.iter().filter(|required| required.called == *called);
        let first = same.clone().next();
        match self.graph.layout {
            Layout::Folders | Layout::Store => first,
            // It may ask for one package twice, in two lines.
            Layout::Lines => {
                same.find(|required| self.market.admits(&required.range, self.version(copy))).or(first)
            }
        }
    }

    /// Whether there is nothing (more) to do for this copy.
    pub(crate) fn is_clear(&self, node: usize) -> bool {
        self.will_do(node, self.version(node)) || !self.sketch.is_needed(node)
    }

    /// Moves a copy, and what it requires with it. In the line of another copy that one serves from now on.
    pub(crate) fn take(&mut self, node: usize, release: &Release, rung: Rung) {
        if let Some(other) = self.neighbour(node, &release.version) {
            for edge in self.sketch.edges_into(node) {
                self.lead(edge, other);
            }
            self.sketch.merged.insert(node);
            return;
        }
        for edge in self.sketch.edges_out(node) {
            match self.required(release, self.sketch.ends(edge).1) {
                Some(required) => self.ask(edge, &required.range),
                None => {
                    self.sketch.gone.insert(edge);
                }
            }
        }
        for required in release.requirements.iter().filter(|required| is_asked(required)) {
            let is_known = self.has_edge(node, &required.called);
            let serving = if is_known { None } else { self.serving(node, &required.called, &required.range) };
            if let Some(to) = serving {
                self.sketch.connect(Edge { from: node, to, requirement: Some(required.range.clone()) });
            }
        }
        let rung = self.sketch.steps.get(&node).map_or(rung, |(_, before)| rung.max(*before));
        self.sketch.steps.insert(node, (release.version.clone(), rung));
    }

    /// Asks for another range, of the copy that serves it then.
    fn ask(&mut self, edge: usize, range: &str) {
        self.sketch.ask(edge, range);
        if let Some(other) = self.served_elsewhere(edge, range) {
            self.lead(edge, other);
        }
    }

    /// Another copy that serves, where the one that did is not within the range.
    fn served_elsewhere(&mut self, edge: usize, range: &str) -> Option<usize> {
        let (from, to) = self.sketch.ends(edge);
        if self.graph.layout == Layout::Folders || self.market.admits(range, self.version(to)) {
            return None;
        }
        let found = &self.graph.nodes[to];
        let other = self.serving(from, &found.called, range).filter(|other| *other != to)?;
        match self.graph.layout {
            // Each choice moves by itself: one with a known problem is no reason to leave this one.
            Layout::Folders | Layout::Store => {
                let is_good = !self.market.is_vulnerable(&found.name, self.version(other));
                is_good.then_some(other)
            }
            Layout::Lines => Some(other),
        }
    }

    /// Asks in a manifest of the repository for another range.
    pub(crate) fn widen(&mut self, edge: usize, range: &str) {
        match self.graph.layout {
            Layout::Lines => self.ask(edge, range),
            // The copy that was chosen for this range moves with it.
            Layout::Folders | Layout::Store => self.sketch.ask(edge, range),
        }
    }

    fn lead(&mut self, edge: usize, to: usize) {
        let (from, requirement) =
            (self.sketch.ends(edge).0, self.sketch.requirement(edge).map(str::to_owned));
        self.sketch.gone.insert(edge);
        self.sketch.connect(Edge { from, to, requirement });
    }

    /// Lets go who gets a copy of its own: where no version serves all, each line has one, and who asks for another line
    /// than most no longer asks for this copy.
    pub(crate) fn split(&mut self, node: usize, wanted: &[&Release]) {
        let (market, ranges) = (self.market, self.ranges(node));
        let takes_all =
            |release: &&Release| ranges.iter().all(|range| market.admits(range, &release.version));
        if self.graph.layout != Layout::Lines || wanted.iter().any(takes_all) {
            return;
        }
        let installed = self.version(node).to_owned();
        for edge in self.sketch.edges_into(node) {
            let range = self.requirement(edge);
            let mut taken =
                wanted.iter().filter(|release| market.admits(&range, &release.version)).peekable();
            if taken.peek().is_some() && taken.all(|release| market.is_major(&installed, &release.version)) {
                self.sketch.gone.insert(edge);
            }
        }
    }

    /// Lets who asks have another copy than the one that served: one that is there, or else one that comes.
    pub(crate) fn part(&mut self, edge: usize) {
        let range = self.requirement(edge);
        match self.served_elsewhere(edge, &range) {
            Some(other) => self.lead(edge, other),
            None => {
                self.sketch.gone.insert(edge);
            }
        }
    }

    /// A requirement of what moved, or on what moved, that is not met.
    pub(crate) fn unmet(&mut self) -> Option<usize> {
        self.sketch.changed(None).into_iter().find(|at| self.is_unmet(*at))
    }

    pub(crate) fn is_unmet(&mut self, edge: usize) -> bool {
        let (from, to) = self.sketch.ends(edge);
        let requirement = self.requirement(edge);
        let ranges = self.sketch.overridden.get(&to);
        !self.market.admits(&requirement, self.version(to))
            && !ranges.is_some_and(|ranges| ranges.contains(&requirement))
            && self.sketch.is_needed(from)
    }
}

/// Whether whoever requires it gets it, whatever else is there.
fn is_asked(required: &Requirement) -> bool {
    !matches!(required.kind, Kind::Feature | Kind::OptionalPeer)
}

/// The lowest version that would do, to tell.
pub(crate) fn fixed_in(candidates: &[&Release]) -> String {
    candidates.first().map(|lowest| format!(", fixed in {}", lowest.version)).unwrap_or_default()
}
