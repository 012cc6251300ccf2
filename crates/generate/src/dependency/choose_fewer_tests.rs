//! Small worlds in which a copy can't be cleared, and goes to a version with fewer known problems.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::dependency::choose::choose;
use crate::dependency::choose::tests::{
    Drawn, Shop, check, check_graph, check_lines, check_store, installed, worlds,
};
use crate::dependency::graph::{Graph, Layout, Node};
use crate::dependency::market::{Goal, Market as _, Requirement};
use crate::dependency::sketch::Plan;

const NONE: &str = "! no version of `a` above 1.0.0 is free of known problems";

#[test]
fn where_none_is_free_the_lowest_with_the_fewest_is_taken() {
    let shop = ["!123 a 1.0.0", "!12 a 1.0.1", "!2 a 1.1.0", "!2 a 1.2.0"];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 1.1.0 InRange", NONE]);
    check_lines(&shop, &[("a", "^1")], &[("a", "1.0.0")], &["a 1.0.0 -> 1.1.0 InRange", NONE]);
    check_store(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 1.1.0 InRange", NONE]);
}

#[test]
fn no_other_problem_comes_in_for_fewer() {
    let shop = ["!12 a 1.0.0", "!3 a 1.0.1", "!13 a 1.0.2", "!12 a 1.0.3"];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &[NONE]);
}

#[test]
fn what_asks_for_too_little_moves_for_fewer_as_well() {
    let shop = ["!12 a 1.0.0", "!1 a 1.1.0", "top 1.0.0: a =1.0.0", "top 1.1.0: a ^1.1.0"];
    let (root, there) = ([("top", "^1.0.0")], [("a", "1.0.0"), ("top", "1.0.0")]);
    check(&shop, &root, &there, &["a 1.1.0 Lift", "top 1.1.0 Lift", NONE]);
    check_lines(&shop, &root, &there, &["a 1.0.0 -> 1.1.0 Lift", "top 1.0.0 -> 1.1.0 Lift", NONE]);
    check(&shop[..3], &root, &there, &["a 1.1.0 Override", NONE]);
    let own = [("a", "~1.0.0")];
    check(&shop[..2], &own, &there[..1], &["a 1.1.0 Relax", "a ~1.1.0", NONE]);
}

#[test]
fn where_none_without_can_be_reached_one_with_fewer_is_taken() {
    let shop = ["!12 a 1.0.0", "!1 a 1.0.1", "a 1.1.0", "pin 1.0.0: a ~1.0.0"];
    let why = "! `pin 1.0.0` requires `a ~1.0.0`, fixed in 1.1.0 and is the newest";
    let then = ["a 1.0.0 -> 1.0.1 InRange", why];
    check_lines(&shop, &[("pin", "^1")], &[("a", "1.0.0"), ("pin", "1.0.0")], &then);
}

#[test]
fn copies_of_one_version_move_all_or_none() {
    let shop = ["!12 a 1.0.0", "!1 a 1.1.0", "top 1.0.0: a ^1.0.0", "pin 1.0.0: a =1.0.0"];
    let there = [("a", "1.0.0"), ("top", "1.0.0"), ("pin", "1.0.0")];
    let root = [("top", "^1.0.0"), ("pin", "^1.0.0")];
    check_store(&shop, &root, &there, &["a 1.1.0 InRange", "a 1.1.0 Override", NONE, NONE]);
    // A second copy that is held keeps the findings of the version, whatever the first does.
    let mut shop = Shop::of(&shop);
    shop.has_overrides = false;
    let mut graph = installed(&shop, &root, &there[1..]);
    for (asking, range) in [("top", "^1.0.0"), ("pin", "=1.0.0")] {
        let within = graph.called(asking)[0];
        let (name, version) = ("a".to_owned(), "1.0.0".to_owned());
        let copy = Node { called: name.clone(), name, version, movable: true, ..Node::default() };
        let copy = graph.add(Node { within: Some(within), ..copy });
        graph.connect(within, copy, range);
    }
    check_graph(&shop, &graph, &[NONE, NONE]);
}

