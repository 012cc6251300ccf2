//! One of the readers of lockfiles over any text, held to its bounds. The tests throw at it, and so does the target in `fuzz/`.

use patchline_inventory::detectors::DETECTORS;
use patchline_inventory::{Detector, Inventory, Neighbours};

/// Every file that a detector names, with its detector.
pub fn files() -> Vec<(&'static dyn Detector, String)> {
    let named = |detector: &'static dyn Detector| {
        let files = detector.kind().files.iter();
        files.map(move |file| (detector, format!("a/{}", file.replace('*', "x"))))
    };
    DETECTORS.iter().flat_map(|detector| named(*detector)).collect()
}

/// Reads the text as this file, with the neighbour's text for each neighbour that it asks for.
pub fn reads(detector: &dyn Detector, path: &str, text: &str, neighbour: Option<&str>) {
    let asked = detector.neighbours(path, text).into_iter();
    let neighbours: Neighbours =
        asked.filter_map(|path| neighbour.map(|text| (path, text.to_owned()))).collect();
    let more = neighbours.values().map(String::len).sum::<usize>();
    if let Ok(inventory) = detector.parse(path, text, &neighbours) {
        bounded(&inventory, text, more);
    }
}

fn bounded(inventory: &Inventory, text: &str, more: usize) {
    assert!(inventory.installed.len() + inventory.unresolved.len() <= text.len() + more + 4);
    for one in &inventory.installed {
        assert!(one.paths.len() <= 10 && one.paths.iter().all(|way| way.len() <= 128));
        assert!(!one.package.name.is_empty() && !one.package.version.is_empty());
        assert!(one.location.line.is_none_or(|line| line as usize <= text.lines().count() + 1 + more));
    }
}
