//! Small worlds of packages, and which versions are chosen in them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

use super::choose;
use crate::dependency::graph::{Graph, Layout, Node};
use crate::dependency::market::{Goal, Kind, Market, Release, Requirement};
use crate::dependency::node::range;

/// A registry that is known as a whole.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) has_overrides: bool,
    /// What copies are to come to.
    pub(super) goal: Goal,
    releases: BTreeMap<String, Vec<Release>>,
    problems: BTreeMap<(String, String), BTreeSet<String>>,
    pub(super) barred: BTreeSet<(String, String)>,
}

impl Shop {
    /// Lines as in `a 1.2.0: b ^1, c ~2.0`, the lowest version of each first; a leading `!` says that it is vulnerable,
    /// `!12 a 1.2.0` by which advisories, a digit each, and `peer:b` that whoever uses it must bring that.
    pub(super) fn of(lines: &[&str]) -> Self {
        let mut shop = Self {
            has_overrides: true,
            goal: Goal::ClearOrFewer,
            releases: BTreeMap::new(),
            problems: BTreeMap::new(),
            barred: BTreeSet::new(),
        };
        for line in lines {
            let (head, required) = line.split_once(':').unwrap_or((line, ""));
            let bad = head.strip_prefix('!');
            let head =
                bad.unwrap_or(head).trim_start_matches(|sign: char| sign.is_ascii_digit()).trim_start();
            let (name, version) = head.split_once(' ').expect("a name and a version");
            let requirements = required.split(',').filter(|one| !one.trim().is_empty()).map(|one| {
                let (called, range) = one.trim().split_once(' ').expect("a name and a range");
                let (kind, called) = match called.strip_prefix("peer:") {
                    Some(called) => (Kind::Peer, called),
                    None => (Kind::Normal, called),
                };
                Requirement { called: called.to_owned(), range: range.to_owned(), kind }
            });
            if let Some(bad) = bad {
                let digits: BTreeSet<String> =
                    bad.chars().take_while(char::is_ascii_digit).map(String::from).collect();
                shop.condemn(
                    name,
                    version,
                    if digits.is_empty() { BTreeSet::from(["1".to_owned()]) } else { digits },
                );
            }
            shop.releases.entry(name.to_owned()).or_default().push(Release {
                version: version.to_owned(),
                usable: true,
                requirements: requirements.collect(),
                bundles: Vec::new(),
            });
        }
        shop
    }

    fn condemn(&mut self, name: &str, version: &str, problems: BTreeSet<String>) {
        self.problems.insert((name.to_owned(), version.to_owned()), problems);
    }

    pub(super) fn requirements(&self, name: &str, version: &str) -> Vec<Requirement> {
        let releases = self.releases.get(name).into_iter().flatten();
        releases.filter(|one| one.version == version).flat_map(|one| one.requirements.clone()).collect()
    }
}

impl Market for Shop {
    fn releases(&self, name: &str) -> Option<&[Release]> {
        self.releases.get(name).map(Vec::as_slice)
    }

    fn admits(&self, range: &str, version: &str) -> bool {
        range::admits(range, version)
    }

    fn is_above(&self, version: &str, other: &str) -> bool {
        range::is_above(version, other)
    }

    fn relaxed(&self, range: &str, version: &str) -> Option<String> {
        range::relaxed(range, version)
    }

    fn is_major(&self, from: &str, to: &str) -> bool {
        range::is_major(from, to)
    }

    fn problems(&self, name: &str, version: &str) -> BTreeSet<String> {
        self.problems.get(&(name.to_owned(), version.to_owned())).cloned().unwrap_or_default()
    }

    fn goal(&self, _: &str, _: &str) -> Goal {
        self.goal
    }

    fn is_barred(&self, name: &str, version: &str) -> bool {
        self.barred.contains(&(name.to_owned(), version.to_owned()))
    }

    fn has_overrides(&self) -> bool {
        self.has_overrides
    }
}

/// Everything installed once and at the top; `root` is what the project itself asks for.
pub(super) fn installed(shop: &Shop, root: &[(&str, &str)], installed: &[(&str, &str)]) -> Graph {
    let mut graph = Graph::default();
    let top = graph.add(Node { called: String::new(), own: true, ..Node::default() });
    for (name, version) in installed {
        graph.add(Node {
            name: (*name).to_owned(),
            called: (*name).to_owned(),
            version: (*version).to_owned(),
            movable: true,
            within: Some(top),
            ..Node::default()
        });
    }
    for (name, range) in root {
        let to = graph.visible(top, name).expect("it is installed");
        graph.connect(top, to, range);
    }
    for (name, version) in installed {
        let from = graph.visible(top, name).expect("it is installed");
        for required in shop.requirements(name, version) {
            if let Some(to) = graph.visible(from, &required.called) {
                graph.connect(from, to, &required.range);
            }
        }
    }
    graph
}

