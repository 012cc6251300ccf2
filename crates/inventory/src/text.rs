//! Texts that lockfiles are written in, read into one kind of value that knows where it stands.

pub mod flow;
pub mod json;
pub mod lines;
pub mod pile;
pub mod toml;
pub mod value;
pub mod xml;
pub mod yaml;
