//! Agents at work in the real sandbox and against a server of this machine: what they may, what they may not, and who is next.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // This is a test: it may stop, and it says what it skips.

mod commands;
mod endpoints;
mod scene;
mod server;
