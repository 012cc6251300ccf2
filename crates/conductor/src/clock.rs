//! The only clock: everything pure gets the time from here through the context.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use patchline_model::time::Timestamp;

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// How long until then; zero if it has passed.
pub fn until(at: Timestamp) -> Duration {
    Duration::from_millis(at.millis_since(now()))
}
