//! How versions are ordered: by table for each scheme, by property, and against public cases and real tools where they
//! are at hand.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "versions/cases.rs"]
mod cases;
#[path = "versions/check.rs"]
mod check;
#[path = "versions/laws.rs"]
mod laws;
#[path = "versions/properties.rs"]
mod properties;
#[path = "versions/tables.rs"]
mod tables;
#[path = "versions/tools.rs"]
mod tools;
