//! What can fail around a host, on its side and on its client's.

use std::io;
use std::path::PathBuf;

use crate::process::spec::Unfit;

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("could not {what} `{path}`")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("could not start a second host in `{directory}`: another one is running there")]
    Locked { directory: PathBuf },
    #[error("could not use the host's settings in `{path}`")]
    Spec { path: PathBuf, source: Unfit },
    #[error("could not use `{directory}` for {wanted}: it belongs to {found}")]
    OtherService { directory: PathBuf, wanted: String, found: String },
    #[error("could not listen on port {port} of {address}: {hint}")]
    Listen { address: std::net::IpAddr, port: u16, hint: &'static str, source: io::Error },
    #[error("could not start the host: {reason}")]
    NotStarted { reason: String },
    #[error("could not reach the host in `{directory}`")]
    Unreachable { directory: PathBuf, source: io::Error },
    #[error("could not {what} within {milliseconds} ms")]
    Late { what: String, milliseconds: u128 },
    #[error("could not {what}: the host refused with {status}: {reason}")]
    Refused { what: &'static str, status: u16, reason: String },
    #[error("could not read the host's answer: {reason}")]
    Answer { reason: String },
}

impl HostError {
    /// The revision that was sent is older than one the host has seen, or the same with other contents.
    pub fn is_stale_revision(&self) -> bool {
        matches!(self, HostError::Refused { status: 409, .. })
    }

    /// No host answers, or one that is about to end.
    pub fn is_absence(&self) -> bool {
        matches!(self, HostError::Unreachable { .. } | HostError::Refused { status: 503, .. })
    }

    /// The whole chain of causes on one line, for files and logs.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// Names the file in an I/O error.
pub fn in_file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> HostError {
    let path = path.into();
    move |source| HostError::File { what, path, source }
}
