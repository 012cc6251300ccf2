//! What went wrong below, as a failure of the job.

use std::error::Error;
use std::io;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::SandboxError;
use patchline_sandbox::git_error::GitError;

pub(crate) fn of_git(error: GitError) -> Failure {
    let message = with_causes(&error);
    let failure =
        if error.is_transient() { Failure::transient(message) } else { Failure::permanent(message) };
    let failure = match error {
        GitError::ToolMissing { .. } => failure.of(FailureClass::Tool),
        _ => failure,
    };
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

pub(crate) fn of_sandbox(error: SandboxError) -> Failure {
    match &error {
        SandboxError::ToolMissing { program, hint } => {
            Failure::permanent(format!("could not find `{program}`")).with_hint(hint).of(FailureClass::Tool)
        }
        SandboxError::NoCommand | SandboxError::PathMissing { .. } => Failure::permanent(with_causes(&error)),
        SandboxError::Scratch(_) => Failure::transient(with_causes(&error)).of(FailureClass::Storage),
        SandboxError::Run { .. } | SandboxError::Isolation { .. } => Failure::transient(with_causes(&error)),
    }
}

pub(crate) fn of_file(what: &str, error: io::Error) -> Failure {
    Failure::transient(format!("could not {what}: {error}")).of(FailureClass::Storage)
}

/// A failure is kept as text, so the causes go into it.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
