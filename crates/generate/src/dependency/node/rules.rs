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
    /// Whether it lies in the archive of another, whose own content answers for it.
    pub(crate) bundled: bool,
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
    /// What breaks them, by name and the version that it came at, with the sentence.
    pub(crate) offenders: BTreeMap<(String, String), String>,
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
        // What comes beside a lower one that was there already is a copy for somebody else: whoever stays is looked at below.
        if let (Some(least), Some(to)) = (versions(old, name).first(), come.first())
            && is_above(least, to)
            && let Some(from) = gone.last()
        {
            comparison.breaks(name, to, format!("`{name} {from}` would go down to `{name} {to}`"));
        }
        for (from, to) in pair(&gone, &come) {
            // One copy less of what is there all the same brings no code in.
            if to.is_some() {
                moved.insert(name.clone());
            }
            comparison.moves.push(Move { package: name.clone(), from, to, rung: None });
        }
        for (version, problem) in new_problems(name, &versions(old, name), &come, known)? {
            comparison.breaks(name, &version, format!("`{name} {version}` would bring {problem} in"));
        }
    }
    for (place, copy) in new {
        let was = old.get(place).filter(|was| was.version == copy.version && was.name == copy.name);
        let differs = |was: &Copy| match (&was.integrity, &copy.integrity) {
            (Some(was), Some(now)) => are_of_other_content(was, now),
            _ => false,
        };
        if !copy.bundled && was.is_some_and(differs) {
            let Copy { name, version, .. } = copy;
            comparison.breaks(name, version, format!("`{name} {version}` would have another content"));
        }
    }
    for (name, version, sentence) in lowered(&before.graph, &after.graph) {
        comparison.breaks(&name, &version, sentence);
    }
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

