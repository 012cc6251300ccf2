//! Where a rollout stands: the phases that every strategy walks.

use serde::{Deserialize, Serialize};

/// Where the rollout stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Idle,
    /// Canary instances start; they get no share yet.
    Preparing,
    /// The canary holds the step's share and the judge looks.
    Watching {
        step: usize,
    },
    /// Promotion is decided: the new version gets full capacity.
    Growing,
    /// The new version holds all of the traffic; the old one stays ready.
    Switching,
    /// The old version drains and goes.
    Finishing,
    Promoted,
    /// The canary has lost all of its share; confirmed by the target.
    RollingBack,
    /// The bad version drains and goes.
    Retiring,
    RolledBack,
}
