//! Lockfiles, one file a kind.

pub mod assembly;
pub mod bun;
pub mod cargo;
pub mod cargo_toml;
pub mod composer;
pub mod go;
pub mod gradle;
pub mod graph;
pub mod listed;
pub mod maven;
pub mod npm;
pub mod npmrc;
pub mod nuget;
pub mod package_json;
pub mod pipfile;
pub mod pnpm;
pub mod python;
pub mod requirements;
pub mod ruby;
pub mod sbom;
pub mod workflow;
pub mod yarn;
