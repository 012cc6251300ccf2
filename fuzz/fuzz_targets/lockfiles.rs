//! Lockfiles of every kind, as every file that a detector names: read or refused, within bounds of memory.
//!
//! The first byte chooses the file; what follows a NUL is what each of its neighbours says. Seeds: the samples of
//! `crates/inventory/tests/inventories`, and lockfiles at hand.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;

#[path = "../../crates/inventory/tests/inventories/reads.rs"]
mod reads;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// For any file, however short, and for each of its bytes: the bound of `crates/inventory/tests/memory.rs`.
const FIRST: usize = 16 << 20;
const A_BYTE: usize = 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let files = reads::files();
    let (detector, path) = &files[usize::from(*first) % files.len()];
    let text = String::from_utf8_lossy(rest);
    let (text, neighbour) = match text.split_once('\0') {
        Some((text, neighbour)) => (text, Some(neighbour)),
        None => (&*text, None),
    };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    reads::reads(*detector, path, text, neighbour);
    let most = MEMORY.peak_usage().saturating_sub(before);
    // A neighbour is handed over once for each name that is asked for, as if each were a file of its own.
    if neighbour.is_none() {
        assert!(most <= FIRST + A_BYTE * text.len(), "{most} bytes for {} of {path}", text.len());
    }
});
