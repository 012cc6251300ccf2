//! The registry as the chooser sees it: releases with the judgement of the advisories, of this project's Rust, and of what
//! was refused before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::Finding;
use semver::Version;

use crate::dependency::cargo::index::{Age, Index, Name, Published};
use crate::dependency::cargo::range;
use crate::dependency::cargo::refused::Refused;
use crate::dependency::cargo::workspace::rust_version;
use crate::dependency::choose::choose;
use crate::dependency::fixed::clears;
use crate::dependency::graph::Graph;
use crate::dependency::market::{Goal, Market, Release};
use crate::dependency::sketch::Plan;
use crate::fixer::Known;

/// How often the registry is asked for what a plan did not know.
const MOST_ROUNDS: usize = 64;
/// How often it is asked for what might only help.
const MOST_HELPED: usize = 8;

/// What the registry and the advisories said so far.
pub(crate) struct Shelves<'a> {
    pub(crate) index: &'a Index,
    pub(crate) known: &'a dyn Known,
    pub(crate) findings: &'a [Finding],
    /// The oldest Rust that the project is for.
    pub(crate) rust: Version,
    pub(crate) refused: Refused,
    published: BTreeMap<String, Vec<Published>>,
    releases: BTreeMap<String, Vec<Release>>,
    /// Crates that may go to versions with fewer known problems, where they can't be cleared.
    pub(crate) lessened: BTreeSet<(String, String)>,
    problems: Mutex<BTreeMap<(String, String), BTreeSet<String>>>,
    failed: Mutex<Option<Failure>>,
}

impl<'a> Shelves<'a> {
    pub(crate) fn new(
        index: &'a Index,
        known: &'a dyn Known,
        findings: &'a [Finding],
        rust: Version,
        refused: Refused,
    ) -> Self {
        Self {
            index,
            known,
            findings,
            rust,
            refused,
            published: BTreeMap::new(),
            releases: BTreeMap::new(),
            lessened: BTreeSet::new(),
            problems: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// A plan that clears these nodes, made with all that the registry has to say of it.
    pub(crate) async fn plan(&mut self, graph: &Graph, vulnerable: &[usize]) -> Result<Plan, Failure> {
        let mut helped = 0;
        for _ in 0..MOST_ROUNDS {
            let plan = choose(graph, self, vulnerable);
            if let Some(failure) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(failure);
            }
            let names = |keys: &BTreeSet<String>| keys.iter().map(|key| Name::of_key(key)).collect();
            if !plan.unknown.is_empty() {
                self.ask(&names(&plan.unknown)).await?;
                continue;
            }
            if plan.might_help.is_empty() || helped == MOST_HELPED {
                return Ok(plan);
            }
            helped += 1;
            // The plan is good without, too.
            if self.ask(&names(&plan.might_help)).await.is_err() {
                return Ok(plan);
            }
        }
        Err(Failure::permanent("could not choose versions: each answer of the registry asks for more"))
    }

    async fn ask(&mut self, names: &BTreeSet<Name>) -> Result<(), Failure> {
        for (name, published) in self.index.published(names, Age::Now).await? {
            let releases = published.iter().map(|one| self.release(&name.key(), one)).collect();
            self.releases.insert(name.key(), releases);
            self.published.insert(name.key(), published);
        }
        Ok(())
    }

    /// The lowest good release above this one that the range takes.
    pub(crate) async fn next(
        &mut self,
        key: &str,
        version: &str,
        wanted: &str,
    ) -> Result<Option<String>, Failure> {
        if !self.releases.contains_key(key) {
            self.ask(&BTreeSet::from([Name::of_key(key)])).await?;
        }
        let releases = self.releases.get(key).into_iter().flatten();
        let mut good = releases.filter(|one| {
            one.usable && range::is_above(&one.version, version) && range::admits(wanted, &one.version)
        });
        Ok(good.find(|one| !self.is_vulnerable(key, &one.version)).map(|one| one.version.clone()))
    }

    fn release(&self, key: &str, one: &Published) -> Release {
        let version = one.version.to_string();
        let is_refused = self.refused.versions.contains(&(key.to_owned(), version.clone()));
        Release {
            usable: !one.is_yanked && one.version.pre.is_empty() && self.is_for_our_rust(one) && !is_refused,
            requirements: one.requirements.clone(),
            bundles: Vec::new(),
            version,
        }
    }

    fn is_for_our_rust(&self, one: &Published) -> bool {
        one.rust.as_deref().and_then(rust_version).is_none_or(|rust| rust <= self.rust)
    }

    /// The digest of a release's content.
    pub(crate) fn checksum(&self, key: &str, version: &str) -> Option<String> {
        let published = self.published.get(key)?.iter();
        published.filter(|one| one.version.to_string() == version).map(|one| one.checksum.clone()).next()
    }

    /// The good version above this one that only the project's Rust is too old for, in words.
    pub(crate) fn held_back(&self, key: &str, installed: &str) -> Option<String> {
        let good = |one: &&Published| {
            let version = one.version.to_string();
            let is_good =
                !one.is_yanked && one.version.pre.is_empty() && range::is_above(&version, installed);
            is_good && !self.is_vulnerable(key, &version)
        };
        let all = self.published.get(key)?.iter().filter(good);
        let held = all.clone().find(|one| !self.is_for_our_rust(one))?;
        let rust = held.rust.as_deref().unwrap_or_default();
        Some(format!("`{key} {}` needs Rust {rust}, and the project is for {}", held.version, self.rust))
    }

    /// The advisories of a version, with those that are merely worth knowing where a finding speaks of one.
    pub(crate) fn problems_now(&self, key: &str, version: &str) -> Result<BTreeSet<String>, Failure> {
        let (name, mut problems) = (Name::of_key(key), BTreeSet::new());
        // The advisories speak of the default registry's crates.
        if !name.registry.is_empty() {
            return Ok(problems);
        }
        let about = self
            .findings
            .iter()
            .filter(|finding| finding.package.as_ref().is_some_and(|package| package.name == name.name));
        for finding in about {
            let is_installed = finding.package.as_ref().is_some_and(|package| package.version == version);
            // What is merely worth knowing the advisories do not count as a problem.
            if is_installed || (finding.informational.is_some() && !clears(&finding.fixed, version)) {
                problems.insert(finding.advisory.clone());
            }
        }
        let ecosystem = Ecosystem::crates_io();
        let package = Package { ecosystem, name: name.name, version: version.to_owned() };
        problems.extend(self.known.problems(&package)?);
        Ok(problems)
    }

    /// What comes of the advisories of a version.
    fn judged<T>(&self, key: &str, version: &str, judge: impl FnOnce(&BTreeSet<String>) -> T) -> T {
        let mut asked = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let problems = asked.entry((key.to_owned(), version.to_owned())).or_insert_with(|| {
            // What could not be asked is not taken for good; the plan is thrown away.
            self.problems_now(key, version).unwrap_or_else(|failure| {
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

    /// `[patch]` puts a fork in a crate's place, and no version.
    fn has_overrides(&self) -> bool {
        false
    }

    fn may_relax(&self, called: &str) -> bool {
        !self.refused.relaxed.contains(called)
    }
}
