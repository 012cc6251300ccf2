//! Binaries that say what they were built from: Rust's with `cargo auditable`, Go's always.

pub mod auditable;
pub mod go;
pub mod object;
