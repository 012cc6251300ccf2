//! A plan carried out with yarn. In a lockfile of yarn 1 the chosen versions are put; with berry resolutions hold it to them
//! for one run, and what it then wrote answers the ranges in the next, without them.

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
use crate::dependency::sketch::Plan;
use crate::dependency::yarn::lock::Lock;
use crate::dependency::yarn::pins::{Pin, pins};
use crate::dependency::yarn::tool::Yarn;
use crate::dependency::yarn::{berry, classic, manifests};

const RESOLUTIONS: &[&str] = &["resolutions"];

/// A `yarn.lock` and what stands beside it.
pub(crate) struct YarnProject<'a> {
    yarn: Yarn<'a>,
    files: Files,
    lock: Lock,
    text: String,
    /// What of the project was not run.
    left_out: Vec<&'static str>,
    /// Resolutions of the project that had to move along.
    moved: BTreeSet<String>,
}

impl<'a> YarnProject<'a> {
    /// A yarn that would bring the lockfile to another format is not the one that keeps it.
    pub(crate) async fn open(
        mut yarn: Yarn<'a>,
        files: Files,
        left_out: Vec<&'static str>,
    ) -> Result<Result<Self, (String, String)>, Failure> {
        let text = files.lock_now()?;
        let lock = read(&files, &text)?;
        if let Some(format) = berry::format(&text) {
            if let Err(reason) = yarn.complete().await? {
                return Ok(Err((reason, yarn.log())));
            }
            let then = berry::format(&files.lock_now()?);
            files.restore()?;
            if then != Some(format) {
                let manifest = crate::dependency::node::files::read(&files.folder.join("package.json"))?;
                return Err(yarn.writes_another(format, then, &manifest));
            }
        }
        Ok(Ok(Self { yarn, files, lock, text, left_out, moved: BTreeSet::new() }))
    }

    fn is_classic(&self) -> bool {
        self.yarn.major == 1
    }

    fn root(&self) -> PathBuf {
        self.files.folder.join("package.json")
    }

    /// Writes the manifests as the plan has them, with further resolutions.
    fn write(&mut self, plan: &Plan, held: &[(String, String)]) -> Result<Result<(), String>, Failure> {
        let (mut texts, root) = (Texts::default(), self.root());
        for relaxed in &plan.relaxed {
            let folder = self.lock.own.get(&relaxed.from).map_or(".", String::as_str);
            let path = self.files.folder.join(folder).join("package.json");
            let path = if folder == "." { root.clone() } else { path };
            let (called, range) = (&relaxed.called, &relaxed.range);
            if !texts.change(&mut self.files, path, |text| manifest::with_range(text, called, range))? {
                return Ok(Err(manifest::missing(called)));
            }
        }
        let all = self.overrides(plan).into_iter().chain(self.follow(plan)?).chain(held.iter().cloned());
        for (key, value) in all.collect::<Vec<_>>() {
            let change = |text: &str| manifest::with_override(text, RESOLUTIONS, &key, &value);
            if !texts.change(&mut self.files, root.clone(), change)? {
                return Ok(Err(manifest::overridden_already(&key)));
            }
        }
        self.files.restore_manifests()?;
        texts.write(&mut self.files)?;
        Ok(Ok(()))
    }

