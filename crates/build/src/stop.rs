//! Why a build ends early, and what of it is the commit's fault and what the world's.

use std::io;

use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::service::CommandLine;
use patchline_sandbox::GitError;
use patchline_sandbox::foreign::{Exit, Finished, SandboxError};

use crate::trouble::{self, Network, Trouble};

/// Why a build ends early: the commit does not build, or the world failed.
pub(crate) enum Stop {
    Broken(String),
    World(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::World(failure)
    }
}

/// Whether a command ended well, and if not, why.
pub(crate) fn ended(command: &CommandLine, finished: &Finished, network: Network) -> Result<(), Stop> {
    match finished.exit {
        Exit::Code(0) => Ok(()),
        Exit::Code(code) => Err(match trouble::read(&finished.stderr, &finished.stdout, network) {
            Trouble::Commit(why) if why.is_empty() => Stop::Broken(format!("`{command}`: exit code {code}")),
            Trouble::Commit(why) => Stop::Broken(why),
            Trouble::World(failure) => Stop::World(failure),
        }),
        Exit::Signal(_) => {
            let text = format!("`{command}` did not end by itself: {}", finished.ending());
            Err(Failure::transient(text).with_hint("it may have run out of memory").into())
        }
        Exit::Deadline => {
            let text = format!("`{command}` was {}", finished.ending());
            Err(Failure::transient(text)
                .with_hint("the machine may be busy; see whether the command waits for something")
                .into())
        }
    }
}

/// A command that could not be run at all.
pub(crate) fn not_run(error: SandboxError) -> Stop {
    let text = in_full(&error);
    let failure = match &error {
        SandboxError::ToolMissing { .. } => Failure::permanent(text).of(FailureClass::Tool),
        SandboxError::NoCommand | SandboxError::PathMissing { .. } => Failure::permanent(text),
        SandboxError::Scratch(_) => Failure::transient(text).of(FailureClass::Storage),
        SandboxError::Run { .. } | SandboxError::Isolation { .. } => Failure::transient(text),
    };
    Stop::World(failure.with_hint(error.hint()))
}

/// A commit that could not be written out.
pub(crate) fn not_exported(error: &GitError) -> Stop {
    let text = in_full(error);
    let failure = if error.is_transient() { Failure::transient(text) } else { Failure::permanent(text) };
    let failure = match error {
        GitError::ToolMissing { .. } => failure.of(FailureClass::Tool),
        _ => failure,
    };
    Stop::World(match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    })
}

pub(crate) fn disk(what: &str, error: &io::Error) -> Stop {
    Stop::World(disk_failure(what, error))
}

pub(crate) fn disk_failure(what: &str, error: &io::Error) -> Failure {
    Failure::transient(format!("could not {what}: {error}"))
        .with_hint("look at the disk's free space and at who may write there")
        .of(FailureClass::Storage)
}
