//! A plan carried out on npm's lockfile and its manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;
use patchline_model::failure::Failure;
use patchline_model::stage::generate::Rung;

use crate::dependency::graph::Edge;
use crate::dependency::node::choice::Shelves;
use crate::dependency::node::files::Files;
use crate::dependency::node::project::Project;
use crate::dependency::node::rules::State;
use crate::dependency::node::{manifest, range};
use crate::dependency::npm::lock::{Lock, Placed};
use crate::dependency::npm::tool::Npm;
use crate::dependency::sketch::{Guard, Plan, Step};

/// A `package-lock.json` and what stands beside it.
pub(crate) struct NpmProject<'a> {
    npm: Npm<'a>,
    files: Files,
    lock: Lock,
    placed: Placed,
    before: State,
}

impl<'a> NpmProject<'a> {
    /// npm's reason, where it could not read the lockfile.
    pub(crate) async fn open(
        mut npm: Npm<'a>,
        files: Files,
    ) -> Result<Result<Self, (String, String)>, Failure> {
        let original = Lock::parse(&files.lock_now()?).map_err(Failure::permanent)?;
        // Format 1 does not say what requires what; npm's own newer format of the same does.
        let lock = match original.version {
            1 => match npm.complete(3).await? {
                Ok(()) => Lock { version: 1, ..Lock::parse(&files.lock_now()?).map_err(Failure::permanent)? },
                Err(reason) => return Ok(Err((reason, npm.log()))),
            },
            _ => original,
        };
        let placed = lock.placed().map_err(Failure::permanent)?;
        let before = State { copies: lock.installed(), graph: placed.graph.clone() };
        Ok(Ok(Self { npm, files, lock, placed, before }))
    }

    async fn write(&mut self, plan: &Plan, shelves: &Shelves<'_>) -> Result<Result<(), String>, Failure> {
        let mut lock = self.lock.clone();
        let named = |step: &Step| (self.placed.graph.nodes[step.node].name.clone(), step.to.clone());
        let manifests = shelves.manifests(&plan.steps.iter().map(named).collect()).await?;
        for step in &plan.steps {
            let place = &self.placed.places[step.node];
            let Some(manifest) = manifests.get(&named(step)) else { continue };
            // What comes within it only its archive tells, which npm opens for what is new alone.
            let had = self.lock.bundles(place);
            match had
                || ["bundleDependencies", "bundledDependencies"].iter().any(|key| manifest.contains_key(*key))
            {
                true => lock.take_out(place),
                false => lock.put(place, manifest),
            }
        }
        let mut manifests: BTreeMap<PathBuf, String> = BTreeMap::new();
        for relaxed in &plan.relaxed {
            let path = self.files.folder.join(&self.placed.places[relaxed.from]).join("package.json");
            let text = match manifests.get(&path) {
                Some(text) => text.clone(),
                None => self.files.original(&path)?,
            };
            let Some(text) = manifest::with_range(&text, &relaxed.called, &relaxed.range) else {
                return Ok(Err(manifest::missing(&relaxed.called)));
            };
            manifests.insert(path, text);
        }
        for step in plan.steps.iter().filter(|step| step.rung == Rung::Override) {
            let path = self.files.folder.join("package.json");
            let mut text = match manifests.get(&path) {
                Some(text) => text.clone(),
                None => self.files.original(&path)?,
            };
            for way in self.overridden(plan, step) {
                let (key, around) = way.split_last().expect("a way has an end");
                let around: Vec<&str> =
                    ["overrides"].into_iter().chain(around.iter().map(String::as_str)).collect();
                let Some(with) = manifest::with_override(&text, &around, key, &step.to) else {
                    return Ok(Err(manifest::overridden_already(key)));
                };
                text = with;
            }
            manifests.insert(path, text);
        }
        for Guard { asking, called, to, .. } in &plan.guards {
            let path = self.files.folder.join("package.json");
            let text = match manifests.get(&path) {
                Some(text) => text.clone(),
                None => self.files.original(&path)?,
            };
            let Some(with) = manifest::with_override(&text, &["overrides", asking], called, to) else {
                return Ok(Err(manifest::overridden_already(asking)));
            };
            manifests.insert(path, with);
        }
        manifests.insert(self.files.lock.clone(), lock.text());
        for (path, text) in manifests {
            self.files.write(&path, &text)?;
        }
        Ok(Ok(()))
    }

    /// What an override speaks of: the package as far as these ranges ask for it, and no other copy of it. Where the
    /// project asks for some of that itself, of which npm takes no override, those others that ask are named, without
    /// their versions: npm would take these for a version that they are to have.
    fn overridden(&self, plan: &Plan, step: &Step) -> BTreeSet<Vec<String>> {
        let graph = &self.placed.graph;
        let called = &graph.nodes[step.node].called;
        // npm compares ranges; the versions that are there stand for them.
        let version = &graph.nodes[step.node].version;
        let meets = |edge: &Edge, range: &str| {
            let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
            let own = edge.requirement.as_deref().unwrap_or("*");
            from.own
                && to.called == *called
                && (edge.to == step.node || range::admits(range, &to.version) || range::admits(own, version))
        };
        let is_asked_for = |range: &str| graph.edges.iter().any(|edge| meets(edge, range));
        let asked = plan.asked.get(&step.node).into_iter().flatten();
        let blocking =
            asked.filter(|(from, range)| !graph.nodes[*from].own && !range::admits(range, &step.to));
        // Who asks for something else than what is there gets a copy of its own.
        let blocking = blocking.filter(|(_, range)| range::admits(range, version));
        blocking
            .map(|(from, range)| match is_asked_for(range) {
                true => vec![graph.nodes[*from].called.clone(), called.clone()],
                false => vec![format!("{called}@{range}")],
            })
            .collect()
    }
}

#[async_trait]
impl Project for NpmProject<'_> {
    fn tool(&self) -> &'static str {
        "npm"
    }

    fn has_guards(&self) -> bool {
        true
    }

    fn before(&self) -> &State {
        &self.before
    }

    fn now(&self) -> Result<State, Failure> {
        let lock = Lock::parse(&self.files.lock_now()?).map_err(Failure::permanent)?;
        // Format 1 has no graph to read; it is written last, when what holds is known.
        let graph = lock.placed().map(|placed| placed.graph).unwrap_or_default();
        Ok(State { copies: lock.installed(), graph })
    }

    fn files(&self) -> &Files {
        &self.files
    }

    fn place(&self, node: usize) -> Option<&str> {
        self.placed.places.get(node).map(String::as_str)
    }

    async fn carry_out(&mut self, plan: &Plan, shelves: &Shelves<'_>) -> Result<Result<(), String>, Failure> {
        match self.write(plan, shelves).await? {
            Ok(()) => self.npm.complete(self.lock.version.max(2)).await,
            Err(reason) => Ok(Err(reason)),
        }
    }

    async fn complete(&mut self) -> Result<Result<(), String>, Failure> {
        self.npm.complete(self.lock.version).await
    }

    async fn again(&mut self) -> Result<Result<(), String>, Failure> {
        self.npm.complete(self.lock.version.max(2)).await
    }

    async fn finish(&mut self) -> Result<Result<(), String>, Failure> {
        match self.lock.version {
            1 => self.npm.complete(1).await,
            _ => Ok(Ok(())),
        }
    }

    fn log(&mut self) -> String {
        self.npm.log()
    }
}
