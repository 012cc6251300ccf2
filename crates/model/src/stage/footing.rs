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
    /// Times that members of its set had been taken back by then, or when a person said that it stays.
    #[serde(default, skip_serializing_if = "none")]
    pub seen: u32,
    /// Why the old version can't undo the patch, and from when on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_only: Option<ForwardOnly>,
}

/// Times that are not written down.
pub fn none(times: &u32) -> bool {
    *times == 0
}

impl Footing {
    /// Nothing was noted: so it is in ledgers that are older than this.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}
