//! Strategies: pure functions from progress to desired state.

pub mod blue_green;
pub mod canary;
pub mod course;
pub mod desired;
pub mod flag;
pub mod hot;
pub mod rolling;
pub mod shadow;
pub mod station;
