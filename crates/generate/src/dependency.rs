//! Fixers that move a dependency to a version without the problem, one file for each ecosystem.

pub mod cargo;
mod choose;
mod fixed;
mod flat;
pub mod go;
mod graph;
mod handover;
mod market;
mod node;
pub mod npm;
mod outcome;
pub mod pip;
mod place;
pub mod pnpm;
pub mod python;
mod sketch;
mod standing;
pub mod yarn;
