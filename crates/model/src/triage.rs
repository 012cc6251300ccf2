//! How severity becomes a priority: the CVSS score and the due date. Pure tables and formulas.

pub mod action;
pub mod cvss;
pub mod group;
pub mod sla;
