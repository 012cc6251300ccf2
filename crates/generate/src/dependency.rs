//! Fixers that move a dependency to a version without the problem, one file for each ecosystem.

mod aim;
pub mod cargo;
mod lockfile;
mod reason;
mod updating;
