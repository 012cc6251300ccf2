//! Images and archives of roots, packed or not, as one stream: read or refused, within a small budget.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/detect/tests/containers/reads.rs"]
mod reads;

fuzz_target!(|bytes: &[u8]| reads::reads(bytes));
