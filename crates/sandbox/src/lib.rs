//! Running what is not ours: foreign commands without secrets and within limits, and git on local repositories.

mod ask;
mod capture;
pub mod export;
pub mod foreign;
pub mod git;
pub mod git_error;
mod isolation;
mod process;
pub mod rust;
pub mod sandbox;

pub use export::Export;
pub use foreign::{Exit, Finished, Foreign, SandboxError};
pub use git::Git;
pub use git_error::GitError;
pub use rust::{rust_environment, rust_writable};
pub use sandbox::Sandbox;
