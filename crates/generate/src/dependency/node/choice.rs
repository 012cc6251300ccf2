//! What the registry and the advisories said so far, and the versions that are chosen from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};

use crate::dependency::choose::choose;
use crate::dependency::graph::Graph;
use crate::dependency::market::{Market, Release};
use crate::dependency::node::range;
use crate::dependency::node::registry::Registry;
use crate::dependency::sketch::Plan;
use crate::fixer::Known;

/// How often the registry is asked for what a plan did not know.
const MOST_ROUNDS: usize = 64;

pub(crate) struct Shelves<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) known: &'a dyn Known,
    releases: BTreeMap<String, Vec<Release>>,
    vulnerable: Mutex<BTreeMap<(String, String), bool>>,
    failed: Mutex<Option<Failure>>,
}

impl<'a> Shelves<'a> {
    pub(crate) fn new(registry: &'a Registry, known: &'a dyn Known) -> Self {
        Self {
            registry,
            known,
            releases: BTreeMap::new(),
            vulnerable: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// A plan that clears these nodes, made with all that the registry has to say of it.
    pub(crate) async fn plan(&mut self, graph: &Graph, vulnerable: &[usize]) -> Result<Plan, Failure> {
        for _ in 0..MOST_ROUNDS {
            let plan = choose(graph, self, vulnerable);
            if let Some(failure) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(failure);
            }
            if plan.unknown.is_empty() {
                return Ok(plan);
            }
            self.releases.extend(self.registry.releases(&plan.unknown).await?);
        }
        Err(Failure::permanent("could not choose versions: each answer of the registry asks for more"))
    }

    fn is_vulnerable_now(&self, name: &str, version: &str) -> Result<bool, Failure> {
        let package = Package {
            ecosystem: Ecosystem("npm".to_owned()),
            name: name.to_owned(),
            version: version.to_owned(),
        };
        Ok(!self.known.problems(&package)?.is_empty())
    }
}

impl Market for Shelves<'_> {
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

    fn is_vulnerable(&self, name: &str, version: &str) -> bool {
        let key = (name.to_owned(), version.to_owned());
        let mut asked = self.vulnerable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = asked.get(&key) {
            return *known;
        }
        // What could not be asked is not taken for good; the plan is thrown away.
        let answer = self.is_vulnerable_now(name, version).unwrap_or_else(|failure| {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            true
        });
        asked.insert(key, answer);
        answer
    }
}

/// The nodes of these packages.
pub(crate) fn nodes_of(graph: &Graph, packages: &BTreeSet<(String, String)>) -> Vec<usize> {
    let nodes = graph.nodes.iter().enumerate();
    let wanted =
        nodes.filter(|(_, node)| !node.own && packages.contains(&(node.name.clone(), node.version.clone())));
    wanted.map(|(at, _)| at).collect()
}
