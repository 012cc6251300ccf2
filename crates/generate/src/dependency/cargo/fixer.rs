//! Moves crates to versions without the problem.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;
use patchline_connect::{Client, Settings as Limits};
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::package::Ecosystem;
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Move, Rung};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::cargo::change::{Before, Manifests, carry_out};
use crate::dependency::cargo::index::{Age, Index, Name};
use crate::dependency::cargo::lock::Lockfile;
use crate::dependency::cargo::placed;
use crate::dependency::cargo::range::{floor, is_major};
use crate::dependency::cargo::reason::reason;
use crate::dependency::cargo::refused::Refused;
use crate::dependency::cargo::rules::Comparison;
use crate::dependency::cargo::settings::{Place, Settings, registry_of};
use crate::dependency::cargo::shelves::Shelves;
use crate::dependency::cargo::tool::Cargo;
use crate::dependency::cargo::workspace::{Workspace, rust_version};
use crate::dependency::graph::Graph;
use crate::dependency::handover::{Handover, Made};
use crate::dependency::lessen::{Installed, Lessens, lessen, not_tried};
use crate::dependency::market::Market as _;
use crate::dependency::outcome::{Apart, left_open, others, stays_with};
use crate::dependency::place::{Worktree, folder_of};
use crate::dependency::sketch::Plan;
use crate::failures::{of_fetch, of_git};
use crate::fixer::{Fixer, Proposal, Request};
use crate::message::Update;

/// Packages that are tried one by one when all at once does not hold.
const MOST_APART: usize = 60;

/// Updates `Cargo.lock`, and a `Cargo.toml` where nothing less will do.
#[derive(Clone, Debug)]
pub struct CargoFixer {
    sandbox: Sandbox,
}

impl CargoFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Fixer for CargoFixer {
    fn name(&self) -> &'static str {
        "cargo"
    }

    fn can(&self, finding: &Finding) -> bool {
        let package = finding.package.as_ref();
        let is_lockfile =
            Path::new(&finding.location.path).file_name().is_some_and(|name| name == "Cargo.lock");
        finding.source == Source::Lockfile
            && is_lockfile
            && package.is_some_and(|package| package.ecosystem == Ecosystem::crates_io())
    }

    fn changes(&self, file: &str) -> bool {
        file == "Cargo.lock"
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = "run `cargo generate-lockfile` and commit `Cargo.lock`";
        let (folder, _) = folder_of(request, &["Cargo.lock"], hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

impl CargoFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
    ) -> Result<Proposal, Failure> {
        let mut cargo = Cargo::new(&self.sandbox, worktree, folder)?;
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let settings = Settings::read(&cargo.folder);
        let place = settings.place();
        if let Place::Closed(why) = place {
            return Ok(Proposal::NoFix { reasons: vec![why], log: String::new() });
        }
        let limits = Limits {
            cache: Some(request.cache.join("registry")),
            per_host: 32,
            tries: 2,
            ..Limits::default()
        };
        let client = Client::new(limits).map_err(|error| of_fetch(&error))?;
        let index = Index::new(client, place, settings.is_offline());
        let before = before(&mut cargo, &index, worktree).await?;
        let rust = match before.workspace.rust() {
            Some(rust) => rust,
            None => rust_version(&cargo.rust().await?)
                .ok_or_else(|| Failure::permanent("could not read the version that rustc names"))?,
        };
        let refused = Refused::of(&request.refused);
        let told_before = refused.told();
        let mut shelves = Shelves::new(&index, &*request.known, &request.findings, rust, refused);

        let wanted: BTreeSet<Installed> = request.findings.iter().filter_map(named).collect();
        let mut manifests = Manifests::default();
        let mut work = Work {
            before: &before,
            manifests: &mut manifests,
            cargo: &mut cargo,
            shelves: &mut shelves,
            leaves: Vec::new(),
            held: None,
            removed: None,
            is_there: true,
        };
        work.held = match work.at_once(&wanted).await? {
            Some(held) => Some(held),
            None => work.one_by_one(&wanted).await?,
        };
        if let Err(failure) = lessen(&mut work).await {
            work.without_fewer(failure)?;
        }
        let held = work.finish().await?;
        let whys: BTreeMap<Installed, String> = work.leaves.into_iter().collect();
        let Some(Held { plan, comparison, .. }) = held else {
            let mut reasons: Vec<String> = whys.into_values().chain(told_before).collect();
            reasons.dedup();
            return Ok(Proposal::NoFix { reasons, log: cargo.log });
        };
        let text = cargo.text()?;
        if let Err(stderr) = cargo.complete(true).await? {
            return Ok(Proposal::NoFix { reasons: vec![reason(&stderr)], log: cargo.log });
        }
        if cargo.text()? != text {
            let reason = "cargo would change its lockfile again when it is run a second time".to_owned();
            return Ok(Proposal::NoFix { reasons: vec![reason], log: cargo.log });
        }
        let after = cargo.parsed()?;
        let (cleared, leaves) = apart(&before.lock, &after, &whys, &shelves)?;
        let updates = updates(&cleared, &comparison.moves);
        let mut sentences = rationale(&plan, &before.graph, &comparison.moves, &updates);
        sentences.extend(reformatted(before.lock.format, after.format));
        sentences.extend(told_before);
        sentences.extend(left_open(&leaves));
        let made = Made {
            fixer: "cargo",
            rationale: sentences.join(" "),
            updates,
            moves: comparison.moves,
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            leaves,
            archives: None,
            log: cargo.log,
        };
        let may_change = &["Cargo.lock", "Cargo.toml"];
        Handover { request, git, worktree, may_change, unchanged }.proposal(made).await
    }
}

