//! From what a lockfile says of its packages to an inventory: who is direct, what each is there for, and by which ways it
//! comes in. Every format that tells who needs whom goes through here.

use std::collections::HashSet;
use std::sync::Arc;

use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::Location;

use crate::detector::{Installed, Inventory, Relation, Scope, Unresolved, ecosystem};
use crate::lockfile::graph::shortest_ways;

/// More packages than this in one file are not read.
pub const MOST_PACKAGES: usize = 100_000;
/// Nor are more needs of packages by packages.
const MOST_DEPENDENCIES: usize = 1_000_000;
/// More packages than this in one file that can't be judged are not named.
const MOST_UNRESOLVED: usize = 10_000;
/// A longer name or version is none: it is repeated in every path that leads through it.
const LONGEST_WORD: usize = 256;

/// The packages of a file and who needs whom.
pub struct Graph {
    pub ecosystem: Ecosystem,
    pub nodes: Vec<Node>,
    /// For each node those that it needs.
    pub edges: Vec<Vec<usize>>,
    /// What own code needs, with the reason. Where there is any, or an own node, it is known who is direct.
    pub direct: Vec<(usize, Scope)>,
    pub unresolved: Vec<Unresolved>,
}

impl Default for Graph {
    fn default() -> Self {
        Self {
            ecosystem: ecosystem(""),
            nodes: Vec::new(),
            edges: Vec::new(),
            direct: Vec::new(),
            unresolved: Vec::new(),
        }
    }
}

/// One package, as far as the file tells.
#[derive(Clone, Default)]
pub struct Node {
    pub name: String,
    pub version: String,
    /// Where it is not that of the whole file.
    pub ecosystem: Option<Ecosystem>,
    pub line: Option<u32>,
    /// Whether it is a package of the repository itself.
    pub is_own: bool,
    /// As the file states it; where it doesn't, it follows from who needs it.
    pub scope: Option<Scope>,
    /// The same.
    pub relation: Option<Relation>,
    pub checksum: Option<String>,
    pub source: Option<String>,
    pub registered: bool,
    /// Why the version is not known, where it isn't: then it stands among the unresolved.
    pub unknown: Option<String>,
}

impl Node {
    /// A package of the registry.
    pub fn registered(name: &str, version: &str, line: u32) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            line: Some(line),
            registered: true,
            ..Self::default()
        }
    }
}

impl Graph {
    pub fn of(name: &str) -> Self {
        Self { ecosystem: ecosystem(name), ..Self::default() }
    }

    /// There will be this many packages.
    pub fn expect(&mut self, count: usize) {
        let more = count.min(MOST_PACKAGES).saturating_sub(self.nodes.len());
        self.nodes.reserve(more);
        self.edges.reserve(more);
    }

    /// Takes a package in, and says by which number edges name it. Of those that are too many only the first is kept, and
    /// the inventory says that there are more.
    pub fn add(&mut self, node: Node) -> usize {
        if self.nodes.len() > MOST_PACKAGES {
            return MOST_PACKAGES;
        }
        self.nodes.push(node);
        self.edges.push(Vec::new());
        self.nodes.len() - 1
    }

    /// A package needs others. One that was too many needs nothing.
    pub fn join(&mut self, node: usize, needed: impl IntoIterator<Item = usize>) {
        if let Some(needs) = self.edges.get_mut(node) {
            needs.extend(needed);
        }
    }

    /// Those of which the file says no more than that they are there.
    pub fn nodes_that_nobody_needs(&mut self) -> impl Iterator<Item = &mut Node> {
        let direct = self.direct.iter().map(|(node, _)| *node);
        let needed: HashSet<usize> = self.edges.iter().flatten().copied().chain(direct).collect();
        self.nodes
            .iter_mut()
            .enumerate()
            .filter(move |(node, _)| !needed.contains(node))
            .map(|(_, node)| node)
    }

