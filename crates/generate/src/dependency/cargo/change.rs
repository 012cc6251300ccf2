//! A plan carried out on a lockfile and its manifests, and what came of it, held against the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use patchline_model::failure::Failure;
use patchline_model::stage::generate::{Move, Rung};
use semver::Version;

use crate::dependency::cargo::index::silent;
use crate::dependency::cargo::lock::{Added, LARGEST, Lockfile, Put, with_versions};
use crate::dependency::cargo::manifest::{self, Changed};
use crate::dependency::cargo::range;
use crate::dependency::cargo::reason::{InTheWay, in_the_way, reason};
use crate::dependency::cargo::rules::{Comparison, judge};
use crate::dependency::cargo::shelves::Shelves;
use crate::dependency::cargo::tool::Cargo;
use crate::dependency::cargo::workspace::Workspace;
use crate::dependency::graph::Graph;
use crate::dependency::sketch::{Plan, Relaxed};
use crate::failures::of_file;

/// How often cargo is asked to complete one plan, each time with more that moves along.
const MOST_ALONG: usize = 40;

/// What there was before anything changed.
pub(crate) struct Before {
    pub(crate) lock: Lockfile,
    pub(crate) text: String,
    /// A node for each package of the lockfile.
    pub(crate) graph: Graph,
    pub(crate) workspace: Workspace,
    pub(crate) worktree: PathBuf,
}

/// The manifests that changed, with what they held before.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    before: BTreeMap<PathBuf, String>,
    now: BTreeMap<PathBuf, String>,
}

impl Manifests {
    /// A manifest of the worktree as it would be.
    fn text(&mut self, path: &Path, worktree: &Path) -> Result<String, Failure> {
        if let Some(text) = self.now.get(path) {
            return Ok(text.clone());
        }
        if let Some(text) = self.before.get(path) {
            return Ok(text.clone());
        }
        let text = read(path, worktree)?;
        self.before.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    fn write(&self) -> Result<(), Failure> {
        let written = self.now.iter().try_for_each(|(path, text)| fs::write(path, text));
        written.map_err(|error| of_file("write a manifest", error))
    }

    pub(crate) fn restore(&mut self) -> Result<(), Failure> {
        self.now.clear();
        let written = self.before.iter().try_for_each(|(path, text)| fs::write(path, text));
        written.map_err(|error| of_file("write a manifest back", error))
    }
}

/// An ordinary file of the worktree: a link, or a member elsewhere, would lead out of it.
fn read(path: &Path, worktree: &Path) -> Result<String, Failure> {
    let name = path.strip_prefix(worktree).unwrap_or(path).display().to_string();
    let is_within =
        path.canonicalize().is_ok_and(|path| worktree.canonicalize().is_ok_and(|top| path.starts_with(top)));
    if !is_within || !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Err(Failure::permanent(format!(
            "could not use `{name}`: it is not an ordinary file of the repository"
        )));
    }
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST as u64).read_to_string(&mut text));
    read.map_err(|error| of_file(&format!("read `{name}`"), error))?;
    Ok(text)
}

/// Carries a plan out and lets cargo complete it. A sentence for each reason why it does not hold; then nothing is changed.
pub(crate) async fn carry_out(
    plan: &Plan,
    before: &Before,
    manifests: &mut Manifests,
    cargo: &mut Cargo<'_>,
    shelves: &mut Shelves<'_>,
) -> Result<Result<Comparison, Vec<String>>, Failure> {
    let planned = planned(plan, before);
    // What comes anew, as by a feature, the plan does not know: what is in its way moves along, and where cargo finds it
    // a version with a problem, it gets another one.
    let mut steps = steps(plan);
    let mut added: Vec<Added> = Vec::new();
    let mut rest = MOST_ALONG;
    let refused = loop {
        rest -= 1;
        if let Err(reason) = write(plan, &steps, &added, before, manifests, cargo, shelves)? {
            break vec![reason];
        }
        match complete(&steps, before, cargo).await? {
            None => {
                let mut comparison = judge(&before.lock, &cargo.parsed()?, &planned, shelves.known)?;
                mark(&mut comparison.moves, plan, before);
                if comparison.violations.is_empty() {
                    return Ok(Ok(comparison));
                }
                if rest == 0 || !instead(&comparison.bad, &mut added, shelves).await? {
                    break comparison.violations;
                }
            }
            Some(stderr) if cargo.unreachable => return Err(silent(&reason(&stderr))),
            Some(stderr) => {
                let met = in_the_way(&stderr).filter(|_| rest > 0);
                let moved = match &met {
                    Some(met) => along(met, &mut steps, &mut added, before, shelves).await?,
                    None => false,
                };
                if !moved {
                    break vec![reason(&stderr)];
                }
            }
        }
    };
    manifests.restore()?;
    cargo.restore(&before.text)?;
    Ok(Err(refused))
}

