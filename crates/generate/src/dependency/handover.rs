//! From changed files in a worktree to a candidate: one commit, one branch, and nothing else in it than what may change.

use std::path::Path;

use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::stage::generate::{Candidate, Kind, Move};
use patchline_sandbox::git::Git;

use crate::changelog::kept::{Archives, keep};
use crate::failures::of_git;
use crate::fixer::{Proposal, Request};
use crate::message::{self, Update};

pub(crate) struct Handover<'a> {
    pub(crate) request: &'a Request,
    pub(crate) git: &'a Git,
    pub(crate) worktree: &'a Path,
    /// Names of files that the ecosystem's tool may change.
    pub(crate) may_change: &'a [&'a str],
    /// What git took for changed before anything was.
    pub(crate) unchanged: Vec<String>,
}

/// What a fixer made.
pub(crate) struct Made<'a> {
    pub(crate) fixer: &'a str,
    pub(crate) rationale: String,
    pub(crate) updates: Vec<Update<'a>>,
    pub(crate) moves: Vec<Move>,
    pub(crate) removes: Vec<FindingId>,
    pub(crate) leaves: Vec<(FindingId, String)>,
    /// Where changelogs of the new versions can be had.
    pub(crate) archives: Option<&'a dyn Archives>,
    pub(crate) log: String,
}

impl Handover<'_> {
    pub(crate) async fn proposal(self, made: Made<'_>) -> Result<Proposal, Failure> {
        let Request { patch, number, base, author, .. } = self.request;
        let Made { fixer, rationale, updates, moves, removes, leaves, archives, mut log } = made;
        let no_fix = |reason: String, log: String| Ok(Proposal::NoFix { reasons: vec![reason], log });
        let mut changed = self.git.changes(self.worktree).await.map_err(of_git)?;
        changed.retain(|file| !self.unchanged.contains(file));
        let may = |file: &&String| {
            Path::new(file.as_str())
                .file_name()
                .is_some_and(|name| self.may_change.iter().any(|one| *one == name))
        };
        let (own, foreign): (Vec<&String>, Vec<&String>) = changed.iter().partition(may);
        if !foreign.is_empty() {
            let names: Vec<&str> = foreign.iter().map(|name| name.as_str()).collect();
            return no_fix(format!("{fixer} would change more than it may: {}", names.join(", ")), log);
        }
        if own.is_empty() || removes.is_empty() {
            return no_fix("nothing would change that removes a finding".to_owned(), log);
        }
        let title = message::title(&updates);
        let text = message::message(*patch, &title, &rationale, &updates);
        let files: Vec<&str> = own.iter().map(|file| file.as_str()).collect();
        let at = self.request.committed_at;
        let commit = self.git.commit_files(self.worktree, &files, &text, author, at).await.map_err(of_git)?;
        let files = self.git.changed_files(base.as_str(), &commit).await.map_err(of_git)?;
        if self.request.refused.iter().any(|refused| refused.commit.as_str() == commit) {
            return no_fix("there is no other version to try than the one that was refused".to_owned(), log);
        }
        let diff = self.git.diff(base.as_str(), &commit).await.map_err(of_git)?;
        if let Some(branch) = &self.request.branch {
            self.git.branch_set(branch, &commit).await.map_err(of_git)?;
        }
        // A rehearsal leaves nothing behind, and nobody asks for its text.
        if let Some(archives) = archives.filter(|_| self.request.branch.is_some()) {
            let to =
                |update: &Update<'_>| Some((update.findings.first()?.package.clone()?, update.to.clone()));
            // What goes away has nothing to tell.
            let stays = updates.iter().filter(|update| update.to != "none");
            let updates: Vec<_> = stays.filter_map(to).collect();
            log.push_str(&keep(&self.request.cache, archives, &updates).await);
        }
        let commit: Commit =
            commit.parse().map_err(|_| Failure::permanent("could not read the commit that git made"))?;
        let candidate = Candidate {
            number: *number,
            fixer: fixer.to_owned(),
            kind: Kind::Dependency,
            title,
            rationale,
            author: author.clone(),
            branch: self.request.branch.clone().unwrap_or_default(),
            base: base.clone(),
            commit,
            diff: Digest::of(diff.as_bytes()),
            files,
            moves,
            removes,
            leaves,
        };
        Ok(Proposal::Candidate { candidate: Box::new(candidate), diff, log })
    }
}
