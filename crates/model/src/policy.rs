//! What the organisation wants: due dates, limits on tries.

use serde::{Deserialize, Serialize};

use crate::time::Seconds;

/// Limits and due dates that hold for every patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Days until a finding that must be acted on now is due, by tier 1 to 4.
    pub act_now_days: [u64; 4],
    /// Days until a scheduled finding is due, by tier 1 to 4.
    pub schedule_days: [u64; 4],
    /// Tries of one job before its stage gives up (a rollback never does).
    pub tries: u32,
    /// Candidates tried for one patch.
    pub candidates: u32,
    /// Wait after the first failed try; doubles with each further one up to the longest.
    pub first_wait: Seconds,
    pub longest_wait: Seconds,
    /// How long an emergency lets a patch begin and grow, and by when somebody else must have looked at it.
    pub emergency_lasts: Seconds,
    pub emergency_review: Seconds,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            act_now_days: [2, 3, 7, 14],
            schedule_days: [14, 30, 60, 90],
            tries: 4,
            candidates: 3,
            first_wait: Seconds(1),
            longest_wait: Seconds(60),
            emergency_lasts: Seconds(86_400),
            emergency_review: Seconds(3 * 86_400),
        }
    }
}

impl Policy {
    /// How long to wait after this many failed tries in a row.
    pub fn wait_after(&self, failures: u32) -> Seconds {
        let factor = 1_u64.checked_shl(failures.saturating_sub(1).min(32)).unwrap_or(u64::MAX);
        Seconds(self.first_wait.0.saturating_mul(factor).min(self.longest_wait.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Policy;
    use crate::time::Seconds;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = Policy::default();
        let waits: Vec<_> = (1..=8).map(|failures| policy.wait_after(failures)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60].map(Seconds));
        assert_eq!(policy.wait_after(u32::MAX), Seconds(60));
    }
}
