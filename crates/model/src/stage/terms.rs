//! What a person states about a patch when it is opened, beside what it is for.

use serde::{Deserialize, Serialize};

/// Nothing is stated of most patches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Why running the old version again does not undo it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_only: Option<String>,
}

impl Terms {
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}
