//! What rpm has installed. Its database is one of three kinds of file, each a heap of package headers.

pub mod bdb;
pub mod bytes;
pub mod database;
pub mod header;
pub mod ndb;
pub mod sqlite;