/// Steps as `name version rung`, then ranges as `name range`, then what is left as `! why`.
#[track_caller]
pub(super) fn check(shop: &[&str], root: &[(&str, &str)], there: &[(&str, &str)], then: &[&str]) {
    let shop = Shop::of(shop);
    let graph = installed(&shop, root, there);
    check_graph(&shop, &graph, then);
}

#[track_caller]
pub(super) fn check_graph(shop: &Shop, graph: &Graph, then: &[&str]) {
    let bad = |node: &Node| shop.is_vulnerable(&node.name, &node.version);
    let vulnerable: Vec<usize> = (0..graph.nodes.len()).filter(|at| bad(&graph.nodes[*at])).collect();
    let plan = choose(graph, shop, &vulnerable);
    let steps =
        plan.steps.iter().map(|step| format!("{} {} {:?}", graph.nodes[step.node].name, step.to, step.rung));
    let ranges = plan.relaxed.iter().map(|one| format!("{} {}", one.called, one.range));
    let left = plan.unsolved.iter().flat_map(|(_, why)| why.iter().map(|why| format!("! {why}")));
    assert_eq!(steps.chain(ranges).chain(left).collect::<Vec<_>>(), then);
}

/// As a store has it: each range is a choice of its own, and got the highest copy within it.
#[track_caller]
pub(super) fn check_store(shop: &[&str], root: &[(&str, &str)], there: &[(&str, &str)], then: &[&str]) {
    let shop = Shop::of(shop);
    let mut graph = Graph::default();
    graph.layout = Layout::Store;
    let top = graph.add(Node { own: true, ..Node::default() });
    let mut made: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    let slot = |graph: &mut Graph, called: &str, range: &str| {
        let fits = |(name, version): &&(&str, &str)| *name == called && shop.admits(range, version);
        let (name, version) = there.iter().rfind(fits).expect("it is installed");
        let (name, version) = ((*name).to_owned(), (*version).to_owned());
        let called = name.clone();
        graph.add(Node { name, called, version, movable: true, ..Node::default() })
    };
    for (name, range) in root {
        let to = slot(&mut graph, name, range);
        graph.connect(top, to, range);
    }
    for (name, version) in there {
        let required = shop.requirements(name, version);
        let slots = required.iter().map(|one| slot(&mut graph, &one.called, &one.range));
        made.insert(((*name).to_owned(), (*version).to_owned()), slots.collect());
    }
    for from in 1..graph.nodes.len() {
        let node = &graph.nodes[from];
        for to in made.get(&(node.name.clone(), node.version.clone())).cloned().unwrap_or_default() {
            graph.connect_as_published(from, to);
        }
    }
    check_graph(&shop, &graph, then);
}

#[test]
fn in_a_store_each_range_gets_its_own_lowest_good_version() {
    let shop = ["!a 1.0.0", "a 1.0.1", "!a 1.1.0", "a 1.2.0", "top 1.0.0: a ^1.1.0"];
    let root = [("a", "~1.0.0"), ("top", "^1.0.0")];
    let there = [("a", "1.0.0"), ("a", "1.1.0"), ("top", "1.0.0")];
    check_store(&shop, &root, &there, &["a 1.0.1 InRange", "a 1.2.0 InRange"]);
}

#[test]
fn in_a_store_a_widened_range_takes_its_own_copy_along_though_another_one_fits() {
    let shop = ["!a 1.0.0", "a 2.0.0", "top 1.0.0: a ^2.0.0"];
    let there = [("a", "1.0.0"), ("a", "2.0.0"), ("top", "1.0.0")];
    check_store(&shop, &[("a", "^1.0.0"), ("top", "^1.0.0")], &there, &["a 2.0.0 Relax", "a ^2.0.0"]);
}

