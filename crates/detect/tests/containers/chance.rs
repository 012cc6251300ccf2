//! Whatever the bytes, an archive is read or refused, within bounds.

use proptest::prelude::{any, prop, proptest};

use crate::made::{DEBIAN, LOCK, Made, STATUS, archived, gzip, layout, tar, text};
use crate::reads::reads;

fn samples() -> Vec<Vec<u8>> {
    let root = tar(&[
        ("etc/os-release", text(DEBIAN)),
        ("var/lib/dpkg/status", text(STATUS)),
        ("lib", Made::Link("usr/lib")),
        ("app/package-lock.json", text(LOCK)),
        ("app/twin/package-lock.json", Made::Twin("app/package-lock.json")),
        (&format!("{}x", "long/".repeat(40)), text("x")),
    ]);
    let saved = tar(&[
        ("1/layer.tar", Made::File(&root)),
        ("manifest.json", text(r#"[{"Layers": ["1/layer.tar"]}]"#)),
    ]);
    let image = archived(&layout(&[("amd64", &[gzip(&root)])]));
    vec![gzip(&root), root, saved, image]
}

#[test]
fn what_is_cut_off_is_read_or_refused() {
    for sample in samples() {
        let step = (sample.len() / 300).max(1);
        (0..sample.len()).step_by(step).for_each(|end| reads(&sample[..end]));
    }
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        reads(&bytes);
        reads(&[&b"\x1f\x8b"[..], &bytes].concat());
        reads(&[&b"\x28\xb5\x2f\xfd"[..], &bytes].concat());
        reads(&[&b"\x50\x2a\x4d\x18"[..], &bytes].concat());
    }

    #[test]
    fn a_sample_with_bytes_changed_is_read_or_refused(
        sample in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = samples().swap_remove(sample);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        reads(&bytes);
    }
}
