//! Facts that come with the binary, so that the example shows something without any import.

use crate::osv::record::Record;

/// The one ecosystem that they are of.
pub const ECOSYSTEM: &str = "crates.io";

const JSON: [&str; 1] = [include_str!("../../data/RUSTSEC-2018-0006.json")];

pub fn records() -> Vec<Record<'static>> {
    JSON.iter().map(|json| Record::parse(json.as_bytes()).expect("a test reads each of them")).collect()
}