/// The lockfile, the manifests, and what the index says of what is installed.
async fn before(cargo: &mut Cargo<'_>, index: &Index, worktree: &Path) -> Result<Before, Failure> {
    let (text, lock) = (cargo.text()?, cargo.parsed()?);
    let workspace = Workspace::parse(&cargo.metadata().await?)?;
    let names = placed::names(&lock);
    let mut published = index.published(&names, Age::Any).await?;
    // What was kept may be older than what is installed.
    let lacks = |name: &&Name| {
        let mut installed = lock.packages.iter().filter(|package| {
            package.name == name.name
                && package.source.as_deref().is_some_and(|source| registry_of(source) == name.registry)
        });
        installed.any(|package| !published[*name].iter().any(|one| one.version == package.version))
    };
    let stale: BTreeSet<Name> = names.iter().filter(lacks).cloned().collect();
    if !stale.is_empty() {
        published.extend(index.published(&stale, Age::Now).await?);
    }
    let graph = placed::graph(&lock, &workspace, &published);
    Ok(Before { lock, text, graph, workspace, worktree: worktree.to_owned() })
}

/// A plan that holds, and is carried out.
struct Held {
    plan: Plan,
    comparison: Comparison,
    /// What it was made for.
    wanted: BTreeSet<Installed>,
}

/// One lockfile on its way.
struct Work<'a, 'b, 'c> {
    before: &'a Before,
    manifests: &'a mut Manifests,
    cargo: &'a mut Cargo<'b>,
    shelves: &'a mut Shelves<'c>,
    /// Packages that can't be cleared, with why.
    leaves: Vec<(Installed, String)>,
    held: Option<Held>,
    /// The findings that it removes, once that was looked at.
    removed: Option<BTreeSet<FindingId>>,
    /// Whether the files are as that left them.
    is_there: bool,
}

