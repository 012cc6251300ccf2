//! A broken promise, by the name of the invariant and with what was seen.

use std::fmt;

use patchline_model::id::PatchId;

/// One invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// A short sentence: what should always hold.
    pub invariant: &'static str,
    pub patch: PatchId,
    pub seen: String,
}

impl Breach {
    pub fn new(invariant: &'static str, patch: PatchId, seen: impl Into<String>) -> Self {
        Self { invariant, patch, seen: seen.into() }
    }
}

/// Nothing when the condition holds, else the breach.
pub fn hold(
    holds: bool,
    invariant: &'static str,
    patch: PatchId,
    seen: impl FnOnce() -> String,
) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach::new(invariant, patch, seen())) }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: \"{}\" does not hold: {}", self.patch, self.invariant, self.seen)
    }
}
