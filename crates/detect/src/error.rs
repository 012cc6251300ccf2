//! What can go wrong while detecting: what, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use patchline_connect::FetchError;
use thiserror::Error;

/// Something that kept detection from a complete answer.
#[derive(Debug, Error)]
pub enum DetectError {
    #[error("could not read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A lockfile that cannot be trusted; line and column count from 1.
    #[error("could not read `{}:{line}:{column}`: {what}", path.display())]
    Lockfile { path: PathBuf, line: u32, column: u32, what: String, hint: &'static str },
    #[error("could not scan `{}`: {what}", path.display())]
    Scan { path: PathBuf, what: String },
    /// `name` is the file, or the entry or line within it.
    #[error("could not import `{name}`: {what}")]
    Import { name: String, what: String, hint: &'static str },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A mirror that sent something else than was asked for.
    #[error("could not use what `{from}` sent: {what}")]
    Mirror { from: String, what: String, hint: &'static str },
    /// Imported advisories that are not as they were written.
    #[error("could not use the advisories in `{}`: {what}", path.display())]
    Advisories { path: PathBuf, what: String, hint: &'static str },
}

impl DetectError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            DetectError::Lockfile { hint, .. }
            | DetectError::Import { hint, .. }
            | DetectError::Mirror { hint, .. }
            | DetectError::Advisories { hint, .. } => Some(hint),
            DetectError::Fetch(error) => Some(error.hint()),
            DetectError::Read { .. } | DetectError::Write { .. } | DetectError::Scan { .. } => None,
        }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