impl Work<'_, '_, '_> {
    /// One plan for all. None where there is none, or where it does not hold.
    async fn at_once(&mut self, wanted: &BTreeSet<Installed>) -> Result<Option<Held>, Failure> {
        let plan = self.plan(wanted).await?;
        for (node, why) in &plan.unsolved {
            let found = &self.before.graph.nodes[*node];
            let why = self.in_words(*node, why);
            self.leaves.push(((found.name.clone(), found.version.clone()), why));
        }
        if plan.is_empty() {
            return Ok(None);
        }
        let done = carry_out(&plan, self.before, self.manifests, self.cargo, self.shelves).await?;
        let wanted = wanted.clone();
        Ok(done.ok().map(|comparison| Held { plan, comparison, wanted }))
    }

    /// One package after the other, each added to those before it only if that holds.
    async fn one_by_one(&mut self, wanted: &BTreeSet<Installed>) -> Result<Option<Held>, Failure> {
        let solved = wanted.iter().filter(|package| !self.leaves.iter().any(|(left, _)| left == *package));
        let solved: Vec<Installed> = solved.cloned().collect();
        let (mut kept, mut best) = (BTreeSet::new(), None);
        for (at, package) in solved.into_iter().enumerate() {
            if at >= MOST_APART {
                self.leaves.push((package, "too many packages had to be tried one by one".to_owned()));
                continue;
            }
            let mut tried: BTreeSet<Installed> = kept.clone();
            tried.insert(package.clone());
            let plan = self.plan(&tried).await?;
            // What only all together can move may stay where it is alone.
            let nodes = &self.before.graph.nodes;
            let is_it = |node: usize| (&nodes[node].name, &nodes[node].version) == (&package.0, &package.1);
            if let Some((node, why)) = plan.unsolved.iter().find(|(node, _)| is_it(*node)) {
                let why = self.in_words(*node, why);
                self.leaves.push((package, why));
                continue;
            }
            if plan.is_empty() {
                continue;
            }
            self.start_again()?;
            match carry_out(&plan, self.before, self.manifests, self.cargo, self.shelves).await? {
                Ok(_) => {
                    kept = tried;
                    best = Some(plan);
                }
                Err(why) => self.leaves.push((package, why.join("; "))),
            }
        }
        // The last try may have failed: what held is carried out again.
        let Some(plan) = best else { return Ok(None) };
        self.start_again()?;
        let done = carry_out(&plan, self.before, self.manifests, self.cargo, self.shelves).await?;
        Ok(done.ok().map(|comparison| Held { plan, comparison, wanted: kept }))
    }

    /// What holds is not lost for what might have come on top of it.
    fn without_fewer(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.held.is_none() {
            return Err(failure);
        }
        let left = self.left();
        for (_, why) in self.leaves.iter_mut().filter(|(package, _)| left.contains(package)) {
            why.push_str(&not_tried(&failure));
        }
        Ok(())
    }

    /// What holds, carried out again where something else was tried since.
    async fn finish(&mut self) -> Result<Option<Held>, Failure> {
        let Some(held) = self.held.take() else { return Ok(None) };
        if self.is_there {
            return Ok(Some(held));
        }
        self.start_again()?;
        let done = carry_out(&held.plan, self.before, self.manifests, self.cargo, self.shelves).await?;
        Ok(done.ok().map(|comparison| Held { comparison, ..held }))
    }

    /// The plan for what is cleared and for these, which it may lessen.
    async fn plan_with(&mut self, packages: &BTreeSet<Installed>) -> Result<Held, Failure> {
        let mut wanted = packages.clone();
        wanted.extend(self.held.iter().flat_map(|held| held.wanted.iter().cloned()));
        self.shelves.lessened.clone_from(packages);
        let plan = self.plan(&wanted).await?;
        Ok(Held { plan, comparison: Comparison::default(), wanted })
    }

    /// The findings that are gone.
    fn cleared(&self) -> Result<BTreeSet<FindingId>, Failure> {
        let (cleared, _) = apart(&self.before.lock, &self.cargo.parsed()?, &BTreeMap::new(), self.shelves)?;
        Ok(cleared.into_iter().map(|finding| finding.id.clone()).collect())
    }

    async fn plan(&mut self, wanted: &BTreeSet<Installed>) -> Result<Plan, Failure> {
        let graph = &self.before.graph;
        let is_wanted =
            |at: &usize| wanted.contains(&(graph.nodes[*at].name.clone(), graph.nodes[*at].version.clone()));
        let nodes: Vec<usize> = (0..graph.nodes.len()).filter(is_wanted).collect();
        self.shelves.plan(graph, &nodes).await
    }

    fn start_again(&mut self) -> Result<(), Failure> {
        self.manifests.restore()?;
        self.cargo.restore(&self.before.text)
    }

    /// Why a copy stays, with what only the project's Rust is too old for.
    fn in_words(&self, node: usize, why: &[String]) -> String {
        let graph = &self.before.graph;
        let above = graph.edges.iter().filter(|edge| edge.to == node).map(|edge| edge.from);
        let nodes: BTreeSet<usize> = above.chain([node]).collect();
        let held = nodes
            .iter()
            .filter_map(|at| self.shelves.held_back(&graph.nodes[*at].name, &graph.nodes[*at].version));
        let mut words: Vec<String> = why.iter().cloned().chain(held.take(2)).collect();
        if self.shelves.refused.relaxed.contains(&graph.nodes[node].called) {
            words.push("another range for it was tried and refused".to_owned());
        } else if why.iter().any(|why| why.contains(" requires `")) {
            words.push("cargo has no override by version".to_owned());
        }
        words.join("; ")
    }
}

