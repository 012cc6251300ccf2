//! What is installed, and what requires it at which versions: as much of a lockfile as choosing versions needs.

use std::collections::BTreeMap;

/// One installed copy of a package, or a package of the repository itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// The registry's name.
    pub(crate) name: String,
    /// The name by which others require it, which an alias makes another one.
    pub(crate) called: String,
    pub(crate) version: String,
    /// Of the repository itself.
    pub(crate) own: bool,
    /// Whether another version can take its place: it comes from the registry, and by itself.
    pub(crate) movable: bool,
    /// The copy in whose folder this one lies; none where there is one place for all.
    pub(crate) within: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// In the ecosystem's words.
    pub(crate) requirement: String,
}

/// How the copies of one package get along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Each lies in a folder, and who asks for it gets the nearest.
    #[default]
    Folders,
    /// There is one for each line of versions that may replace each other, and who asks gets the one that fits.
    Lines,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) sharing: Sharing,
    /// All copies that are called so.
    copies: BTreeMap<String, Vec<usize>>,
    /// By the folder that they lie in and the name that they are called by.
    places: BTreeMap<(Option<usize>, String), usize>,
}

impl Graph {
    pub(crate) fn add(&mut self, node: Node) -> usize {
        let at = self.nodes.len();
        self.copies.entry(node.called.clone()).or_default().push(at);
        self.places.insert((node.within, node.called.clone()), at);
        self.nodes.push(node);
        at
    }

    pub(crate) fn connect(&mut self, from: usize, to: usize, requirement: &str) {
        self.edges.push(Edge { from, to, requirement: requirement.to_owned() });
    }

    pub(crate) fn copies(&self, called: &str) -> &[usize] {
        self.copies.get(called).map_or(&[], Vec::as_slice)
    }

    /// The copy that `from` gets when it asks for this name: in its own folder, or in the nearest around it.
    pub(crate) fn visible(&self, from: usize, called: &str) -> Option<usize> {
        let mut folder = Some(from);
        // No chain of folders is longer than there are copies.
        for _ in 0..=self.nodes.len() {
            if let Some(found) = self.places.get(&(folder, called.to_owned())) {
                return Some(*found);
            }
            folder = self.nodes.get(folder?)?.within;
        }
        None
    }
}
