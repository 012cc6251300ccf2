//! The choice held against the true minimum: small worlds, of which every assignment of versions is looked at.

use std::collections::BTreeSet;

use patchline_model::stage::generate::Rung;
use proptest::prelude::{any, prop};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::dependency::choose::choose;
use crate::dependency::choose::tests::{Drawn, Shop, worlds};
use crate::dependency::graph::{Graph, Layout, Node};
use crate::dependency::market::{Kind, Market as _};
use crate::dependency::sketch::Plan;

/// Worlds that are looked at.
const WORLDS: usize = 1000;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const VERSIONS: [&str; 4] = ["1.0.0", "1.1.0", "2.0.0", "2.1.0"];
/// Most copies, so that all assignments can be looked at.
const MOST_COPIES: usize = 6;
/// Versions of a package that are given up before it stays, as the fixers do it.
const MOST_BARRED: usize = 3;
const MOST_PLANS: usize = 12;

/// Versions of one package, as bits.
type Versions = u32;

/// What a release requires: of which package, which versions.
#[derive(Clone)]
struct Asked {
    package: usize,
    range: String,
    takes: Versions,
    is_peer: bool,
}

struct Installed {
    package: usize,
    version: usize,
    within: Option<usize>,
    /// The copy that serves, for each of what is required.
    served: Vec<usize>,
}

/// What becomes of a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Fate {
    /// None where another one serves instead.
    version: Option<usize>,
    /// Whether it serves whatever is asked for.
    is_overridden: bool,
}

struct World {
    layout: Layout,
    has_overrides: bool,
    lines: Vec<String>,
    bad: Vec<Versions>,
    /// By package and version.
    asks: Vec<Vec<Vec<Asked>>>,
    own: Vec<(usize, Asked)>,
    copies: Vec<Installed>,
}

/// What is there afterwards, by package.
type After = Vec<Versions>;

/// An assignment that breaks a rule, by the step of this copy where it is known.
#[derive(Clone, Copy)]
struct Broken {
    by: Option<usize>,
}

/// What is published, as the shop reads it.
fn published(drawn: &[Vec<Drawn>], layout: Layout, roll: &mut impl FnMut(usize) -> usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (package, releases) in drawn.iter().enumerate() {
        for (at, (is_bad, required)) in releases.iter().take(VERSIONS.len()).enumerate() {
            let is_bad = *is_bad && (at == 0 || roll(2) == 0);
            let mut others = BTreeSet::from([package]);
            let mut asked = Vec::new();
            for (other, kind) in required {
                let other = usize::from(*other) % drawn.len();
                if !others.insert(other) {
                    continue;
                }
                // What is newer mostly asks for what is newer.
                let base = match (at, roll(6)) {
                    (0, 0) => 1,
                    (0, 1) => 2,
                    (0, _) | (_, 0) => 0,
                    (_, 1) => at - 1,
                    (_, _) => at,
                };
                let published = drawn[other].len().min(VERSIONS.len());
                let base = VERSIONS[base.min(published - 1)];
                let range = match kind {
                    0 | 1 => format!("^{base}"),
                    2 => format!("~{base}"),
                    3 => format!("={base}"),
                    _ => format!(">={base}"),
                };
                let is_peer = layout == Layout::Folders && roll(6) == 0;
                asked.push(format!("{}{} {range}", if is_peer { "peer:" } else { "" }, NAMES[other]));
            }
            let mark = if is_bad { "!" } else { "" };
            lines.push(format!("{mark}{} {}: {}", NAMES[package], VERSIONS[at], asked.join(", ")));
        }
    }
    lines
}

