//! Chooses versions: over the whole graph and all findings at once, the fewest and smallest steps that leave no
//! vulnerable copy. A ladder, each rung only where the one before does not hold: another version within what is
//! required of it; a newer version of what requires too little; another range in the repository's own manifest; an override.
//! It is climbed for steps within a line of versions first, and then for those that may break what uses them. What it leaves is
//! searched for before anything is taken that brings a known problem along. What can't be cleared at all goes to a version with
//! fewer known problems, where nothing of the rest changes by that.
//! Where copies share one place, what a step requires moves along, and a step into the line of another copy ends in that one.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::stage::generate::Rung;

use crate::dependency::fewer::{Account, groups, keeps, sets};
use crate::dependency::graph::{Graph, Layout};
use crate::dependency::ladder::{LADDER, Pass, Way};
use crate::dependency::market::{Goal, Market, Release};
use crate::dependency::search::{Bounds, Search};
use crate::dependency::sketch::{Plan, Relaxed, Sketch, Step};
use crate::dependency::standing::{PROBLEM, Standing, fixed_in};

/// How far up the ways to a package are followed.
const DEEPEST: usize = 12;
/// Most steps that are looked at before the search for one package is given up.
const MOST_TRIED: usize = 20_000;
/// Versions within the range that are tried when what they require has to move along.
const MOST_IN_RANGE: usize = 12;
/// Packages that move along with one.
const MOST_ALONG: usize = 200;

/// How often what others' steps have changed since is looked at again.
const MOST_SWEEPS: usize = 4;

/// Sketches that are looked at where the ladder does not help, for all copies together.
const MOST_SEARCHED: usize = 1_000;
/// Packages that are asked about for these at once.
const MOST_HELP: usize = 64;
/// A copy in whose way a peer is has this part of them.
const MOST_PEERS: usize = 10;

/// A plan that clears these copies.
pub(crate) fn choose<'a>(graph: &'a Graph, market: &'a dyn Market, vulnerable: &'a [usize]) -> Plan {
    let now = Standing::of(graph, market);
    let mut bundled: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (parent, called) in vulnerable.iter().filter_map(|node| graph.bundler(*node)) {
        bundled.entry(parent).or_default().insert(called);
    }
    let mut chooser = Chooser {
        graph,
        market,
        vulnerable,
        now,
        bundled,
        near: false,
        is_last: false,
        tried: 0,
        may_look_at: MOST_SEARCHED,
        might_help: BTreeSet::new(),
    };
    // What needs more than a step of its own comes first: it may take others along.
    let (left, wanted): (Vec<usize>, Vec<usize>) = vulnerable.iter().partition(|node| {
        let found = &graph.nodes[**node];
        market.goal(&found.name, &found.version) == Goal::Fewer
    });
    let (easy, hard): (Vec<usize>, Vec<usize>) =
        wanted.into_iter().partition(|node| chooser.now.in_range(*node).is_some());
    // An archive moves for all that lies in it, before it would for itself.
    let (within, hard): (Vec<usize>, Vec<usize>) =
        hard.into_iter().partition(|node| graph.bundler(*node).is_some());
    let order: Vec<usize> = within.into_iter().chain(hard).chain(easy).collect();
    let mut unsolved = chooser.clear_all(&order, &order);
    let is_open = |node: &usize, unsolved: &BTreeMap<usize, Vec<String>>| unsolved.contains_key(node);
    let open: Vec<usize> = order.iter().copied().filter(|node| is_open(node, &unsolved)).collect();
    for (at, node) in open.iter().enumerate().filter(|(_, node)| graph.bundler(**node).is_none()) {
        // Each has its share, and what others did not need.
        let most = chooser.may_look_at / (open.len() - at);
        if chooser.search(*node, Bounds { near: false, may_override: market.has_overrides(), most }) {
            unsolved.remove(node);
        }
    }
    if graph.layout != Layout::Lines && !unsolved.is_empty() {
        let open: Vec<usize> = open.into_iter().filter(|node| is_open(node, &unsolved)).collect();
        chooser.is_last = true;
        unsolved = chooser.clear_all(&open, &order);
    }
    unsolved.extend(left.into_iter().map(|node| (node, Vec::new())));
    let lessened = chooser.lessen(&mut unsolved);
    let unsolved = unsolved.into_iter().collect();
    let (mut now, might_help) = (chooser.now, chooser.might_help);
    // What nothing needs any more need not move.
    let moving = now.sketch.steps.iter().filter(|(node, _)| now.sketch.is_needed(**node));
    let steps: Vec<Step> =
        moving.map(|(node, (to, rung))| Step { node: *node, to: to.clone(), rung: *rung }).collect();
    let asked = steps.iter().map(|step| (step.node, now.asked(step.node))).collect();
    let Standing { sketch: Sketch { relaxed, merged, hopes, .. }, unknown, .. } = now;
    let (relaxed, merged) = (relaxed.into_values().collect(), merged.into_iter().collect());
    let guards = Vec::new();
    Plan { steps, relaxed, merged, unsolved, lessened, unknown, might_help, hopes, asked, guards }
}

