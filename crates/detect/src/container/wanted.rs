//! Which files of a system say which packages are in use.

use patchline_inventory::detector::Detector;
use patchline_inventory::detectors::DETECTORS;

use crate::container::system;

/// What is built or fetched is not what the repository says it needs.
pub const LEFT_OUT: [&str; 7] =
    [".git", "node_modules", "target", "bower_components", "site-packages", ".venv", ".tox"];

/// What lockfiles ask for beside them. What they ask for by other names, as `-r` of `requirements.txt` may, is told as
/// missing.
const NEIGHBOURS: [&str; 3] = ["package.json", "pyproject.toml", "composer.json"];
const LARGEST_NEIGHBOUR: u64 = 4 << 20;
const LARGEST_LOCKFILE: u64 = 64 << 20;
/// Binaries are read whole; the largest of Go and Rust have about 300 MiB.
pub const LARGEST_BINARY: u64 = 512 << 20;

/// The largest file at this path that is kept as it is; none when it is of no use, or only as a binary.
pub fn largest(path: &str) -> Option<u64> {
    if system::root_of(path).is_some() {
        Some(system::LARGEST_DATABASE)
    } else if detector(path).is_some() {
        Some(LARGEST_LOCKFILE)
    } else if is_neighbour(path) {
        Some(LARGEST_NEIGHBOUR)
    } else {
        None
    }
}

/// Who reads the lockfile at this path. In the folders that are left out of trees, installed packages have theirs, which say
/// nothing about what is in use.
pub fn detector(path: &str) -> Option<&'static dyn Detector> {
    let detector = DETECTORS.iter().find(|detector| detector.kind().claims(path));
    detector.copied().filter(|_| !is_left_out(path))
}

/// Whether a lockfile may ask for what lies at this path, and nothing else does.
pub fn is_neighbour(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    NEIGHBOURS.contains(&name) && detector(path).is_none() && !is_left_out(path)
}

/// Whether it lies in a folder that no tree is entered into.
pub fn is_left_out(path: &str) -> bool {
    path.split('/').any(|folder| LEFT_OUT.contains(&folder))
}
