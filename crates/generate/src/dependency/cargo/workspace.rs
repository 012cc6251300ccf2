//! What the packages of the workspace ask for themselves, as `cargo metadata` tells it: what they inherit and what is for one
//! platform alone included.

use std::path::PathBuf;

use patchline_model::failure::{Failure, FailureClass};
use semver::Version;
use serde::Deserialize;

use crate::dependency::cargo::index::Name;
use crate::dependency::cargo::settings::registry_of;

#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the manifest that members inherit from.
    pub(crate) root: PathBuf,
    pub(crate) members: Vec<Member>,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest: PathBuf,
    rust: Option<String>,
    pub(crate) wants: Vec<Want>,
}

/// One entry of a manifest that names a crate of a registry.
#[derive(Debug)]
pub(crate) struct Want {
    /// As the graph calls it.
    pub(crate) called: String,
    pub(crate) range: String,
}

#[derive(Deserialize)]
struct Document {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    rust_version: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    source: Option<String>,
}

impl Workspace {
    pub(crate) fn parse(json: &str) -> Result<Self, Failure> {
        let document: Document = serde_json::from_str(json).map_err(|error| {
            Failure::permanent(format!("could not read what cargo tells of the workspace: {error}"))
                .of(FailureClass::Tool)
        })?;
        let members = document.packages.into_iter().map(|package| Member {
            name: package.name,
            version: package.version,
            manifest: package.manifest_path,
            rust: package.rust_version,
            wants: package.dependencies.into_iter().filter_map(want).collect(),
        });
        Ok(Self { root: document.workspace_root, members: members.collect() })
    }

    /// The oldest Rust that all of it is to be built with, where a member says so.
    pub(crate) fn rust(&self) -> Option<Version> {
        self.members.iter().filter_map(|member| rust_version(member.rust.as_deref()?)).min()
    }
}

/// What has no source is a path, and what is from git is none of a registry.
fn want(dependency: Dependency) -> Option<Want> {
    let source = dependency.source.filter(|source| !source.starts_with("git+"))?;
    let called = Name { registry: registry_of(&source), name: dependency.name }.key();
    Some(Want { called, range: dependency.req })
}

/// `1.70` stands for `1.70.0`.
pub(crate) fn rust_version(text: &str) -> Option<Version> {
    let text = text.split('-').next().unwrap_or(text);
    let full = match text.matches('.').count() {
        0 => format!("{text}.0.0"),
        1 => format!("{text}.0"),
        _ => text.to_owned(),
    };
    Version::parse(&full).ok()
}
