//! A plan carried out with pnpm: overrides hold it to the chosen versions for one run; in the next they are gone, and pnpm
//! stays with what the lockfile has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;
use patchline_model::failure::Failure;
use patchline_model::stage::generate::Rung;

use crate::dependency::node::choice::Shelves;
use crate::dependency::node::files::{Files, Texts};
use crate::dependency::node::project::Project;
use crate::dependency::node::rules::State;
use crate::dependency::node::{manifest, range};
use crate::dependency::pnpm::lock::Lock;
use crate::dependency::pnpm::tool::Pnpm;
use crate::dependency::pnpm::workspace;
use crate::dependency::sketch::Plan;

/// Where a project of older pnpm keeps its overrides, and one that came from yarn.
const IN_MANIFEST: [&[&str]; 2] = [&["pnpm", "overrides"], &["resolutions"]];

/// A `pnpm-lock.yaml` and what stands beside it.
pub(crate) struct PnpmProject<'a> {
    pnpm: Pnpm<'a>,
    files: Files,
    lock: Lock,
    /// Overrides of the project that had to move along.
    moved: BTreeSet<String>,
}

impl<'a> PnpmProject<'a> {
    pub(crate) fn new(pnpm: Pnpm<'a>, files: Files, lock: Lock) -> Self {
        Self { pnpm, files, lock, moved: BTreeSet::new() }
    }

    fn manifest_of(&self, own: usize) -> PathBuf {
        let folder = self.lock.own.get(&own).map_or(".", String::as_str);
        self.files.folder.join(folder).join("package.json")
    }

    fn workspace(&self) -> PathBuf {
        self.files.folder.join("pnpm-workspace.yaml")
    }

    /// Writes the manifests as the plan has them; with `held`, so that pnpm can choose nothing else.
    fn write(&mut self, plan: &Plan, held: bool) -> Result<Result<(), String>, Failure> {
        let (mut texts, settings) = (Texts::default(), self.workspace());
        for relaxed in &plan.relaxed {
            let catalog = self.lock.catalogs.get(&(relaxed.from, relaxed.called.clone())).cloned();
            let (called, range) = (&relaxed.called, &relaxed.range);
            let done = match catalog.as_deref() {
                Some("default") => texts.change(&mut self.files, settings.clone(), |text| {
                    workspace::with(text, &["catalog"], called, range)
                        .or_else(|| workspace::with(text, &["catalogs", "default"], called, range))
                })?,
                Some(catalog) => texts.change(&mut self.files, settings.clone(), |text| {
                    workspace::with(text, &["catalogs", catalog], called, range)
                })?,
                None => {
                    let path = self.manifest_of(relaxed.from);
                    texts.change(&mut self.files, path, |text| manifest::with_range(text, called, range))?
                }
            };
            if !done {
                return Ok(Err(manifest::missing(called)));
            }
        }
        for (key, value) in self.overrides(plan) {
            if !self.with_override(&mut texts, &key, &value)? {
                return Ok(Err(manifest::overridden_already(&key)));
            }
        }
        self.follow(plan, &mut texts)?;
        if held && !self.hold(plan, &mut texts)? {
            return Ok(Err("pnpm can't be held to the chosen versions".to_owned()));
        }
        self.files.restore_manifests()?;
        texts.write(&mut self.files)?;
        Ok(Ok(()))
    }