#[test]
fn two_copies_of_one_problem_do_not_become_of_one_version() {
    // Each by itself would go to another version with the first advisory, which would then be found twice.
    let shop = [
        "!12 a 1.0.0",
        "!1 a 1.1.0",
        "!1 a 1.2.0",
        "top 1.0.0: a ^1.0.0",
        "pin 1.0.0: a >=1.0.0 <1.1.0 || >=1.2.0",
    ];
    let there = [("a", "1.0.0"), ("top", "1.0.0"), ("pin", "1.0.0")];
    let then = ["a 1.2.0 InRange", "a 1.2.0 InRange", NONE, NONE];
    check_store(&shop, &[("top", "^1.0.0"), ("pin", "^1.0.0")], &there, &then);
}

#[test]
fn a_finding_that_is_gone_is_not_brought_back_for_another_version() {
    // The first copy is cleared of 1; in the line of the second it would come back, at another version.
    let shop = ["!1 a 1.0.0", "a 1.0.1", "!12 a 2.0.0", "!1 a 2.1.0"];
    let there = [("a", "1.0.0"), ("a", "2.0.0"), ("top", "1.0.0")];
    let shop: Vec<&str> = shop.into_iter().chain(["top 1.0.0: a ^2"]).collect();
    let none = "! no version of `a` above 2.0.0 is free of known problems";
    check_lines(&shop, &[("a", "^1"), ("top", "^1")], &there, &["a 1.0.0 -> 1.0.1 InRange", none]);
}

#[test]
fn no_problem_is_brought_along_for_fewer() {
    let shop = ["!12 a 1.0.0", "!1 a 1.0.1: b ^1.0.0", "!b 1.0.0"];
    check(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")], &[NONE]);
    let other: Vec<&str> = shop.into_iter().chain(["!1 a 1.0.2"]).collect();
    check(&other, &[("a", "^1.0.0")], &[("a", "1.0.0")], &["a 1.0.2 InRange", NONE]);
}

#[test]
fn what_is_cleared_moves_as_it_would_without() {
    // `b` is cleared by its lowest good version, though a higher one would let `a` move.
    let shop = ["!12 a 1.0.0", "!1 a 1.1.0", "!b 1.0.0: a =1.0.0", "b 1.0.1: a =1.0.0", "b 1.0.2: a ^1.1.0"];
    let then = ["b 1.0.0 -> 1.0.1 InRange", NONE];
    check_lines(&shop, &[("b", "^1")], &[("a", "1.0.0"), ("b", "1.0.0")], &then);
}

#[test]
fn where_it_is_not_allowed_nothing_moves_for_fewer() {
    let mut shop = Shop::of(&["!12 a 1.0.0", "!1 a 1.0.1"]);
    let graph = installed(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")]);
    check_graph(&shop, &graph, &["a 1.0.1 InRange", NONE]);
    assert_eq!(choose(&graph, &shop, &[1]).lessened.into_iter().collect::<Vec<_>>(), [1]);
    shop.goal = Goal::Clear;
    check_graph(&shop, &graph, &[NONE]);
}

#[test]
fn where_to_clear_it_does_not_hold_it_goes_to_fewer_all_the_same() {
    let mut shop = Shop::of(&["!12 a 1.0.0", "!1 a 1.0.1", "a 2.0.0"]);
    let graph = installed(&shop, &[("a", "^1.0.0")], &[("a", "1.0.0")]);
    check_graph(&shop, &graph, &["a 2.0.0 Relax", "a ^2.0.0"]);
    shop.goal = Goal::Fewer;
    let plan = choose(&graph, &shop, &[1]);
    let steps: Vec<(usize, &str)> = plan.steps.iter().map(|step| (step.node, step.to.as_str())).collect();
    assert_eq!((steps, plan.relaxed.len(), plan.unsolved.len()), (vec![(1, "1.0.1")], 0, 1));
    assert_eq!(plan.lessened.into_iter().collect::<Vec<_>>(), [1]);
}

/// How many versions of each package have which advisory.
fn findings(shop: &Shop, versions: BTreeSet<(&str, &str)>) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for (name, version) in versions {
        for problem in shop.problems(name, version) {
            *found.entry((name.to_owned(), problem)).or_default() += 1;
        }
    }
    found
}

/// What is there once a plan is carried out.
fn after<'a>(graph: &'a Graph, plan: &'a Plan) -> BTreeSet<(&'a str, &'a str)> {
    let nodes = graph.nodes.iter().enumerate().filter(|(_, node)| !node.own);
    let version = |at: usize| plan.steps.iter().find(|step| step.node == at).map(|step| step.to.as_str());
    nodes.map(|(at, node)| (node.name.as_str(), version(at).unwrap_or(&node.version))).collect()
}

