//! Rollouts: targets that make the world match a strategy, and signals that say how it fares.

pub mod capability;
pub mod process;
pub mod target;
