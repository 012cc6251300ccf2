//! Generate: the smallest change that removes the findings, as a commit on a branch of its own.

mod actions;
pub mod agent;
pub mod carry;
pub mod changelog;
mod code;
pub mod config;
mod dependency;
mod failures;
pub mod fixer;
pub mod fixers;
pub mod image;
pub mod message;
pub mod person;

pub use actions::fixer::ActionsFixer;
pub use code::autofix::Autofix;
pub use dependency::bundler::fixer::BundlerFixer;
pub use dependency::cargo::fixer::CargoFixer;
pub use dependency::composer::fixer::ComposerFixer;
pub use dependency::go::fixer::GoFixer;
pub use dependency::gradle::fixer::GradleFixer;
pub use dependency::maven::fixer::MavenFixer;
pub use dependency::npm::fixer::NpmFixer;
pub use dependency::pip::fixer::PipFixer;
pub use dependency::pnpm::fixer::PnpmFixer;
pub use dependency::python::fixer::LockFixer;
pub use dependency::yarn::fixer::YarnFixer;
pub use fixer::{Fixer, Looks, Proposal, Request};
pub use fixers::fixers;
pub use person::proposed;
