//! The storage trait: append at a version, read, lease.

use async_trait::async_trait;
use patchline_model::context::Board;
use patchline_model::event::Event;
use patchline_model::id::PatchId;
use patchline_model::line;
use patchline_model::pipeline::grounds::Grounds;
use patchline_model::time::Timestamp;
use thiserror::Error;

/// Where the facts are kept. What `append` acknowledged is on disk.
#[async_trait]
pub trait Store: Send + Sync {
    /// The patch for this key: the same key gives the same patch, for ever. A new one has no events yet.
    async fn allocate(&self, key: &str) -> Result<PatchId, StoreError>;

    /// Adds events at the version that the writer has seen. All of them or none; locks in the same transaction.
    async fn append(&self, append: Append) -> Result<(), StoreError>;

    /// The events of a patch, oldest first, from this version on.
    async fn read(&self, patch: PatchId, from: u64) -> Result<Vec<Event>, StoreError>;

    /// All patches with their versions, oldest first.
    async fn patches(&self) -> Result<Vec<(PatchId, u64)>, StoreError>;

    /// Adds events to the line at the version that the writer has seen. All of them or none.
    async fn append_line(&self, expected: u64, events: Vec<line::Event>) -> Result<(), StoreError>;

    /// The events of the line, oldest first, from this version on.
    async fn read_line(&self, from: u64) -> Result<Vec<line::Event>, StoreError>;

    /// Who moves which service, and what is held: both as of one moment. What else a board says follows from the patches.
    async fn board(&self) -> Result<Board, StoreError>;

    /// Takes or keeps a lease until `until`; a higher epoch each time it changes hands. `None` when another holds it.
    async fn lease(&self, lease: &LeaseRequest) -> Result<Option<u64>, StoreError>;

    /// Gives a lease back, if it is still ours.
    async fn release(&self, name: &str, holder: &str) -> Result<(), StoreError>;

    /// Grows whenever anyone, in any process, has written. Cheap: it is asked many times a second.
    async fn pulse(&self) -> Result<u64, StoreError>;
}

/// Events to add, and what must hold for them to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    pub patch: PatchId,
    /// The version that the writer decided upon.
    pub expected: u64,
    pub events: Vec<Event>,
    /// The lease under which a driver writes; people's commands need none.
    pub fence: Option<Fence>,
    pub takes: Option<String>,
    pub gives: Option<String>,
    /// What the events were decided upon, where they let anything go forward. If somebody has held something since, or
    /// another member of the patch's set has moved, nothing is written.
    pub grounds: Grounds,
}

/// A lease as its holder knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub name: String,
    pub epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    pub name: String,
    pub holder: String,
    pub now: Timestamp,
    pub until: Timestamp,
}

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("{patch} has changed: it is at version {found}, not {expected}")]
    Conflict { patch: PatchId, expected: u64, found: u64 },
    #[error("the lease `{name}` was lost to another process")]
    Fenced { name: String },
    #[error("{holder} moves `{lock}` already")]
    Locked { lock: String, holder: PatchId },
    #[error("what is held has changed: the line is at version {found}, not {expected}")]
    LineMoved { expected: u64, found: u64 },
    #[error("could not {doing} in the ledger {path}")]
    Storage {
        doing: &'static str,
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "event {version} of {patch} can't be read; the ledger is damaged or was written by a newer Patchline"
    )]
    Unreadable {
        patch: PatchId,
        version: u64,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "event {version} of the line can't be read; the ledger is damaged or was written by a newer Patchline"
    )]
    UnreadableLine {
        version: u64,
        #[source]
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Another writer was faster: read again and decide again.
    pub fn is_conflict(&self) -> bool {
        match self {
            StoreError::Conflict { .. } | StoreError::Locked { .. } | StoreError::LineMoved { .. } => true,
            StoreError::Fenced { .. }
            | StoreError::Storage { .. }
            | StoreError::Unreadable { .. }
            | StoreError::UnreadableLine { .. } => false,
        }
    }
}
