//! Maven: the poms say which versions are asked for, and Maven itself which ones it takes.

pub mod fixer;
mod place;
mod pom;
mod reactor;
mod search;
mod settings;
pub(crate) mod shelf;
pub(crate) mod splice;
mod tool;
pub(crate) mod tree;
