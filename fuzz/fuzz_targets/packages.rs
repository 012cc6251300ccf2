//! Package databases of operating systems (dpkg, apk, rpm's header and its three files), `os-release`, and binaries with what
//! `cargo auditable` and Go write into them: no panic, no package out of nothing.
//!
//! The first byte chooses the reader. Seeds: the samples of `crates/inventory/tests/os/chance.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/inventory/tests/os/reads.rs"]
mod reads;

fuzz_target!(|bytes: &[u8]| {
    if let Some((first, rest)) = bytes.split_first() {
        reads::reads(*first, rest);
    }
});
