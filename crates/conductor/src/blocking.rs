//! Work that blocks (hashing, writing, syncing), so that no look at a rollout waits behind it.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs it here, while the runtime's other tasks move to other threads; where there are none, it simply runs.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}
