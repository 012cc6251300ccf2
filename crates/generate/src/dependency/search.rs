//! Looks for a plan where the ladder has none for a copy: from what does not hold to the steps that would mend it, the
//! cheapest first, so that of all plans that are looked at the first that holds has the fewest moves.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use patchline_model::stage::generate::Rung;

use crate::dependency::graph::{Edge, Layout};
use crate::dependency::market::{Kind, Release};
use crate::dependency::sketch::{Relaxed, Sketch};
use crate::dependency::standing::Standing;

/// Sketches that are looked at for one copy.
const MOST_LOOKED_AT: usize = 200;
/// Releases of one package that are tried to mend one thing.
const MOST_RELEASES: usize = 4;
/// Packages above a copy that are tried without it.
const MOST_ABOVE: usize = 12;
/// Acts of one plan.
const MOST_ACTS: usize = 16;

/// The part of the sketches, of a hundred, that is looked at with the cheapest plan first. The rest goes after those plans in
/// which the most is done already: where many releases would do, the cheap beginnings alone are too many.
const CHEAPEST_FIRST: usize = 60;
/// By what an act that is done counts for less there.
const DONE: usize = 8;

/// What an act costs: about ten times the moves that it makes.
const MOVE: usize = 10;
const MOVE_AGAIN: usize = 5;
const MAJOR: usize = 3;
const NEW: usize = 8;
const OVERRIDE: usize = 5;
const RELAX: usize = 2;

/// One thing that can be done; edges and nodes by their numbers in the sketch.
#[derive(Clone, Copy)]
enum Act<'a> {
    Take(usize, &'a Release),
    Relax(usize),
    Override(usize),
    /// Who asks gets a copy of its own.
    Part(usize),
}

/// How far a search may go.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Whether nothing may go to another line of versions.
    pub(crate) near: bool,
    pub(crate) may_override: bool,
    /// Sketches that may be looked at.
    pub(crate) most: usize,
}

pub(crate) struct Search<'s, 'a> {
    now: &'s mut Standing<'a>,
    node: usize,
    bounds: Bounds,
    vulnerable: &'s [usize],
    /// What is clear because nothing needs it, and must stay so; none as long as nobody has asked.
    unneeded: Option<Vec<usize>>,
    /// What did not hold before, and need not hold now.
    before: BTreeSet<usize>,
}

