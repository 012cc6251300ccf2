//! `composer.lock`: which packages go to which versions is chosen here; Composer then writes the lockfile, without scripts and
//! plugins.

pub mod fixer;
mod lock;
mod manifest;
mod project;
mod range;
mod repository;
mod settings;
mod tool;
mod version;
