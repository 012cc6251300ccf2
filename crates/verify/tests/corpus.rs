//! Patches that must be refused, each with the right reason, and patches that must pass: small real projects, real runs.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands, also in its helpers")]

#[path = "corpus/api.rs"]
mod api;
#[path = "corpus/bad.rs"]
mod bad;
#[path = "corpus/good.rs"]
mod good;
#[path = "corpus/hostile.rs"]
mod hostile;
#[path = "corpus/migrations.rs"]
mod migrations;
#[path = "corpus/packages.rs"]
mod packages;
#[path = "corpus/project.rs"]
mod project;
