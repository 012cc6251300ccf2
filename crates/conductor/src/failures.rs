//! Errors of the libraries as failures of a job: what could not be done, whether it may work later, what to do.

use patchline_detect::analyzer::run::AnalyzerError;
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_sandbox::{GitError, SandboxError};

/// A store that fails may work again when there is room, or the disk is back.
pub fn storage(error: &dyn std::error::Error) -> Failure {
    let failure = Failure::transient(in_full(error)).of(FailureClass::Storage);
    failure.with_hint("look at the free space and the rights of the data folder")
}

/// What git said, with its hint.
pub fn git_failure(error: &GitError) -> Failure {
    let failure = if error.is_transient() {
        Failure::transient(in_full(error))
    } else {
        Failure::permanent(in_full(error))
    };
    let failure = match error {
        GitError::ToolMissing { .. } => failure.of(FailureClass::Tool),
        _ => failure,
    };
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// An analyzer that gives no answer gives none the next time, but for what the machine denies.
pub fn analyzer_failure(error: &AnalyzerError) -> Failure {
    let text = in_full(error);
    let failure = match error {
        AnalyzerError::Run { source: SandboxError::ToolMissing { .. }, .. } => {
            Failure::permanent(text).of(FailureClass::Tool)
        }
        AnalyzerError::Run { source: SandboxError::Scratch(_), .. } => {
            Failure::transient(text).of(FailureClass::Storage)
        }
        AnalyzerError::Run { source: SandboxError::Run { .. } | SandboxError::Isolation { .. }, .. } => {
            Failure::transient(text)
        }
        AnalyzerError::Run { source: SandboxError::NoCommand | SandboxError::PathMissing { .. }, .. }
        | AnalyzerError::Failed { .. }
        | AnalyzerError::Report { .. } => Failure::permanent(text).of(FailureClass::Input),
    };
    failure.with_hint(error.hint())
}
