//! Strategies: pure functions from progress to desired state.

pub mod canary;
