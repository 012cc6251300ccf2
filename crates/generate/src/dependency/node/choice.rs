//! What the registry and the advisories said so far, and the versions that are chosen from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};
use serde_json::{Map, Value};

use crate::dependency::choose::choose;
use crate::dependency::graph::Graph;
use crate::dependency::market::{Goal, Market, Release};
use crate::dependency::node::range;
use crate::dependency::node::registry::Registry;
use crate::dependency::sketch::{Guard, Plan, Step};
use crate::fixer::Known;

/// Versions of a package that are tried in vain before it stays where it is.
const MOST_BARRED: usize = 2;
/// Manifests that are asked for at the same time.
const AT_ONCE: usize = 16;
/// How often the registry is asked for what a plan did not know.
const MOST_ROUNDS: usize = 64;
/// How often it is asked for what might only help.
const MOST_HELPED: usize = 8;

/// Versions of a package that were tried in vain.
#[derive(Debug, Default)]
struct Barred {
    tries: usize,
    versions: BTreeSet<String>,
}

pub(crate) struct Shelves<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) known: &'a dyn Known,
    releases: BTreeMap<String, Vec<Release>>,
    /// Packages that may go to versions with fewer known problems, where they can't be cleared.
    pub(crate) lessened: BTreeSet<(String, String)>,
    problems: Mutex<BTreeMap<(String, String), BTreeSet<String>>>,
    /// Versions that were tried in vain, by package.
    barred: BTreeMap<String, Barred>,
    guards: BTreeSet<Guard>,
    /// Manifests of versions that were chosen before.
    manifests: Mutex<BTreeMap<(String, String), Map<String, Value>>>,
    failed: Mutex<Option<Failure>>,
}

impl<'a> Shelves<'a> {
    pub(crate) fn new(registry: &'a Registry, known: &'a dyn Known) -> Self {
        Self {
            registry,
            known,
            releases: BTreeMap::new(),
            lessened: BTreeSet::new(),
            problems: Mutex::default(),
            barred: BTreeMap::new(),
            guards: BTreeSet::new(),
            manifests: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// A plan that clears these nodes, made with all that the registry has to say of it.
    pub(crate) async fn plan(&mut self, graph: &Graph, vulnerable: &[usize]) -> Result<Plan, Failure> {
        let mut helped = 0;
        for _ in 0..MOST_ROUNDS {
            let mut plan = choose(graph, self, vulnerable);
            let is_planned = |guard: &&Guard| {
                let named =
                    |step: &Step| graph.nodes[step.node].name == guard.step.0 && step.to == guard.step.1;
                plan.steps.iter().any(named)
            };
            plan.guards = self.guards.iter().filter(is_planned).cloned().collect();
            if let Some(failure) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(failure);
            }
            if !plan.unknown.is_empty() {
                self.releases.extend(self.registry.releases(&plan.unknown).await?);
                continue;
            }
            if plan.might_help.is_empty() || helped == MOST_HELPED {
                return Ok(plan);
            }
            helped += 1;
            // The plan is good without, too.
            let Ok(releases) = self.registry.releases(&plan.might_help).await else { return Ok(plan) };
            self.releases.extend(releases);
        }
        Err(Failure::permanent("could not choose versions: each answer of the registry asks for more"))
    }

    /// Keeps this version from being chosen again, and all of the package after a few of them. Of one that others come within
    /// only the newest is still worth a try: what lies in it, nobody can say before. False where that is so already.
    pub(crate) fn bar(&mut self, name: &str, version: &str) -> bool {
        let barred = self.barred.entry(name.to_owned()).or_default();
        if barred.tries > MOST_BARRED || !barred.versions.insert(version.to_owned()) {
            return false;
        }
        barred.tries += 1;
        let releases = self.releases.get(name).map_or(&[][..], Vec::as_slice);
        let is_archive = releases.iter().any(|one| one.version == version && !one.bundles.is_empty());
        if let (true, Some(newest)) = (is_archive, releases.iter().rfind(|one| one.usable)) {
            let older = releases.iter().filter(|one| one.version != newest.version);
            barred.versions.extend(older.map(|one| one.version.clone()));
        }
        true
    }

    /// Sees to it that what comes along gets another version than it did, where there is one that may take the place of that
    /// one. False where there is none, or where that is so already.
    pub(crate) async fn guard(
        &mut self,
        guard: Guard,
        name: &str,
        came: &str,
        least: &str,
    ) -> Result<bool, Failure> {
        if !self.releases.contains_key(name) {
            self.releases.extend(self.registry.releases(&BTreeSet::from([name.to_owned()])).await?);
        }
        let fits = |release: &&Release| {
            release.usable
                && !range::is_above(came, &release.version)
                && !range::is_above(least, &release.version)
                && !range::is_major(came, &release.version)
                && !self.is_vulnerable(name, &release.version)
        };
        let found = self.releases.get(name).and_then(|releases| releases.iter().find(fits));
        let to = found.map(|release| release.version.clone());
        Ok(to.is_some_and(|to| self.guards.insert(Guard { to, ..guard })))
    }

    /// All that is said of these versions.
    pub(crate) async fn manifests(
        &self,
        wanted: &BTreeSet<(String, String)>,
    ) -> Result<BTreeMap<(String, String), Map<String, Value>>, Failure> {
        let asked: Vec<(String, String)> = {
            let known = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.iter().filter(|one| !known.contains_key(*one)).cloned().collect()
        };
        let asked = asked.into_iter().map(|(name, version)| async move {
            let manifest = self.registry.manifest(&name, &version).await?;
            Ok(((name, version), manifest))
        });
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            let (one, manifest) = answer?;
            self.manifests.lock().unwrap_or_else(PoisonError::into_inner).insert(one, manifest);
        }
        let known = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        let found = wanted.iter().filter_map(|one| Some((one.clone(), known.get(one)?.clone())));
        Ok(found.collect())
    }

