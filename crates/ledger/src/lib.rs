//! The ledger: events for ever, leases that fence, locks that are taken with the events that need them.

pub mod holder;
pub mod record;
pub mod sqlite;
pub mod store;
