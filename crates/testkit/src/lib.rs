//! The world in which the loop is tried: one seed, a fake clock, hands that fail and lie, people who press buttons, and
//! invariants that are checked after every event. Planted faults show that the world is cruel enough.

pub mod breach;
pub mod chance;
pub mod driver;
pub mod fault;
pub mod faults;
pub mod hands;
pub mod invariants;
pub mod ledger;
pub mod people;
pub mod processes;
pub mod scene;
pub mod simulation;
pub mod story;
pub mod target;
pub mod world;
