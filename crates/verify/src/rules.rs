//! The rules of the check `diff`, one file each; another one is a file and a line in `changes.rs`.

pub(crate) mod churn;
pub(crate) mod packages;
pub(crate) mod place;
pub(crate) mod scripts;
pub(crate) mod secrets;
pub(crate) mod suppressions;
pub(crate) mod tests;
