//! Whatever the bytes, a reader answers or refuses, within bounds.

use proptest::prelude::{any, prop, proptest};

use crate::binaries::{MODULES, PACKAGES};
use crate::elf::{auditable, buildinfo, elf, old_buildinfo};
use crate::reads::{READERS, reads};
use crate::rpm::headers;
use crate::rpmdb::{bdb, header, ndb, sqlite};

fn samples() -> Vec<(u8, Vec<u8>)> {
    let dpkg = "Package: libc6\nStatus: install ok installed\nSource: glibc (2)\nVersion: 2.36-9\nDescription: x\n y\n\n";
    let apk = "C:Q1=\nP:ssl_client\nV:1.36.1-r29\no:busybox\nF:usr\n\n";
    let release = "ID=\"rhel\"\nVERSION_ID=\"9.4\"\nCPE_NAME=\"cpe:/o:redhat:enterprise_linux:9::baseos\"\n";
    vec![
        (0, dpkg.as_bytes().to_vec()),
        (1, apk.as_bytes().to_vec()),
        (2, release.as_bytes().to_vec()),
        (3, header("a", 1, "1-2", "a-1-2.src.rpm")),
        (4, sqlite(&headers())),
        (5, ndb(&headers())),
        (6, bdb(&headers(), false)),
        (6, bdb(&headers(), true)),
        (7, elf(&[(".dep-v0", &auditable(PACKAGES))])),
        (7, elf(&[(".go.buildinfo", &buildinfo("go1.22.3", MODULES))])),
        (7, elf(&[(".go.buildinfo", &old_buildinfo("go1.16", MODULES))])),
    ]
}

#[test]
fn what_is_cut_off_or_of_another_kind_is_read_or_refused() {
    for (_, sample) in samples() {
        (0..READERS).for_each(|reader| reads(reader, &sample));
    }
    for (reader, sample) in samples() {
        let step = (sample.len() / 400).max(1);
        (0..sample.len()).step_by(step).for_each(|end| reads(reader, &sample[..end]));
    }
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(reader in 0..READERS, bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        reads(reader, &bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "([A-Za-z]{1,8}: ?[ -~]{0,20}\n| [ -~]{0,9}\n|[PVoA]:[ -~]{0,9}\n|\n){0,30}") {
        (0..3).for_each(|reader| reads(reader, text.as_bytes()));
    }

    #[test]
    fn a_sample_with_bytes_changed_is_read_or_refused(
        sample in 0..11_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let (reader, mut bytes) = samples().swap_remove(sample);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        reads(reader, &bytes);
    }

    /// Numbers that count and point lie in the first bytes, where chance alone seldom hits.
    #[test]
    fn a_sample_with_wild_numbers_is_read_or_refused(
        sample in 3..11_usize,
        place in 0..64_usize,
        number in prop::sample::select(vec![0_u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX]),
    ) {
        let (reader, mut bytes) = samples().swap_remove(sample);
        for order in [number.to_le_bytes(), number.to_be_bytes()] {
            let at = (place * 4).min(bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&order);
            reads(reader, &bytes);
        }
    }
}
