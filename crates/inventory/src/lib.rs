//! Inventory: what lockfiles, package databases and binaries say is in use, and how the versions of each ecosystem are
//! ordered. It only parses what it is given: no files, no network.

pub mod bill;
pub mod binary;
pub mod detector;
pub mod detectors;
pub mod lockfile;
pub mod name;
pub mod os;
pub mod text;
pub mod version;

pub use detector::{Detector, Installed, Inventory, Neighbours, Unresolved};
