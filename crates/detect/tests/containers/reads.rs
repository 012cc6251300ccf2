//! Any bytes as a stream, with a small budget. The tests throw at it, and so does the target in `fuzz/`.

use patchline_detect::container::budget::Budget;
use patchline_detect::container::open::stream;

/// Reads the bytes as a stream with a small budget.
pub fn reads(bytes: &[u8]) {
    let budget = Budget::of(4 << 20, 10_000, 1 << 20);
    if let Ok(Some(inventory)) = stream(&mut &bytes[..], &budget) {
        let said = inventory.installed.len() + inventory.unresolved.len();
        assert!(said <= 4 << 20);
    }
}
