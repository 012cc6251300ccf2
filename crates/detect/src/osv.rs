//! OSV: the records, and what they say of a version.

pub mod affected;
pub mod alias;
pub mod record;
