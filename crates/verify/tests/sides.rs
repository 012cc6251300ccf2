//! Real runs on both sides, in the sandbox.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands, also in its helpers")]

#[path = "sides/both_sides.rs"]
mod both_sides;
#[path = "sides/measured.rs"]
mod measured;
#[path = "sides/rehearsal.rs"]
mod rehearsal;
#[path = "sides/reproducers.rs"]
mod reproducers;
#[path = "sides/suites.rs"]
mod suites;
#[path = "sides/world.rs"]
mod world;
