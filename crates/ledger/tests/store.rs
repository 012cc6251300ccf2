//! What every ledger must hold, and what SQLite must hold beyond it.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "store/conformance.rs"]
mod conformance;
#[path = "store/kill.rs"]
mod kill;
#[path = "store/sqlite.rs"]
mod sqlite;