struct Chooser<'a> {
    graph: &'a Graph,
    market: &'a dyn Market,
    vulnerable: &'a [usize],
    now: Standing<'a>,
    /// The names of what is to be cleared within a copy.
    bundled: BTreeMap<usize, BTreeSet<&'a str>>,
    /// Whether nothing may go to another line of versions.
    near: bool,
    /// Whether the rungs are climbed that bring a known problem along.
    is_last: bool,
    tried: usize,
    /// Sketches that searches may still look at.
    may_look_at: usize,
    /// Packages that searches came upon, and that the market does not know.
    might_help: BTreeSet<String>,
}

impl<'a> Chooser<'a> {
    /// Those of the first that can't be cleared, with why; the others are looked at again when the steps for these have changed.
    fn clear_all(&mut self, nodes: &[usize], order: &[usize]) -> BTreeMap<usize, Vec<String>> {
        let mut unsolved = BTreeMap::new();
        // How much had been done when a copy was found not to be clearable: until more is, it need not be looked at again.
        let (mut done, mut looked_at) = (0, BTreeMap::new());
        for node in nodes {
            match self.clear(*node) {
                Ok(()) => done += 1,
                Err(why) => {
                    unsolved.insert(*node, why);
                    looked_at.insert(*node, done);
                }
            }
        }
        for _ in 0..MOST_SWEEPS {
            let mut is_steady = true;
            for node in order {
                let is_stale = self.drop_stale_override(*node);
                done += usize::from(is_stale);
                // What others did since may have made way.
                let was_left =
                    looked_at.get(node).is_some_and(|at| *at < done) && unsolved.remove(node).is_some();
                if is_stale || was_left {
                    let answer = self.clear(*node);
                    is_steady &= was_left && answer.is_err();
                    done += usize::from(answer.is_ok());
                    looked_at.insert(*node, done);
                    unsolved.extend(answer.err().map(|why| (*node, why)));
                }
            }
            if is_steady {
                break;
            }
        }
        unsolved
    }

    fn clear(&mut self, node: usize) -> Result<(), Vec<String>> {
        if self.now.is_clear(node) {
            return Ok(());
        }
        if let Some((parent, _)) = self.graph.bundler(node) {
            self.tried = 0;
            return self.clear_bundled(node, parent);
        }
        let before = self.now.sketch.clone();
        self.now.has_refused = false;
        let mut why = Vec::new();
        // Where copies share one place nothing is known of what would come, and there are no overrides to be had.
        let is_shared = self.graph.layout == Layout::Lines;
        let is_due = |pass: &Pass| if is_shared { !pass.strict } else { pass.strict || self.is_last };
        let passes: Vec<Pass> = LADDER.into_iter().filter(is_due).collect();
        for Pass { way, near, strict } in passes {
            (self.near, self.now.strict, self.tried) = (near, strict, 0);
            // What is said of a rung that holds for some versions only is not the reason.
            let mut beside = Vec::new();
            let said = if strict { &mut beside } else { &mut why };
            let is_done = match way {
                Way::InRange => self.move_in_range(node, said),
                Way::Lift { relax } => self.make_way(node, relax, 0, said) && self.settle(relax, said),
                Way::Along => self.move_along(node, near),
                Way::Override => self.override_with(node),
            };
            (self.near, self.now.strict) = (false, false);
            if is_done {
                return Ok(());
            }
            self.now.sketch = before.clone();
        }
        let mut seen = BTreeSet::new();
        why.retain(|reason| seen.insert(reason.clone()));
        why.truncate(4);
        if why.is_empty() || self.now.candidates(node).is_empty() {
            why = vec![self.now.nothing_better(node)];
        }
        Err(why)
    }

