//! One value of a file of settings: found by its path, changed where it stands, and nothing else with it.

pub mod change;
mod documents;
pub mod flag;
mod format;
mod hcl;
mod path;
mod properties;
mod token;
mod toml;
