//! Moves crates to versions without the problem, by `Cargo.lock` alone: the smallest step first, and then one rung
//! of the ladder after the other, each only if the one before fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::id::FindingId;
use patchline_model::package::Ecosystem;
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Move, Rung};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::aim::{Aim, aims};
use crate::dependency::handover::{Handover, Made};
use crate::dependency::lockfile::{Comparison, Lockfile, compare};
use crate::dependency::place::{Worktree, folder_of};
use crate::dependency::updating::{Answer, Look, Updating};
use crate::failures::of_git;
use crate::fixer::{Fixer, Proposal, Request};
use crate::message::{self, Update};

/// How many packages above the vulnerable one are lifted at most.
const MOST_ANCESTORS: usize = 8;

/// Most moves that the rationale names one by one.
const MOST_NAMED: usize = 12;

/// Updates `Cargo.lock`; never a manifest.
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
        let mut updating = Updating::new(&self.sandbox, worktree, folder)?;
        let (before, unchanged) = (updating.parsed()?, git.changes(worktree).await.map_err(of_git)?);
        let mut sorted = aims(&request.findings);
        let look = if request.number == 1 { Look::HereFirst } else { Look::OutFirst };
        let mut rungs: BTreeMap<&str, Rung> = BTreeMap::new();
        for aim in &sorted.aims {
            let mut ladder = Ladder { before: &before, updating: &mut updating, aim, look };
            match ladder.climb().await? {
                Ok(rung) => {
                    rungs.insert(aim.name, rung);
                }
                Err(reasons) => {
                    let why = reasons.join("; ");
                    sorted
                        .leaves
                        .extend(aim.findings().iter().map(|finding| (finding.id.clone(), why.clone())));
                }
            }
        }
        let (after, unreachable) = (updating.parsed()?, updating.unreachable);
        let log = std::mem::take(&mut updating.log);
        let cleared: Vec<&Aim<'_>> =
            sorted.aims.iter().filter(|aim| is_cleared(aim, &before, &after)).collect();
        if cleared.is_empty() {
            return no_fix(&sorted.leaves, unreachable, log);
        }
        let Comparison { mut moves, violations } = compare(&before, &after);
        moves.iter_mut().for_each(|step| step.rung = rungs.get(step.package.as_str()).copied());
        if !violations.is_empty() {
            return Ok(Proposal::NoFix { reasons: violations, log });
        }
        let updates: Vec<Update<'_>> = cleared.iter().map(|aim| update(aim, &moves, &after)).collect();
        let formats = (before.format, after.format);
        let made = Made {
            fixer: "cargo",
            rationale: rationale(&cleared, &updates, &moves, &sorted.leaves, formats),
            updates,
            moves,
            removes: cleared
                .iter()
                .flat_map(|aim| aim.findings())
                .map(|finding| finding.id.clone())
                .collect(),
            leaves: sorted.leaves.clone(),
            log,
        };
        Handover { request, git, worktree, may_change: &["Cargo.lock"], unchanged }.proposal(made).await
    }
}

/// The rungs for one package.
struct Ladder<'a, 'b> {
    before: &'a Lockfile,
    updating: &'a mut Updating<'b>,
    aim: &'a Aim<'a>,
    look: Look,
}

impl Ladder<'_, '_> {
    /// Leaves the lockfile as it found it if no rung holds.
    async fn climb(&mut self) -> Result<Result<Rung, Vec<String>>, Failure> {
        let start = self.updating.text()?;
        if is_cleared(self.aim, self.before, &self.updating.parsed()?) {
            return Ok(Ok(Rung::InRange));
        }
        let mut reasons = Vec::new();
        if self.reach(&mut reasons).await? {
            return Ok(Ok(Rung::InRange));
        }
        if self.lift(&start, &mut reasons).await? {
            return Ok(Ok(Rung::Lift));
        }
        self.updating.restore(&start)?;
        let mut seen = BTreeSet::new();
        reasons.retain(|reason| seen.insert(reason.clone()));
        reasons.truncate(4);
        Ok(Err(reasons))
    }

    /// The smallest version that clears; if that can't be had, or was refused already, the newest in range.
    async fn reach(&mut self, reasons: &mut Vec<String>) -> Result<bool, Failure> {
        let package = format!("{}@{}", self.aim.name, self.aim.installed);
        let smallest = self.aim.smallest().to_string();
        let precise = ["--package", &package, "--precise", &smallest];
        let newest = ["--package", &package];
        match self.look {
            Look::HereFirst => {
                Ok(self.try_with(&precise, reasons).await? || self.try_with(&newest, reasons).await?)
            }
            Look::OutFirst => self.try_with(&newest, reasons).await,
        }
    }

