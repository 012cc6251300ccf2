//! The faces of a scan: one file a format, each a pure function from what was scanned to text.

pub mod cyclonedx;
pub mod json;
pub mod markdown;
mod problems;
pub mod sarif;
pub mod scanned;
pub mod spdx;
pub mod table;
pub mod tally;
pub mod words;