    /// The resolutions that stay: with berry for exactly the ranges that are in the way, with yarn 1, which knows no ranges
    /// there, for the packages that ask.
    fn overrides(&self, plan: &Plan) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let nodes = &self.lock.state.graph.nodes;
        for step in plan.steps.iter().filter(|step| step.rung == Rung::Override) {
            let called = &nodes[step.node].called;
            let blocking = plan.asked.get(&step.node).into_iter().flatten();
            for (from, range) in blocking.filter(|(_, range)| !range::admits(range, &step.to)) {
                let (key, value) = match self.is_classic() {
                    true => (format!("**/{}/{called}", nodes[*from].name), self.value(step.node, &step.to)),
                    false => (
                        format!("{called}@{}", self.spelled(range)),
                        format!("npm:{}", self.value(step.node, &step.to).trim_start_matches("npm:")),
                    ),
                };
                found.insert(key, value);
            }
        }
        found
    }

    fn value(&self, node: usize, version: &str) -> String {
        let node = &self.lock.state.graph.nodes[node];
        if node.name == node.called { version.to_owned() } else { format!("npm:{}@{version}", node.name) }
    }

    /// The project's own resolutions that chose what now has to move.
    fn follow(&mut self, plan: &Plan) -> Result<BTreeMap<String, String>, Failure> {
        let path = self.root();
        let root = self.files.original(&path)?;
        let (mut found, own) = (BTreeMap::new(), manifest::entries(&root, RESOLUTIONS));
        for step in &plan.steps {
            let Some(keys) = self.lock.resolved.get(&step.node) else { continue };
            for (key, value) in
                own.iter().filter(|(key, value)| keys.contains(key) && !range::admits(value, &step.to))
            {
                let bare = value.strip_prefix("npm:").unwrap_or(value);
                let sign = &value[..value.len() - bare.len()];
                found.extend(
                    range::relaxed(bare, &step.to).map(|value| (key.clone(), format!("{sign}{value}"))),
                );
            }
        }
        self.moved = found.iter().map(|(key, value)| format!("{key} {value}")).collect();
        Ok(found)
    }

    /// A range as the key of a resolution has it, which up to yarn 3 is as it is written.
    fn spelled(&self, range: &str) -> String {
        if self.yarn.major < 4 || range.starts_with("npm:") {
            range.to_owned()
        } else {
            format!("npm:{range}")
        }
    }

    async fn classic(
        &mut self,
        plan: &Plan,
        pins: &[Pin],
        shelves: &Shelves<'_>,
    ) -> Result<Result<(), String>, Failure> {
        if let Err(reason) = self.write(plan, &[])? {
            return Ok(Err(reason));
        }
        let mut published = BTreeMap::new();
        for pin in pins {
            let key = (pin.name.clone(), pin.version.clone());
            let there =
                self.lock.entries.iter().any(|entry| (&entry.name, &entry.version) == (&key.0, &key.1));
            if !there && !published.contains_key(&key) {
                let manifest = shelves.registry.manifest(&pin.name, &pin.version).await?;
                published.insert(key, manifest);
            }
        }
        let text = classic::with(&self.text, &self.lock.entries, pins, &published);
        let path = self.files.lock.clone();
        self.files.write(&path, &text)?;
        self.yarn.complete().await
    }

    async fn berry(&mut self, plan: &Plan, pins: &[Pin]) -> Result<Result<(), String>, Failure> {
        let held =
            pins.iter().map(|pin| (format!("{}@{}", pin.called, self.spelled(&pin.range)), pin.exactly()));
        let held: Vec<(String, String)> = held.collect();
        if let Err(reason) = self.write(plan, &held)? {
            return Ok(Err(reason));
        }
        if let Err(reason) = self.yarn.complete().await? {
            return Ok(Err(reason));
        }
        if held.is_empty() {
            return Ok(Ok(()));
        }
        let Some(text) = berry::with(&self.files.lock_now()?, pins) else {
            return Ok(Err("yarn can't be held to the chosen versions".to_owned()));
        };
        if let Err(reason) = self.write(plan, &[])? {
            return Ok(Err(reason));
        }
        let path = self.files.lock.clone();
        self.files.write(&path, &text)?;
        self.yarn.complete().await
    }
}

/// The lockfile as it stands, with the manifests as they stand.
fn read(files: &Files, text: &str) -> Result<Lock, Failure> {
    let root = crate::dependency::node::files::read(&files.folder.join("package.json"))?;
    let resolutions = manifest::entries(&root, RESOLUTIONS);
    let is_berry = berry::format(text).is_some();
    let entries = if is_berry { berry::entries(text) } else { classic::entries(text) };
    let own = if is_berry { Vec::new() } else { manifests::own(&files.folder)? };
    entries.and_then(|entries| Lock::of(entries, own, &resolutions)).map_err(Failure::permanent)
}

#[async_trait]
impl Project for YarnProject<'_> {
    fn tool(&self) -> &'static str {
        "yarn"
    }

    fn before(&self) -> &State {
        &self.lock.state
    }

    fn now(&self) -> Result<State, Failure> {
        Ok(read(&self.files, &self.files.lock_now()?)?.state)
    }

    fn files(&self) -> &Files {
        &self.files
    }

    async fn carry_out(&mut self, plan: &Plan, shelves: &Shelves<'_>) -> Result<Result<(), String>, Failure> {
        let pins = pins(plan, &self.lock, shelves);
        match self.is_classic() {
            true => self.classic(plan, &pins, shelves).await,
            false => self.berry(plan, &pins).await,
        }
    }

    async fn complete(&mut self) -> Result<Result<(), String>, Failure> {
        self.yarn.complete().await
    }

    fn log(&mut self) -> String {
        self.yarn.log()
    }

    fn remark(&self) -> Option<String> {
        let mut said = Vec::new();
        let moved: Vec<&str> = self.moved.iter().map(String::as_str).collect();
        if !moved.is_empty() {
            said.push(format!("Resolutions of the project move along: {}.", moved.join(", ")));
        }
        if !self.left_out.is_empty() {
            let code = self.left_out.join("` and `");
            said.push(format!("The project's own `{code}` were not run: yarn {} did it.", self.yarn.major));
        }
        (!said.is_empty()).then(|| said.join(" "))
    }
}
