//! Fixers that move a dependency to a version without the problem, one file for each ecosystem.

pub mod bundler;
pub mod cargo;
mod choose;
pub mod composer;
mod fixed;
mod flat;
pub mod go;
pub mod gradle;
mod graph;
pub(crate) mod handover;
mod ladder;
mod market;
pub mod maven;
mod moved;
mod node;
pub mod npm;
pub(crate) mod outcome;
pub mod pip;
pub(crate) mod place;
pub mod pnpm;
pub mod python;
mod registered;
mod search;
mod sketch;
mod standing;
mod upgrade;
pub mod yarn;
