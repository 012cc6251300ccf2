//! What the pure functions may know of the world: the time, the policy, and what else is under way.

use std::collections::BTreeMap;

use crate::id::PatchId;
use crate::line::Line;
use crate::policy::Policy;
use crate::service::Name;
use crate::stage::set::Set;
use crate::stage::terms::Replacement;
use crate::time::Timestamp;
use crate::window::Offsets;

/// Passed first to `decide` and `due`.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub policy: &'a Policy,
    pub board: &'a Board,
}

/// What else is under way, and what is held: a patch is rarely alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Who moves which service in which environment (`Service::lock`).
    pub locks: BTreeMap<String, PatchId>,
    /// The patch whose version a service runs now, alone, by the same name: the one promoted last and not taken back.
    pub runs: BTreeMap<String, PatchId>,
    /// Patches that belong together.
    pub sets: BTreeMap<Name, Set>,
    /// Who must go back with its set and has not begun to: nobody else moves its service meanwhile, by the same name.
    pub fences: BTreeMap<String, PatchId>,
    /// Patches whose place a newer one takes.
    pub replaced: BTreeMap<PatchId, Replacement>,
    /// Patches that have not ended, with the service and environment that each moves.
    pub under_way: BTreeMap<PatchId, Option<String>>,
    /// Hotfixes that were allowed and have not begun, by the service and environment that each moves.
    pub hotfixes: BTreeMap<String, PatchId>,
    /// Who passed in an emergency and owes the review of it, by service.
    pub reviews: BTreeMap<Name, PatchId>,
    /// What people hold: stops and freezes.
    pub line: Line,
    /// The offsets from UTC of the places whose clocks somebody goes by, for the days around now.
    pub zones: BTreeMap<String, Offsets>,
}

impl Board {
    /// The other patch that holds this lock.
    pub fn held_by_other(&self, lock: &str, patch: PatchId) -> Option<PatchId> {
        self.locks.get(lock).copied().filter(|holder| *holder != patch)
    }

    /// The other patch for which a rollout on this service must wait.
    pub fn kept_by_other(&self, lock: &str, patch: PatchId) -> Option<PatchId> {
        let fence = self.fences.get(lock).copied().filter(|holder| *holder != patch);
        self.held_by_other(lock, patch).or(fence)
    }
}
