//! Moves crates to versions without the problem, by `Cargo.lock` alone: the smallest step first, and then one rung
//! of the ladder after the other, each only if the one before fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::id::FindingId;
use patchline_model::package::Ecosystem;
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Candidate, Kind, Move};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::aim::{Aim, aims};
use crate::dependency::lockfile::{Comparison, Lockfile, compare};
use crate::dependency::updating::{Answer, Look, Updating};
use crate::failures::{of_file, of_git};
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
        finding.source == Source::Lockfile
            && package.is_some_and(|package| package.ecosystem == Ecosystem::crates_io())
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let git = Git::at(&request.repository);
        let folder = lockfile_folder(&git, &request.base, &request.folder).await?;
        fs::create_dir_all(&request.work).map_err(|error| of_file("make the folder for worktrees", error))?;
        let worktree = request.work.join(format!("{}-{}", request.patch, request.number));
        git.worktree_add(&worktree, request.base.as_str()).await.map_err(of_git)?;
        let outcome = self.propose_in(request, &git, &worktree, &folder).await;
        // What could not be removed is replaced by the next run, and is no reason to lose this one's answer.
        drop(git.worktree_remove(&worktree).await);
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
        for aim in &sorted.aims {
            let mut ladder = Ladder { before: &before, updating: &mut updating, aim, look };
            if let Err(reasons) = ladder.climb().await? {
                let why = reasons.join("; ");
                sorted.leaves.extend(aim.findings().iter().map(|finding| (finding.id.clone(), why.clone())));
            }
        }
        let (after, unreachable) = (updating.parsed()?, updating.unreachable);
        let log = std::mem::take(&mut updating.log);
        let cleared: Vec<&Aim<'_>> =
            sorted.aims.iter().filter(|aim| is_cleared(aim, &before, &after)).collect();
        if cleared.is_empty() {
            return no_fix(&sorted.leaves, unreachable, log);
        }
        let change = Change {
            request,
            git,
            worktree,
            folder,
            unchanged,
            cleared,
            leaves: sorted.leaves,
            log,
            format: before.format,
        };
        change.candidate(compare(&before, &after), &after).await
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
    async fn climb(&mut self) -> Result<Result<(), Vec<String>>, Failure> {
        let start = self.updating.text()?;
        if is_cleared(self.aim, self.before, &self.updating.parsed()?) {
            return Ok(Ok(()));
        }
        let mut reasons = Vec::new();
        if self.reach(&mut reasons).await? || self.lift(&start, &mut reasons).await? {
            return Ok(Ok(()));
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

/// A lockfile that was changed, on its way to becoming a candidate.
struct Change<'a> {
    request: &'a Request,
    git: &'a Git,
    worktree: &'a Path,
    folder: &'a str,
    /// What git took for changed before anything was.
    unchanged: Vec<String>,
    cleared: Vec<&'a Aim<'a>>,
    leaves: Vec<(FindingId, String)>,
    log: String,
    /// The lockfile's format before.
    format: u32,
}

impl Change<'_> {
    async fn candidate(self, comparison: Comparison, after: &Lockfile) -> Result<Proposal, Failure> {
        let Comparison { moves, violations } = comparison;
        if !violations.is_empty() {
            return Ok(Proposal::NoFix { reasons: violations, log: self.log });
        }
        let Request { patch, number, base, .. } = self.request;
        let updates: Vec<Update<'_>> = self.cleared.iter().map(|aim| update(aim, &moves, after)).collect();
        let title = message::title(&updates);
        let rationale = self.rationale(&updates, &moves, after.format);
        let text = message::message(*patch, &title, &rationale, &updates);

        let lockfile = Path::new(self.folder).join("Cargo.lock").to_string_lossy().into_owned();
        let mut changed = self.git.changes(self.worktree).await.map_err(of_git)?;
        changed.retain(|file| *file != lockfile && !self.unchanged.contains(file));
        if !changed.is_empty() {
            let reason = format!("cargo would change more than its lockfile: {}", changed.join(", "));
            return Ok(Proposal::NoFix { reasons: vec![reason], log: self.log });
        }
        let (author, at) = (&self.request.author, self.request.committed_at);
        let commit =
            self.git.commit_files(self.worktree, &[&lockfile], &text, author, at).await.map_err(of_git)?;
        let files = self.git.changed_files(base.as_str(), &commit).await.map_err(of_git)?;
        if self.request.refused.iter().any(|refused| refused.commit.as_str() == commit) {
            let reason = "there is no other version to try than the one that was refused".to_owned();
            return Ok(Proposal::NoFix { reasons: vec![reason], log: self.log });
        }
        let diff = self.git.diff(base.as_str(), &commit).await.map_err(of_git)?;
        let branch = message::branch(*patch, *number);
        self.git.branch_set(&branch, &commit).await.map_err(of_git)?;
        let commit: Commit =
            commit.parse().map_err(|_| Failure::permanent("could not read the commit that git made"))?;
        let removes =
            self.cleared.iter().flat_map(|aim| aim.findings()).map(|finding| finding.id.clone()).collect();
        let candidate = Candidate {
            number: *number,
            fixer: "cargo".to_owned(),
            kind: Kind::Dependency,
            title,
            rationale,
            author: author.clone(),
            branch,
            base: base.clone(),
            commit,
            diff: Digest::of(diff.as_bytes()),
            files,
            moves,
            removes,
            leaves: self.leaves,
        };
        Ok(Proposal::Candidate { candidate: Box::new(candidate), diff, log: self.log })
    }

    /// Why these versions, and what else moves.
    fn rationale(&self, updates: &[Update<'_>], moves: &[Move], format: u32) -> String {
        let versions = self.cleared.iter().zip(updates).map(|(aim, update)| {
            let (name, to) = (aim.name, &update.to);
            if *to == aim.smallest().to_string() {
                format!("{name} {to} is the smallest fixed version above {}.", aim.installed)
            } else if to == "none" {
                format!("{name} {} is no longer needed.", aim.installed)
            } else {
                format!("{name} {to} is fixed, and the newest that the packages above it allow.")
            }
        });
        let aimed = |step: &&Move| self.cleared.iter().any(|aim| aim.name == step.package);
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
        let left =
            self.leaves.iter().map(|(id, why)| format!("Left open: {id}, for {}.", message::clean(why, 300)));
        let reformatted = (format != self.format).then(|| self.reformatted(format));
        versions.chain([moved]).chain(reformatted).chain(left).collect::<Vec<_>>().join(" ")
    }

    /// Cargo writes its newest format, which an older cargo can't read (the cargo changelog: format 4 since 1.78).
    fn reformatted(&self, format: u32) -> String {
        let older = if format >= 4 { "; cargo before 1.78 can't read it" } else { "" };
        format!("Cargo.lock moves from format {} to {format}{older}.", self.format)
    }
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

/// The folder of the lockfile at this commit: the service's own, or the nearest above it, as in a workspace.
async fn lockfile_folder(git: &Git, base: &Commit, folder: &str) -> Result<String, Failure> {
    let plain =
        Path::new(folder).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err(Failure::permanent(format!(
            "could not use the folder `{folder}`: it leads out of the repository"
        )));
    }
    let clean: PathBuf = Path::new(folder).components().filter(|part| *part != Component::CurDir).collect();
    for folder in clean.ancestors() {
        let path = folder.join("Cargo.lock");
        if git.show(base.as_str(), &path.to_string_lossy()).await.map_err(of_git)?.is_some() {
            return Ok(folder.to_string_lossy().into_owned());
        }
    }
    let message = format!("could not find a `Cargo.lock` for `{folder}` in the commit {}", base.short());
    Err(Failure::permanent(message).with_hint("run `cargo generate-lockfile` and commit `Cargo.lock`"))
}
