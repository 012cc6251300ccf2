//! The trait of a check, what it is given, and what it shows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use patchline_model::failure::Failure;
use patchline_model::service::Service;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::Candidate;
use patchline_model::stage::verify::{CheckResult, Sides};
use patchline_sandbox::sandbox::Sandbox;

/// Holds the patch against the base in one respect.
#[async_trait::async_trait]
pub trait Check: Send + Sync {
    /// The name in verdicts and evidence.
    fn name(&self) -> &'static str;

    /// Looks, and changes nothing but the build folders of both trees; asked again, it looks again. A patch that
    /// does not hold is an answer (`Failed`); a `Failure` says that no answer was found.
    async fn check(&self, case: &Case) -> Result<Shown, Failure>;
}

/// A patch and its base, built, scanned, and ready to be run.
#[derive(Clone, Debug)]
pub struct Case {
    /// The service with the reproducers and tests that the patch brings.
    pub service: Service,
    pub candidate: Candidate,
    /// The findings of the patch.
    pub findings: Vec<Finding>,
    pub base: Side,
    pub patch: Side,
    /// What a scan of the base found.
    pub before: Vec<Finding>,
    /// What a scan of the patch found.
    pub after: Vec<Finding>,
    pub sandbox: Sandbox,
    /// The unified diff from the base to the patch.
    pub diff: String,
    /// Why running the base again would not undo the patch; nothing: it would.
    pub forward_only: Option<String>,
    /// How long one run of a suite or a reproducer may take, where it is not as long as usual.
    pub patience: Option<Duration>,
}

/// One of the two.
#[derive(Clone, Debug)]
pub struct Side {
    /// The tree in which it was built, with everything that the build left.
    pub tree: PathBuf,
    pub artifact: PathBuf,
    /// What the build's environment added. With another one the build tool would build everything anew.
    pub environment: BTreeMap<String, String>,
}

/// What a check showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub result: CheckResult,
    /// One sentence that a person can act on.
    pub summary: String,
    /// What was shown, line by line: commands, exit codes, durations.
    pub details: Vec<String>,
    /// What each side showed, where the check has two.
    pub sides: Option<Sides>,
    /// How long the way back took, where it was rehearsed.
    pub rollback_milliseconds: Option<u64>,
    /// What the patch does to data that running the base again would not undo.
    pub irreversible: Option<String>,
    /// What the commands wrote, bounded.
    pub log: String,
    /// Names of tests, findings or advisories.
    pub passed: Vec<String>,
    pub warned: Vec<String>,
    pub failed: Vec<String>,
}
