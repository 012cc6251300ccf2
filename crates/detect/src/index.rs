//! Advisories at hand: imported from files, kept in a folder, looked up by package.

pub mod build;
pub mod file;
pub mod intake;
pub mod merge;
pub mod open;
