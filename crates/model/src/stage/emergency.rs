//! Break-glass: one person lets a proven patch pass what would hold it, says why, and somebody else looks at that afterwards.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::time::Timestamp;

/// The rule by which a policy says that an emergency passes. Without its word none does.
pub const RULE: &str = "emergency";

/// Longest reason, in bytes.
pub const LONGEST_REASON: usize = 4000;

/// What makes an approval one in an emergency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    pub reason: String,
    /// From then on it lets nothing begin or grow any more.
    pub until: Timestamp,
    /// By then somebody else has looked at what was let pass.
    pub review_due: Timestamp,
}

/// A look at an emergency that is owed, until somebody has had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Afterwards {
    /// Who let it pass.
    pub by: Actor,
    pub at: Timestamp,
    pub reason: String,
    pub due: Timestamp,
}