    fn problems_now(&self, name: &str, version: &str) -> Result<BTreeSet<String>, Failure> {
        let package = Package {
            ecosystem: Ecosystem("npm".to_owned()),
            name: name.to_owned(),
            version: version.to_owned(),
        };
        Ok(self.known.problems(&package)?.into_iter().collect())
    }

    /// What comes of the advisories of a version.
    fn judged<T>(&self, name: &str, version: &str, judge: impl FnOnce(&BTreeSet<String>) -> T) -> T {
        let key = (name.to_owned(), version.to_owned());
        let mut asked = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let problems = asked.entry(key).or_insert_with(|| {
            // What could not be asked is not taken for good; the plan is thrown away.
            self.problems_now(name, version).unwrap_or_else(|failure| {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
                BTreeSet::from(["unknown".to_owned()])
            })
        });
        judge(problems)
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

    fn is_barred(&self, name: &str, version: &str) -> bool {
        let barred = self.barred.get(name);
        barred.is_some_and(|barred| barred.tries > MOST_BARRED || barred.versions.contains(version))
    }

    fn problems(&self, name: &str, version: &str) -> BTreeSet<String> {
        self.judged(name, version, BTreeSet::clone)
    }

    fn is_vulnerable(&self, name: &str, version: &str) -> bool {
        self.judged(name, version, |problems| !problems.is_empty())
    }

    fn goal(&self, name: &str, version: &str) -> Goal {
        match self.lessened.contains(&(name.to_owned(), version.to_owned())) {
            true => Goal::Fewer,
            false => Goal::Clear,
        }
    }
}

/// The nodes of these packages.
pub(crate) fn nodes_of(graph: &Graph, packages: &BTreeSet<(String, String)>) -> Vec<usize> {
    let nodes = graph.nodes.iter().enumerate();
    let wanted =
        nodes.filter(|(_, node)| !node.own && packages.contains(&(node.name.clone(), node.version.clone())));
    wanted.map(|(at, _)| at).collect()
}
