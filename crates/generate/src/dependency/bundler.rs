//! `Gemfile.lock`: which gems go to which versions is chosen here; Bundler then writes the lockfile, from a `Gemfile` that is
//! ours, for the repository's own is code.

pub mod fixer;
mod gemfile;
mod index;
mod lock;
mod project;
mod range;
mod settings;
mod statement;
mod token;
mod tool;
