//! OSV records: reading them, what they say of a version, and which of them are about the same problem.

pub mod affected;
pub mod alias;
pub mod record;
pub mod text;
