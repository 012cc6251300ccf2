//! What `cargo auditable` and Go write into binaries, without the binary around it, which chance seldom makes.
//!
//! The first byte chooses between the two.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchline_inventory::binary::auditable;
use patchline_inventory::binary::go::{Build, Layout, find};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    if first & 1 == 0 {
        let _ = auditable::inventory("x", rest);
        return;
    }
    let memory = |address: u64, length: u64| {
        let start = usize::try_from(address).ok()?;
        rest.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    };
    let layout = Layout { is_wide: first & 2 == 0, is_little: first & 4 == 0 };
    if let Some(Ok(build)) = find(rest).map(|head| Build::read(head, layout, &memory)) {
        build.inventory("x");
    }
});
