//! `patchline scan` in all its faces: over Patchline's own repository against a few records of our own, and over what is
//! made to break them.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "binary/cargo_project.rs"]
#[expect(dead_code, reason = "a scan needs no settings")]
mod cargo_project;
#[path = "faces/own.rs"]
mod own;
#[path = "faces/places.rs"]
mod places;
#[path = "binary/run.rs"]
mod run;
#[path = "faces/since.rs"]
mod since;
#[path = "faces/site.rs"]
mod site;
