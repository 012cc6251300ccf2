//! The list of the detectors. A new one is one file and one word here.

use crate::detector::Detector;
use crate::lockfile::cargo::CargoLock;

/// Every kind of file that is read; where two claim the same file, the first has it.
pub const DETECTORS: &[&dyn Detector] = &[&CargoLock];