impl Comparison {
    fn breaks(&mut self, name: &str, version: &str, sentence: String) {
        self.offenders.insert((name.to_owned(), version.to_owned()), sentence.clone());
        self.violations.push(sentence);
    }
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

/// Each version that went with the lowest one that came and is not below it; what is left over came or went.
fn pair(gone: &[String], come: &[String]) -> Vec<(Option<String>, Option<String>)> {
    let mut come: Vec<&String> = come.iter().collect();
    let mut pairs = Vec::new();
    for from in gone {
        let to = come.iter().position(|to| !is_above(from, to)).map(|at| come.remove(at).clone());
        pairs.push((Some(from.clone()), to));
    }
    pairs.extend(come.into_iter().map(|to| (None, Some(to.clone()))));
    pairs
}

/// Whether two notes of a content contradict each other: hashes of different kinds (an old lockfile has SHA-1) say nothing.
fn are_of_other_content(was: &str, now: &str) -> bool {
    let hashes = |text: &str| -> Vec<(String, String)> {
        let each = text.split_whitespace().filter_map(|hash| hash.split_once('-'));
        each.map(|(kind, digest)| (kind.to_owned(), digest.to_owned())).collect()
    };
    let (was, now) = (hashes(was), hashes(now));
    let of_one_kind = |hash: &(String, String)| was.iter().any(|other| other.0 == hash.0);
    let mut comparable = now.iter().filter(|hash| of_one_kind(hash)).peekable();
    comparable.peek().is_some() && !comparable.any(|hash| was.contains(hash))
}

/// Versions that come with the first problem of each that none of the old ones had.
fn new_problems(
    name: &str,
    old: &[String],
    come: &[String],
    known: &dyn Known,
) -> Result<Vec<(String, String)>, Failure> {
    if come.is_empty() {
        return Ok(Vec::new());
    }
    let problems = |version: &String| {
        let ecosystem = Ecosystem("npm".to_owned());
        known.problems(&Package { ecosystem, name: name.to_owned(), version: version.clone() })
    };
    let mut had = BTreeSet::new();
    for version in old {
        had.extend(problems(version)?);
    }
    let mut found = Vec::new();
    for version in come {
        let new = problems(version)?.into_iter().find(|problem| !had.contains(problem));
        found.extend(new.map(|problem| (version.clone(), problem)));
    }
    Ok(found)
}

/// What asks for the same as before and would get less: of which package, which version, and the sentence.
fn lowered(before: &Graph, after: &Graph) -> Vec<(String, String, String)> {
    let (old, new) = (lowest(before), lowest(after));
    let pairs = new.iter().filter_map(|(ask, version)| Some((ask, version, old.get(ask)?)));
    let down = pairs.filter(|(_, version, old)| is_above(old, version));
    down.map(|((from, called), version, old)| {
        let sentence = format!("`{called} {old}` would go down to `{called} {version}` for `{from}`");
        ((*called).to_owned(), (*version).to_owned(), sentence)
    })
    .collect()
}

/// The lowest version that each package at its version gets of what it asks for.
fn lowest(graph: &Graph) -> BTreeMap<(String, &str), &str> {
    let mut found: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for edge in &graph.edges {
        let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
        // What comes in an archive gets what lies in that archive, and is the same as long as the archive is.
        if from.bundled {
            continue;
        }
        let label = if from.own { from.name.clone() } else { format!("{} {}", from.name, from.version) };
        let known = found.entry((label, &to.called)).or_insert(&to.version);
        if is_above(known, &to.version) {
            *known = &to.version;
        }
    }
    found
}

/// The steps that brought this package in at this version: the nearest above it.
pub(crate) fn culprits(
    after: &Graph,
    (name, version): (&str, &str),
    planned: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut into: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    after.edges.iter().for_each(|edge| into.entry(edge.to).or_default().push(edge.from));
    let start =
        after.nodes.iter().enumerate().filter(|(_, node)| node.name == name && node.version == version);
    let mut open: Vec<usize> = start.map(|(at, _)| at).collect();
    let mut seen: BTreeSet<usize> = open.iter().copied().collect();
    let mut found = BTreeSet::new();
    while let Some(at) = open.pop() {
        match planned.contains(&after.nodes[at].name) {
            true => {
                found.insert(after.nodes[at].name.clone());
            }
            false => {
                open.extend(into.get(&at).into_iter().flatten().copied().filter(|from| seen.insert(*from)))
            }
        }
    }
    found
}

/// The packages that the planned ones lead to, themselves included, and what leads to them.
fn reached(graph: &Graph, planned: &BTreeSet<String>) -> BTreeSet<String> {
    let below = below(graph, planned).into_iter();
    below.map(|at| graph.nodes[at].name.clone()).chain(planned.iter().cloned()).collect()
}

/// The nodes that these packages lead to, themselves included.
pub(crate) fn below(graph: &Graph, packages: &BTreeSet<String>) -> BTreeSet<usize> {
    let mut out: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    graph.edges.iter().for_each(|edge| out.entry(edge.from).or_default().push(edge.to));
    let start = graph.nodes.iter().enumerate().filter(|(_, node)| packages.contains(&node.name));
    let mut open: Vec<usize> = start.map(|(at, _)| at).collect();
    let mut seen: BTreeSet<usize> = open.iter().copied().collect();
    while let Some(at) = open.pop() {
        open.extend(out.get(&at).into_iter().flatten().copied().filter(|to| seen.insert(*to)));
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use patchline_model::failure::Failure;
    use patchline_model::package::Package;

    use super::{Copy, State, compare};
    use crate::fixer::Known;

    #[derive(Debug)]
    struct Nothing;

    impl Known for Nothing {
        fn problems(&self, _: &Package) -> Result<Vec<String>, Failure> {
            Ok(Vec::new())
        }
    }

    /// Lines as in `top/a 1.0.0 sha1-x`; a `+` before the place says that it is bundled.
    fn state(lines: &[&str]) -> State {
        let read = |line: &&str| {
            let mut words = line.split(' ');
            let (place, version) = (words.next()?, words.next()?.to_owned());
            let (bundled, place) = place.strip_prefix('+').map_or((false, place), |place| (true, place));
            let name = place.rsplit('/').next()?.to_owned();
            let integrity = words.next().map(|hash| hash.replace('+', " "));
            Some((place.to_owned(), Copy { name, version, integrity, bundled }))
        };
        let copies: BTreeMap<String, Copy> = lines.iter().filter_map(read).collect();
        State { copies, ..State::default() }
    }

    fn check(before: &[&str], after: &[&str], moves: &[&str], violations: &[&str]) {
        let planned = BTreeSet::from(["a".to_owned()]);
        let found = compare(&state(before), &state(after), &planned, &Nothing).unwrap();
        let word = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
        let told = found.moves.iter().map(|step| format!("{} {}", word(&step.from), word(&step.to)));
        assert_eq!(told.collect::<Vec<_>>(), moves, "{after:?}");
        assert_eq!(found.violations, violations, "{after:?}");
    }

    #[test]
    fn each_version_is_paired_with_one_that_is_not_below_it() {
        check(
            &["a 3.0.0", "x/a 4.1.0", "y/a 5.0.0"],
            &["a 3.0.0", "x/a 3.0.1", "y/a 4.1.1"],
            &["4.1.0 4.1.1", "5.0.0 -", "- 3.0.1"],
            &[],
        );
        check(&["a 3.0.0"], &["a 2.0.0"], &["3.0.0 -", "- 2.0.0"], &["`a 3.0.0` would go down to `a 2.0.0`"]);
    }

    #[test]
    fn only_hashes_of_one_kind_contradict_each_other() {
        check(&["a 1.0.0 sha1-x"], &["a 1.0.0 sha512-y"], &[], &[]);
        check(&["a 1.0.0 sha1-x+sha512-y"], &["a 1.0.0 sha512-y"], &[], &[]);
        let other = "`a 1.0.0` would have another content";
        check(&["a 1.0.0 sha512-x"], &["a 1.0.0 sha512-y"], &[], &[other]);
        check(&["+b/a 1.0.0 sha512-x"], &["+b/a 1.0.0 sha512-y"], &[], &[]);
    }
}