impl World {
    /// None where the drawn packages can't be installed at all, or at too many places.
    fn of(drawn: &[Vec<Drawn>], dice: &[u8], layout: Layout, has_overrides: bool) -> Option<Self> {
        let mut dice = dice.iter().copied().cycle().map(usize::from);
        let mut roll = move |sides: usize| dice.next().expect("it goes round") % sides;
        let drawn = &drawn[..drawn.len().min(NAMES.len())];
        let lines = published(drawn, layout, &mut roll);
        let shop = Shop::of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let asks = |package: usize, version: usize| -> Vec<Asked> {
            let required = shop.requirements(NAMES[package], VERSIONS[version]);
            let asked = required
                .into_iter()
                .map(|one| Self::asked(&shop, &one.called, &one.range, one.kind == Kind::Peer));
            asked.collect()
        };
        let how_many = |package: usize| drawn[package].len().min(VERSIONS.len());
        let bad = (0..drawn.len()).map(|package| {
            let bad = (0..how_many(package)).filter(|at| shop.is_vulnerable(NAMES[package], VERSIONS[*at]));
            bad.map(|at| 1 << at).sum()
        });
        let mut world = Self {
            layout,
            has_overrides,
            bad: bad.collect(),
            asks: (0..drawn.len())
                .map(|package| (0..how_many(package)).map(|at| asks(package, at)).collect())
                .collect(),
            own: Vec::new(),
            copies: Vec::new(),
            lines,
        };
        for (package, name) in NAMES.iter().enumerate().take(drawn.len()) {
            if package == 0 || roll(3) != 0 {
                let sign = ["^", "^", "~", "=", ">="][roll(5)];
                let asked = Self::asked(&shop, name, &format!("{sign}{}", VERSIONS[0]), false);
                let to = world.install(None, &asked)?;
                world.own.push((to, asked));
            }
        }
        let mut at = 0;
        while at < world.copies.len() {
            for asked in world.required(world.copies[at].package, world.copies[at].version).to_vec() {
                let to = world.install(Some(at), &asked)?;
                world.copies[at].served.push(to);
            }
            at += 1;
        }
        (world.copies.len() <= MOST_COPIES).then_some(world)
    }

    fn asked(shop: &Shop, called: &str, range: &str, is_peer: bool) -> Asked {
        let package = NAMES.iter().position(|name| *name == called).expect("it is one of them");
        let releases = shop.releases(called).unwrap_or_default();
        let takes =
            (0..releases.len()).filter(|at| shop.admits(range, VERSIONS[*at])).map(|at| 1 << at).sum();
        Asked { package, range: range.to_owned(), takes, is_peer }
    }

    fn required(&self, package: usize, version: usize) -> &[Asked] {
        &self.asks[package][version]
    }

    /// The copy that serves, which is put there if there is none: the lowest, so that there is something above it.
    fn install(&mut self, from: Option<usize>, asked: &Asked) -> Option<usize> {
        let (package, version) = (asked.package, asked.takes.trailing_zeros() as usize);
        let seen = self.seen(from, package);
        let fits = |at: &usize| asked.takes & 1 << self.copies[*at].version != 0;
        let within = match self.layout {
            Layout::Lines => {
                if let Some(found) = seen.iter().copied().find(fits) {
                    return Some(found);
                }
                let is_taken = |at: &usize| line(self.copies[*at].version) == line(version);
                if seen.iter().any(is_taken) {
                    return None;
                }
                None
            }
            Layout::Folders | Layout::Store => match seen.first() {
                Some(found) if fits(found) => return Some(*found),
                Some(_) if asked.is_peer => return None,
                Some(_) => from,
                None => None,
            },
        };
        self.copies.push(Installed { package, version, within, served: Vec::new() });
        Some(self.copies.len() - 1)
    }

    /// The copies of a package that are in reach, the nearest first.
    fn seen(&self, from: Option<usize>, package: usize) -> Vec<usize> {
        let lies = |folder: Option<usize>| {
            let all = 0..self.copies.len();
            all.filter(move |at| self.copies[*at].package == package && self.copies[*at].within == folder)
        };
        let mut seen = Vec::new();
        let mut folder = from;
        while let Some(at) = folder {
            seen.extend(lies(folder));
            folder = self.copies[at].within;
        }
        seen.extend(lies(None));
        seen
    }

    fn shop(&self) -> Shop {
        let mut shop = Shop::of(&self.lines.iter().map(String::as_str).collect::<Vec<_>>());
        shop.has_overrides = self.has_overrides;
        shop
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        graph.layout = self.layout;
        let top = graph.add(Node { own: true, ..Node::default() });
        for copy in &self.copies {
            let name = NAMES[copy.package].to_owned();
            graph.add(Node {
                called: name.clone(),
                name,
                version: VERSIONS[copy.version].to_owned(),
                movable: true,
                within: (self.layout == Layout::Folders).then_some(copy.within.map_or(top, |at| at + 1)),
                ..Node::default()
            });
        }
        for (to, asked) in &self.own {
            graph.connect(top, to + 1, &asked.range);
        }
        for (from, copy) in self.copies.iter().enumerate() {
            for (asked, to) in self.required(copy.package, copy.version).iter().zip(&copy.served) {
                graph.connect(from + 1, to + 1, &asked.range);
            }
        }
        graph
    }

    fn before(&self) -> After {
        let mut before = vec![0; self.asks.len()];
        self.copies.iter().for_each(|copy| before[copy.package] |= 1 << copy.version);
        before
    }

