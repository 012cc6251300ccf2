//! Go's modules: which versions is chosen here, Go itself then raises what those ask for.

pub mod fixer;
mod module;
mod tool;
