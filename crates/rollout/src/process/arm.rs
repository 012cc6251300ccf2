//! What the host remembers of one version: its counters, and how often its instances failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::process::counters::Counters;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who has been healthy for so long has its failures forgiven.
pub const PROBATION: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Arm {
    pub counters: Arc<Counters>,
    pub restarts: u64,
    /// An instance died when it was to take this version over: no other is asked, until another order comes.
    pub is_fatal: bool,
    failures_in_a_row: u32,
    pause_until: Option<Instant>,
}

impl Arm {
    pub fn new(version: &str, label: &str) -> Arm {
        Arm {
            counters: Counters::new(version, label),
            restarts: 0,
            is_fatal: false,
            failures_in_a_row: 0,
            pause_until: None,
        }
    }

    /// An instance ended though it was wanted, or could not be started: wait, each time twice as long.
    pub fn failed(&mut self, now: Instant) {
        self.restarts += 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures_in_a_row.min(16)).min(LONGEST_PAUSE);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.pause_until = Some(now + pause);
    }

    pub fn forgive(&mut self) {
        self.failures_in_a_row = 0;
    }

    pub fn may_start(&self, now: Instant) -> bool {
        self.pause_until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_limit_until_forgiven() {
        let now = Instant::now();
        let mut arm = Arm::new("v", "v");
        assert!(arm.may_start(now));
        for pause_ms in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            arm.failed(now);
            assert!(!arm.may_start(now + Duration::from_millis(pause_ms - 1)));
            assert!(arm.may_start(now + Duration::from_millis(pause_ms)));
        }
        arm.forgive();
        arm.failed(now);
        assert!(arm.may_start(now + Duration::from_millis(100)));
        assert_eq!(arm.restarts, 10);
    }
}
