//! Lockfiles, one file a kind.

pub mod cargo;
pub mod graph;
