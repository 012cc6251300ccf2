//! What the index and the advisories said so far, for who chooses versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use patchline_inventory::lockfile::requirements::Wanted;
use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};

use crate::dependency::flat::{Pin, Plan, Required, Shelf, Unknown, settle};
use crate::dependency::python::index::{File, Index};
use crate::dependency::python::manifest::takes;
use crate::dependency::python::marker::{self, Environment};
use crate::dependency::python::specifier::{admits, is_above, is_release, is_same};
use crate::fixer::Known;

/// How often the index is asked for what a plan did not know.
const MOST_ROUNDS: usize = 400;
/// Requests at the same time.
const AT_ONCE: usize = 16;

pub(crate) struct Shelves<'a> {
    index: &'a Index,
    known: &'a dyn Known,
    environment: &'a Environment,
    files: BTreeMap<String, Vec<File>>,
    /// Versions that can be used here, the lowest first.
    versions: BTreeMap<String, Vec<String>>,
    /// In the metadata's words; none where there is no metadata.
    requires: BTreeMap<(String, String), Option<Vec<String>>>,
    problems: Mutex<BTreeMap<(String, String), BTreeSet<String>>>,
    failed: Mutex<Option<Failure>>,
}

enum Answer {
    Files(String, Vec<File>),
    Requires((String, String), Option<Vec<String>>),
}

impl<'a> Shelves<'a> {
    pub(crate) fn new(index: &'a Index, known: &'a dyn Known, environment: &'a Environment) -> Self {
        Self {
            index,
            known,
            environment,
            files: BTreeMap::new(),
            versions: BTreeMap::new(),
            requires: BTreeMap::new(),
            problems: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// A plan made with all that the index has to say of it.
    pub(crate) async fn plan(
        &mut self,
        pins: &BTreeMap<String, Pin>,
        targets: &[String],
        is_closed: bool,
    ) -> Result<Plan, Failure> {
        for _ in 0..MOST_ROUNDS {
            let plan = settle(pins, self, targets, is_closed);
            if let Some(failure) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(failure);
            }
            if plan.unknown.is_empty() {
                return Ok(plan);
            }
            self.learn(plan.unknown).await?;
        }
        Err(Failure::permanent("could not choose versions: each answer of the index asks for more"))
    }

    async fn learn(&mut self, unknown: BTreeSet<Unknown>) -> Result<(), Failure> {
        let unseen = unknown.iter().map(|what| match what {
            Unknown::Versions(name) | Unknown::Requires(name, _) => name.clone(),
        });
        let unseen: BTreeSet<String> = unseen.filter(|name| !self.files.contains_key(name)).collect();
        let index = self.index;
        let lists = unseen
            .into_iter()
            .map(|name| async move { Ok(Answer::Files(name.clone(), index.files(&name).await?)) });
        self.take_all(lists.collect()).await?;
        let asked = unknown.into_iter().filter_map(|what| match what {
            Unknown::Requires(name, version) => Some((name, version)),
            Unknown::Versions(_) => None,
        });
        let asked: Vec<_> = asked
            .map(|(name, version)| {
                let file = self.described(&name, &version);
                async move {
                    let requires = match file {
                        Some(file) => index.requires(&file).await?,
                        None => None,
                    };
                    Ok(Answer::Requires((name, version), requires))
                }
            })
            .collect();
        self.take_all(asked).await
    }

    async fn take_all<F: Future<Output = Result<Answer, Failure>>>(
        &mut self,
        asked: Vec<F>,
    ) -> Result<(), Failure> {
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            all.push(answer?);
        }
        drop(answers);
        all.into_iter().for_each(|answer| self.take(answer));
        Ok(())
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Files(name, files) => {
                let python = self.environment.get("python_full_version").map_or("", String::as_str);
                let is_usable = |file: &&File| {
                    !file.is_yanked
                        && is_release(&file.version)
                        && file.python.as_ref().is_none_or(|range| admits(range, python))
                };
                let versions: BTreeSet<&String> =
                    files.iter().filter(is_usable).map(|file| &file.version).collect();
                let mut versions: Vec<String> = versions.into_iter().cloned().collect();
                versions.sort_by(|left, right| match is_above(left, right) {
                    true => std::cmp::Ordering::Greater,
                    false if is_above(right, left) => std::cmp::Ordering::Less,
                    false => std::cmp::Ordering::Equal,
                });
                versions.dedup_by(|left, right| is_same(left, right));
                self.versions.insert(name.clone(), versions);
                self.files.insert(name, files);
            }
            Answer::Requires(what, requires) => {
                self.requires.insert(what, requires);
            }
        }
    }

    /// The file of the version whose metadata is asked for: one of which the index says that it has it, or else a wheel, for
    /// some indexes have it and don't say so.
    fn described(&self, name: &str, version: &str) -> Option<File> {
        let all = || self.files_of(name, version);
        all().find(|file| file.has_metadata).or_else(|| all().find(|file| file.is_wheel)).cloned()
    }

    /// All files of a version.
    pub(crate) fn files_of(&self, name: &str, version: &str) -> impl Iterator<Item = &File> {
        self.files
            .get(name)
            .into_iter()
            .flatten()
            .filter(move |file| file.version == version || is_same(&file.version, version))
    }

    /// Whether the index says what this version requires.
    pub(crate) fn says_what(&self, name: &str, version: &str) -> bool {
        self.requires.get(&(name.to_owned(), version.to_owned())).is_some_and(Option::is_some)
    }

    /// What a version asks of the interpreter.
    pub(crate) fn python_of(&self, name: &str, version: &str) -> Option<&str> {
        self.files_of(name, version).find_map(|file| file.python.as_deref())
    }

    pub(crate) fn problems_now(&self, name: &str, version: &str) -> Result<BTreeSet<String>, Failure> {
        let package = Package {
            ecosystem: Ecosystem("PyPI".to_owned()),
            name: name.to_owned(),
            version: version.to_owned(),
        };
        Ok(self.known.problems(&package)?.into_iter().collect())
    }
}

