//! Versions of every scheme, three texts at a time: no panic, one order, keys that never contradict it.
//!
//! The first byte chooses the scheme; the texts are split at line feeds.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/inventory/tests/versions/laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let schemes = laws::schemes();
    let scheme = schemes[usize::from(*first) % schemes.len()];
    let text = String::from_utf8_lossy(rest);
    let texts: Vec<&str> = text.splitn(3, '\n').collect();
    laws::hold(scheme, &texts);
});
