//! Inventory: what lockfiles and their like say is in use, and how the versions of each ecosystem are ordered. It only
//! parses what it is given: no files, no network.

pub mod detector;
pub mod detectors;
pub mod lockfile;
pub mod name;
pub mod text;
pub mod version;

pub use detector::{Detector, Installed, Inventory, Neighbours, Unresolved};
