//! The gate before a rollout: policies in Rego over evidence that is already verified, and what people must agree to.

pub mod input;
pub mod policy;
pub mod ruling;

pub use input::{Input, Verified, dossier};
pub use policy::{Gate, PolicyError};
pub use ruling::Ruling;