impl<'a> Search<'_, 'a> {
    /// Clears one more copy, if a plan is found that keeps those clear that are; else nothing changes. Says at how many
    /// sketches it has looked.
    pub(crate) fn clear(
        now: &mut Standing<'a>,
        node: usize,
        vulnerable: &[usize],
        bounds: Bounds,
    ) -> (bool, usize) {
        if bounds.most == 0 {
            return (false, 0);
        }
        let start = now.sketch.clone();
        let before = BTreeSet::new();
        let mut search = Search { now: &mut *now, node, bounds, vulnerable, unneeded: None, before };
        let (is_found, looked_at) = search.found();
        if !is_found {
            now.sketch = start;
            return (false, looked_at);
        }
        // They are for the ranges that there are now.
        for node in now.sketch.overridden.keys().copied().collect::<Vec<_>>() {
            let ranges = now.ranges(node);
            now.sketch.overridden.insert(node, ranges);
        }
        (true, looked_at)
    }

    fn found(&mut self) -> (bool, usize) {
        self.part_what_comes();
        self.before = self.all_unmet();
        let base = self.now.sketch.clone();
        let most = self.bounds.most.min(MOST_LOOKED_AT);
        let cheapest_first = most * CHEAPEST_FIRST / 100;
        let (is_found, looked_at) = self.walk(&base, cheapest_first, 0);
        if is_found || looked_at < cheapest_first {
            return (is_found, looked_at);
        }
        let (is_found, more) = self.walk(&base, most - cheapest_first, DONE);
        (is_found, looked_at + more)
    }

    /// Looks at plans until one holds or there is none left; each act that is done makes a plan cheaper by `done`.
    fn walk(&mut self, base: &Sketch<'a>, most: usize, done: usize) -> (bool, usize) {
        let mut paths: Vec<Vec<Act<'a>>> = vec![Vec::new()];
        let mut open = BinaryHeap::from([Reverse((0, 0, 0))]);
        let mut seen = BTreeSet::new();
        // So that none counts for less than nothing.
        let least = done * MOST_ACTS;
        for looked_at in 0..most {
            let Some(Reverse((_, at, cost))) = open.pop() else { return (false, looked_at) };
            let path = paths[at].clone();
            self.now.sketch = base.clone();
            path.iter().for_each(|act| self.apply(*act));
            if !seen.insert(signature(&self.now.sketch)) {
                continue;
            }
            let acts = match self.unmet(Some(base)) {
                Some(edge) => self.mending(edge),
                None => match (self.open(base), self.unmet(None)) {
                    (Some(open), _) => self.clearing(open),
                    // What was not needed may be again.
                    (None, Some(edge)) => self.mending(edge),
                    (None, None) => return (true, looked_at + 1),
                },
            };
            if path.len() < MOST_ACTS {
                let saved = done * (path.len() + 1);
                for act in acts {
                    let cost = cost + self.cost(act);
                    open.push(Reverse((cost + least - saved, paths.len(), cost)));
                    paths.push(path.iter().copied().chain([act]).collect());
                }
            }
        }
        (false, most)
    }

    /// What a step requires and nobody serves comes beside the copy that there is, so that this one is asked for no more.
    fn part_what_comes(&mut self) {
        if self.now.graph.layout == Layout::Lines {
            return;
        }
        for edge in self.all_unmet() {
            if self.may_part(edge) {
                self.now.sketch.gone.insert(edge);
            }
        }
    }

    fn all_unmet(&mut self) -> BTreeSet<usize> {
        self.now.sketch.changed(None).into_iter().filter(|edge| self.now.is_unmet(*edge)).collect()
    }

    /// What does not hold, and did before.
    fn unmet(&mut self, base: Option<&Sketch<'a>>) -> Option<usize> {
        let changed = self.now.sketch.changed(base);
        changed.difference(&self.before).copied().find(|edge| self.now.is_unmet(*edge))
    }

    /// The copy that is to be cleared, or else one that was clear in `base` and is no more.
    fn open(&mut self, base: &Sketch<'a>) -> Option<usize> {
        if !self.now.is_clear(self.node) {
            return Some(self.node);
        }
        // What has a good version keeps one, for nothing goes down.
        let is_unneeded = |node: &usize| !base.is_needed(*node);
        let all = self.vulnerable;
        let unneeded = self.unneeded.get_or_insert_with(|| all.iter().copied().filter(is_unneeded).collect());
        unneeded.iter().copied().find(|node| !self.now.is_clear(*node))
    }

    fn cost(&self, act: Act<'a>) -> usize {
        match act {
            Act::Take(node, release) => {
                let is_major = self.now.market.is_major(self.now.version(node), &release.version);
                let again = self.now.sketch.steps.contains_key(&node);
                (if again { MOVE_AGAIN } else { MOVE }) + if is_major { MAJOR } else { 0 }
            }
            Act::Relax(_) => RELAX,
            Act::Override(_) => OVERRIDE,
            Act::Part(_) => NEW,
        }
    }

    fn apply(&mut self, act: Act<'a>) {
        match act {
            Act::Take(node, release) => self.take(node, release),
            Act::Relax(edge) => {
                let ((from, to), requirement) = (self.now.sketch.ends(edge), self.now.requirement(edge));
                let Some(range) = self.now.market.relaxed(&requirement, self.now.version(to)) else { return };
                let called = self.now.graph.nodes[to].called.clone();
                self.now.widen(edge, &range);
                self.now.sketch.relaxed.insert((from, called.clone()), Relaxed { from, called, range });
                self.raise_rung(to, Rung::Relax);
            }
            Act::Override(node) => {
                let ranges = self.now.ranges(node);
                self.now.sketch.overridden.insert(node, ranges);
                self.raise_rung(node, Rung::Override);
            }
            Act::Part(edge) => self.now.part(edge),
        }
    }

    fn raise_rung(&mut self, node: usize, rung: Rung) {
        if let Some(step) = self.now.sketch.steps.get_mut(&node) {
            step.1 = step.1.max(rung);
        }
    }

    fn take(&mut self, node: usize, release: &'a Release) {
        self.now.take(node, release, Rung::Lift);
        if self.now.graph.layout != Layout::Folders {
            return;
        }
        // A peer that need not be there must fit if it is.
        for required in release.requirements.iter().filter(|required| required.kind == Kind::OptionalPeer) {
            let there = self.now.graph.visible(node, &required.called);
            if let Some(to) = there.filter(|_| !self.now.has_edge(node, &required.called)) {
                self.now.sketch.connect(Edge { from: node, to, requirement: Some(required.range.clone()) });
            }
        }
    }

    /// What would make a range hold.
    fn mending(&mut self, edge: usize) -> Vec<Act<'a>> {
        let (from, to) = self.now.sketch.ends(edge);
        let (requirement, market) = (self.now.requirement(edge), self.now.market);
        let is_own = self.now.graph.nodes[from].own;
        let higher = self.releases(to).into_iter().filter(|one| market.admits(&requirement, &one.version));
        let mut acts: Vec<Act<'a>> =
            higher.take(MOST_RELEASES).map(|release| Act::Take(to, release)).collect();
        let there = self.now.version(to).to_owned();
        if is_own {
            let may_relax = market.may_relax(&self.now.graph.nodes[to].called);
            let range = market.relaxed(&requirement, &there).filter(|_| may_relax);
            acts.extend(range.filter(|range| market.admits(range, &there)).map(|_| Act::Relax(edge)));
        } else {
            let mut newer = self.releases(from);
            newer.retain(|release| {
                let required = self.now.required(release, to);
                required.is_none_or(|required| market.admits(&required.range, &there))
            });
            acts.extend(newer.into_iter().take(MOST_RELEASES).map(|release| Act::Take(from, release)));
            let may_override = self.bounds.may_override && self.now.sketch.steps.contains_key(&to);
            acts.extend(may_override.then_some(Act::Override(to)));
            acts.extend(self.may_part(edge).then_some(Act::Part(edge)));
        }
        acts
    }

    /// What would move the copy, or let it go.
    fn clearing(&mut self, node: usize) -> Vec<Act<'a>> {
        let mut acts: Vec<Act<'a>> =
            self.releases(node).into_iter().map(|release| Act::Take(node, release)).collect();
        let (mut above, mut at) = (vec![node], 0);
        while let Some(below) = above.get(at).copied().filter(|_| at < MOST_ABOVE) {
            at += 1;
            for edge in self.now.sketch.edges_into(below) {
                let from = self.now.sketch.ends(edge).0;
                if self.now.graph.nodes[from].own {
                    continue;
                }
                let mut without = self.releases(from);
                without.retain(|release| self.now.required(release, below).is_none());
                acts.extend(without.into_iter().take(MOST_RELEASES).map(|release| Act::Take(from, release)));
                if !above.contains(&from) {
                    above.push(from);
                }
            }
        }
        acts
    }

    /// The releases that a copy may move to, the lowest first. What peers they want is seen once they are taken.
    fn releases(&mut self, node: usize) -> Vec<&'a Release> {
        let (mut releases, market) = (self.now.good(node), self.now.market);
        let there = self.now.version(node);
        releases.retain(|release| !(self.bounds.near && market.is_major(there, &release.version)));
        if self.now.graph.layout != Layout::Lines {
            releases.retain(|release| !self.now.comes_anew_with_problem(node, release));
        }
        releases
    }

    /// Whether who asks can get a copy of its own, beside the one that there is.
    fn may_part(&mut self, edge: usize) -> bool {
        let (from, to) = self.now.sketch.ends(edge);
        let (graph, market) = (self.now.graph, self.now.market);
        let requirement = self.now.requirement(edge);
        if graph.layout == Layout::Lines {
            // In the line that the copy leaves it would be that copy again.
            let (found, there) = (&graph.nodes[to], self.now.version(to).to_owned());
            let releases = self.now.releases(&found.name).iter();
            let mut fitting = releases.filter(|one| market.admits(&requirement, &one.version));
            let is_near = |one: &Release, version: &str| !market.is_major(version, &one.version);
            let is_apart = fitting.all(|one| !is_near(one, &found.version) && !is_near(one, &there));
            return is_apart && !self.now.newest_is_bad(&found.name, &requirement);
        }
        let Some((version, _)) = self.now.sketch.steps.get(&from) else { return false };
        let version = version.clone();
        let release = self.now.releases(&graph.nodes[from].name).iter().find(|one| one.version == version);
        let called = &graph.nodes[to].called;
        let mut required = release.into_iter().flat_map(|release| &release.requirements);
        let required = required.find(|required| required.called == *called);
        required.is_some_and(|required| match required.kind {
            Kind::Normal | Kind::Optional | Kind::Feature => !self.now.comes_with_problem(required, 0),
            Kind::Peer | Kind::OptionalPeer => false,
        })
    }
}

/// What tells two sketches apart that lead to different plans.
fn signature(sketch: &Sketch<'_>) -> impl Ord + use<> {
    let steps: Vec<(usize, String)> =
        sketch.steps.iter().map(|(node, (to, _))| (*node, to.clone())).collect();
    let relaxed: Vec<(usize, String)> =
        sketch.relaxed.values().map(|one| (one.from, format!("{} {}", one.called, one.range))).collect();
    let overridden: Vec<(usize, Vec<String>)> =
        sketch.overridden.iter().map(|(node, ranges)| (*node, ranges.clone())).collect();
    (steps, relaxed, overridden, sketch.gone.clone(), sketch.merged.clone())
}