    /// To a version that all ranges take as they are.
    fn move_in_range(&mut self, node: usize, why: &mut Vec<String>) -> bool {
        let before = self.now.sketch.clone();
        let mut nearest: Vec<(usize, &Release)> = self
            .now
            .fitting(node)
            .into_iter()
            .map(|release| (self.now.cost(node, release), release))
            .collect();
        nearest.retain(|(cost, _)| !self.now.strict || *cost < PROBLEM);
        nearest.sort_by_key(|(cost, _)| *cost);
        for (_, release) in nearest.into_iter().take(MOST_IN_RANGE) {
            self.now.take(node, release, Rung::InRange);
            if self.settle(false, why) {
                return true;
            }
            self.now.sketch = before.clone();
        }
        false
    }

    /// Together with the peers that keep it, or what it is lifted by, from moving alone.
    fn move_along(&mut self, node: usize, near: bool) -> bool {
        let most = self.may_look_at / MOST_PEERS;
        self.now.has_refused && self.search(node, Bounds { near, may_override: false, most })
    }

    /// Looks further than the ladder does. What the market does not know it need not know for this.
    fn search(&mut self, node: usize, bounds: Bounds) -> bool {
        // The plan is made anew once that is known.
        if !self.now.unknown.is_empty() {
            return false;
        }
        let (is_clear, looked_at) = Search::clear(&mut self.now, node, self.vulnerable, bounds);
        self.may_look_at -= looked_at;
        self.need_not_know();
        is_clear
    }

    /// The plan is good without what is unknown now. Whether anything was.
    fn need_not_know(&mut self) -> bool {
        let unknown = std::mem::take(&mut self.now.unknown);
        let (was_any, room) = (!unknown.is_empty(), MOST_HELP.saturating_sub(self.might_help.len()));
        self.might_help.extend(unknown.into_iter().take(room));
        was_any
    }

    /// Moves copies that can't be cleared to versions with fewer known problems. Those that have some still; what is clear
    /// after all is unsolved no more.
    fn lessen(&mut self, unsolved: &mut BTreeMap<usize, Vec<String>>) -> BTreeSet<usize> {
        if !self.now.unknown.is_empty() {
            return BTreeSet::new();
        }
        self.is_last = false;
        let mut lessened = BTreeSet::new();
        for nodes in groups(&self.now, unsolved.keys().copied()) {
            let mut sets = sets(&mut self.now, &nodes).into_iter();
            if sets.any(|versions| self.lessen_to(&nodes, &versions)) {
                lessened.extend(nodes);
            }
        }
        let is_open = |node: &usize| {
            let name = &self.graph.nodes[*node].name;
            self.market.is_vulnerable(name, self.now.version(*node)) && self.now.sketch.is_needed(*node)
        };
        lessened.iter().filter(|node| !is_open(node)).for_each(|node| drop(unsolved.remove(node)));
        lessened.retain(is_open);
        lessened
    }

    /// All copies of one version to one of these, if nothing else comes off worse.
    fn lessen_to(&mut self, nodes: &[usize], versions: &BTreeSet<String>) -> bool {
        let name = &self.graph.nodes[nodes[0]].name;
        let (before, account) = (self.now.sketch.clone(), Account::of(&self.now, name));
        let clear = self.vulnerable.iter().filter(|node| self.now.is_clear(**node));
        let clear: Vec<usize> = clear.copied().collect();
        self.now.make_do(nodes, versions);
        let most = self.may_look_at / MOST_PEERS;
        let bounds = Bounds { near: false, may_override: self.market.has_overrides(), most };
        let has_moved = nodes.iter().all(|node| self.clear(*node).is_ok() || self.search(*node, bounds));
        let is_known = !self.need_not_know();
        let is_good = has_moved
            && is_known
            && keeps(&mut self.now, &before)
            && clear.iter().chain(nodes).all(|node| self.now.is_clear(*node))
            && Account::of(&self.now, name).is_better_than(&account);
        if !is_good {
            self.now.sketch = before;
            self.now.make_do(nodes, &BTreeSet::new());
        }
        is_good
    }

    /// By an override of what others ask for.
    fn override_with(&mut self, node: usize) -> bool {
        let release = self.market.has_overrides().then(|| self.for_override(node)).flatten();
        let Some(release) = release.filter(|release| self.relax_own(node, release)) else { return false };
        let ranges = self.now.ranges(node);
        self.now.sketch.overridden.insert(node, ranges);
        self.now.take(node, release, Rung::Override);
        true
    }

