//! From what a lockfile says of its packages to an inventory: who is direct, what each is there for, and by which ways it
//! comes in. Every format that tells who needs whom goes through here.

use std::sync::Arc;

use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::Location;

use crate::detector::{Installed, Inventory, Relation, Scope, Unresolved, ecosystem};
use crate::lockfile::graph::{Way, Ways, shortest_ways};
use crate::text::pile::push;
use crate::text::value::most_values;

/// More packages than this in one file are not read.
pub const MOST_PACKAGES: usize = 100_000;
/// Nor more than these and one for each so many bytes: a package takes about 600 bytes of memory, whatever the file says
/// of it. Real ones have from 15 bytes in a `requirements.txt` to 400 in a `package-lock.json`.
const PACKAGES_OF_ANY_FILE: usize = 24_000;
const BYTES_OF_A_PACKAGE: usize = 30;
/// Nor are more needs of packages by packages.
const MOST_DEPENDENCIES: usize = 1_000_000;
/// More packages than this in one file that can't be judged are not named.
const MOST_UNRESOLVED: usize = 10_000;
/// Packages on all ways together, and as many more as a quarter of the file's bytes; a lockfile of 1,500 packages has about
/// 100,000.
const PACKAGES_ON_WAYS: usize = 100_000;
const MOST_PACKAGES_ON_WAYS: usize = 1_000_000;
/// A longer name or version is none: it is repeated in every path that leads through it.
const LONGEST_WORD: usize = 256;

/// More packages than this are not read of so many bytes.
pub fn most_packages(bytes: usize) -> usize {
    MOST_PACKAGES.min(PACKAGES_OF_ANY_FILE + bytes / BYTES_OF_A_PACKAGE)
}

/// The packages of a file and who needs whom.
pub struct Graph {
    pub ecosystem: Ecosystem,
    pub nodes: Vec<Node>,
    /// For each node those that it needs.
    pub edges: Vec<Vec<usize>>,
    /// What own code needs, with the reason. Where there is any, or an own node, it is known who is direct.
    pub direct: Vec<(usize, Scope)>,
    unresolved: Vec<Unresolved>,
    /// More packages that can't be judged are not named.
    most_unresolved: usize,
    /// Those that are too many to name.
    unnamed: usize,
    /// The bytes of the file and of what it was read with.
    bytes: usize,
    /// More packages are not taken in.
    most: usize,
    /// The needs of all packages together.
    needs: usize,
    /// Whether some were too many.
    is_cut: bool,
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

    /// Whether it is known which package it is. A project need say neither name nor version of itself; then it is no package of
    /// anything.
    fn is_installed(&self) -> bool {
        self.unknown.is_none() && !(self.is_own && (self.name.is_empty() || self.version.is_empty()))
    }

    fn package(&mut self, ecosystem: &Ecosystem) -> Package {
        Package {
            ecosystem: self.ecosystem.take().unwrap_or_else(|| ecosystem.clone()),
            name: std::mem::take(&mut self.name),
            version: std::mem::take(&mut self.version),
        }
    }
}

/// More needs of packages by packages than this are not read of so many bytes.
fn most_dependencies(bytes: usize) -> usize {
    MOST_DEPENDENCIES.min(most_values(bytes))
}

impl Graph {
    /// For packages of this ecosystem, out of so many bytes: those of the file and of the neighbours that it is read with.
    pub fn of(name: &str, bytes: usize) -> Self {
        Self {
            ecosystem: ecosystem(name),
            nodes: Vec::new(),
            edges: Vec::new(),
            direct: Vec::new(),
            unresolved: Vec::new(),
            most_unresolved: MOST_UNRESOLVED,
            unnamed: 0,
            bytes,
            most: most_packages(bytes),
            needs: 0,
            is_cut: false,
        }
    }

    /// Takes no more packages than these, and names so many less that can't be judged: it is one of several files.
    pub fn at_most(self, packages: usize, named: usize) -> Self {
        let most_unresolved = MOST_UNRESOLVED.saturating_sub(named);
        Self { most: self.most.min(packages), most_unresolved, ..self }
    }

    /// There will be this many packages.
    pub fn expect(&mut self, count: usize) {
        let more = count.min(self.most).saturating_sub(self.nodes.len());
        self.nodes.reserve_exact(more);
        self.edges.reserve_exact(more);
    }

    /// Takes a package in, and says by which number edges name it. Of those that are too many only the first is kept, and
    /// the inventory says that there are more.
    pub fn add(&mut self, node: Node) -> usize {
        if self.nodes.len() > self.most {
            return self.most;
        }
        push(&mut self.nodes, node);
        push(&mut self.edges, Vec::new());
        self.nodes.len() - 1
    }

    /// Whether there are so many packages that no more are taken in.
    pub fn is_full(&self) -> bool {
        self.nodes.len() > self.most
    }

    /// A package needs others. One that was too many needs nothing.
    pub fn join(&mut self, node: usize, needed: impl IntoIterator<Item = usize>) {
        let Some(needs) = self.edges.get_mut(node) else { return };
        let left = most_dependencies(self.bytes) - self.needs;
        let before = needs.len();
        let mut needed = needed.into_iter();
        needs.extend(needed.by_ref().take(left));
        self.needs += needs.len() - before;
        self.is_cut |= needed.next().is_some();
    }

    /// There are more needs than are read.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Something that can't be judged.
    pub fn cannot_judge(&mut self, unresolved: Unresolved) {
        match self.unresolved.len() < self.most_unresolved {
            true => push(&mut self.unresolved, unresolved),
            false => self.unnamed += 1,
        }
    }

