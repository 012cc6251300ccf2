//! One candidate out of those of several fixers, each of which built upon the one before.

use std::path::Path;

use patchline_generate::fixer::{Proposal, Request};
use patchline_model::digest::Digest;
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_sandbox::Git;

use crate::failures::git_failure;

/// What the fixers made so far.
#[derive(Default)]
pub struct Joint {
    pub candidate: Option<Candidate>,
    /// What no fixer could do.
    pub leaves: Vec<(FindingId, String)>,
    log: String,
    /// How many fixers have a part in it.
    parts: usize,
}

impl Joint {
    pub fn note(&mut self, log: &str) {
        self.log.push_str(log);
    }

    /// Takes in a candidate that was built upon what there is.
    pub fn take(&mut self, next: Candidate) {
        self.parts += 1;
        let Some(first) = self.candidate.take() else {
            self.candidate = Some(next);
            return;
        };
        let Candidate { title, commit, moves, files, removes, leaves, rationale, fixer, kind, .. } = next;
        let mut joint = Candidate { commit, ..first };
        joint.title = format!("{}; {title}", joint.title);
        joint.rationale = format!("{} {rationale}", joint.rationale);
        joint.fixer = format!("{}+{fixer}", joint.fixer);
        // What changes code is a change of code, whatever else it does.
        if kind == Kind::Code {
            joint.kind = kind;
        }
        joint.moves.extend(moves);
        joint.removes.extend(removes);
        joint.leaves.extend(leaves);
        let new = files.into_iter().filter(|file| !joint.files.contains(file)).collect::<Vec<_>>();
        joint.files.extend(new);
        self.candidate = Some(joint);
    }

    /// The candidate with the whole diff from the base, or the reasons why there is none.
    pub async fn proposal(self, request: &Request, reasons: Vec<String>) -> Result<Proposal, Failure> {
        let Some(mut candidate) = self.candidate else {
            return Ok(Proposal::NoFix { reasons, log: self.log });
        };
        if self.parts > 1 && request.refused.iter().any(|refused| refused.commit == candidate.commit) {
            let reason = "there is no other version to try than those that were refused".to_owned();
            return Ok(Proposal::NoFix { reasons: vec![reason], log: self.log });
        }
        let git = Git::at(Path::new(&request.repository));
        let diff = git.diff(request.base.as_str(), candidate.commit.as_str()).await;
        let diff = diff.map_err(|error| git_failure(&error))?;
        candidate.base = request.base.clone();
        candidate.diff = Digest::of(diff.as_bytes());
        candidate.leaves.extend(self.leaves);
        Ok(Proposal::Candidate { candidate: Box::new(candidate), diff, log: self.log })
    }
}
