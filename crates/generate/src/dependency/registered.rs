//! What a registry that says all about a package at once, and the advisories, have said so far, for who chooses versions.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};

use crate::changelog::kept::Archives;
use crate::dependency::flat::{Pin, Plan, Required, Shelf, Unknown, settle};
use crate::dependency::moved::Set;
use crate::fixer::Known;

/// How often the registry is asked for what a plan did not know.
const MOST_ROUNDS: usize = 400;
/// Requests at the same time.
const AT_ONCE: usize = 8;

/// One version that is published, no preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) version: String,
    pub(crate) requires: Vec<Required>,
    /// Why it can't be used here, as in `asks for Ruby >= 3.3, and 3.1.2 must do here`; none where it can.
    pub(crate) barred: Option<String>,
}

#[async_trait]
pub(crate) trait Registry: Sync {
    fn ecosystem(&self) -> &'static str;

    /// All versions of a package, in any order; none where the registry does not know it.
    async fn published(&self, name: &str) -> Result<Vec<Published>, Failure>;

    fn admits(&self, range: &str, version: &str) -> bool;

    fn compare(&self, left: &str, right: &str) -> Ordering;

    /// Where archives can be had, if they have changelogs.
    fn archives(&self) -> Option<&dyn Archives> {
        None
    }
}

pub(crate) struct Shelves<'a> {
    registry: &'a dyn Registry,
    known: &'a dyn Known,
    /// The lockfile says what each of these requires.
    locked: &'a Set,
    /// The lowest version first.
    published: BTreeMap<String, Vec<Published>>,
    /// Versions that can be used here, the lowest first.
    versions: BTreeMap<String, Vec<String>>,
    problems: Mutex<BTreeMap<(String, String), BTreeSet<String>>>,
    failed: Mutex<Option<Failure>>,
}

impl<'a> Shelves<'a> {
    pub(crate) fn new(registry: &'a dyn Registry, known: &'a dyn Known, locked: &'a Set) -> Self {
        Self {
            registry,
            known,
            locked,
            published: BTreeMap::new(),
            versions: BTreeMap::new(),
            problems: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// A plan made with all that the registry has to say of it.
    pub(crate) async fn plan(
        &mut self,
        pins: &BTreeMap<String, Pin>,
        targets: &[String],
    ) -> Result<Plan, Failure> {
        for _ in 0..MOST_ROUNDS {
            let plan = settle(pins, self, targets, false);
            if let Some(failure) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(failure);
            }
            if plan.unknown.is_empty() {
                return Ok(plan);
            }
            self.learn(plan.unknown).await?;
        }
        Err(Failure::permanent("could not choose versions: each answer of the registry asks for more"))
    }

    async fn learn(&mut self, unknown: BTreeSet<Unknown>) -> Result<(), Failure> {
        let names = unknown.into_iter().map(|what| match what {
            Unknown::Versions(name) | Unknown::Requires(name, _) => name,
        });
        let names: BTreeSet<String> = names.filter(|name| !self.published.contains_key(name)).collect();
        let registry = self.registry;
        let asked = names.into_iter().map(|name| async move {
            let published = registry.published(&name).await;
            published.map(|published| (name, published))
        });
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        for answer in answers {
            let (name, mut published) = answer?;
            published.sort_by(|left, right| registry.compare(&left.version, &right.version));
            let usable = published.iter().filter(|one| one.barred.is_none());
            self.versions.insert(name.clone(), usable.map(|one| one.version.clone()).collect());
            self.published.insert(name, published);
        }
        Ok(())
    }

    fn problems_now(&self, name: &str, version: &str) -> Result<BTreeSet<String>, Failure> {
        let ecosystem = Ecosystem(self.registry.ecosystem().to_owned());
        let package = Package { ecosystem, name: name.to_owned(), version: version.to_owned() };
        Ok(self.known.problems(&package)?.into_iter().collect())
    }
}

impl Shelf for Shelves<'_> {
    fn versions(&self, name: &str) -> Option<&[String]> {
        self.versions.get(name).map(Vec::as_slice)
    }

    fn requires(&self, name: &str, version: &str, _: &BTreeSet<String>) -> Option<Vec<Required>> {
        if let Some(locked) = self.locked.get(name).filter(|locked| locked.version == version) {
            return Some(locked.requires.clone());
        }
        let published = self.published.get(name)?.iter().find(|one| one.version == version);
        Some(published.map(|one| one.requires.clone()).unwrap_or_default())
    }

    fn admits(&self, range: &str, version: &str) -> bool {
        self.registry.admits(range, version)
    }

    fn is_above(&self, version: &str, other: &str) -> bool {
        self.registry.compare(version, other) == Ordering::Greater
    }

    fn beyond(&self, name: &str, version: &str) -> Option<String> {
        let is_good = |one: &&Published| {
            self.is_above(&one.version, version) && self.problems(name, &one.version).is_empty()
        };
        let good = self.published.get(name)?.iter().find(is_good)?;
        Some(format!("`{name} {}` would do, but {}", good.version, good.barred.as_ref()?))
    }

    fn problems(&self, name: &str, version: &str) -> BTreeSet<String> {
        let key = (name.to_owned(), version.to_owned());
        let mut asked = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = asked.get(&key) {
            return known.clone();
        }
        // What could not be asked is not taken for good; the plan is thrown away.
        let answer = self.problems_now(name, version).unwrap_or_else(|failure| {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            BTreeSet::from(["unknown".to_owned()])
        });
        asked.insert(key, answer.clone());
        answer
    }
}
