//! Which lines ran: readers of coverage reports, one file a format; each is pure and makes the same table.

pub(crate) mod cobertura;
pub(crate) mod lcov;
pub(crate) mod lines;
