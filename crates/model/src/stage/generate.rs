//! Generate: the smallest change that removes the findings, proposed one candidate at a time.

use serde::{Deserialize, Serialize};

use crate::digest::{Commit, Digest};
use crate::id::FindingId;
use crate::rejection::Rejection;
use crate::stage::detect::Finding;
use crate::stage::division::Division;

/// One diff that one fixer proposes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// 1 for the first one tried.
    pub number: u32,
    pub fixer: String,
    pub kind: Kind,
    /// First line of the commit message.
    pub title: String,
    pub rationale: String,
    pub author: String,
    pub branch: String,
    pub base: Commit,
    pub commit: Commit,
    /// The unified diff, among the blobs.
    pub diff: Digest,
    pub files: Vec<String>,
    pub moves: Vec<Move>,
    pub removes: Vec<FindingId>,
    /// What it leaves, with the reason.
    pub leaves: Vec<(FindingId, String)>,
}

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Code,
    Dependency,
    Config,
    Schema,
    Image,
    OsPackage,
    Flag,
}

/// One package that moves from one version to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub package: String,
    pub from: Option<String>,
    pub to: Option<String>,
    /// How the version came to be chosen; none for what only moves along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<Rung>,
}

/// The rungs of the ladder by which a fixer chooses versions: each only where the one before does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Another version within what is required of the package.
    InRange,
    /// What requires too little goes to a newer version.
    Lift,
    /// The repository's own manifest asks for more.
    Relax,
    /// A version that what requires the package does not allow.
    Override,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How many candidates there have been.
    pub proposed: u32,
    pub candidate: Option<Candidate>,
    /// Candidates that verification refused, with why; the next one must differ.
    pub refused: Vec<(Candidate, String)>,
    /// Which of several steps hold, where all at once did not.
    pub division: Option<Division>,
    /// Why there is nothing (more) to try.
    pub no_fix: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Proposed {
        candidate: Box<Candidate>,
        evidence: Digest,
    },
    NoFix {
        reasons: Vec<String>,
    },
    /// Verification refused the candidate, or there is none for the steps that are tried.
    Refused {
        why: String,
    },
    /// All steps at once were refused: they are tried in parts.
    Divided {
        division: Division,
    },
    /// Verification lets the part stand; more steps are tried on top of it.
    Held,
    /// Of every step it is known whether it holds: the candidate has those that do, and leaves these.
    Settled {
        leaves: Vec<(FindingId, String)>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Propose { number: u32 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Proposed { candidate: Box<Candidate>, evidence: Digest },
    NoFix { reasons: Vec<String> },
}

/// Takes in what the fixer proposed: it must build on the base, differ from what was refused, and remove something.
pub fn report(
    base: &Commit,
    findings: &[Finding],
    state: &State,
    outcome: Outcome,
) -> Result<Vec<Event>, Rejection> {
    match outcome {
        Outcome::NoFix { reasons } => Ok(vec![Event::NoFix { reasons }]),
        Outcome::Proposed { candidate, evidence } => {
            let known = |id: &FindingId| findings.iter().any(|finding| finding.id == *id);
            if candidate.base != *base {
                return Err(Rejection::Nonsense(
                    "the candidate builds on another commit than the base".to_owned(),
                ));
            }
            if candidate.commit == *base
                || candidate.removes.is_empty()
                || !candidate.removes.iter().all(known)
            {
                return Err(Rejection::Nonsense(
                    "the candidate does not say which known finding it removes".to_owned(),
                ));
            }
            if state.refused.iter().any(|(refused, _)| refused.commit == candidate.commit) {
                return Err(Rejection::Nonsense("the candidate was refused before".to_owned()));
            }
            Ok(vec![Event::Proposed { candidate, evidence }])
        }
    }
}

pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Proposed { candidate, .. } => {
            state.proposed = state.proposed.saturating_add(1);
            state.candidate = Some((**candidate).clone());
        }
        Event::NoFix { reasons } => state.no_fix = Some(reasons.clone()),
        Event::Refused { why } => {
            if let Some(candidate) = state.candidate.take() {
                state.refused.push((candidate, why.clone()));
            }
            state.division = state.division.as_ref().map(|division| division.after(Some(why.clone())));
        }
        Event::Divided { division } => state.division = Some(division.clone()),
        Event::Held => {
            state.candidate = None;
            state.division = state.division.as_ref().map(|division| division.after(None));
        }
        Event::Settled { leaves } => {
            if let Some(candidate) = &mut state.candidate {
                candidate.leaves.extend(leaves.iter().cloned());
            }
            state.division = state.division.as_ref().map(|division| division.after(None));
        }
    }
}

pub fn due(findings: &[Finding], state: &State) -> Option<Job> {
    let open = !findings.is_empty() && state.candidate.is_none() && state.no_fix.is_none();
    open.then_some(Job::Propose { number: state.proposed.saturating_add(1) })
}
