//! What a change of the lockfile must not do, whoever wrote it: nothing goes down, no problem comes in, nothing moves that
//! had no reason to, and no version gets another content.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::generate::Move;

use crate::dependency::graph::Graph;
use crate::dependency::node::range::is_above;
use crate::fixer::Known;

/// What is installed at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) integrity: Option<String>,
}

/// What a lockfile says is installed.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// By the place in the lockfile.
    pub(crate) copies: BTreeMap<String, Copy>,
    pub(crate) graph: Graph,
}

/// What happened between two lockfiles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) moves: Vec<Move>,
    /// Each broken rule in one sentence; none for a good change.
    pub(crate) violations: Vec<String>,
}

/// `planned` are the packages that were meant to move.
pub(crate) fn compare(
    before: &State,
    after: &State,
    planned: &BTreeSet<String>,
    known: &dyn Known,
) -> Result<Comparison, Failure> {
    let (old, new) = (&before.copies, &after.copies);
    let mut comparison = Comparison::default();
    let names: BTreeSet<&String> = old.values().chain(new.values()).map(|copy| &copy.name).collect();
    let mut moved = BTreeSet::new();
    for name in names {
        let (mut gone, mut come) = (versions(old, name), versions(new, name));
        for version in gone.clone() {
            if let Some(at) = come.iter().position(|other| *other == version) {
                come.remove(at);
                gone.retain(|other| *other != version);
            }
        }
        for (from, to) in pair(&gone, &come) {
            if let (Some(from), Some(to)) = (&from, &to)
                && is_above(from, to)
            {
                comparison.violations.push(format!("`{name} {from}` would go down to `{name} {to}`"));
            }
            // One copy less of what is there all the same brings no code in.
            if to.is_some() {
                moved.insert(name.clone());
            }
            comparison.moves.push(Move { package: name.clone(), from, to, rung: None });
        }
        new_problems(name, &versions(old, name), &come, known, &mut comparison.violations)?;
    }
    for (place, copy) in new {
        let was = old.get(place).filter(|was| was.version == copy.version && was.name == copy.name);
        let differs = |was: &&Copy| {
            was.integrity.is_some() && copy.integrity.is_some() && was.integrity != copy.integrity
        };
        if was.is_some_and(|was| differs(&was)) {
            let Copy { name, version, .. } = copy;
            comparison.violations.push(format!("`{name} {version}` would have another content"));
        }
    }
    comparison.violations.extend(lowered(&before.graph, &after.graph));
    let reached = reached(&before.graph, planned)
        .into_iter()
        .chain(reached(&after.graph, planned))
        .collect::<BTreeSet<_>>();
    let unrelated = moved.iter().filter(|name| !reached.contains(*name));
    let unrelated =
        unrelated.map(|name| format!("`{name}` would move, though nothing that is fixed needs it"));
    comparison.violations.extend(unrelated);
    Ok(comparison)
}

fn versions(installed: &BTreeMap<String, Copy>, name: &str) -> Vec<String> {
    let found = installed.values().filter(|copy| copy.name == name).map(|copy| copy.version.clone());
    let mut found: Vec<String> = found.collect::<BTreeSet<_>>().into_iter().collect();
    found.sort_by(
        |left, right| {
            if is_above(left, right) { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less }
        },
    );
    found
}

/// Each version that went with the one that came in its place, the lowest with the lowest; what is left over came or went.
fn pair(gone: &[String], come: &[String]) -> Vec<(Option<String>, Option<String>)> {
    let longest = gone.len().max(come.len());
    (0..longest).map(|at| (gone.get(at).cloned(), come.get(at).cloned())).collect()
}

fn new_problems(
    name: &str,
    old: &[String],
    come: &[String],
    known: &dyn Known,
    violations: &mut Vec<String>,
) -> Result<(), Failure> {
    if come.is_empty() {
        return Ok(());
    }
    let problems = |version: &String| {
        let ecosystem = Ecosystem("npm".to_owned());
        known.problems(&Package { ecosystem, name: name.to_owned(), version: version.clone() })
    };
    let mut had = BTreeSet::new();
    for version in old {
        had.extend(problems(version)?);
    }
    for version in come {
        let new = problems(version)?.into_iter().find(|problem| !had.contains(problem));
        violations.extend(new.map(|problem| format!("`{name} {version}` would bring {problem} in")));
    }
    Ok(())
}

/// What asks for the same as before and would get less.
fn lowered(before: &Graph, after: &Graph) -> Vec<String> {
    let (old, new) = (lowest(before), lowest(after));
    let pairs = new.iter().filter_map(|(ask, version)| Some((ask, version, old.get(ask)?)));
    let down = pairs.filter(|(_, version, old)| is_above(old, version));
    down.map(|((from, called), version, old)| {
        format!("`{called} {old}` would go down to `{called} {version}` for `{from}`")
    })
    .collect()
}

/// The lowest version that each package at its version gets of what it asks for.
fn lowest(graph: &Graph) -> BTreeMap<(String, &str), &str> {
    let mut found: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for edge in &graph.edges {
        let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
        let label = if from.own { from.name.clone() } else { format!("{} {}", from.name, from.version) };
        let known = found.entry((label, &to.called)).or_insert(&to.version);
        if is_above(known, &to.version) {
            *known = &to.version;
        }
    }
    found
}

/// The packages that the planned ones lead to, themselves included, and what leads to them.
fn reached(graph: &Graph, planned: &BTreeSet<String>) -> BTreeSet<String> {
    let mut out: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    graph.edges.iter().for_each(|edge| out.entry(edge.from).or_default().push(edge.to));
    let start = graph.nodes.iter().enumerate().filter(|(_, node)| planned.contains(&node.name));
    let mut open: Vec<usize> = start.map(|(at, _)| at).collect();
    let mut seen: BTreeSet<usize> = open.iter().copied().collect();
    while let Some(at) = open.pop() {
        open.extend(out.get(&at).into_iter().flatten().copied().filter(|to| seen.insert(*to)));
    }
    seen.into_iter().map(|at| graph.nodes[at].name.clone()).chain(planned.iter().cloned()).collect()
}
