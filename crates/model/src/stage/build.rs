//! Build: from a commit to an artifact, twice, and what it is made of.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::stage::generate::Candidate;

/// What was built, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub digest: Digest,
    pub name: String,
    pub bytes: u64,
    pub reproducible: Reproducible,
    /// CycloneDX, among the blobs.
    pub sbom: Digest,
    /// Signed statements: provenance first.
    pub evidence: Vec<Digest>,
}

/// Whether two builds in two folders gave the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reproducible {
    Identical,
    Different {
        second: Digest,
    },
    /// Built once only, as the base is.
    NotTried,
}

/// The artifact of the patch, and that of the base it is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    pub patch: Artifact,
    pub base: Artifact,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub built: Option<Pair>,
    /// Why it could not be built.
    pub broken: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Built(Box<Pair>),
    /// The patch does not build.
    Broken {
        why: String,
        log: Digest,
    },
    /// The commit that the patch is held against does not build, so nothing can be said of any candidate.
    BaseBroken {
        why: String,
        log: Digest,
    },
    /// Another candidate is tried: what was built is no longer asked for.
    Dropped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Build,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Built(Box<Pair>),
    Broken { why: String, log: Digest },
    BaseBroken { why: String, log: Digest },
}

pub fn report(outcome: Outcome) -> Vec<Event> {
    match outcome {
        Outcome::Built(pair) => vec![Event::Built(pair)],
        Outcome::Broken { why, log } => vec![Event::Broken { why, log }],
        Outcome::BaseBroken { why, log } => vec![Event::BaseBroken { why, log }],
    }
}

pub fn evolve(state: &mut State, event: &Event) {
    *state = match event {
        Event::Built(pair) => State { built: Some((**pair).clone()), broken: None },
        Event::Broken { why, .. } | Event::BaseBroken { why, .. } => {
            State { built: None, broken: Some(why.clone()) }
        }
        Event::Dropped => State::default(),
    };
}

pub fn due(_: &Candidate, state: &State) -> Option<Job> {
    (state.built.is_none() && state.broken.is_none()).then_some(Job::Build)
}
