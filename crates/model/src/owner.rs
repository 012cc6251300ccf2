//! Who owns what a finding stands in, where the repository says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::FindingId;

/// The owners of findings that the repository names; all others are the service's own.
pub type Owners = BTreeMap<FindingId, Named>;

/// An owner, and what names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// As in `@org/team`; several in their order, with a space between them.
    pub owner: String,
    /// As in `.github/CODEOWNERS:7`.
    pub rule: String,
}
