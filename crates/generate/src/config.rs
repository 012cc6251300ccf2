//! One value of a file in JSON or YAML: found by its path, changed where it stands, and nothing else with it.

pub mod change;
mod path;
mod token;
