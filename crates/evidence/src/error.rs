//! Everything that can go wrong with evidence, each with what could not be done and where.

use std::error::Error;
use std::io;
use std::path::PathBuf;

/// A failure to make, keep or check evidence. Causes from the system or from parsers are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The disk refused: full, read-only, missing, not permitted. The cause says which.
    #[error("could not {action} `{}`", path.display())]
    Disk {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not read {what}: {size} bytes, and the limit is {limit}")]
    TooLarge { what: String, size: u64, limit: u64 },

    #[error("could not parse the {what}")]
    Json {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("could not accept the statement: {reason}")]
    Statement { reason: String },
    #[error("could not accept the envelope: {reason}")]
    Envelope { reason: String },

    #[error("could not use the {what}")]
    Key {
        what: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error(
        "could not use the signing key `{path}`: mode {mode:04o} lets others read it; \
         make it private with `chmod 600 {path}`", path = path.display()
    )]
    KeyExposed { path: PathBuf, mode: u32 },
    #[error("could not verify the envelope: it names key {found}, not {expected}")]
    OtherKey { expected: String, found: String },
    #[error("could not verify the envelope: its signature by key {key_id} does not match what was signed")]
    Signature { key_id: String },

    #[error("could not read digest `{text}`: it must be `sha256:` and 64 lower-case hexadecimal digits")]
    DigestText { text: String },
    #[error("could not find blob {digest} in `{}`", root.display())]
    BlobMissing { digest: String, root: PathBuf },
    #[error("could not trust blob {digest}: its {size} bytes hash to {found}")]
    BlobTampered { digest: String, found: String, size: u64 },
    #[error("could not read blob {digest}: {size} bytes, and the limit is {limit}")]
    BlobTooLarge { digest: String, size: u64, limit: u64 },
    #[error("could not use image layout `{}`: {reason}", root.display())]
    Layout { root: PathBuf, reason: String },
    #[error("could not write the manifest: {reason}")]
    Manifest { reason: String },
}