impl Shelf for Shelves<'_> {
    fn versions(&self, name: &str) -> Option<&[String]> {
        self.versions.get(name).map(Vec::as_slice)
    }

    fn requires(&self, name: &str, version: &str, extras: &BTreeSet<String>) -> Option<Vec<Required>> {
        let said = self.requires.get(&(name.to_owned(), version.to_owned()))?;
        let read = |line: &String| {
            let (words, marker) = line.split_once(';').unwrap_or((line, ""));
            if !marker::holds(marker, self.environment, extras) {
                return None;
            }
            let wanted = Wanted::of(words.trim()).filter(|wanted| !wanted.is_address)?;
            Some(Required { name: wanted.normal_name(), range: wanted.range.to_owned() })
        };
        Some(said.iter().flatten().filter_map(read).collect())
    }

    fn admits(&self, range: &str, version: &str) -> bool {
        takes(range, version)
    }

    fn is_above(&self, version: &str, other: &str) -> bool {
        is_above(version, other)
    }

    fn is_told(&self, name: &str, version: &str) -> bool {
        self.says_what(name, version)
    }

    fn beyond(&self, name: &str, version: &str) -> Option<String> {
        let here = self.environment.get("python_full_version")?;
        let is_good = |file: &&File| {
            let is_new = is_release(&file.version) && is_above(&file.version, version);
            !file.is_yanked && is_new && self.problems(name, &file.version).is_empty()
        };
        let good = self.files.get(name)?.iter().filter(is_good);
        let lowest =
            good.reduce(|left, right| if is_above(&left.version, &right.version) { right } else { left })?;
        let python = lowest.python.as_ref()?;
        let version = &lowest.version;
        Some(format!("`{name} {version}` would do, but asks for Python {python}, and {here} must do here"))
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
