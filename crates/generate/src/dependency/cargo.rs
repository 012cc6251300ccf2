//! Cargo's lockfile: which crates go to which versions is chosen here, over the whole of it; cargo itself then completes and
//! writes it.

mod change;
pub mod fixer;
mod index;
mod lock;
mod manifest;
mod placed;
mod range;
mod reason;
mod refused;
mod rules;
mod settings;
mod shelves;
mod tool;
mod workspace;
