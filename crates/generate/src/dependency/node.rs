//! What npm, pnpm and yarn have in common: the registry and its ranges, `package.json`, and the way from findings to a
//! change that holds.

pub(crate) mod choice;
pub(crate) mod files;
pub(crate) mod manifest;
pub(crate) mod program;
pub(crate) mod project;
pub(crate) mod publishers;
pub(crate) mod range;
pub(crate) mod registry;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod told;
