//! A plan carried out on a lockfile and its manifests, and what came of it, held against the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::generate::{Move, Rung};

use crate::dependency::choose::choose;
use crate::dependency::market::{Market, Release};
use crate::dependency::npm::lock::{LARGEST, Lock, Placed};
use crate::dependency::npm::registry::Registry;
use crate::dependency::npm::rules::{Comparison, compare};
use crate::dependency::npm::tool::Npm;
use crate::dependency::npm::{manifest, range};
use crate::dependency::sketch::{Plan, Step};
use crate::failures::of_file;
use crate::fixer::Known;

/// How often the registry is asked for what a plan did not know.
const MOST_ROUNDS: usize = 64;

/// What the registry and the advisories said so far.
pub(crate) struct Shelves<'a> {
    registry: &'a Registry,
    known: &'a dyn Known,
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
    pub(crate) async fn plan(&mut self, placed: &Placed, vulnerable: &[usize]) -> Result<Plan, Failure> {
        for _ in 0..MOST_ROUNDS {
            let plan = choose(&placed.graph, self, vulnerable);
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

    pub(crate) fn is_vulnerable_now(&self, name: &str, version: &str) -> Result<bool, Failure> {
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

/// The files that a change may touch, with what they held before.
pub(crate) struct Files {
    pub(crate) lock: PathBuf,
    /// The folder of `package.json`.
    pub(crate) folder: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Files {
    pub(crate) fn open(folder: &Path, lock: &str) -> Result<Self, Failure> {
        let path = folder.join(lock);
        let text = read(&path)?;
        Ok(Self { lock: path.clone(), folder: folder.to_owned(), before: BTreeMap::from([(path, text)]) })
    }

    pub(crate) fn lock_now(&self) -> Result<Lock, Failure> {
        Lock::parse(&read(&self.lock)?).map_err(Failure::permanent)
    }

    /// What a file held before anything changed.
    fn original(&mut self, path: &Path) -> Result<String, Failure> {
        if let Some(text) = self.before.get(path) {
            return Ok(text.clone());
        }
        let text = read(path)?;
        self.before.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    pub(crate) fn restore(&self) -> Result<(), Failure> {
        for (path, text) in &self.before {
            fs::write(path, text).map_err(|error| of_file("write a file back", error))?;
        }
        Ok(())
    }
}

/// An ordinary file of the worktree: a link would lead out of it.
fn read(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Err(Failure::permanent(format!("could not use `{name}`: it is not an ordinary file")));
    }
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    read.map_err(|error| of_file(&format!("read `{name}`"), error))?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::permanent(format!("could not use `{name}`: it has more than {LARGEST} bytes")));
    }
    Ok(text)
}

/// Carries a plan out and lets npm complete it. A sentence for each reason why it does not hold; then nothing is changed.
pub(crate) async fn carry_out(
    plan: &Plan,
    placed: &Placed,
    before: &Lock,
    files: &mut Files,
    npm: &mut Npm<'_>,
    shelves: &Shelves<'_>,
) -> Result<Result<Comparison, Vec<String>>, Failure> {
    let refused = match write(plan, placed, before, files, shelves).await? {
        Ok(()) => match npm.complete(before.version).await? {
            Ok(()) => {
                let planned = plan.steps.iter().map(|step| placed.graph.nodes[step.node].name.clone());
                let after = files.lock_now()?;
                let mut comparison = compare(before, &after, &planned.collect(), shelves.known)?;
                comparison.moves = told(plan, placed, &after, comparison.moves);
                if comparison.violations.is_empty() {
                    return Ok(Ok(comparison));
                }
                comparison.violations
            }
            Err(reason) => vec![reason],
        },
        Err(reason) => vec![reason],
    };
    files.restore()?;
    Ok(Err(refused))
}

async fn write(
    plan: &Plan,
    placed: &Placed,
    before: &Lock,
    files: &mut Files,
    shelves: &Shelves<'_>,
) -> Result<Result<(), String>, Failure> {
    let mut lock = before.clone();
    for step in &plan.steps {
        let name = &placed.graph.nodes[step.node].name;
        lock.put(&placed.places[step.node], &shelves.registry.manifest(name, &step.to).await?);
    }
    let mut manifests: BTreeMap<PathBuf, String> = BTreeMap::new();
    for relaxed in &plan.relaxed {
        let path = files.folder.join(&placed.places[relaxed.from]).join("package.json");
        let text = match manifests.get(&path) {
            Some(text) => text.clone(),
            None => files.original(&path)?,
        };
        let Some(text) = manifest::with_range(&text, &relaxed.called, &relaxed.range) else {
            return Ok(Err(format!(
                "`package.json` does not name `{}` where the lockfile says so",
                relaxed.called
            )));
        };
        manifests.insert(path, text);
    }
    for step in plan.steps.iter().filter(|step| step.rung == Rung::Override) {
        let path = files.folder.join("package.json");
        let text = match manifests.get(&path) {
            Some(text) => text.clone(),
            None => files.original(&path)?,
        };
        let mut text = text;
        for key in overridden(placed, step) {
            let Some(with) = manifest::with_override(&text, &key, &step.to) else {
                return Ok(Err(format!("`package.json` overrides `{key}` in a way of its own")));
            };
            text = with;
        }
        manifests.insert(path, text);
    }
    manifests.insert(files.lock.clone(), lock.text());
    for (path, text) in manifests {
        fs::write(&path, text).map_err(|error| of_file("write a file of the worktree", error))?;
    }
    Ok(Ok(()))
}

/// The moves with those first that were planned, each from the version that it left to the one that was chosen for it.
fn told(plan: &Plan, placed: &Placed, after: &Lock, counted: Vec<Move>) -> Vec<Move> {
    let installed = after.installed().into_values().map(|copy| (copy.name, copy.version));
    let there: BTreeSet<(String, String)> = installed.collect();
    let mut planned: BTreeMap<(&str, &str, &str), Rung> = BTreeMap::new();
    for Step { node, to, rung } in &plan.steps {
        let node = &placed.graph.nodes[*node];
        if there.contains(&(node.name.clone(), to.clone())) {
            let step = planned.entry((&node.name, &node.version, to)).or_insert(*rung);
            *step = (*step).max(*rung);
        }
    }
    let left = |name: &str, version: &str| planned.keys().any(|key| (key.0, key.1) == (name, version));
    let chosen = |name: &str, version: &str| planned.keys().any(|key| (key.0, key.2) == (name, version));
    let along = counted.into_iter().filter_map(|Move { package, from, to, .. }| {
        let from = from.filter(|from| !left(&package, from));
        let to = to.filter(|to| !chosen(&package, to));
        (from.is_some() || to.is_some()).then_some(Move { package, from, to, rung: None })
    });
    let along: Vec<Move> = along.collect();
    let moved = planned.iter().map(|((package, from, to), rung)| Move {
        package: (*package).to_owned(),
        from: Some((*from).to_owned()),
        to: Some((*to).to_owned()),
        rung: Some(*rung),
    });
    moved.chain(along).collect()
}

/// What an override speaks of: the package as far as these ranges ask for it, and no other copy of it.
fn overridden(placed: &Placed, step: &Step) -> BTreeSet<String> {
    let called = &placed.graph.nodes[step.node].called;
    let into = placed.graph.edges.iter().filter(|edge| edge.to == step.node);
    let blocking = into.filter(|edge| !range::admits(&edge.requirement, &step.to));
    blocking.map(|edge| format!("{called}@{}", edge.requirement)).collect()
}

/// The nodes of these packages.
pub(crate) fn nodes_of(placed: &Placed, packages: &BTreeSet<(String, String)>) -> Vec<usize> {
    let nodes = placed.graph.nodes.iter().enumerate();
    let wanted =
        nodes.filter(|(_, node)| !node.own && packages.contains(&(node.name.clone(), node.version.clone())));
    wanted.map(|(at, _)| at).collect()
}
