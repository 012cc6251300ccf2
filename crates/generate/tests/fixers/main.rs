//! Each fixer with the real tool of its ecosystem; where that is missing, a test says that it was skipped.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

mod actions;
mod bundler;
mod cargo;
mod composer;
mod fewer;
mod go;
mod gradle;
mod index;
mod locks;
mod maven;
mod npm;
mod person;
mod pip;
mod pnpm;
mod registry;
mod scene;
mod shop;
mod yarn;
