//! Why something could not be fetched: from where, what went wrong, and what to do.

use std::time::Duration;

use thiserror::Error;

/// A fetch that came to nothing. The URL is without user and password.
#[derive(Debug, Error)]
#[error("could not fetch `{url}`: {what}")]
pub struct FetchError {
    pub url: String,
    pub what: String,
    pub kind: Kind,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of failure it was, for who decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The URL or a header is none.
    Usage,
    /// No connection, or one that broke; a server that is busy or ill.
    Unreachable,
    /// There is no such thing at the server (404, 410).
    Missing,
    /// The server wants to know who asks, or lets this one not have it (401, 403).
    Forbidden,
    /// Something else than what was asked for: another status, redirects without end, a wrong length or checksum.
    Nonsense,
    /// Larger than was allowed.
    TooLarge,
    /// It took longer than was allowed.
    TooSlow,
    /// The disk failed.
    Storage,
}

impl FetchError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            Kind::Usage => "give an address that begins with `https://` or `http://`",
            Kind::Unreachable => {
                "look at the network, at `HTTPS_PROXY` and `NO_PROXY`, and at the server; then try again"
            }
            Kind::Missing => "look whether the address is right",
            Kind::Forbidden => "look whether the address, the proxy and the credentials are right",
            Kind::Nonsense => "look whether the address is right, and whether a proxy answers in its place",
            Kind::TooLarge => {
                "look whether the address is right; such a thing is not expected to be so large"
            }
            Kind::TooSlow => "try again when the network or the server is faster",
            Kind::Storage => "look at the free space and the rights of the folder",
        }
    }
}

/// A try that failed, and whether another one may go better.
#[derive(Debug)]
pub struct Failed {
    pub kind: Kind,
    pub what: String,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    pub may_pass: bool,
    /// The server's own wish.
    pub wait: Option<Duration>,
}

impl Failed {
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        let may_pass = kind == Kind::Unreachable;
        Self { kind, what: what.into(), source: None, may_pass, wait: None }
    }

    /// Another try may bring what this one did not.
    pub fn passing(self) -> Self {
        Self { may_pass: true, ..self }
    }

    pub fn storage(path: &std::path::Path, error: std::io::Error) -> Self {
        let what = format!("`{}` could not be written", path.display());
        Self { source: Some(Box::new(error)), ..Self::new(Kind::Storage, what) }
    }

    pub fn of(self, url: &str) -> FetchError {
        FetchError { url: url.to_owned(), what: self.what, kind: self.kind, source: self.source }
    }
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        // What lies deepest says it all; the chain above it says it again in other words.
        let error = error.without_url();
        match &error {
            _ if error.is_redirect() => Failed::new(Kind::Nonsense, told(&error)),
            _ if error.is_builder() => Failed::new(Kind::Usage, "it is no address that can be asked"),
            _ if error.is_timeout() && error.is_connect() => {
                Failed::new(Kind::Unreachable, "there was no connection in time")
            }
            _ if error.is_timeout() => Failed::new(Kind::TooSlow, "the server fell silent").passing(),
            _ if error.is_connect() => Failed::new(Kind::Unreachable, told(&error)),
            _ => Failed::new(Kind::Unreachable, format!("the answer broke off: {}", told(&error))),
        }
    }
}

/// What lies deepest says best what happened.
fn told(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
