//! Exit codes, and what goes with an exit that is not 0: what could not be done, where, and what to do.

use std::process::ExitCode;

use patchline_conductor::turn::SubmitError;
use patchline_ledger::store::StoreError;
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::rejection::Rejection;

/// Every exit code of the binary; `docs/exit-codes.md` has the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; for `scan`: nothing at or above `--fail-on`.
    Done = 0,
    /// `scan` found something; `fix` or `demo` did not come to a good end.
    Found = 1,
    /// The command line is wrong (clap uses the same number).
    Usage = 2,
    /// A file that was read is wrong: `patchline.toml`, a lockfile, an advisory database.
    Input = 3,
    /// A program that is needed is not installed.
    Tool = 4,
    /// The network is needed and is not there.
    Network = 5,
    /// The data folder, the disk or the ledger does not work; a port is in use.
    Storage = 6,
    /// The command was refused in the present state of the patch.
    Refused = 7,
    /// The advisories are older than `scan` may rely upon.
    Stale = 8,
}

impl Exit {
    pub fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Why the command ends without having done what was asked.
#[derive(Debug)]
pub struct Trouble {
    pub exit: Exit,
    pub message: String,
    pub hint: Option<String>,
    /// A rendered excerpt of the file with a caret, where there is one; it takes the message's place.
    pub excerpt: Option<String>,
}

impl Trouble {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, excerpt: None }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    pub fn storage(message: impl Into<String>) -> Self {
        Self::new(Exit::Storage, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        let exit = match failure.class {
            FailureClass::Tool => Exit::Tool,
            FailureClass::Network => Exit::Network,
            FailureClass::Storage => Exit::Storage,
            FailureClass::Input => Exit::Input,
            FailureClass::Other => Exit::Found,
        };
        Self { exit, message: failure.message, hint: failure.hint, excerpt: None }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Conflict { .. }
            | StoreError::Fenced { .. }
            | StoreError::Locked { .. }
            | StoreError::LineMoved { .. } => {
                return Self::new(Exit::Refused, in_full(&error))
                    .hint("another process is at work on it; try again");
            }
            StoreError::Unreadable { .. } | StoreError::UnreadableLine { .. } => {
                "use the newer Patchline that wrote it, or bring the ledger back from a backup"
            }
            StoreError::Storage { .. } => {
                "look at the free space and the rights of the data folder (`--data`)"
            }
        };
        Self::storage(in_full(&error)).hint(hint)
    }
}

impl From<SubmitError> for Trouble {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Store(error) => error.into(),
            SubmitError::Unsigned(failure) => failure.into(),
            SubmitError::Rejected(held @ Rejection::Held { .. }) => {
                Self::new(Exit::Refused, held.to_string())
                    .hint("`patchline line status` shows what is held; taking a version back is never held")
            }
            SubmitError::Rejected(rejection) => Self::new(Exit::Refused, rejection.to_string())
                .hint("`patchline status` shows where each patch stands"),
        }
    }
}
