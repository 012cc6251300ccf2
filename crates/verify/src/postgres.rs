//! A PostgreSQL server of one's own for the time of a check.

pub(crate) mod client;
pub(crate) mod scratch_server;
