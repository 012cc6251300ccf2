//! Images that a repository names, in Dockerfiles and in YAML: to another tag, and nothing else of the file changed.

pub mod change;
mod dockerfile;
mod manifest;
pub mod registry;
mod site;
