//! Where a copy can't be cleared: the versions with fewer known problems than it has and no other, and what a plan with one of
//! them does to a package as a scan of the lockfile sees it.

use std::collections::{BTreeMap, BTreeSet};

use crate::dependency::market::Goal;
use crate::dependency::sketch::Sketch;
use crate::dependency::standing::Standing;

/// Sets of versions that are tried for the copies of one version.
const MOST_TRIED: usize = 8;

/// Copies of one version that a plan leaves, which are looked at together: as long as one stays, its findings do.
pub(crate) fn groups(now: &Standing<'_>, left: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for node in left {
        let found = &now.graph.nodes[node];
        let is_open = found.movable && !now.is_clear(node) && now.graph.bundler(node).is_none();
        if is_open && now.market.goal(&found.name, &found.version) != Goal::Clear {
            groups.entry((&found.name, &found.version)).or_default().push(node);
        }
    }
    groups.into_values().collect()
}

/// Sets of versions to try for these copies: the fewest problems first. Where there are several copies, a set is followed by
/// its versions one by one, those first that most take as they are: one problem at two versions is found twice.
pub(crate) fn sets(now: &mut Standing<'_>, nodes: &[usize]) -> Vec<BTreeSet<String>> {
    let Some(found) = nodes.first().map(|node| &now.graph.nodes[*node]) else { return Vec::new() };
    let market = now.market;
    let had = market.problems(&found.name, &found.version);
    // Less than one is none.
    if had.len() < 2 {
        return Vec::new();
    }
    let mut by_count: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for release in now.releases(&found.name).iter().filter(|release| release.usable) {
        let problems = market.problems(&found.name, &release.version);
        if market.is_above(&release.version, &found.version)
            && !market.is_barred(&found.name, &release.version)
            && problems.len() < had.len()
            && !problems.is_empty()
            && problems.is_subset(&had)
        {
            by_count.entry(problems.len()).or_default().push(release.version.clone());
        }
    }
    let ranges: Vec<String> = nodes.iter().flat_map(|node| now.ranges(*node)).collect();
    let mut sets = Vec::new();
    for mut versions in by_count.into_values() {
        sets.push(versions.iter().cloned().collect());
        if nodes.len() > 1 && versions.len() > 1 {
            versions
                .sort_by_key(|version| ranges.iter().filter(|range| !market.admits(range, version)).count());
            sets.extend(versions.into_iter().map(|version| BTreeSet::from([version])));
        }
    }
    sets.truncate(MOST_TRIED);
    sets
}

/// What a scan would say of one package.
pub(crate) struct Account {
    /// The findings that are there no more: the version that is gone, and the advisory, which no version has that came.
    gone: BTreeSet<(String, String)>,
    /// How many versions have each advisory.
    left: BTreeMap<String, usize>,
}

impl Account {
    pub(crate) fn of(now: &Standing<'_>, name: &str) -> Self {
        let nodes = &now.graph.nodes;
        let copies = (0..nodes.len()).filter(|node| !nodes[*node].own && nodes[*node].name == name);
        let copies: Vec<usize> = copies.collect();
        let before: BTreeSet<&str> = copies.iter().map(|node| nodes[*node].version.as_str()).collect();
        let needed = copies.iter().filter(|node| now.sketch.is_needed(**node));
        let after: BTreeSet<&str> = needed.map(|node| now.version(*node)).collect();
        let problems = |version: &&str| now.market.problems(name, version);
        let came: BTreeSet<String> = after.difference(&before).flat_map(problems).collect();
        let mut left = BTreeMap::new();
        after.iter().flat_map(problems).for_each(|problem| *left.entry(problem).or_default() += 1);
        let gone = before.difference(&after).flat_map(|version| {
            let problems = now.market.problems(name, version).into_iter();
            problems.map(|problem| ((*version).to_owned(), problem))
        });
        Self { gone: gone.filter(|(_, problem)| !came.contains(problem)).collect(), left }
    }

    /// Whether more findings are gone than before, all that were gone are, and none came.
    pub(crate) fn is_better_than(&self, before: &Self) -> bool {
        let had = |problem: &String| before.left.get(problem).copied().unwrap_or(0);
        self.gone.len() > before.gone.len()
            && self.gone.is_superset(&before.gone)
            && self.left.iter().all(|(problem, count)| *count <= had(problem))
    }
}

/// Whether all that was planned before is planned as it was.
pub(crate) fn keeps(now: &mut Standing<'_>, before: &Sketch<'_>) -> bool {
    let after = &now.sketch;
    let is_kept = before.steps.iter().all(|(node, step)| after.steps.get(node) == Some(step))
        && before.relaxed.iter().all(|(asks, range)| after.relaxed.get(asks) == Some(range))
        && before.hopes.iter().all(|(node, parent)| after.hopes.get(node) == Some(parent))
        && before.merged.is_subset(&after.merged);
    // An override is for the ranges that there were.
    is_kept && before.overridden.iter().all(|(node, ranges)| now.ranges(*node) == *ranges)
}
