//! Updating the advisories from the public OSV bucket, or from a mirror of it: a snapshot first, then what changed since.

pub mod accept;
pub mod feed;
pub mod hold;
pub mod mirror;
pub mod run;
pub mod state;
