//! Whose orders count: a conductor that slept while others went on moves nobody when it wakes.

use serde::{Deserialize, Serialize};

use crate::process::spec::Attempt;

/// So many patches are remembered. Who sleeps through the rollouts of more could still be obeyed once.
const MAX_PATCHES: usize = 256;

/// The newest attempt of each patch that was obeyed; who moved the service last stands at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(Vec<Attempt>);

impl Fence {
    /// Whether an order of this attempt comes too late. The patch that moved the service last may repeat an attempt; one
    /// that another has followed has ended, and comes back only with a later one.
    pub fn refuses(&self, attempt: Attempt) -> bool {
        let known = self.0.iter().position(|known| known.patch == attempt.patch);
        known.is_some_and(|at| {
            let newest = self.0[at].number;
            let is_last = at + 1 == self.0.len();
            attempt.number < newest || (attempt.number == newest && !is_last)
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn obey(&mut self, attempt: Attempt) {
        self.0.retain(|known| known.patch != attempt.patch);
        self.0.push(attempt);
        let too_many = self.0.len().saturating_sub(MAX_PATCHES);
        self.0.drain(..too_many);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(patch: u64, number: u32) -> Attempt {
        Attempt { patch, number }
    }

    #[test]
    fn who_slept_through_another_patch_is_refused_and_a_retry_is_not() {
        let mut fence = Fence::default();
        fence.obey(of(1, 4));
        assert!(fence.refuses(of(1, 3)));
        assert!(!fence.refuses(of(1, 4)) && !fence.refuses(of(1, 5)) && !fence.refuses(of(2, 0)));
        fence.obey(of(2, 9));
        assert!(fence.refuses(of(1, 3)) && fence.refuses(of(1, 4)), "patch 1 has ended before patch 2 began");
        assert!(!fence.refuses(of(1, 5)), "patch 1 is tried again");
        fence.obey(of(1, 5));
        assert!(fence.refuses(of(2, 9)) && !fence.refuses(of(1, 5)));
    }

    #[test]
    fn it_stays_bounded_and_forgets_the_oldest() {
        let mut fence = Fence::default();
        (0..=MAX_PATCHES as u64).for_each(|patch| fence.obey(of(patch, 7)));
        assert_eq!(fence.0.len(), MAX_PATCHES);
        assert!(!fence.refuses(of(0, 1)) && fence.refuses(of(1, 7)));
    }
}