#[test]
fn of_two_the_one_is_chosen_that_brings_no_problem_in() {
    // npm and yarn take the newest version within a range, at every level.
    let shop = [
        "!a 1.0.0",
        "a 1.1.0: b ^1.0.0",
        "a 1.2.0: b ^2.0.0",
        "a 1.3.0",
        "b 1.0.0",
        "!b 1.1.0",
        "b 2.0.0: c ^1.0.0",
        "!c 1.0.0",
    ];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 1.3.0 InRange"]);
    check(&shop, &[("a", "1.0.0")], &[("a", "1.0.0")], &["a 1.3.0 Relax", "a 1.3.0"]);
    // What is there already is not brought in, and where nothing else is published the rules will tell.
    check(&shop, &[("a", "^1.0.0"), ("b", "1.0.0")], &[("a", "1.0.0"), ("b", "1.0.0")], &["a 1.1.0 InRange"]);
    check(&shop[..3], &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 1.1.0 InRange"]);
}

#[test]
fn an_override_widens_what_the_project_itself_asks_for() {
    let shop = ["!a 1.0.0", "a 2.0.0", "top 1.0.0: a ^1.0.0"];
    let there = [("a", "1.0.0"), ("top", "1.0.0")];
    check(&shop, &[("a", "^1.0.0"), ("top", "1.0.0")], &there, &["a 2.0.0 Override", "a ^2.0.0"]);
}

#[test]
fn an_override_is_dropped_when_what_it_was_for_asks_for_something_else() {
    // The override of `b` would put the good 2.0.0 down once `a` is overridden, too.
    let shop =
        ["top 1.0.0: a 1.0.0", "!a 1.0.0: b 1.0.0", "a 2.0.0: b ^2.0.0", "!b 1.0.0", "b 1.0.1", "b 2.0.0"];
    let root = [("top", "^1.0.0"), ("b", "^2.0.0")];
    // In this order `b` is looked at first.
    let there = [("a", "1.0.0"), ("top", "1.0.0"), ("b", "1.0.0"), ("b", "2.0.0")];
    check_store(&shop, &root, &there, &["a 2.0.0 Override"]);
    check_store(&shop, &root[..1], &there[..3], &["b 2.0.0 InRange", "a 2.0.0 Override"]);
}

/// The same where there is one copy for each line of versions, and each asks for the one that fits.
#[track_caller]
pub(super) fn check_lines(shop: &[&str], root: &[(&str, &str)], there: &[(&str, &str)], then: &[&str]) {
    let shop = Shop { has_overrides: false, ..Shop::of(shop) };
    let mut graph = Graph::default();
    graph.layout = Layout::Lines;
    let top = graph.add(Node { called: String::new(), own: true, ..Node::default() });
    for (name, version) in there {
        let (name, version) = ((*name).to_owned(), (*version).to_owned());
        graph.add(Node { called: name.clone(), name, version, movable: true, ..Node::default() });
    }
    let serving = |graph: &Graph, called: &str, range: &str| {
        let mut copies = graph.called(called).iter().copied();
        copies.find(|at| range::admits(range, &graph.nodes[*at].version)).expect("it is installed")
    };
    for (name, range) in root {
        let to = serving(&graph, name, range);
        graph.connect(top, to, range);
    }
    for from in 1..graph.nodes.len() {
        for required in shop.requirements(&graph.nodes[from].name, &graph.nodes[from].version) {
            let to = serving(&graph, &required.called, &required.range);
            graph.connect(from, to, &required.range);
        }
    }
    let bad = |node: &Node| shop.is_vulnerable(&node.name, &node.version);
    let vulnerable: Vec<usize> = (0..graph.nodes.len()).filter(|at| bad(&graph.nodes[*at])).collect();
    let plan = choose(&graph, &shop, &vulnerable);
    let label = |at: usize| format!("{} {}", graph.nodes[at].name, graph.nodes[at].version);
    let steps = plan.steps.iter().map(|step| format!("{} -> {} {:?}", label(step.node), step.to, step.rung));
    let ranges = plan.relaxed.iter().map(|one| format!("{} {}", one.called, one.range));
    let merged = plan.merged.iter().map(|node| format!("{} goes", label(*node)));
    let left = plan.unsolved.iter().flat_map(|(_, why)| why.iter().map(|why| format!("! {why}")));
    assert_eq!(steps.chain(ranges).chain(merged).chain(left).collect::<Vec<_>>(), then);
}

#[test]
fn where_copies_share_one_place_what_is_required_moves_along() {
    let shop = ["!a 1.0.0", "a 1.0.1: b ^1.2", "b 1.0.0", "b 1.2.0", "b 1.3.0: c ^1", "c 1.0.0"];
    check_lines(
        &shop,
        &[("a", "^1"), ("b", "^1")],
        &[("a", "1.0.0"), ("b", "1.0.0")],
        &["a 1.0.0 -> 1.0.1 InRange", "b 1.0.0 -> 1.2.0 Lift"],
    );
    // Where that can't be, another version of the first is looked for.
    let shop = [
        "!a 1.0.0",
        "a 1.0.1: b ^1.2",
        "a 1.0.2: b ^1.2, b ^1.0",
        "a 1.1.0: b ^1.0, d ^1",
        "b 1.0.0",
        "b 1.2.0",
    ];
    check_lines(
        &shop,
        &[("a", "^1"), ("b", "=1.0.0")],
        &[("a", "1.0.0"), ("b", "1.0.0")],
        &["a 1.0.0 -> 1.1.0 InRange"],
    );
}

#[test]
fn a_copy_that_reaches_the_line_of_another_one_becomes_that_one() {
    let shop = ["!a 1.0.0", "a 2.0.0", "a 2.1.0", "top 1.0.0: a ^1", "top 1.1.0: a ^2"];
    let there = [("a", "1.0.0"), ("a", "2.0.0"), ("top", "1.0.0")];
    check_lines(&shop, &[("top", "^1"), ("a", "^2")], &there, &["top 1.0.0 -> 1.1.0 Lift", "a 1.0.0 goes"]);
    // A range that takes both lines: the copy goes into the other one.
    let shop = ["!a 1.0.0", "a 2.0.0", "a 2.1.0", "top 1.0.0: a >=1.0.0"];
    check_lines(&shop, &[("top", "^1"), ("a", "^2")], &there, &["a 1.0.0 goes"]);
}

#[test]
fn what_is_required_in_a_line_without_a_copy_comes_anew() {
    let shop = ["!a 1.0.0: b ^1", "a 1.0.1: b ^2", "b 1.0.0", "b 2.0.0", "top 1.0.0: b ^1"];
    check_lines(
        &shop,
        &[("a", "^1"), ("top", "^1")],
        &[("a", "1.0.0"), ("b", "1.0.0"), ("top", "1.0.0")],
        &["a 1.0.0 -> 1.0.1 InRange"],
    );
}

#[test]
fn without_a_good_version_something_above_may_do_without() {
    let shop = ["!a 1.0.0", "!a 1.0.1", "top 1.0.0: a ^1", "top 1.1.0"];
    check_lines(&shop, &[("top", "^1")], &[("a", "1.0.0"), ("top", "1.0.0")], &["top 1.0.0 -> 1.1.0 Lift"]);
}

#[test]
fn never_are_two_copies_planned_in_one_line() {
    // The lowest of the line is 2.0.0, but another copy is at 2.1.0 there.
    let shop = ["!a 1.0.0", "a 2.0.0", "a 2.1.0"];
    let there = [("a", "1.0.0"), ("a", "2.1.0"), ("top", "1.0.0")];
    let shop: Vec<&str> = shop.into_iter().chain(["top 1.0.0: a ^2.1.0"]).collect();
    check_lines(&shop, &[("a", "^1"), ("top", "^1")], &there, &["a ^2.0.0", "a 1.0.0 goes"]);
}

#[test]
fn who_asks_for_another_line_than_the_rest_gets_a_copy_of_its_own() {
    let shop =
        ["!a 1.0.0", "a 1.0.1", "a 2.0.0", "pin 1.0.0: a =1.0.0", "pin 1.1.0: a ^2", "top 1.0.0: a ^1.0"];
    check_lines(
        &shop,
        &[("pin", "^1"), ("top", "^1")],
        &[("a", "1.0.0"), ("pin", "1.0.0"), ("top", "1.0.0")],
        &["a 1.0.0 -> 1.0.1 Lift", "pin 1.0.0 -> 1.1.0 Lift"],
    );
}

#[test]
fn without_an_override_what_is_in_the_way_is_said() {
    let shop = ["!a 1.0.0", "a 1.0.1", "pin 1.0.0: a =1.0.0"];
    check_lines(
        &shop,
        &[("pin", "^1")],
        &[("a", "1.0.0"), ("pin", "1.0.0")],
        &["! `pin 1.0.0` requires `a =1.0.0`, fixed in 1.0.1 and is the newest"],
    );
}

#[test]
fn the_lowest_good_version_in_range_is_taken() {
    let shop = ["!a 1.0.0", "!a 1.0.1", "a 1.0.2", "a 1.1.0", "a 2.0.0"];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 1.0.2 InRange"]);
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.1.0")], &[]);
}

#[test]
fn of_two_good_versions_the_one_that_moves_fewer_others_is_taken() {
    let shop = ["!a 1.0.0: b 1", "a 1.0.1: b 2", "a 1.0.2: b 1", "b 1.0.0", "b 2.0.0"];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0"), ("b", "1.0.0")], &["a 1.0.2 InRange"]);
}

#[test]
fn what_pins_a_bad_version_is_lifted_as_little_as_will_do() {
    let shop = [
        "top 1.0.0: a ~1.0.0",
        "top 1.1.0: a ~1.0.0",
        "top 1.2.0: a ~1.1.0",
        "top 1.3.0: a ~1.1.0",
        "!a 1.0.0",
        "a 1.1.0",
    ];
    check(
        &shop,
        &[("top", "^1.0.0")],
        &[("top", "1.0.0"), ("a", "1.0.0")],
        &["top 1.2.0 Lift", "a 1.1.0 Lift"],
    );
}

#[test]
fn what_is_not_needed_any_more_does_not_move() {
    let shop = ["top 1.0.0: a 1.0.0", "top 1.1.0", "!a 1.0.0", "a 2.0.0"];
    check(&shop, &[("top", "^1.0.0")], &[("top", "1.0.0"), ("a", "1.0.0")], &["top 1.1.0 Lift"]);
}

#[test]
fn a_chain_of_pins_is_lifted_as_a_whole() {
    let shop = [
        "one 1.0.0: two 1.0.0",
        "one 1.1.0: two 1.1.0",
        "two 1.0.0: a 1.0.0",
        "two 1.1.0: a ^1.0.1",
        "!a 1.0.0",
        "a 1.0.1",
    ];
    check(
        &shop,
        &[("one", "^1.0.0")],
        &[("one", "1.0.0"), ("two", "1.0.0"), ("a", "1.0.0")],
        &["one 1.1.0 Lift", "two 1.1.0 Lift", "a 1.0.1 Lift"],
    );
}

#[test]
fn the_projects_own_range_is_widened_only_where_nothing_less_will_do() {
    let shop = ["!a 1.0.0", "a 2.0.1"];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 2.0.1 Relax", "a ^2.0.1"]);
    let shop = ["top 1.0.0: a 1.0.0", "top 1.1.0: a 1.0.1", "!a 1.0.0", "a 1.0.1"];
    check(
        &shop,
        &[("top", "~1.0.0")],
        &[("top", "1.0.0"), ("a", "1.0.0")],
        &["top 1.1.0 Lift", "a 1.0.1 Lift", "top ~1.1.0"],
    );
}

#[test]
fn no_major_upgrade_is_made_where_an_override_within_the_line_will_do() {
    let shop = ["top 1.0.0: a 1.0.0", "top 2.0.0: a 1.0.1", "!a 1.0.0", "a 1.0.1"];
    let (root, there) = ([("top", "~1.0.0")], [("top", "1.0.0"), ("a", "1.0.0")]);
    check(&shop, &root, &there, &["a 1.0.1 Override"]);
    let shop = ["top 1.0.0: a 1.0.0", "top 2.0.0: a 2.0.0", "!a 1.0.0", "a 2.0.0"];
    check(&shop, &root, &there, &["top 2.0.0 Lift", "a 2.0.0 Lift", "top ~2.0.0"]);
}

#[test]
fn what_was_tried_in_vain_is_not_chosen_again() {
    let mut shop = Shop::of(&["!a 1.0.0", "a 1.0.1", "a 1.0.2"]);
    shop.barred.insert(("a".to_owned(), "1.0.1".to_owned()));
    let graph = installed(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")]);
    check_graph(&shop, &graph, &["a 1.0.2 InRange"]);
    shop.barred.insert(("a".to_owned(), "1.0.2".to_owned()));
    let left = "! each version of `a` above 1.0.0 without known problems broke a rule where it was tried";
    check_graph(&shop, &graph, &[left]);
}

#[test]
fn a_version_whose_requirement_nothing_published_meets_is_passed_over() {
    let shop = ["!a 1.0.0", "a 1.0.1: b 1.0.9", "a 1.0.2: b 1.0.0", "b 1.0.0"];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 1.0.2 InRange"]);
}

#[test]
fn what_the_project_asks_for_goes_with_the_peers_that_are_there() {
    let shop = ["!a 1.0.0", "a 1.0.1: peer:b ^2.0.0", "a 1.0.2", "b 1.0.0", "b 2.0.0"];
    let (root, there) = ([("a", "^1.0.0"), ("b", "^1.0.0")], [("a", "1.0.0"), ("b", "1.0.0")]);
    check(&shop, &root, &there, &["a 1.0.2 InRange"]);
    check(&shop[..2], &root, &there, &["! `a 1.0.1` goes with `b ^2.0.0`, and `b 1.0.0` is there"]);
}

#[test]
fn what_was_seen_to_stay_moves_though_nothing_seems_to_need_it() {
    let shop = Shop::of(&["!top 1.0.0: a ^1.0.0", "top 1.0.1", "!a 1.0.0", "a 1.0.1"]);
    let mut graph = installed(&shop, &[("top", "^1.0.0")], &[("top", "1.0.0"), ("a", "1.0.0")]);
    check_graph(&shop, &graph, &["top 1.0.1 InRange"]);
    graph.kept.insert(graph.called("a")[0]);
    check_graph(&shop, &graph, &["top 1.0.1 InRange", "a 1.0.1 InRange"]);
}

#[test]
fn an_override_is_the_last_resort_and_stays_near() {
    let shop = ["top 1.0.0: a 1.0.0", "!a 1.0.0", "a 1.0.1", "a 2.0.0"];
    check(&shop, &[("top", "^1.0.0")], &[("top", "1.0.0"), ("a", "1.0.0")], &["a 1.0.1 Override"]);
}

#[test]
fn without_any_good_version_it_is_said() {
    let shop = ["top 1.0.0: a 1.0.0", "!a 1.0.0", "!a 1.0.1"];
    check(
        &shop,
        &[("top", "^1.0.0")],
        &[("top", "1.0.0"), ("a", "1.0.0")],
        &["! no version of `a` above 1.0.0 is free of known problems"],
    );
}

#[test]
fn a_market_that_does_not_know_is_asked_before_anything_counts() {
    let shop = Shop::of(&["!a 1.0.0"]);
    let graph = installed(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")]);
    let plan = choose(&graph, &Shop { releases: BTreeMap::new(), ..shop }, &[1]);
    assert_eq!(plan.unknown.into_iter().collect::<Vec<_>>(), ["a"]);
}

/// Whether a release is vulnerable, and what it requires by number.
pub(super) type Drawn = (bool, Vec<(u8, u8)>);

/// Any small world: up to six packages of up to four versions, each requiring some of the others.
pub(super) fn worlds() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    let release = (any::<bool>(), prop::collection::vec((0_u8..6, 0_u8..5), 0..3));
    prop::collection::vec(prop::collection::vec(release, 1..5), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_plan_never_goes_down_and_never_chooses_what_is_vulnerable(world in worlds(), wanted in prop::collection::vec(0_u8..5, 6)) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let range = |kind: u8| ["*", "^1.0.0", "1.0.0", "~1.1.0", ">=1.1.0"][usize::from(kind)];
        let mut shop = Shop::of(&[]);
        for (name, releases) in names.iter().zip(&world) {
            for (at, (bad, required)) in releases.iter().enumerate() {
                let version = format!("1.{at}.0");
                if *bad || at == 0 {
                    shop.condemn(name, &version, BTreeSet::from(["1".to_owned()]));
                }
                let requirements = required.iter().map(|(other, kind)| Requirement {
                    called: names[usize::from(*other)].to_owned(),
                    range: range(*kind).to_owned(),
                    kind: Kind::Normal,
                });
                shop.releases.entry((*name).to_owned()).or_default().push(Release {
                    version, usable: true,
                    bundles: Vec::new(), requirements: requirements.collect(),
                });
            }
        }
        let there: Vec<(&str, &str)> = names[..world.len()].iter().map(|name| (*name, "1.0.0")).collect();
        let root: Vec<(&str, &str)> = there.iter().zip(&wanted).map(|((name, _), kind)| (*name, range(*kind))).collect();
        let graph = installed(&shop, &root, &there);
        let all: Vec<usize> = (1..graph.nodes.len()).collect();
        let plan = choose(&graph, &shop, &all);
        for step in &plan.steps {
            let node = &graph.nodes[step.node];
            assert!(shop.is_above(&step.to, &node.version));
            assert!(!shop.is_vulnerable(&node.name, &step.to));
        }
        // Each copy moves, goes, or is named with a reason.
        assert!(plan.unsolved.iter().all(|(_, why)| !why.is_empty()));
        let again = choose(&graph, &shop, &all);
        assert_eq!(plan, again);
    }
}