    /// The overrides that stay: the package as far as these ranges ask for it.
    fn overrides(&self, plan: &Plan) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| step.rung == Rung::Override) {
            let blocking = plan.asked.get(&step.node).into_iter().flatten();
            for (_, range) in blocking.filter(|(_, range)| !range::admits(range, &step.to)) {
                let called = &self.lock.state.graph.nodes[step.node].called;
                found.insert(format!("{called}@{range}"), self.value(step.node, &step.to));
            }
        }
        found
    }

    /// A version as an override names it.
    fn value(&self, node: usize, version: &str) -> String {
        let node = &self.lock.state.graph.nodes[node];
        if node.name == node.called { version.to_owned() } else { format!("npm:{}@{version}", node.name) }
    }

    fn with_override(&mut self, texts: &mut Texts, key: &str, value: &str) -> Result<bool, Failure> {
        let path = self.workspace();
        let settings = self.files.original_if_any(&path)?.unwrap_or_default();
        if self.pnpm.major > 10 || (self.pnpm.major == 10 && workspace::has(&settings, "overrides")) {
            return texts
                .change(&mut self.files, path, |text| workspace::with(text, &["overrides"], key, value));
        }
        let path = self.files.folder.join("package.json");
        texts.change(&mut self.files, path, |text| manifest::with_override(text, IN_MANIFEST[0], key, value))
    }

    /// Overrides that the project has of its own, and that would keep a package where it may not stay.
    fn follow(&mut self, plan: &Plan, texts: &mut Texts) -> Result<(), Failure> {
        let (path, beside) = (self.files.folder.join("package.json"), self.workspace());
        let root = self.files.original(&path)?;
        let settings = self.files.original_if_any(&beside)?.unwrap_or_default();
        self.moved.clear();
        for step in &plan.steps {
            let called = self.lock.state.graph.nodes[step.node].called.clone();
            let stale = |key: &str, value: &str| {
                let of = key.rsplit('>').next().unwrap_or(key).trim();
                let of =
                    of.char_indices().skip(1).find(|(_, sign)| *sign == '@').map_or(of, |(at, _)| &of[..at]);
                (of == called && !range::admits(value, &step.to))
                    .then(|| range::relaxed(value, &step.to))
                    .flatten()
            };
            for way in IN_MANIFEST {
                for (key, value) in manifest::entries(&root, way) {
                    let Some(value) = stale(&key, &value) else { continue };
                    texts.change(&mut self.files, path.clone(), |text| {
                        manifest::with_override(text, way, &key, &value)
                    })?;
                    self.moved.insert(format!("{key} {value}"));
                }
            }
            for (key, value) in workspace::entries(&settings, "overrides") {
                let Some(value) = stale(&key, &value) else { continue };
                texts.change(&mut self.files, beside.clone(), |text| {
                    workspace::with(text, &["overrides"], &key, &value)
                })?;
                self.moved.insert(format!("{key} {value}"));
            }
        }
        Ok(())
    }

    /// For each choice exactly the version that is planned for it.
    fn hold(&mut self, plan: &Plan, texts: &mut Texts) -> Result<bool, Failure> {
        let to: BTreeMap<usize, &str> = plan.steps.iter().map(|step| (step.node, step.to.as_str())).collect();
        for step in &plan.steps {
            let called = self.lock.state.graph.nodes[step.node].called.clone();
            let value = self.value(step.node, &step.to);
            for (from, _) in plan.asked.get(&step.node).into_iter().flatten() {
                let holder = &self.lock.state.graph.nodes[*from];
                let done = if holder.own {
                    let path = self.manifest_of(*from);
                    texts.change(&mut self.files, path, |text| manifest::with_range(text, &called, &value))?
                } else {
                    let version = to.get(from).copied().unwrap_or(&holder.version);
                    let key = format!("{}@{version}>{called}", holder.name);
                    self.with_override(texts, &key, &value)?
                };
                if !done {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

#[async_trait]
impl Project for PnpmProject<'_> {
    fn tool(&self) -> &'static str {
        "pnpm"
    }

    fn before(&self) -> &State {
        &self.lock.state
    }

    fn now(&self) -> Result<State, Failure> {
        Ok(Lock::parse(&self.files.lock_now()?).map_err(Failure::permanent)?.state)
    }

    fn files(&self) -> &Files {
        &self.files
    }

    async fn carry_out(&mut self, plan: &Plan, _: &Shelves<'_>) -> Result<Result<(), String>, Failure> {
        for (held, offline) in [(true, false), (false, true)] {
            if let Err(reason) = self.write(plan, held)? {
                return Ok(Err(reason));
            }
            if let Err(reason) = self.pnpm.complete(offline).await? {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(()))
    }

    async fn complete(&mut self) -> Result<Result<(), String>, Failure> {
        self.pnpm.complete(true).await
    }

    fn log(&mut self) -> String {
        self.pnpm.log()
    }

    fn remark(&self) -> Option<String> {
        let moved: Vec<&str> = self.moved.iter().map(String::as_str).collect();
        (!moved.is_empty()).then(|| format!("Overrides of the project move along: {}.", moved.join(", ")))
    }
}
