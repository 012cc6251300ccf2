//! The eight stages, each in a file of its own with the same five words: `State`, `Command`, `Event`, `Job`,
//! `Outcome`.

pub mod approve;
pub mod budget;
pub mod build;
pub mod conversion;
pub mod counting;
pub mod detect;
pub mod division;
pub mod emergency;
pub mod folding;
pub mod footing;
pub mod forward;
pub mod generate;
pub mod halt;
pub mod pause;
pub mod phase;
pub mod plan;
pub mod review;
pub mod rollout;
pub mod safety;
pub mod set;
pub mod standstill;
pub mod terms;
pub mod traffic;
pub mod triage;
pub mod verify;
pub mod walk;
