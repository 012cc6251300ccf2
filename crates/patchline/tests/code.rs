//! Findings in code from detection to proof, with real analyzers: scan, fix, branch, verified. Where one is not installed, a
//! test says that it was skipped.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "binary/cargo_project.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod cargo_project;
#[path = "binary/run.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod run;
#[path = "binary/tools.rs"]
mod tools;

#[path = "code/groups.rs"]
mod groups;
#[path = "code/project.rs"]
mod project;
#[path = "code/real.rs"]
mod real;
#[path = "code/reports.rs"]
mod reports;