#[async_trait]
impl Lessens for Work<'_, '_, '_> {
    fn left(&self) -> BTreeSet<Installed> {
        let leaves = self.leaves.iter().map(|(package, _)| package);
        leaves.filter(|(name, version)| self.shelves.problems(name, version).len() > 1).cloned().collect()
    }

    async fn lessened(&mut self, packages: &BTreeSet<Installed>) -> Result<BTreeSet<Installed>, Failure> {
        let plan = self.plan_with(packages).await?.plan;
        let nodes = plan.lessened.iter().map(|node| &self.before.graph.nodes[*node]);
        Ok(nodes.map(|node| (node.name.clone(), node.version.clone())).collect())
    }

    async fn holds(&mut self, packages: &BTreeSet<Installed>) -> Result<bool, Failure> {
        let had = match self.removed.take() {
            Some(had) => had,
            None if self.held.is_some() => self.cleared()?,
            None => BTreeSet::new(),
        };
        let tried = self.plan_with(packages).await?;
        self.start_again()?;
        self.is_there = false;
        let done = carry_out(&tried.plan, self.before, self.manifests, self.cargo, self.shelves).await?;
        let cleared = if done.is_ok() { self.cleared()? } else { BTreeSet::new() };
        self.is_there = cleared.len() > had.len() && cleared.is_superset(&had);
        self.removed = Some(if self.is_there { cleared } else { had });
        if let (Ok(comparison), true) = (done, self.is_there) {
            self.held = Some(Held { comparison, ..tried });
        }
        Ok(self.is_there)
    }
}

fn named(finding: &Finding) -> Option<Installed> {
    finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
}

/// The findings apart: cleared where the version is gone and none came that has the same problem.
fn apart<'a>(
    before: &Lockfile,
    after: &Lockfile,
    whys: &BTreeMap<Installed, String>,
    shelves: &Shelves<'a>,
) -> Result<Apart<'a>, Failure> {
    let installed = |lock: &Lockfile| -> BTreeSet<Installed> {
        let registered = lock.packages.iter().filter(|package| package.source.is_some());
        registered.map(|package| (package.name.clone(), package.version.to_string())).collect()
    };
    let (old, new) = (installed(before), installed(after));
    let (mut cleared, mut left) = (Vec::new(), Vec::new());
    for finding in shelves.findings {
        let Some(package) = named(finding) else { continue };
        let why = whys.get(&package).cloned();
        let still = || "the version is still installed somewhere".to_owned();
        let mut stays = new.contains(&package).then(|| why.clone().unwrap_or_else(still));
        for (name, version) in new.difference(&old).filter(|(name, _)| *name == package.0) {
            if shelves.problems_now(name, version)?.contains(&finding.advisory) {
                stays = Some(stays_with(name, version, why.clone()));
            }
        }
        match stays {
            None => cleared.push(finding),
            Some(why) => left.push((finding.id.clone(), why)),
        }
    }
    Ok((cleared, left))
}

