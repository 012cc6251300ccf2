//! What is installed, and what requires it at which versions: as much of a lockfile as choosing versions needs.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Whether it came with the copy in whose folder it lies.
    pub(crate) bundled: bool,
    /// The copy in whose folder this one lies; none where there is one place for all.
    pub(crate) within: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// In the ecosystem's words; none where the lockfile does not say, but what is published of `from`.
    pub(crate) requirement: Option<String>,
}

/// Which copy serves whoever asks for a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The one in the nearest folder, as with npm.
    #[default]
    Folders,
    /// Any that is within the range, as with pnpm and yarn: each node is one such choice, so that two may differ.
    Store,
    /// The one within the range, as with cargo: there is one for each line of versions that may replace each other.
    Lines,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) layout: Layout,
    /// Copies that were seen to stay, whatever leads to them.
    pub(crate) kept: BTreeSet<usize>,
    /// By the folder that they lie in and the name that they are called by.
    places: BTreeMap<(Option<usize>, String), usize>,
    /// By the name that they are called by.
    called: BTreeMap<String, Vec<usize>>,
}

impl Graph {
    pub(crate) fn add(&mut self, node: Node) -> usize {
        let at = self.nodes.len();
        self.places.insert((node.within, node.called.clone()), at);
        self.called.entry(node.called.clone()).or_default().push(at);
        self.nodes.push(node);
        at
    }

    pub(crate) fn connect(&mut self, from: usize, to: usize, requirement: &str) {
        self.edges.push(Edge { from, to, requirement: Some(requirement.to_owned()) });
    }

    /// Connects what is installed, where only the registry knows the range.
    pub(crate) fn connect_as_published(&mut self, from: usize, to: usize) {
        self.edges.push(Edge { from, to, requirement: None });
    }

    /// The copy that this one came with, and the name of what that bundles.
    pub(crate) fn bundler(&self, node: usize) -> Option<(usize, &str)> {
        let mut at = self.nodes.get(node).filter(|node| node.bundled)?;
        // No chain of folders is longer than there are copies.
        for _ in 0..self.nodes.len() {
            let around = at.within?;
            match &self.nodes[around] {
                outer if outer.bundled => at = outer,
                outer if outer.own => return None,
                _ => return Some((around, &at.called)),
            }
        }
        None
    }

    /// The nodes that go by this name.
    pub(crate) fn called(&self, name: &str) -> &[usize] {
        self.called.get(name).map_or(&[], Vec::as_slice)
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