    /// The inventory of the file at this path.
    pub fn inventory(mut self, path: &str) -> Inventory {
        if self.nodes.len() > MOST_PACKAGES {
            let what = format!("it has more than {MOST_PACKAGES} packages; only so many are looked at");
            self.unresolved.push(Unresolved::of(path, what));
            self.nodes.truncate(MOST_PACKAGES);
            self.edges.truncate(MOST_PACKAGES);
            self.edges.iter_mut().for_each(|needs| needs.retain(|node| *node < MOST_PACKAGES));
            self.direct.retain(|(node, _)| *node < MOST_PACKAGES);
        }
        let mut left = MOST_DEPENDENCIES;
        let mut is_cut = false;
        for (node, needs) in self.edges.iter_mut().enumerate() {
            needs.retain(|needed| *needed != node);
            needs.sort_unstable();
            needs.dedup();
            is_cut |= needs.len() > left;
            needs.truncate(left);
            left -= needs.len();
        }
        if is_cut {
            let what = format!(
                "it has more than {MOST_DEPENDENCIES} dependencies; paths through the others are not told"
            );
            self.unresolved.push(Unresolved::of(path, what));
        }
        for node in self.nodes.iter_mut().filter(|node| node.unknown.is_none()) {
            node.unknown = unfit(&node.name, &node.version, node.is_own);
        }
        let (relations, scopes) = (self.relations(), self.scopes());
        let mut labels = Labels::default();
        let labels: Vec<Arc<str>> = self.nodes.iter().map(|node| labels.of(node)).collect();
        let label_bytes: Vec<usize> = labels.iter().map(|label| label.len()).collect();
        let mut local: Vec<bool> = self.nodes.iter().map(|node| node.is_own).collect();
        self.direct.iter().for_each(|(node, _)| local[*node] = true);
        let mut ways = shortest_ways(&self.edges, &local, &label_bytes);
        let packages = self.packages();
        let mut inventory =
            Inventory { installed: Vec::with_capacity(self.nodes.len()), unresolved: self.unresolved };
        for (index, node) in self.nodes.into_iter().enumerate() {
            let Some(package) = &packages[index] else {
                if let (Some(why), false) = (&node.unknown, node.is_own && node.version.is_empty()) {
                    let name: String = node.name.chars().take(LONGEST_WORD).collect();
                    inventory.unresolved.push(Unresolved::package(path, node.line, &name, why.as_str()));
                }
                continue;
            };
            // A project need say neither of itself; then it is no package of anything.
            if node.is_own && (package.name.is_empty() || package.version.is_empty()) {
                continue;
            }
            let labelled = |way: Vec<usize>| way.iter().map(|step| Arc::clone(&labels[*step])).collect();
            inventory.installed.push(Installed {
                package: Package::clone(package),
                also: Vec::new(),
                location: Location { path: path.to_owned(), line: node.line },
                relation: relations[index],
                scope: scopes[index],
                paths: std::mem::take(&mut ways[index]).into_iter().map(labelled).collect(),
                dependencies: self.edges[index]
                    .iter()
                    .filter_map(|needed| packages[*needed].clone())
                    .collect(),
                checksum: node.checksum,
                source: node.source,
                registered: node.registered && !node.is_own,
            });
        }
        if inventory.unresolved.len() > MOST_UNRESOLVED {
            let more = inventory.unresolved.len() - MOST_UNRESOLVED;
            inventory.unresolved.truncate(MOST_UNRESOLVED);
            inventory.unresolved.push(Unresolved::of(path, format!("{more} more can't be judged")));
        }
        inventory
    }

    /// Takes names and versions out of the nodes; nothing of one whose version is not known.
    fn packages(&mut self) -> Vec<Option<Arc<Package>>> {
        let ecosystem = &self.ecosystem;
        let package = |node: &mut Node| {
            let ecosystem = node.ecosystem.take().unwrap_or_else(|| ecosystem.clone());
            let (name, version) = (std::mem::take(&mut node.name), std::mem::take(&mut node.version));
            Arc::new(Package { ecosystem, name, version })
        };
        let known = |node: &mut Node| node.unknown.is_none().then(|| package(node));
        self.nodes.iter_mut().map(known).collect()
    }

    fn relations(&self) -> Vec<Relation> {
        let is_known = !self.direct.is_empty() || self.nodes.iter().any(|node| node.is_own);
        let other = if is_known { Relation::Transitive } else { Relation::Unknown };
        let mut relations = vec![other; self.nodes.len()];
        self.direct.iter().for_each(|(node, _)| relations[*node] = Relation::Direct);
        for (_, needs) in self.nodes.iter().zip(&self.edges).filter(|(node, _)| node.is_own) {
            needs.iter().for_each(|needed| relations[*needed] = Relation::Direct);
        }
        for (node, relation) in self.nodes.iter().zip(&mut relations) {
            *relation = if node.is_own { Relation::Own } else { node.relation.unwrap_or(*relation) };
        }
        relations
    }

