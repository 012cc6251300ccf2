//! What every handler may use: the conductor, the blobs, and the limits that they share.

use std::sync::Arc;

use patchline_conductor::attest::Attestor;
use patchline_conductor::conductor::Conductor;
use patchline_conductor::projection::Known;
use patchline_evidence::Blobs;
use patchline_model::id::PatchId;
use patchline_model::time::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::problem::Problem;

/// Live streams that may be open at once.
pub const MOST_STREAMS: usize = 64;

/// What the server serves.
pub struct App {
    pub conductor: Arc<Conductor>,
    pub blobs: Blobs,
    /// Signs what people hold here.
    pub attestor: Attestor,
    pub started: Timestamp,
}

/// The app with the limits of one server.
#[derive(Clone)]
pub struct Shared {
    pub app: Arc<App>,
    pub streams: Arc<Semaphore>,
    /// Turns true when the server is to stop, so that live streams end.
    pub stop: Arc<watch::Sender<bool>>,
}

impl Shared {
    pub fn new(app: Arc<App>) -> Self {
        let (stop, _) = watch::channel(false);
        Self { app, streams: Arc::new(Semaphore::new(MOST_STREAMS)), stop: Arc::new(stop) }
    }

    /// The patch that a path names.
    pub async fn patch(&self, id: &str) -> Result<Arc<Known>, Problem> {
        let id: PatchId = id.parse().map_err(|error| Problem::not_found(&error))?;
        let known = self.app.conductor.patch(id).await.map_err(|error| Problem::store(&error))?;
        known.ok_or_else(|| Problem::unknown(id))
    }
}