/// One for each package that is cleared.
fn updates<'a>(cleared: &[&'a Finding], moves: &[Move]) -> Vec<Update<'a>> {
    let mut updates: Vec<Update<'a>> = Vec::new();
    for finding in cleared {
        let Some(package) = &finding.package else { continue };
        let known = updates
            .iter_mut()
            .find(|update| update.package == package.name && update.from == package.version);
        if let Some(known) = known {
            known.findings.push(finding);
            continue;
        }
        let step = moves.iter().find(|step| {
            step.package == package.name && step.from.as_deref() == Some(package.version.as_str())
        });
        updates.push(Update {
            package: &package.name,
            from: package.version.clone(),
            to: step.and_then(|step| step.to.clone()).unwrap_or_else(|| "none".to_owned()),
            findings: vec![finding],
        });
    }
    updates.sort_by(|left, right| (left.package, &left.from).cmp(&(right.package, &right.from)));
    updates
}

/// Why these versions, and what else moves.
fn rationale(plan: &Plan, graph: &Graph, moves: &[Move], updates: &[Update<'_>]) -> Vec<String> {
    let mut sentences: Vec<String> = updates
        .iter()
        .map(|Update { package, from, to, .. }| {
            let step = moves.iter().find(|step| {
                step.package == *package && step.from.as_ref() == Some(from) && step.to.as_ref() == Some(to)
            });
            let major = if to != "none" && is_major(from, to) { ", a major upgrade" } else { "" };
            let is_lessened = plan.lessened.iter().any(|node| {
                let node = &graph.nodes[*node];
                node.name == *package && node.version == *from
            });
            match step.and_then(|step| step.rung) {
                Some(_) if is_lessened => {
                    format!("{package} {to} has fewer known problems than {from}, and no other{major}.")
                }
                Some(Rung::InRange) => format!(
                    "{package} {to} is the smallest good version above {from} within what is required of it{major}."
                ),
                Some(Rung::Lift | Rung::Relax | Rung::Override) => {
                    format!("{package} goes from {from} to {to}{major}.")
                }
                None if to == "none" => format!("{package} {from} is no longer needed."),
                None => format!("{package} {to} comes in the place of {from}{major}."),
            }
        })
        .collect();
    let ranges: BTreeSet<String> = plan
        .relaxed
        .iter()
        .map(|relaxed| {
            let before = graph.nodes.iter().filter(|node| node.called == relaxed.called);
            let after = floor(&relaxed.range).unwrap_or_default();
            let is_step =
                before.clone().next().is_some() && before.clone().all(|node| is_major(&node.version, &after));
            let major = if is_step { ", a major upgrade" } else { "" };
            format!("Cargo.toml now asks for {} {}{major}.", relaxed.called, relaxed.range)
        })
        .collect();
    sentences.extend(ranges);
    sentences.push(others(moves, updates));
    sentences
}

/// Cargo writes its newest format, which an older cargo can't read (the cargo changelog: format 4 since 1.78).
fn reformatted(from: u32, to: u32) -> Option<String> {
    let older = if to >= 4 { "; cargo before 1.78 can't read it" } else { "" };
    (from != to).then(|| format!("Cargo.lock moves from format {from} to {to}{older}."))
}
