//! Findings of analyzers: runs them, reads their reports, and says of each result where it stands and what would fix it.

pub mod found;
pub mod place;
pub mod run;

mod cargo;
mod eslint;
mod files;
mod fix;
mod raw;
mod sarif;
mod text;
