//! One file a stage: how its job is carried out with the hands.

pub mod advised;
pub mod agents;
pub mod analyze;
pub mod approve;
pub mod build;
pub mod detect;
pub mod generate;
mod joint;
pub mod review;
pub mod rollout;
pub mod smoke;
pub mod verify;
