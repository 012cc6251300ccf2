//! What the fixers of Python have in common: ranges and markers, the index, and the interpreter that is here.

pub mod fixer;
pub(crate) mod index;
pub(crate) mod interpreter;
pub(crate) mod locked;
pub(crate) mod manifest;
pub(crate) mod marker;
pub(crate) mod settings;
pub(crate) mod shelves;
pub(crate) mod specifier;
pub(crate) mod tool;
