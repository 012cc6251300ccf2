//! Migrations of a PostgreSQL schema: which there are, what each statement does, and what is wrong with that.

pub(crate) mod concerns;
pub(crate) mod files;
pub(crate) mod names;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod snapshot;
pub(crate) mod types;
