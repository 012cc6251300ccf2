//! Why git could not do what it was asked.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What git was asked for, and why it could not.
#[derive(Debug, Error)]
pub enum GitError {
    #[error("could not find `git`; {hint}")]
    ToolMissing { hint: String },
    #[error("could not {purpose}: {reason}")]
    Refused {
        purpose: String,
        /// The first line that git wrote about it, bounded.
        reason: String,
        hint: Option<String>,
    },
    #[error("could not {purpose} within {seconds} s")]
    Deadline { purpose: String, seconds: u64 },
    #[error("could not {purpose}: git wrote more than {limit} bytes")]
    TooMuch { purpose: String, limit: usize },
    #[error("could not {purpose}")]
    Run {
        purpose: String,
        #[source]
        source: io::Error,
    },
    #[error("could not {purpose}: `{}` could not be used", path.display())]
    Path {
        purpose: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl GitError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            GitError::ToolMissing { hint } => Some(hint),
            GitError::Refused { hint, .. } => hint.as_deref(),
            GitError::Deadline { .. }
            | GitError::TooMuch { .. }
            | GitError::Run { .. }
            | GitError::Path { .. } => None,
        }
    }

    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            GitError::Deadline { .. } | GitError::Run { .. } | GitError::Path { .. } => true,
            GitError::Refused { reason, .. } => reason.contains(".lock"),
            GitError::ToolMissing { .. } | GitError::TooMuch { .. } => false,
        }
    }
}
