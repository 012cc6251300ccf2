//! What went wrong below, as a failure of the job.

use std::io;

use patchline_connect::{FetchError, Kind};
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_sandbox::foreign::SandboxError;
use patchline_sandbox::git_error::GitError;

pub(crate) fn of_git(error: GitError) -> Failure {
    let message = in_full(&error);
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
    let text = in_full(&error);
    let failure = match &error {
        SandboxError::ToolMissing { .. } => Failure::permanent(text).of(FailureClass::Tool),
        SandboxError::NoCommand | SandboxError::PathMissing { .. } => Failure::permanent(text),
        SandboxError::Scratch(_) => Failure::transient(text).of(FailureClass::Storage),
        SandboxError::Run { .. } | SandboxError::Isolation { .. } => Failure::transient(text),
    };
    failure.with_hint(error.hint())
}

pub(crate) fn of_file(what: &str, error: io::Error) -> Failure {
    Failure::transient(format!("could not {what}: {error}")).of(FailureClass::Storage)
}

pub(crate) fn of_fetch(error: &FetchError) -> Failure {
    let text = in_full(error);
    let failure = match error.kind {
        Kind::Unreachable | Kind::TooSlow | Kind::Nonsense => Failure::transient(text),
        Kind::Usage | Kind::Missing | Kind::Forbidden | Kind::TooLarge => Failure::permanent(text),
        Kind::Storage => Failure::transient(text).of(FailureClass::Storage),
    };
    let failure = if error.kind == Kind::Storage { failure } else { failure.of(FailureClass::Network) };
    failure.with_hint(error.hint())
}
