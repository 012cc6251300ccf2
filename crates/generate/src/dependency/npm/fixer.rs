//! Moves npm packages to versions without the problem.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use async_trait::async_trait;
use patchline_connect::{Client, Settings};
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::id::FindingId;
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Move, Rung};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::handover::{Handover, Made};
use crate::dependency::npm::change::{Files, Shelves, carry_out, nodes_of};
use crate::dependency::npm::lock::{Lock, Placed};
use crate::dependency::npm::registry::Registry;
use crate::dependency::npm::rules::Comparison;
use crate::dependency::npm::settings::Addresses;
use crate::dependency::npm::tool::Npm;
use crate::dependency::place::{Worktree, folder_of};
use crate::dependency::sketch::Plan;
use crate::failures::{of_fetch, of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};
use crate::message::Update;

/// npm prefers the second where both are there.
const LOCKFILES: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];
/// Packages that are tried one by one when all at once does not hold.
const MOST_APART: usize = 60;

/// Updates `package-lock.json`, and `package.json` where nothing less will do.
#[derive(Clone, Debug)]
pub struct NpmFixer {
    sandbox: Sandbox,
}

impl NpmFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Fixer for NpmFixer {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn can(&self, finding: &Finding) -> bool {
        let file = Path::new(&finding.location.path).file_name().and_then(|name| name.to_str());
        let is_npm = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "npm");
        finding.source == Source::Lockfile && is_npm && file.is_some_and(|file| LOCKFILES.contains(&file))
    }

    fn changes(&self, file: &str) -> bool {
        LOCKFILES.contains(&file)
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = "run `npm install --package-lock-only` and commit `package-lock.json`";
        let (folder, lock) = folder_of(request, &LOCKFILES, hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder, &lock).await;
        tree.remove().await;
        outcome
    }
}

impl NpmFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
        lock: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let mut files = Files::open(&place, lock)?;
        if !place.join("package.json").is_file() {
            return Err(Failure::permanent(format!("`{lock}` has no `package.json` beside it"))
                .of(FailureClass::Input)
                .with_hint("commit `package.json`; npm needs it"));
        }
        let addresses = Addresses::read(&place);
        let main = match &addresses.main {
            Some(main) => main.clone(),
            None => Npm::default_registry(&self.sandbox).await?,
        };
        let mut npm = self.npm(request, worktree, &place, &files, &main)?;
        let settings =
            Settings { cache: Some(request.cache.join("registry")), per_host: 16, ..Settings::default() };
        let client = Client::new(settings).map_err(|error| of_fetch(&error))?;
        let registry = Registry::new(client, addresses, &main);
        let mut shelves = Shelves::new(&registry, &*request.known);

        let original = files.lock_now()?;
        // Format 1 does not say what requires what; npm's own newer format of the same does.
        let before = match original.version {
            1 => match npm.complete(3).await? {
                Ok(()) => Lock { version: 1, ..files.lock_now()? },
                Err(reason) => return Ok(Proposal::NoFix { reasons: vec![reason], log: npm.log }),
            },
            _ => original,
        };
        let placed = before.placed().map_err(Failure::permanent)?;
        let wanted: BTreeSet<(String, String)> = request.findings.iter().filter_map(named).collect();
        let all = nodes_of(&placed, &wanted);
        let mut work =
            Work { placed: &placed, before: &before, files: &mut files, npm: &mut npm, leaves: Vec::new() };
        let (plan, comparison) = match work.at_once(&mut shelves, &all).await? {
            Some(done) => done,
            None => match work.one_by_one(&mut shelves, &wanted).await? {
                Some(done) => done,
                None => {
                    let mut reasons: Vec<String> = work.leaves.into_iter().map(|(_, why)| why).collect();
                    reasons.dedup();
                    return Ok(Proposal::NoFix { reasons, log: npm.log });
                }
            },
        };
        let whys: BTreeMap<(String, String), String> = work.leaves.into_iter().collect();
        let after = files.lock_now()?;
        if let Err(reason) = npm.complete(before.version).await? {
            return Ok(Proposal::NoFix { reasons: vec![reason], log: npm.log });
        }
        if files.lock_now()?.text() != after.text() {
            let reason = "npm would change its lockfile again when it is run a second time".to_owned();
            return Ok(Proposal::NoFix { reasons: vec![reason], log: npm.log });
        }
        let left: BTreeSet<(String, String)> =
            after.installed().into_values().map(|copy| (copy.name, copy.version)).collect();
        let is_left = |finding: &&Finding| named(finding).is_some_and(|package| left.contains(&package));
        let (leaves, cleared): (Vec<&Finding>, Vec<&Finding>) = request.findings.iter().partition(is_left);
        let leaves = leaves.into_iter().map(|finding| leave(finding, &whys)).collect();
        let updates = updates(&cleared, &comparison.moves);
        let made = Made {
            fixer: "npm",
            rationale: rationale(&plan, &placed, &updates, &comparison),
            updates,
            moves: comparison.moves,
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            leaves,
            log: npm.log,
        };
        let may_change = &["package.json", "package-lock.json", "npm-shrinkwrap.json"];
        Handover { request, git, worktree, may_change, unchanged }.proposal(made).await
    }

    fn npm(
        &self,
        request: &Request,
        worktree: &Path,
        place: &Path,
        files: &Files,
        registry: &str,
    ) -> Result<Npm<'_>, Failure> {
        let cache = request.cache.join("npm");
        fs::create_dir_all(&cache).map_err(|error| of_file("make npm's cache", error))?;
        Ok(Npm {
            sandbox: &self.sandbox,
            worktree: worktree.to_owned(),
            folder: place.to_owned(),
            writable: vec![files.lock.clone()],
            cache,
            registry: registry.to_owned(),
            says_where: files.lock_now()?.says_where(),
            log: String::new(),
        })
    }
}

