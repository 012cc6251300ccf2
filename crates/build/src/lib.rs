//! Build: from a commit to an artifact, twice in two folders, with what it is made of and where it comes from.

mod artifacts;
pub mod builder;
mod command;
pub mod listed;
mod log;
mod marker;
pub mod provenance;
pub mod registry;
mod sandboxed;
pub mod sbom;
#[cfg(test)]
mod sbom_tests;
mod stop;
mod tree;
mod trouble;

pub use builder::{Builder, Built, Made, Request};
pub use sandboxed::SandboxBuilder;