    /// What the file states, or the widest use that reaches the package from own code.
    fn scopes(&self) -> Vec<Scope> {
        let mut reached: Vec<Option<Scope>> = vec![None; self.nodes.len()];
        let all = [Scope::Normal, Scope::Optional, Scope::Peer, Scope::Build, Scope::Test, Scope::Dev];
        for scope in all {
            let direct = self.direct.iter().filter(|(_, reason)| *reason == scope);
            let mut open: Vec<usize> = direct.map(|(node, _)| *node).collect();
            while let Some(node) = open.pop() {
                if reached[node].is_none() {
                    reached[node] = Some(scope);
                    // What own code needs, and for what, is said by itself.
                    if self.nodes[node].is_own {
                        continue;
                    }
                    open.extend(self.edges[node].iter().filter(|needed| reached[**needed].is_none()));
                }
            }
        }
        let stated = self.nodes.iter().zip(reached);
        stated.map(|(node, reached)| node.scope.or(reached).unwrap_or(Scope::Normal)).collect()
    }
}

/// Names with versions, each written into the same text first.
#[derive(Default)]
struct Labels(String);

impl Labels {
    fn of(&mut self, node: &Node) -> Arc<str> {
        self.0.clear();
        self.0.push_str(&node.name);
        if !node.version.is_empty() {
            self.0.push(' ');
            self.0.push_str(&node.version);
        }
        Arc::from(self.0.as_str())
    }
}

/// Why name and version are not such.
fn unfit(name: &str, version: &str, is_own: bool) -> Option<String> {
    let odd = |word: &str| {
        word.len() > LONGEST_WORD || word.contains(|sign: char| sign.is_whitespace() || sign.is_control())
    };
    if odd(name) || name.is_empty() && !is_own {
        return Some("this is no name of a package".to_owned());
    }
    let shown: String = version.chars().take(40).collect();
    (odd(version) || version.is_empty() && !is_own).then(|| format!("{shown:?} is no version"))
}

#[cfg(test)]
mod tests {
    use super::{Graph, Node};
    use crate::detector::{Relation, Scope};

    #[test]
    fn the_widest_use_counts_and_what_own_code_names_is_direct() {
        let mut graph = Graph::of("npm");
        for name in ["a", "b", "c", "odd name"] {
            graph.add(Node::registered(name, "1.0.0", 1));
        }
        graph.edges[0] = vec![2, 0, 2];
        graph.edges[1] = vec![2];
        graph.direct = vec![(1, Scope::Dev), (0, Scope::Normal)];
        let inventory = graph.inventory("x");
        let said: Vec<_> =
            inventory.installed.iter().map(|one| (one.relation, one.scope, one.paths.len())).collect();
        assert_eq!(
            said,
            [
                (Relation::Direct, Scope::Normal, 1),
                (Relation::Direct, Scope::Dev, 1),
                (Relation::Transitive, Scope::Normal, 2)
            ]
        );
        assert_eq!(inventory.unresolved[0].what, "this is no name of a package");
    }

    #[test]
    fn what_is_too_much_is_left_out_and_said() {
        let mut graph = Graph::of("npm");
        for number in 0..super::MOST_PACKAGES + 10 {
            let node = graph.add(Node { unknown: Some("no".to_owned()), ..Node::registered("a", "1", 1) });
            assert!(node <= super::MOST_PACKAGES);
            if number < 20 {
                graph.edges[node] = (0..60_000).collect();
            }
        }
        let inventory = graph.inventory("x");
        let said: Vec<&str> = inventory.unresolved.iter().map(|one| one.what.as_str()).collect();
        assert!(said[0].starts_with("it has more than 100000 packages"), "{}", said[0]);
        assert!(said[1].starts_with("it has more than 1000000 dependencies"), "{}", said[1]);
        assert_eq!(said.last(), Some(&"90002 more can't be judged"));
    }
}
