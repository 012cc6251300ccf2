//! The packages of a scan as a bill of materials, with what is wrong with each.

use std::collections::BTreeMap;

use patchline_inventory::bill::Bill;

use crate::report::scanned::{Row, Scanned};

/// Each advisory with its findings, and the part of each.
pub type Problems<'a> = BTreeMap<&'a str, Vec<(&'a Row, usize)>>;

pub fn problems<'a>(scanned: &'a Scanned, bill: &Bill<'_>) -> Problems<'a> {
    let mut problems = Problems::new();
    for row in &scanned.rows {
        // What is about no package is about no part of the bill.
        let Some(package) = row.finding.package.as_ref() else { continue };
        let part = bill.found(&row.finding.location.path, package).first();
        problems.entry(&row.finding.advisory).or_default().extend(part.map(|part| (row, *part)));
    }
    problems
}