    /// The versions with a problem that are there no more.
    fn cleared(&self, after: &[Versions]) -> After {
        let before = self.before();
        (0..before.len()).map(|at| before[at] & self.bad[at] & !after[at]).collect()
    }

    /// What a user sees change: of each package that is still there, the versions that go or those that come.
    fn moves(&self, after: &[Versions]) -> usize {
        let there = self.before().into_iter().zip(after).filter(|(_, after)| **after != 0);
        there
            .map(|(before, after)| {
                (before & !after).count_ones().max((after & !before).count_ones()) as usize
            })
            .sum()
    }
}

fn count(versions: impl Iterator<Item = Versions>) -> usize {
    versions.map(|versions| versions.count_ones() as usize).sum()
}

fn line(version: usize) -> usize {
    version / 2
}

/// What a tool makes of an assignment: who serves whom, what comes along, and whether all rules hold.
struct Outcome<'a> {
    world: &'a World,
    fates: &'a [Fate],
    may_relax: bool,
    reached: Vec<usize>,
    /// What comes anew: package, version, and the copy whose step it comes with.
    new: Vec<(usize, usize, usize)>,
    /// Copies that could serve more by an override.
    could: BTreeSet<usize>,
}

impl<'a> Outcome<'a> {
    fn of(
        world: &'a World,
        fates: &'a [Fate],
        own: &[(usize, Versions)],
        may_relax: bool,
    ) -> (Result<After, Broken>, BTreeSet<usize>) {
        let mut outcome =
            Self { world, fates, may_relax, reached: Vec::new(), new: Vec::new(), could: BTreeSet::new() };
        let after = outcome.after(own);
        (after, outcome.could)
    }

    fn after(&mut self, own: &[(usize, Versions)]) -> Result<After, Broken> {
        for (to, takes) in own {
            self.serve_own(*to, *takes)?;
        }
        let (mut at, mut new) = (0, 0);
        loop {
            if let Some(copy) = self.reached.get(at).copied() {
                self.follow(copy)?;
                at += 1;
            } else if let Some((package, version, from)) = self.new.get(new).copied() {
                for asked in self.world.required(package, version) {
                    self.serve_moved(from, asked)?;
                }
                new += 1;
            } else {
                return self.judged();
            }
        }
    }

    fn version(&self, copy: usize) -> Option<usize> {
        self.fates[copy].version
    }

    fn fits(&self, copy: usize, takes: Versions) -> bool {
        self.version(copy).is_some_and(|version| takes & 1 << version != 0)
    }

    fn has_moved(&self, copy: usize) -> bool {
        self.version(copy) != Some(self.world.copies[copy].version)
    }

    fn reach(&mut self, copy: usize) {
        if !self.reached.contains(&copy) {
            self.reached.push(copy);
        }
    }

    /// All copies of the package, that of the highest version first.
    fn others(&self, package: usize) -> Vec<usize> {
        let all = 0..self.world.copies.len();
        let mut others: Vec<usize> = all
            .filter(|at| self.world.copies[*at].package == package && self.version(*at).is_some())
            .collect();
        others.sort_by_key(|at| std::cmp::Reverse(self.version(*at)));
        others
    }

    fn serve_own(&mut self, to: usize, takes: Versions) -> Result<(), Broken> {
        let copy = &self.world.copies[to];
        let others = self.others(copy.package);
        let found = match self.version(to) {
            Some(_) if self.fits(to, takes) || self.may_relax => Some(to),
            Some(_) => None,
            None => {
                let fitting = others.iter().copied().find(|other| self.fits(*other, takes));
                let above = others.iter().rev().copied().filter(|_| self.may_relax);
                let mut above = above.filter(|other| self.version(*other) > Some(copy.version));
                fitting.or_else(|| above.next())
            }
        };
        self.reach(found.ok_or(Broken { by: None })?);
        Ok(())
    }

    fn follow(&mut self, copy: usize) -> Result<(), Broken> {
        let world = self.world;
        let Some(version) = self.version(copy) else { return Ok(()) };
        let required = world.required(world.copies[copy].package, version);
        if self.has_moved(copy) {
            return required.iter().try_for_each(|asked| self.serve_moved(copy, asked));
        }
        for (asked, to) in required.iter().zip(&world.copies[copy].served) {
            if self.fits(*to, asked.takes) || self.fates[*to].is_overridden {
                self.reach(*to);
            } else if world.layout == Layout::Lines {
                self.serve_moved(copy, asked)?;
            } else {
                self.could.insert(*to);
                return Err(Broken { by: None });
            }
        }
        Ok(())
    }