/// One lockfile on its way.
struct Work<'a, 'b> {
    placed: &'a Placed,
    before: &'a Lock,
    files: &'a mut Files,
    npm: &'a mut Npm<'b>,
    /// Packages that can't be cleared, with why.
    leaves: Vec<((String, String), String)>,
}

impl Work<'_, '_> {
    /// One plan for all. None where there is none, or where it does not hold.
    async fn at_once(
        &mut self,
        shelves: &mut Shelves<'_>,
        nodes: &[usize],
    ) -> Result<Option<(Plan, Comparison)>, Failure> {
        let plan = shelves.plan(self.placed, nodes).await?;
        for (node, why) in &plan.unsolved {
            let node = &self.placed.graph.nodes[*node];
            self.leaves.push(((node.name.clone(), node.version.clone()), why.join("; ")));
        }
        if plan.steps.is_empty() && plan.relaxed.is_empty() {
            return Ok(None);
        }
        let done = carry_out(&plan, self.placed, self.before, self.files, self.npm, shelves).await?;
        Ok(done.ok().map(|comparison| (plan, comparison)))
    }

    /// One package after the other, each added to those before it only if that holds.
    async fn one_by_one(
        &mut self,
        shelves: &mut Shelves<'_>,
        packages: &BTreeSet<(String, String)>,
    ) -> Result<Option<(Plan, Comparison)>, Failure> {
        let solved = packages.iter().filter(|package| !self.leaves.iter().any(|(left, _)| left == *package));
        let solved: Vec<(String, String)> = solved.cloned().collect();
        let (mut kept, mut best) = (BTreeSet::new(), None);
        for (at, package) in solved.into_iter().enumerate() {
            if at >= MOST_APART {
                self.leaves.push((package, "too many packages had to be tried one by one".to_owned()));
                continue;
            }
            let mut tried: BTreeSet<(String, String)> = kept.clone();
            tried.insert(package.clone());
            let plan = shelves.plan(self.placed, &nodes_of(self.placed, &tried)).await?;
            if plan.steps.is_empty() && plan.relaxed.is_empty() {
                continue;
            }
            match carry_out(&plan, self.placed, self.before, self.files, self.npm, shelves).await? {
                Ok(comparison) => {
                    kept = tried;
                    best = Some((plan, comparison));
                }
                Err(why) => self.leaves.push((package, why.join("; "))),
            }
        }
        // The last try may have failed: what held is carried out again.
        let Some((plan, _)) = best else { return Ok(None) };
        self.files.restore()?;
        let done = carry_out(&plan, self.placed, self.before, self.files, self.npm, shelves).await?;
        Ok(done.ok().map(|comparison| (plan, comparison)))
    }
}

fn named(finding: &Finding) -> Option<(String, String)> {
    finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
}

fn leave(finding: &Finding, whys: &BTreeMap<(String, String), String>) -> (FindingId, String) {
    let why = named(finding).and_then(|package| whys.get(&package).cloned());
    (finding.id.clone(), why.unwrap_or_else(|| "the version is still installed somewhere".to_owned()))
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
        let to = step.and_then(|step| step.to.clone()).unwrap_or_else(|| "none".to_owned());
        updates.push(Update {
            package: &package.name,
            from: package.version.clone(),
            to,
            findings: vec![finding],
        });
    }
    updates
}

/// Why these versions, and what else moves.
fn rationale(plan: &Plan, placed: &Placed, updates: &[Update<'_>], comparison: &Comparison) -> String {
    let mut sentences = Vec::new();
    for step in &plan.steps {
        let node = &placed.graph.nodes[step.node];
        let (name, from, to) = (&node.name, &node.version, &step.to);
        let major = if crate::dependency::npm::range::is_major(from, to) { ", a major upgrade" } else { "" };
        sentences.push(match step.rung {
            Rung::InRange => {
                format!("{name} {to} is the smallest good version within what is required of it{major}.")
            }
            Rung::Lift => format!("{name} goes to {to}{major}, so that what is vulnerable can move."),
            Rung::Relax => format!("{name} goes to {to}{major}."),
            Rung::Override => {
                format!("{name} {to} comes by an override{major}: what requires it allows no good version.")
            }
        });
    }
    for relaxed in &plan.relaxed {
        sentences.push(format!("package.json now asks for {} {}.", relaxed.called, relaxed.range));
    }
    let aimed: BTreeSet<&str> = updates.iter().map(|update| update.package).collect();
    let planned: BTreeSet<&str> =
        plan.steps.iter().map(|step| placed.graph.nodes[step.node].name.as_str()).collect();
    let others = comparison.moves.iter().map(|step| step.package.as_str());
    let others: BTreeSet<&str> =
        others.filter(|name| !aimed.contains(name) && !planned.contains(name)).collect();
    sentences.push(match others.len() {
        0 => "Nothing else moves.".to_owned(),
        1 => format!("One other package moves with it: {}.", others.into_iter().collect::<String>()),
        count => format!(
            "{count} other packages move with it: {}.",
            others.into_iter().take(12).collect::<Vec<_>>().join(", ")
        ),
    });
    let mut seen = BTreeSet::new();
    sentences.retain(|sentence| seen.insert(sentence.clone()));
    sentences.join(" ")
}
