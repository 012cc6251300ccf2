//! The trait that builds, what it is asked, and what it answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::service::{CommandLine, Service};
use serde::{Deserialize, Serialize};

use crate::listed::Listed;

/// Makes an artifact out of a commit.
#[async_trait::async_trait]
pub trait Builder: Send + Sync {
    /// Builds the commit, twice where the request says so, and leaves the tree of the first build in place.
    ///
    /// Idempotent: asked again for what is already there, whole and unchanged, it answers from there. A commit
    /// that does not build is an answer (`Built::Broken`); a `Failure` says that no answer was found.
    async fn build(&self, request: &Request) -> Result<Built, Failure>;
}

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Request {
    pub service: Service,
    /// The git repository that holds the commit.
    pub repository: PathBuf,
    pub commit: Commit,
    /// A folder of ours: the trees go to `<work>/<commit>/a` and `<work>/<commit>/b`.
    pub work: PathBuf,
    /// Build a second time in another folder and compare.
    pub twice: bool,
    /// The commit's time, in seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub epoch_seconds: i64,
}

/// The answer.
#[derive(Clone, Debug)]
pub enum Built {
    Artifact(Box<Made>),
    /// The commit does not build; `why` holds the first error lines.
    Broken {
        why: String,
        log: String,
    },
}

/// An artifact and everything that is to be said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The file, in the first tree.
    pub artifact: PathBuf,
    pub name: String,
    pub digest: Digest,
    pub bytes: u64,
    /// The digest that the second build gave, if there was one.
    pub second: Option<Digest>,
    /// The first tree with everything that the build left in it.
    pub tree: PathBuf,
    /// What the commands wrote, bounded.
    pub log: String,
    /// The build command as it was run.
    pub command: CommandLine,
    /// How the commands were held apart from the machine, as in `bubblewrap`.
    pub isolation: String,
    /// Which compiler and build tool.
    pub toolchain: String,
    pub started_epoch_ms: i64,
    pub finished_epoch_ms: i64,
    /// `SOURCE_DATE_EPOCH`
    pub epoch_seconds: i64,
    /// What the environment of the build added to the plain one. Whoever runs more commands in the tree, such as
    /// its tests, uses the same; otherwise the build tool builds everything anew and replaces the artifact.
    pub environment: BTreeMap<String, String>,
    /// What the lockfiles say that it is made of.
    pub listed: Listed,
}