    /// What comes within another moves with it alone: to the lowest version that brings none of it any more, or else to the newest
    /// that is in range, or at all, of which only the archive tells what it brings.
    fn clear_bundled(&mut self, node: usize, parent: usize) -> Result<(), Vec<String>> {
        if self.now.sketch.steps.contains_key(&parent) {
            self.now.sketch.hopes.insert(node, parent);
            return Ok(());
        }
        let (newer, near) = (self.now.candidates(parent), self.now.fitting(parent));
        let bad = self.bundled.get(&parent).cloned().unwrap_or_default();
        let without =
            |release: &&Release| !release.bundles.iter().any(|bundled| bad.contains(bundled.as_str()));
        if let Some(release) = near.iter().copied().find(without).or(near.last().copied()) {
            self.now.take(parent, release, Rung::Lift);
            self.now.sketch.hopes.insert(node, parent);
            return Ok(());
        }
        let far: Vec<&Release> = newer.iter().copied().filter(without).collect();
        let far = if far.is_empty() { newer.last().copied().into_iter().collect() } else { far };
        let (before, mut why) = (self.now.sketch.clone(), Vec::new());
        for relax in [false, true] {
            if !far.is_empty() && self.make_room(parent, &far, relax, 0, &mut why) {
                self.now.sketch.hopes.insert(node, parent);
                return Ok(());
            }
            self.now.sketch = before.clone();
        }
        if self.market.has_overrides()
            && let Some(release) = far.first().copied()
            && self.relax_own(parent, release)
        {
            let ranges = self.now.ranges(parent);
            self.now.sketch.overridden.insert(parent, ranges);
            self.now.take(parent, release, Rung::Override);
            self.now.sketch.hopes.insert(node, parent);
            return Ok(());
        }
        self.now.sketch = before;
        Err(vec![self.now.nothing_better(node)])
    }

    /// An override is for the ranges that were there: with others, it may be a step down, or not needed.
    fn drop_stale_override(&mut self, node: usize) -> bool {
        let Some(before) = self.now.sketch.overridden.get(&node).cloned() else { return false };
        let is_stale = before != self.now.ranges(node);
        if is_stale {
            self.now.sketch.overridden.remove(&node);
            self.now.sketch.steps.remove(&node);
        }
        is_stale
    }

