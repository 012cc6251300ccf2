//! Lockfiles, one file a kind.

pub mod assembly;
pub mod cargo;
pub mod graph;