fn market(world: &[Vec<Drawn>], problems: &[u8], goal: Goal) -> Shop {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut marks = problems.iter().cycle();
    let mut lines = Vec::new();
    for (name, releases) in names.iter().zip(world) {
        for (at, (_, required)) in releases.iter().enumerate() {
            let mark =
                ["", "!1 ", "!2 ", "!12 ", "!123 "][usize::from(*marks.next().expect("it goes round"))];
            let required = required.iter().map(|(other, kind)| {
                let range = ["*", "^1.0.0", "=1.0.0", "~1.1.0", ">=1.1.0"][usize::from(*kind)];
                format!("{} {range}", names[usize::from(*other)])
            });
            lines.push(format!("{mark}{name} 1.{at}.0: {}", required.collect::<Vec<_>>().join(", ")));
        }
    }
    let mut shop = Shop::of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    shop.goal = goal;
    shop
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn for_fewer_problems_nothing_else_changes_and_none_comes(
        world in worlds(), problems in prop::collection::vec(0_u8..5, 24), wanted in prop::collection::vec(any::<bool>(), 6),
    ) {
        let (whole, shop) = (market(&world, &problems, Goal::Clear), market(&world, &problems, Goal::ClearOrFewer));
        let there: Vec<(&str, &str)> = ["a", "b", "c", "d", "e", "f"].into_iter().take(world.len()).map(|name| (name, "1.0.0")).collect();
        let root: Vec<(&str, &str)> = there.iter().zip(&wanted)
            .map(|((name, _), is_exact)| (*name, if *is_exact { "=1.0.0" } else { "^1.0.0" })).collect();
        let graph = installed(&shop, &root, &there);
        let all: Vec<usize> = (1..graph.nodes.len())
            .filter(|at| shop.is_vulnerable(&graph.nodes[*at].name, &graph.nodes[*at].version)).collect();
        let (plan, least) = (choose(&graph, &shop, &all), choose(&graph, &whole, &all));
        assert!(least.lessened.is_empty());
        assert!(least.steps.iter().all(|step| plan.steps.contains(step)));
        assert!(least.relaxed.iter().all(|range| plan.relaxed.contains(range)));
        assert!(plan.unsolved.iter().all(|one| least.unsolved.contains(one)));
        for node in &plan.lessened {
            let found = &graph.nodes[*node];
            let step = plan.steps.iter().find(|step| step.node == *node).expect("it moves");
            assert!(shop.is_above(&step.to, &found.version));
            let (had, has) = (shop.problems(&found.name, &found.version), shop.problems(&found.name, &step.to));
            assert!(has.is_subset(&had) && has.len() < had.len() && !has.is_empty());
            assert!(plan.unsolved.iter().any(|(left, _)| left == node));
        }
        let (with, without) = (findings(&shop, after(&graph, &plan)), findings(&shop, after(&graph, &least)));
        assert!(with.iter().all(|(problem, count)| without.get(problem).is_some_and(|had| count <= had)));
        assert_eq!(plan.lessened.is_empty(), with == without);
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const WORLDS: usize = 1000;

/// Packages in one line of versions each, all of which the project asks for itself: an assignment is a version of each.
struct Lines {
    shop: Shop,
    /// How many versions each has.
    counts: Vec<usize>,
}

impl Lines {
    fn of(world: &[Vec<Drawn>], problems: &[u8]) -> Self {
        let (mut marks, mut lines) = (problems.iter().cycle(), Vec::new());
        for (name, releases) in NAMES.iter().zip(world) {
            for (at, (_, required)) in releases.iter().enumerate() {
                let mark =
                    ["", "!1 ", "!2 ", "!12 ", "!123 "][usize::from(*marks.next().expect("it goes round"))];
                let required =
                    required.iter().filter(|(other, _)| usize::from(*other) < world.len().min(NAMES.len()));
                let required = required.map(|(other, kind)| {
                    // What is installed fits.
                    let base = if at == 0 { "1.0.0" } else { ["1.0.0", "1.1.0"][usize::from(*kind) % 2] };
                    let sign = ["^", "^", "~", "=", ">="][usize::from(*kind)];
                    format!("{} {sign}{base}", NAMES[usize::from(*other)])
                });
                lines.push(format!("{mark}{name} 1.{at}.0: {}", required.collect::<Vec<_>>().join(", ")));
            }
        }
        let mut shop = Shop::of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        shop.has_overrides = false;
        Self { shop, counts: world.iter().take(NAMES.len()).map(Vec::len).collect() }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        graph.layout = Layout::Lines;
        let top = graph.add(Node { own: true, ..Node::default() });
        for name in NAMES.iter().take(self.counts.len()) {
            let (name, version) = ((*name).to_owned(), version(0));
            let node = Node { called: name.clone(), name, version, movable: true, ..Node::default() };
            let node = graph.add(node);
            graph.connect(top, node, "~1.0.0");
        }
        for name in NAMES.iter().take(self.counts.len()) {
            for required in self.shop.requirements(name, "1.0.0") {
                graph.connect(graph.called(name)[0], graph.called(&required.called)[0], &required.range);
            }
        }
        graph
    }

    /// How many findings are gone; none where a rule is broken. The project's own ranges may be others.
    fn gone(&self, versions: &[usize]) -> Option<usize> {
        let mut gone = 0;
        for (name, at) in NAMES.iter().zip(versions) {
            let (had, has) = (self.shop.problems(name, "1.0.0"), self.shop.problems(name, &version(*at)));
            let fits = |required: &Requirement| {
                let to = NAMES.iter().position(|name| *name == required.called);
                self.shop.admits(&required.range, &version(versions[to.expect("it is one of them")]))
            };
            if !has.is_subset(&had) || !self.shop.requirements(name, &version(*at)).iter().all(fits) {
                return None;
            }
            gone += had.difference(&has).count();
        }
        Some(gone)
    }

    /// The most findings that any assignment removes.
    fn most(&self) -> usize {
        let mut all = vec![Vec::new()];
        for count in &self.counts {
            all = all
                .into_iter()
                .flat_map(|one: Vec<usize>| {
                    (0..*count).map(move |version| one.iter().copied().chain([version]).collect())
                })
                .collect();
        }
        all.iter().filter_map(|versions| self.gone(versions)).max().expect("what is there holds")
    }

    /// What the chooser removes.
    fn ours(&self) -> Option<usize> {
        let graph = self.graph();
        let is_bad = |at: &usize| self.shop.is_vulnerable(&graph.nodes[*at].name, &graph.nodes[*at].version);
        let vulnerable: Vec<usize> = (1..graph.nodes.len()).filter(is_bad).collect();
        let plan = choose(&graph, &self.shop, &vulnerable);
        let mut versions = vec![0; self.counts.len()];
        for step in &plan.steps {
            let package = NAMES.iter().position(|name| *name == graph.nodes[step.node].name);
            let at = (0..4).find(|at| version(*at) == step.to);
            versions[package.expect("it is one of them")] = at.expect("it is published");
        }
        self.gone(&versions)
    }
}

fn version(at: usize) -> String {
    format!("1.{at}.0")
}

#[test]
fn most_findings_that_can_go_do() {
    let mut runner = TestRunner::deterministic();
    let problems = prop::collection::vec(0_u8..5, 24);
    let draw = (worlds(), problems);
    let (mut most, mut ours, mut whole) = (0, 0, 0);
    for _ in 0..WORLDS {
        let (world, problems) = draw.new_tree(&mut runner).expect("a world").current();
        let mut lines = Lines::of(&world, &problems);
        most += lines.most();
        ours += lines.ours().unwrap_or(0);
        lines.shop.goal = Goal::Clear;
        whole += lines.ours().unwrap_or(0);
    }
    assert!(whole * 10 < most * 9, "{whole} of {most} without");
    assert!(ours * 100 >= most * 87, "{ours} of {most}, and {whole} without");
}