/// Good versions in the place of these. Whether there is one that was not tried yet.
async fn instead(
    bad: &[(String, Version)],
    added: &mut Vec<Added>,
    shelves: &mut Shelves<'_>,
) -> Result<bool, Failure> {
    let mut is_new = false;
    for (name, version) in bad {
        let version = version.to_string();
        let line = format!("^{}", range::floor(&version).unwrap_or_default());
        let Some(to) = shelves.next(name, &version, &line).await? else { continue };
        let Some(checksum) = shelves.checksum(name, &to) else { continue };
        if !added.iter().any(|one| one.name == *name && one.version == to) {
            added.push(Added { name: name.clone(), version: to, checksum });
            is_new = true;
        }
    }
    Ok(is_new)
}

/// The versions of a plan, by the node.
fn steps(plan: &Plan) -> BTreeMap<usize, String> {
    plan.steps.iter().map(|step| (step.node, step.to.clone())).collect()
}

/// The smallest step by which a copy is in the way no more: of one that was there, or of one that comes. Whether there is
/// one.
async fn along(
    met: &InTheWay,
    steps: &mut BTreeMap<usize, String>,
    added: &mut [Added],
    before: &Before,
    shelves: &mut Shelves<'_>,
) -> Result<bool, Failure> {
    let nodes = &before.graph.nodes;
    let is_near = |version: &str| !range::is_major(version, &met.version);
    // A locked copy is too old for what was selected, or what was selected is too old for the requirement.
    let wanted =
        |version: &str| if version == met.version { met.range.clone() } else { met.selected.clone() };
    let copies = before.graph.called(&met.name).iter().copied();
    let node = copies
        .into_iter()
        .filter(|node| nodes[*node].movable)
        .find(|node| is_near(steps.get(node).unwrap_or(&nodes[*node].version)));
    if let Some(node) = node {
        let version = steps.get(&node).unwrap_or(&nodes[node].version).clone();
        let to = shelves.next(&met.name, &version, &wanted(&version)).await?;
        let to = to.filter(|to| is_near(to));
        return Ok(to.map(|to| steps.insert(node, to)).is_some());
    }
    let Some(one) = added.iter_mut().find(|one| one.name == met.name && is_near(&one.version)) else {
        return Ok(false);
    };
    let to = shelves.next(&met.name, &one.version, &wanted(&one.version)).await?;
    let Some(to) = to.filter(|to| is_near(to)) else { return Ok(false) };
    let Some(checksum) = shelves.checksum(&met.name, &to) else { return Ok(false) };
    *one = Added { name: met.name.clone(), version: to, checksum };
    Ok(true)
}

/// Cargo at first without the network: enough where nothing comes that was not chosen. What it wrote, where it refused.
async fn complete(
    steps: &BTreeMap<usize, String>,
    before: &Before,
    cargo: &mut Cargo<'_>,
) -> Result<Option<String>, Failure> {
    let start = cargo.text()?;
    let alone = cargo.complete(true).await?;
    if alone.is_ok() && brings_only(steps, before, &cargo.parsed()?) {
        return Ok(None);
    }
    // Which copy is in the way is so with the network, too.
    if let Err(stderr) = &alone
        && in_the_way(stderr).is_some()
    {
        return Ok(alone.err());
    }
    let text_alone = cargo.text()?;
    cargo.restore(&start)?;
    match cargo.complete(false).await? {
        Ok(()) => Ok(None),
        // What this machine has must do where nothing else answers.
        Err(_) if cargo.unreachable && alone.is_ok() => {
            cargo.unreachable = false;
            cargo.restore(&text_alone)?;
            Ok(None)
        }
        Err(stderr) => Ok(Some(stderr)),
    }
}

/// Whether each version that was not there before is one that was chosen.
fn brings_only(steps: &BTreeMap<usize, String>, before: &Before, after: &Lockfile) -> bool {
    after.packages.iter().all(|package| {
        let is_same = |version: &str| version == package.version.to_string();
        let mut old = before.lock.packages.iter().filter(|old| old.name == package.name);
        let mut steps = steps.iter().filter(|(node, _)| before.lock.packages[**node].name == package.name);
        old.any(|old| is_same(&old.version.to_string())) || steps.any(|(_, to)| is_same(to))
    })
}

