//! Fixers that move a dependency to a version without the problem, one file for each ecosystem.

mod aim;
pub mod cargo;
mod choose;
mod flat;
pub mod go;
mod graph;
mod handover;
mod lockfile;
mod market;
mod node;
pub mod npm;
mod outcome;
pub mod pip;
mod place;
pub mod pnpm;
pub mod python;
mod reason;
mod updating;
pub mod yarn;
