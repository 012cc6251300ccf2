//! The faces of a scan: one file a format, each a pure function from what was scanned to text.

mod bill;
pub mod cyclonedx;
pub mod json;
pub mod markdown;
pub mod sarif;
pub mod scanned;
pub mod spdx;
pub mod table;
pub mod words;
