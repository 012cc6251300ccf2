//! The trait of what makes the world match: local processes today, anything that runs versions tomorrow.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use patchline_model::digest::Digest;
use patchline_model::failure::Failure;
use patchline_model::id::JobId;
use patchline_model::service::{Name, Run};
use patchline_model::stage::budget::History;
use patchline_model::stage::plan::{Desired, Observed};

use crate::capability::Capability;

/// Where versions run, and what can be asked of it.
///
/// `reconcile` is idempotent and bounded: it asks the world to match, waits at most a few seconds for it, and returns
/// what is really there, drift included, whether it matches or not. What was set is read back, never assumed. Taking
/// share away from a version takes effect before `reconcile` returns. A version's share takes effect only while healthy
/// instances of it can take it.
#[async_trait]
pub trait Target: Send + Sync {
    /// As a plan names it, as in `process`.
    fn name(&self) -> &'static str;

    /// What it can do; a plan that needs more is refused before anything moves ([`crate::capability`]).
    fn capabilities(&self) -> &'static [Capability];

    /// Makes the world match, and reads back what is there.
    async fn reconcile(&self, job: JobId, site: &Site, desired: &Desired) -> Result<Observed, Failure>;

    /// What is there, without changing what is desired; `None` when nothing of this service was asked for. A control plane
    /// of the target's own that has died is brought back, so that what it held can be read.
    async fn observe(&self, site: &Site) -> Result<Option<Observed>, Failure>;

    /// What the whole service has served until now, whatever its versions; `None` where nobody counts.
    async fn history(&self, _site: &Site) -> Result<Option<History>, Failure> {
        Ok(None)
    }

    /// Stops everything of this service, drained; for the end of a demo or a decommissioned service.
    async fn stop(&self, site: &Site) -> Result<(), Failure>;
}

/// One service in one environment, and where its artifacts lie.
#[derive(Clone, Debug)]
pub struct Site {
    pub service: Name,
    pub run: Run,
    /// The executable of each version that may be asked for.
    pub executables: BTreeMap<Digest, PathBuf>,
}
