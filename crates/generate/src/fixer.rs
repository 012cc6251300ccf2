//! The trait of everything that proposes a change, with what it is asked and what it answers.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use patchline_model::analyzer::Analyzer;
use patchline_model::digest::Commit;
use patchline_model::failure::Failure;
use patchline_model::id::PatchId;
use patchline_model::package::Package;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::Candidate;

/// Proposes a change that removes findings.
///
/// A call is idempotent by `patch` and `number`: asked again, it gives the same commit and the same branch. It never
/// touches the user's checkout, index or branches; it makes the one branch that is asked for.
#[async_trait]
pub trait Fixer: Send + Sync {
    /// As it stands in the candidate.
    fn name(&self) -> &'static str;

    /// Whether findings of this kind are its trade; not whether there is a fix.
    fn can(&self, finding: &Finding) -> bool;

    /// Whether it changes a file of this name: where one lies, there lies what a service is made of.
    fn changes(&self, file: &str) -> bool;

    /// The change, or the reasons why there is none. What the world denies (the network, a tool) is a failure.
    async fn propose(&self, request: &Request) -> Result<Proposal, Failure>;
}

/// What the advisories at hand say.
pub trait Known: Debug + Send + Sync {
    /// The advisories of this package at this version, those that are merely worth knowing apart.
    fn problems(&self, package: &Package) -> Result<Vec<String>, Failure>;
}

/// The service's own analyzers.
#[async_trait]
pub trait Looks: Debug + Send + Sync {
    /// The analyzer of this name.
    fn analyzer(&self, name: &str) -> Option<&Analyzer>;

    /// What all of them find at a commit of the repository.
    async fn findings(&self, commit: &Commit) -> Result<Vec<Finding>, Failure>;
}

/// What a fixer is asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub patch: PatchId,
    /// 1 for the first candidate; more when verification refused the ones before.
    pub number: u32,
    pub repository: PathBuf,
    /// Folder of the service inside the repository; empty for the top.
    pub folder: String,
    pub base: Commit,
    /// Only those to remove.
    pub findings: Vec<Finding>,
    pub refused: Vec<Candidate>,
    /// The branch that the candidate gets; none for a rehearsal, which leaves nothing behind.
    pub branch: Option<String>,
    /// A folder of our own for worktrees.
    pub work: PathBuf,
    /// A folder of our own for what registries said and tools fetched; what lies there may go at any time.
    pub cache: PathBuf,
    /// Seconds since 1970 that the commit carries, so that a second run gives the same commit.
    pub committed_at: i64,
    /// `Name <mail>`.
    pub author: String,
    /// No version is chosen that has a problem of its own.
    pub known: Arc<dyn Known>,
    /// What a fix of code leaves to be found is looked for before it is proposed.
    pub looks: Arc<dyn Looks>,
}

/// What a fixer answers.
#[derive(Clone, Debug)]
pub enum Proposal {
    Candidate {
        candidate: Box<Candidate>,
        /// The unified diff whose digest the candidate names.
        diff: String,
        log: String,
    },
    NoFix {
        reasons: Vec<String>,
        log: String,
    },
}