    /// Each of the packages above alone, the nearest first; then all of them together.
    async fn lift(&mut self, start: &str, reasons: &mut Vec<String>) -> Result<bool, Failure> {
        let mut ancestors = self.updating.parsed()?.ancestors(self.aim.name, &self.aim.installed);
        ancestors.truncate(MOST_ANCESTORS);
        let names: Vec<String> =
            ancestors.iter().map(|(name, version)| format!("{name}@{version}")).collect();
        let mut rounds: Vec<&[String]> = names.iter().map(std::slice::from_ref).collect();
        if names.len() > 1 {
            rounds.push(&names);
        }
        for round in rounds {
            self.updating.restore(start)?;
            let arguments: Vec<&str> = round.iter().flat_map(|name| ["--package", name]).collect();
            if self.try_with(&arguments, &mut Vec::new()).await? {
                return Ok(true);
            }
            let lifted = self.updating.text()? != start;
            if lifted && self.reach(reasons).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the package is clear afterwards, and no rule was broken. If not, the lockfile may stand changed only
    /// where no rule was broken.
    async fn try_with(&mut self, arguments: &[&str], reasons: &mut Vec<String>) -> Result<bool, Failure> {
        let start = self.updating.text()?;
        let aim = self.aim;
        if let Answer::Refused(reason) = self.updating.update(arguments, self.look).await? {
            reasons.push(reason);
            return Ok(false);
        }
        let now = self.updating.parsed()?;
        let Comparison { violations, .. } = compare(self.before, &now);
        if !violations.is_empty() {
            reasons.extend(violations);
            self.updating.restore(&start)?;
            return Ok(false);
        }
        if is_cleared(aim, self.before, &now) {
            return Ok(true);
        }
        let newest = now.versions(aim.name).filter(|version| **version >= aim.installed).max();
        let found = newest.map(|version| format!(", only {version}")).unwrap_or_default();
        reasons.push(format!(
            "cargo finds no fixed version of `{}` within what is required of it{found}",
            aim.name
        ));
        Ok(false)
    }
}

/// Why these versions, and what else moves. `formats` are those of the lockfile before and after.
fn rationale(
    cleared: &[&Aim<'_>],
    updates: &[Update<'_>],
    moves: &[Move],
    leaves: &[(FindingId, String)],
    formats: (u32, u32),
) -> String {
    let versions = cleared.iter().zip(updates).map(|(aim, update)| {
        let (name, to) = (aim.name, &update.to);
        if *to == aim.smallest().to_string() {
            format!("{name} {to} is the smallest fixed version above {}.", aim.installed)
        } else if to == "none" {
            format!("{name} {} is no longer needed.", aim.installed)
        } else {
            format!("{name} {to} is fixed, and the newest that the packages above it allow.")
        }
    });
    let aimed = |step: &&Move| cleared.iter().any(|aim| aim.name == step.package);
    let others: Vec<String> = moves.iter().filter(|step| !aimed(step)).map(shown).collect();
    let moved = match others.len() {
        0 => "Nothing else moves.".to_owned(),
        1 => format!("One other package moves with it: {}.", others[0]),
        count if count <= MOST_NAMED => {
            format!("{count} other packages move with it: {}.", others.join(", "))
        }
        count => {
            format!("{count} other packages move with it: {} and more.", others[..MOST_NAMED].join(", "))
        }
    };
    let left = leaves.iter().map(|(id, why)| format!("Left open: {id}, for {}.", message::clean(why, 300)));
    let reformatted = (formats.0 != formats.1).then(|| reformatted(formats));
    versions.chain([moved]).chain(reformatted).chain(left).collect::<Vec<_>>().join(" ")
}

/// Cargo writes its newest format, which an older cargo can't read (the cargo changelog: format 4 since 1.78).
fn reformatted((from, to): (u32, u32)) -> String {
    let older = if to >= 4 { "; cargo before 1.78 can't read it" } else { "" };
    format!("Cargo.lock moves from format {from} to {to}{older}.")
}

fn no_fix(leaves: &[(FindingId, String)], unreachable: bool, log: String) -> Result<Proposal, Failure> {
    let mut reasons: Vec<String> = leaves.iter().map(|(_, why)| why.clone()).collect();
    reasons.dedup();
    if unreachable {
        let message = format!(
            "could not look for versions, for the network could not be reached ({})",
            reasons.join("; ")
        );
        let hint = "connect to the network, or fetch the fixed version once with `cargo fetch`";
        return Err(Failure::transient(message).with_hint(hint).of(FailureClass::Network));
    }
    Ok(Proposal::NoFix { reasons, log })
}

/// The installed version is gone, and each version that came is a fixed one.
fn is_cleared(aim: &Aim<'_>, before: &Lockfile, after: &Lockfile) -> bool {
    let gone = after.versions(aim.name).all(|version| *version != aim.installed);
    let new = |version: &semver::Version| before.versions(aim.name).all(|old| old != version);
    gone && after.versions(aim.name).filter(|version| new(version)).all(|version| aim.cleared_by(version))
}

fn update<'a>(aim: &Aim<'a>, moves: &[Move], after: &Lockfile) -> Update<'a> {
    let from = aim.installed.to_string();
    let step = moves.iter().find(|step| step.package == aim.name && step.from.as_ref() == Some(&from));
    let merged = || after.versions(aim.name).find(|version| aim.cleared_by(version)).map(ToString::to_string);
    let to = step.and_then(|step| step.to.clone()).or_else(merged).unwrap_or_else(|| "none".to_owned());
    Update { package: aim.name, from, to, findings: aim.findings() }
}

fn shown(step: &Move) -> String {
    match (&step.from, &step.to) {
        (Some(from), Some(to)) => format!("{} from {from} to {to}", step.package),
        (None, Some(to)) => format!("{} {to} comes", step.package),
        (Some(from), None) => format!("{} {from} goes", step.package),
        (None, None) => step.package.clone(),
    }
}