    /// Lets what requires too little ask for more, so that the copy can move: by newer versions of it, and with `relax`
    /// by the repository's own manifests.
    fn make_way(&mut self, node: usize, relax: bool, depth: usize, why: &mut Vec<String>) -> bool {
        let candidates = self.now.candidates(node);
        // Without a good version there may still be something above that does without any.
        let found = &self.graph.nodes[node];
        if !found.movable || depth > DEEPEST || self.market.releases(&found.name).is_none() {
            why.push(self.now.nothing_better(node));
            return false;
        }
        let accepts = |chooser: &Self, range: &str| {
            candidates.iter().any(|release| chooser.market.admits(range, &release.version))
        };
        for edge in self.now.sketch.edges_into(node) {
            if self.now.sketch.gone.contains(&edge) {
                continue;
            }
            let (from, requirement) = (self.now.sketch.ends(edge).0, self.now.requirement(edge));
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
        self.now.split(node, &candidates);
        match self.now.in_range(node) {
            Some(release) => {
                let called = &self.graph.nodes[node].called;
                let is_relaxed = self.now.sketch.relaxed.values().any(|relaxed| relaxed.called == *called);
                self.now.take(node, release, if is_relaxed { Rung::Relax } else { Rung::Lift });
                true
            }
            // Nothing needs it any more, or a range that was written down elsewhere takes none of what others take.
            None => {
                let clear = self.now.is_clear(node);
                if !clear {
                    let ranges = self.now.ranges(node).join("` and `");
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
        let name = self.graph.nodes[parent].name.clone();
        let version = self.now.version(parent).to_owned();
        let mut newer: Vec<&Release> = self.now.candidates(parent);
        newer.retain(|release| match self.now.required(release, node) {
            None => true,
            Some(required) => candidates.iter().any(|one| market.admits(&required.range, &one.version)),
        });
        newer.retain(|release| !(self.near && market.is_major(&version, &release.version)));
        if newer.is_empty() {
            let newest = self.now.releases(&name).iter().rfind(|release| release.usable);
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
        if let Some(release) = self.now.first_fitting(parent, &newer) {
            self.now.take(parent, release, Rung::Lift);
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
        let before = self.now.sketch.clone();
        for edge in self.now.sketch.edges_into(node) {
            if self.now.sketch.gone.contains(&edge) {
                continue;
            }
            let (from, requirement) = (self.now.sketch.ends(edge).0, self.now.requirement(edge));
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
                self.now.sketch = before;
                return false;
            }
        }
        self.now.split(node, wanted);
        match self.now.first_fitting(node, wanted) {
            Some(release) => {
                self.now.take(node, release, Rung::Lift);
                true
            }
            None if !self.now.sketch.is_needed(node) => true,
            None => {
                self.now.sketch = before;
                false
            }
        }
    }

    /// An override is for what others ask for: what the repository asks for itself it can say there.
    fn relax_own(&mut self, node: usize, release: &'a Release) -> bool {
        for edge in self.now.sketch.edges_into(node) {
            let from = self.now.sketch.ends(edge).0;
            let requirement = self.now.requirement(edge);
            let is_blocking = self.graph.nodes[from].own
                && !self.now.sketch.gone.contains(&edge)
                && !self.market.admits(&requirement, &release.version);
            if is_blocking && !self.relax(edge, &[release]) {
                return false;
            }
        }
        true
    }

    /// Writes another range into a manifest of the repository: the lowest version that its other users take.
    fn relax(&mut self, edge: usize, wanted: &[&Release]) -> bool {
        let (from, to) = self.now.sketch.ends(edge);
        if !self.market.may_relax(&self.graph.nodes[to].called) {
            return false;
        }
        let requirement = self.now.requirement(edge);
        let others = self.now.sketch.edges_into(to).into_iter();
        let others = others.filter(|other| !self.graph.nodes[self.now.sketch.ends(*other).0].own);
        let others: Vec<usize> = others.collect();
        let others: Vec<String> = others.into_iter().map(|other| self.now.requirement(other)).collect();
        let market = self.market;
        let taken = |release: &&&Release| others.iter().all(|range| market.admits(range, &release.version));
        let fitting: Vec<&Release> = wanted.iter().filter(taken).copied().collect();
        let version = self.now.version(to).to_owned();
        let is_allowed = |chooser: &mut Self, release: &Release| {
            let is_far = chooser.near && market.is_major(&version, &release.version);
            !is_far && chooser.now.may_bring(to, release)
        };
        let clean = fitting.iter().find(|release| !self.now.brings_problem(to, release)).copied();
        let found = clean.or(fitting.first().copied()).or(wanted.first().copied());
        let Some(release) = found.filter(|release| is_allowed(self, release)) else { return false };
        let Some(range) = market.relaxed(&requirement, &release.version) else { return false };
        let called = self.graph.nodes[to].called.clone();
        self.now.widen(edge, &range);
        self.now.sketch.relaxed.insert((from, called.clone()), Relaxed { from, called, range });
        true
    }

    /// The lowest candidate, which is in the same line of versions if any is: what another breaks, tests must show.
    fn for_override(&mut self, node: usize) -> Option<&'a Release> {
        let installed = self.now.version(node).to_owned();
        let candidates = self.now.candidates(node);
        let (near, market) = (self.near, self.market);
        candidates.into_iter().find(|release| {
            let is_far = near && market.is_major(&installed, &release.version);
            !is_far && self.now.may_bring(node, release)
        })
    }

    /// Where copies share one place, what the steps require anew moves along, each by the smallest step that all who use
    /// it take. Whether there is one for each.
    fn settle(&mut self, relax: bool, why: &mut Vec<String>) -> bool {
        if self.graph.layout != Layout::Lines {
            return true;
        }
        for _ in 0..MOST_ALONG {
            let Some(edge) = self.now.unmet() else { return true };
            let (from, to) = self.now.sketch.ends(edge);
            let requirement = self.now.requirement(edge);
            let market = self.market;
            let version = self.now.version(to).to_owned();
            let in_line = |release: &&Release| {
                market.admits(&requirement, &release.version) && !market.is_major(&version, &release.version)
            };
            // Of another line it gets a copy of its own.
            if !self.now.releases(&self.graph.nodes[to].name).iter().any(|release| in_line(&release)) {
                self.now.sketch.gone.insert(edge);
                continue;
            }
            let mut wanted = self.now.candidates(to);
            wanted.retain(in_line);
            if wanted.is_empty() || !self.make_room(to, &wanted, relax, 1, why) {
                let (name, asking) = (&self.graph.nodes[to].name, &self.graph.nodes[from].name);
                why.push(format!("`{asking} {}` requires `{name} {requirement}`", self.now.version(from)));
                return false;
            }
        }
        false
    }
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "choose_fewer_tests.rs"]
mod fewer_tests;

#[cfg(test)]
#[path = "choose_search_tests.rs"]
mod search_tests;

#[cfg(test)]
#[path = "choose_minimum_tests.rs"]
mod minimum_tests;