    fn serve_moved(&mut self, from: usize, asked: &Asked) -> Result<(), Broken> {
        let seen = match self.world.layout {
            Layout::Lines => self.others(asked.package),
            Layout::Folders | Layout::Store => self.world.seen(Some(from), asked.package),
        };
        if let Some(found) = seen.iter().copied().find(|copy| self.fits(*copy, asked.takes)) {
            self.reach(found);
            return Ok(());
        }
        if self.world.layout == Layout::Folders
            && let Some(nearest) = seen.first().copied()
        {
            if self.fates[nearest].is_overridden {
                self.reach(nearest);
                return Ok(());
            }
            if self.has_moved(nearest) {
                self.could.insert(nearest);
            }
            if asked.is_peer {
                return Err(Broken { by: Some(from) });
            }
        }
        self.bring(from, asked)
    }

    /// The newest version that the range takes; with lines, the newest for which there is room.
    fn bring(&mut self, from: usize, asked: &Asked) -> Result<(), Broken> {
        let package = asked.package;
        let is_lines = self.world.layout == Layout::Lines;
        let come = self.new.iter().filter(|new| new.0 == package).map(|new| new.1).collect::<Vec<_>>();
        if is_lines && come.iter().any(|version| asked.takes & 1 << version != 0) {
            return Ok(());
        }
        let there = self.others(package).into_iter().filter_map(|copy| self.version(copy)).chain(come);
        let taken: Vec<usize> = there.filter(|_| is_lines).map(line).collect();
        let room = |version: &usize| asked.takes & 1 << version != 0 && !taken.contains(&line(*version));
        let newest = (0..VERSIONS.len()).rev().find(room);
        let version = newest.ok_or(Broken { by: Some(from) })?;
        let is_there = self.world.before()[package] & 1 << version != 0;
        if self.world.bad[package] & 1 << version != 0 && !is_there {
            return Err(Broken { by: Some(from) });
        }
        if !self.new.iter().any(|new| (new.0, new.1) == (package, version)) {
            self.new.push((package, version, from));
        }
        Ok(())
    }

    fn judged(&self) -> Result<After, Broken> {
        let world = self.world;
        let mut after = vec![0; world.asks.len()];
        for copy in &self.reached {
            let version = self.version(*copy).expect("what serves is there");
            after[world.copies[*copy].package] |= 1 << version;
        }
        self.new.iter().for_each(|(package, version, _)| after[*package] |= 1 << version);
        let is_double = |versions: &Versions| [0b11, 0b1100].iter().any(|line| versions & line == *line);
        if world.layout == Layout::Lines && after.iter().any(is_double) {
            return Err(Broken { by: None });
        }
        for (package, before) in world.before().into_iter().enumerate() {
            let (gone, come) = (before & !after[package], after[package] & !before);
            if gone != 0 && come != 0 && come.trailing_zeros() < before.trailing_zeros() {
                let new = self.new.iter().find(|new| new.0 == package);
                return Err(Broken { by: new.map(|new| new.2) });
            }
        }
        Ok(after)
    }
}

/// Every assignment after which all rules hold.
struct Exhaustive<'a> {
    world: &'a World,
    own: Vec<(usize, Versions)>,
    found: BTreeSet<After>,
}

impl<'a> Exhaustive<'a> {
    fn of(world: &'a World) -> BTreeSet<After> {
        let own = world.own.iter().map(|(to, asked)| (*to, asked.takes)).collect();
        let mut all = Self { world, own, found: BTreeSet::new() };
        all.extend(&mut Vec::new());
        all.found
    }

    fn extend(&mut self, fates: &mut Vec<Fate>) {
        let Some(copy) = self.world.copies.get(fates.len()) else {
            self.look_at(fates);
            return;
        };
        let above = copy.version + 1..self.world.asks[copy.package].len();
        let good = above.filter(|version| self.world.bad[copy.package] & 1 << version == 0).map(Some);
        let gone = (self.world.layout == Layout::Lines).then_some(None);
        for version in [Some(copy.version)].into_iter().chain(good).chain(gone) {
            fates.push(Fate { version, is_overridden: false });
            self.extend(fates);
            fates.pop();
        }
    }