    /// Those of which the file says no more than that they are there.
    pub fn nodes_that_nobody_needs(&mut self) -> impl Iterator<Item = &mut Node> {
        let mut is_needed = vec![false; self.nodes.len()];
        let direct = self.direct.iter().map(|(node, _)| node);
        self.edges.iter().flatten().chain(direct).for_each(|node| is_needed[*node] = true);
        self.nodes.iter_mut().zip(is_needed).filter(|(_, is_needed)| !is_needed).map(|(node, _)| node)
    }

    /// The inventory of the file at this path.
    pub fn inventory(mut self, path: &str) -> Inventory {
        self.leave_out_what_is_too_much(path);
        self.nodes.shrink_to_fit();
        self.edges.shrink_to_fit();
        for node in self.nodes.iter_mut().filter(|node| node.unknown.is_none()) {
            node.unknown = unfit(&node.name, &node.version, node.is_own);
        }
        let (relations, scopes) = (self.relations(), self.scopes());
        let mut labels = Labels::default();
        let labels: Vec<Arc<str>> = self.nodes.iter().map(|node| labels.of(node)).collect();
        let ways = self.ways(&labels);
        let packages = self.needed_packages();
        let known = self.nodes.iter().filter(|node| node.is_installed()).count();
        let mut installed = Vec::with_capacity(known);
        for (index, mut node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            if let Some(why) = node.unknown.take() {
                if !(node.is_own && node.version.is_empty()) {
                    let name: String = node.name.chars().take(LONGEST_WORD).collect();
                    self.cannot_judge(Unresolved::package(path, node.line, &name, why));
                }
                continue;
            }
            if !node.is_installed() {
                continue;
            }
            let needed = std::mem::take(&mut self.edges[index]);
            let mut dependencies = Vec::with_capacity(needed.len());
            dependencies.extend(needed.iter().filter_map(|needed| packages[*needed].clone()));
            installed.push(Installed {
                package: match &packages[index] {
                    Some(package) => Package::clone(package),
                    None => node.package(&self.ecosystem),
                },
                also: Vec::new(),
                location: Location { path: path.to_owned(), line: node.line },
                relation: relations[index],
                scope: scopes[index],
                paths: written_out(&ways, index, &labels),
                dependencies,
                checksum: node.checksum,
                source: node.source,
                registered: node.registered && !node.is_own,
            });
        }
        if self.unnamed > 0 {
            let what = format!("{} more can't be judged", self.unnamed);
            self.unresolved.push(Unresolved::of(path, what));
        }
        Inventory { installed, unresolved: self.unresolved }
    }

    /// Keeps no more packages and needs than there may be, and says so.
    fn leave_out_what_is_too_much(&mut self, path: &str) {
        if self.is_full() {
            let most = self.most;
            let line = self.nodes[most].line;
            let what = match most_packages(self.bytes) {
                MOST_PACKAGES => {
                    format!("it has more than {MOST_PACKAGES} packages; only so many are looked at")
                }
                all => format!(
                    "it has more than {all} packages, and only so many are looked at in {} bytes; make it anew with its tool, \
                     or split it",
                    self.bytes
                ),
            };
            self.unresolved.push(Unresolved { line, ..Unresolved::of(path, what) });
            self.nodes.truncate(most);
            self.edges.truncate(most);
            self.edges.iter_mut().for_each(|needs| needs.retain(|node| *node < most));
            self.direct.retain(|(node, _)| *node < most);
        }
        let most = most_dependencies(self.bytes);
        let mut left = most;
        for (node, needs) in self.edges.iter_mut().enumerate() {
            needs.retain(|needed| *needed != node);
            needs.sort_unstable();
            needs.dedup();
            self.is_cut |= needs.len() > left;
            needs.truncate(left);
            left -= needs.len();
        }
        if self.is_cut {
            let what = format!("it has more than {most} dependencies; paths through the others are not told");
            self.unresolved.push(Unresolved::of(path, what));
        }
    }

    fn ways(&self, labels: &[Arc<str>]) -> Ways {
        let mut local: Vec<bool> = self.nodes.iter().map(|node| node.is_own).collect();
        self.direct.iter().for_each(|(node, _)| local[*node] = true);
        let most = MOST_PACKAGES_ON_WAYS.min(PACKAGES_ON_WAYS + self.bytes / 4);
        shortest_ways(&self.edges, &local, |node| labels[node].len(), most)
    }

    /// The packages that others need; none of one whose version is not known.
    fn needed_packages(&self) -> Vec<Option<Arc<Package>>> {
        let mut packages = vec![None; self.nodes.len()];
        let installed = self.nodes.iter().zip(&self.edges).filter(|(node, _)| node.is_installed());
        for needed in installed.flat_map(|(_, needs)| needs) {
            let node = &self.nodes[*needed];
            if packages[*needed].is_none() && node.unknown.is_none() {
                let ecosystem = node.ecosystem.as_ref().unwrap_or(&self.ecosystem).clone();
                let (name, version) = (node.name.clone(), node.version.clone());
                packages[*needed] = Some(Arc::new(Package { ecosystem, name, version }));
            }
        }
        packages
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

/// The ways to a package, by labels.
fn written_out(ways: &Ways, node: usize, labels: &[Arc<str>]) -> Vec<Vec<Arc<str>>> {
    let way_of = |way: Way<'_>| {
        let mut steps = Vec::with_capacity(way.length());
        steps.extend(way.from_its_end().map(|step| Arc::clone(&labels[step])));
        steps.reverse();
        steps
    };
    let mut written = Vec::with_capacity(ways.to(node).len());
    written.extend(ways.to(node).map(way_of));
    written
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
        let mut graph = Graph::of("npm", usize::MAX);
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
        let mut graph = Graph::of("npm", usize::MAX);
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
