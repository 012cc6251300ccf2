//! Fixes of code: what analyzers themselves say would remove their findings.

pub(crate) mod autofix;

mod attempt;
mod command;
mod edits;
mod words;