    fn look_at(&mut self, fates: &[Fate]) {
        let (after, could) = Outcome::of(self.world, fates, &self.own, true);
        self.found.extend(after.ok());
        let is_moved = |copy: &usize| fates[*copy].version != Some(self.world.copies[*copy].version);
        for copy in could.into_iter().filter(|copy| self.world.has_overrides && is_moved(copy)) {
            let mut fates = fates.to_vec();
            fates[copy].is_overridden = true;
            self.look_at(&fates);
        }
    }
}

/// What the plans of the chooser lead to, with those versions given up that break a rule, as the fixers do it.
fn ours(world: &World) -> After {
    let (graph, mut shop) = (world.graph(), world.shop());
    let vulnerable = (0..world.copies.len())
        .filter(|at| world.bad[world.copies[*at].package] & 1 << world.copies[*at].version != 0);
    let vulnerable: Vec<usize> = vulnerable.map(|at| at + 1).collect();
    for _ in 0..MOST_PLANS {
        let plan = choose(&graph, &shop, &vulnerable);
        let (fates, own) = carried_out(world, &shop, &plan);
        match Outcome::of(world, &fates, &own, false).0 {
            Ok(after) => return after,
            Err(broken) => {
                let step = broken.by.and_then(|by| Some((world.copies[by].package, fates[by].version?)));
                let Some((package, version)) = step else { break };
                let name = NAMES[package].to_owned();
                let tries = shop.barred.iter().filter(|barred| barred.0 == name).count() + 1;
                let all = (0..VERSIONS.len()).filter(|at| *at == version || tries >= MOST_BARRED);
                shop.barred.extend(all.map(|at| (name.clone(), VERSIONS[at].to_owned())));
            }
        }
    }
    world.before()
}

fn carried_out(world: &World, shop: &Shop, plan: &Plan) -> (Vec<Fate>, Vec<(usize, Versions)>) {
    let stay = |copy: &Installed| Fate { version: Some(copy.version), is_overridden: false };
    let mut fates: Vec<Fate> = world.copies.iter().map(stay).collect();
    for step in &plan.steps {
        let version = VERSIONS.iter().position(|version| *version == step.to);
        fates[step.node - 1] = Fate { version, is_overridden: step.rung == Rung::Override };
    }
    for merged in &plan.merged {
        fates[merged - 1].version = None;
    }
    let own = world.own.iter().map(|(to, asked)| {
        let called = NAMES[asked.package];
        let relaxed = plan.relaxed.iter().find(|relaxed| relaxed.called == called);
        let takes = relaxed.map(|relaxed| World::asked(shop, called, &relaxed.range, false).takes);
        (*to, takes.unwrap_or(asked.takes))
    });
    let own = own.collect();
    (fates, own)
}

#[track_caller]
fn check(layout: Layout, has_overrides: bool) {
    let mut runner = TestRunner::deterministic();
    let draw = (worlds(), prop::collection::vec(any::<u8>(), 128));
    let (mut clearable, mut cleared, mut moves, mut fewest, mut seen) = (0, 0, 0, 0, 0);
    while seen < WORLDS {
        let (drawn, dice) = draw.new_tree(&mut runner).expect("a world").current();
        if drawn.len() < 3 {
            continue;
        }
        let Some(world) = World::of(&drawn, &dice, layout, has_overrides) else { continue };
        seen += 1;
        let after = ours(&world);
        let all = Exhaustive::of(&world);
        let ours = world.cleared(&after);
        let clears = |after: &After| count(world.cleared(after).into_iter());
        let most = all.iter().map(clears).max().expect("what is there holds");
        let has_all =
            |other: &&After| world.cleared(other).iter().zip(&ours).all(|(other, ours)| ours & !other == 0);
        let least = all.iter().filter(has_all).map(|after| world.moves(after)).min();
        let least = least.unwrap_or_else(|| panic!("what is chosen is no assignment: {:?}", world.lines));
        clearable += most;
        cleared += clears(&after);
        moves += world.moves(&after);
        fewest += least;
    }
    assert!(clearable > WORLDS / 2, "{clearable}");
    assert!(cleared * 100 >= clearable * 95, "{cleared} of {clearable}");
    assert!(moves * 10 <= fewest * 12, "{moves} moves, and {fewest} would do");
}

#[test]
fn nearly_all_that_can_be_cleared_is_where_there_are_overrides() {
    check(Layout::Folders, true);
}

#[test]
fn nearly_all_that_can_be_cleared_is_where_there_are_none() {
    check(Layout::Folders, false);
}

#[test]
fn nearly_all_that_can_be_cleared_is_where_copies_share_one_place() {
    check(Layout::Lines, false);
}
