//! What a rollout stands on: what was so around it when it began.

use serde::{Deserialize, Serialize};

use crate::id::PatchId;
use crate::stage::safety::ForwardOnly;

/// Kept with the start of a rollout, so that later questions don't hang on what has changed since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footing {
    /// The patch whose version ran then, and runs again when this one is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<PatchId>,
    /// Why the old version can't undo the patch, and from when on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_only: Option<ForwardOnly>,
}

impl Footing {
    /// Nothing was noted: so it is in ledgers that are older than this.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}
