//! Gradle: its build scripts and catalogs say which versions are asked for, its lockfiles which ones it takes, and Gradle
//! itself writes these.

mod build;
mod catalog;
mod disk;
pub mod fixer;
mod pin;
mod range;
mod script;
mod search;
mod settings;
mod step;
mod survey;
mod token;
mod tool;