fn write(
    plan: &Plan,
    steps: &BTreeMap<usize, String>,
    added: &[Added],
    before: &Before,
    manifests: &mut Manifests,
    cargo: &Cargo<'_>,
    shelves: &Shelves<'_>,
) -> Result<Result<(), String>, Failure> {
    manifests.now.clear();
    for relaxed in &plan.relaxed {
        if let Err(reason) = relax(relaxed, before, manifests)? {
            return Ok(Err(reason));
        }
    }
    let mut puts = Vec::new();
    for (node, to) in steps {
        let name = &before.graph.nodes[*node].name;
        let Some(checksum) = shelves.checksum(name, to) else {
            return Ok(Err(format!("the registry does not say what `{name} {to}` is")));
        };
        puts.push(Put { package: &before.lock.packages[*node], to: Some((to.clone(), checksum)) });
    }
    puts.extend(plan.merged.iter().map(|node| Put { package: &before.lock.packages[*node], to: None }));
    let text =
        with_versions(&before.text, &puts, added).map_err(|error| Failure::permanent(error.to_string()))?;
    manifests.write()?;
    cargo.restore(&text)?;
    Ok(Ok(()))
}

/// Another range in the manifest of a package of the workspace, or in the workspace's own where it is inherited.
fn relax(
    relaxed: &Relaxed,
    before: &Before,
    manifests: &mut Manifests,
) -> Result<Result<(), String>, Failure> {
    let (graph, own) = (&before.graph, &before.lock.packages[relaxed.from]);
    let mut members = before.workspace.members.iter();
    let member = members.find(|member| member.name == own.name && member.version == own.version.to_string());
    let Some(member) = member else {
        return Ok(Err(format!("`{} {}` is no member of the workspace", own.name, own.version)));
    };
    let edges = graph.edges.iter().filter(|edge| edge.from == relaxed.from);
    let moving: BTreeSet<usize> = edges
        .map(|edge| edge.to)
        .filter(|to| graph.nodes[*to].called == relaxed.called)
        .filter(|to| !range::admits(&relaxed.range, &graph.nodes[*to].version))
        .collect();
    let to = range::floor(&relaxed.range).unwrap_or_default();
    let mut ranges = 0;
    for node in moving {
        let package = &before.lock.packages[node];
        let from = package.version.to_string();
        let step = manifest::Step { name: &package.name, from: &from, to: &to };
        let text = manifests.text(&member.manifest, &before.worktree)?;
        let Some(Changed { text, ranges: direct, inherited }) = manifest::with_step(&text, step) else {
            return Ok(Err(format!("the manifest of `{}` can't be read", own.name)));
        };
        manifests.now.insert(member.manifest.clone(), text);
        ranges += direct;
        if !inherited.is_empty() {
            let root = before.workspace.root.join("Cargo.toml");
            let text = manifests.text(&root, &before.worktree)?;
            if let Some(Changed { text, ranges: shared, .. }) =
                manifest::with_inherited_step(&text, step, &inherited)
            {
                // Another member may have asked for the same entry already.
                ranges += shared.max(usize::from(manifests.now.get(&root).is_some_and(|now| *now == text)));
                manifests.now.insert(root, text);
            }
        }
    }
    match ranges {
        0 => Ok(Err(format!("no manifest names `{}` where the lockfile says so", relaxed.called))),
        _ => Ok(Ok(())),
    }
}

/// The packages that were meant to move.
fn planned(plan: &Plan, before: &Before) -> BTreeSet<String> {
    let nodes = plan.steps.iter().map(|step| step.node).chain(plan.merged.iter().copied());
    let nodes = nodes.map(|node| before.lock.packages[node].name.clone());
    let relaxed = plan.relaxed.iter().map(|relaxed| relaxed.called.clone());
    nodes.chain(relaxed).collect()
}

/// Says of each move which rung it came by; what only came along has none.
fn mark(moves: &mut [Move], plan: &Plan, before: &Before) {
    for step in moves.iter_mut() {
        let is_relaxed = plan.relaxed.iter().any(|relaxed| relaxed.called == step.package);
        let chosen = plan.steps.iter().find(|chosen| {
            let package = &before.lock.packages[chosen.node];
            package.name == step.package && Some(&chosen.to) == step.to.as_ref()
        });
        step.rung = match (is_relaxed, chosen) {
            (true, _) => Some(Rung::Relax),
            (false, chosen) => chosen.map(|chosen| chosen.rung),
        };
    }
}
