//! The binary as a person meets it when something is wrong: what it says, what it leaves alone, and its exit code.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "binary/cargo_project.rs"]
mod cargo_project;
#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/machine.rs"]
mod machine;
#[path = "bad_input/people.rs"]
mod people;
#[path = "binary/processes.rs"]
mod processes;
#[path = "binary/project.rs"]
#[expect(dead_code, reason = "the test with kills makes more of the project")]
mod project;
#[path = "binary/run.rs"]
mod run;
#[path = "bad_input/scans.rs"]
mod scans;
#[path = "binary/site.rs"]
#[expect(dead_code, reason = "the test with kills looks at more of the site")]
mod site;
