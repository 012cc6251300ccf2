//! Files that are made to need much memory: what their readers take is measured, and has a bound.

#[path = "memory/dense.rs"]
mod dense;

use patchline_inventory::Neighbours;
use patchline_inventory::detector::{Detector, Kind};
use patchline_inventory::detectors::DETECTORS;
use peak_alloc::PeakAlloc;

use crate::dense::Dense;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// For each byte of the file and its neighbours.
const A_BYTE: usize = 20;
/// For any file, however short.
const FIRST: usize = 16 << 20;

/// One test, for other threads would be measured as well.
#[test]
fn what_a_file_takes_has_a_bound() {
    let files: Vec<Dense> = dense::files();
    for detector in DETECTORS {
        for file in detector.kind().files.chunks(1) {
            let kind = Kind { files: file, manifest: None, hint: "", is_fixed: false };
            assert!(files.iter().any(|dense| kind.claims(dense.path)), "{file:?} has no dense file");
        }
    }
    let broken: Vec<String> = files.iter().filter_map(check).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What the file takes beyond its bound, or says otherwise than is expected.
fn check(dense: &Dense) -> Option<String> {
    let detector: &&dyn Detector =
        DETECTORS.iter().find(|detector| detector.kind().claims(dense.path)).expect("it is read");
    let neighbours: Neighbours = dense.neighbour.iter().cloned().collect();
    let bytes = dense.text.len() + neighbours.values().map(String::len).sum::<usize>();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let read = detector.parse(dense.path, &dense.text, &neighbours);
    let most = MEMORY.peak_usage().saturating_sub(before);
    let bound = FIRST + A_BYTE * bytes;
    let said: String = match &read {
        Ok(inventory) => {
            let limits = inventory.unresolved.iter().filter(|one| one.what.contains("more "));
            limits.map(|one| format!("{}; ", one.what)).take(3).collect()
        }
        Err(broken) => broken.to_string(),
    };
    let fails = |what: String| Some(format!("{}: {what}", dense.what()));
    match dense.limit {
        _ if most > bound => fails(format!("{most} bytes for {bytes}, and {bound} is the bound")),
        Some(limit) if !said.contains(limit) => fails(format!("{limit:?} is not said, but {said:?}")),
        None if said.contains("more than") => fails(format!("it should be read, but {said}")),
        Some(_) | None => None,
    }
}
