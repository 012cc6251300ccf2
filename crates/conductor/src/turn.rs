//! One turn: load, decide, append. Whoever was faster wins; the other reads again and decides again.

use patchline_ledger::store::{Append, Fence, Store, StoreError};
use patchline_model::command::Command;
use patchline_model::context::Context;
use patchline_model::event::Event;
use patchline_model::failure::Failure;
use patchline_model::patch::Patch;
use patchline_model::pipeline::decide::decide;
use patchline_model::pipeline::evolve::{locks, replay};
use patchline_model::pipeline::grounds::grounds;
use patchline_model::policy::Policy;
use patchline_model::rejection::Rejection;
use thiserror::Error;

use crate::clock;
use crate::projection::Projection;
use crate::zones;

/// Tries against writers that were faster.
pub const TRIES: u32 = 50;

/// Why a command changed nothing.
#[derive(Debug, Error)]
pub enum SubmitError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What should have been signed could not be: nothing was written.
    #[error("could not sign what was decided: {0}")]
    Unsigned(Failure),
}

/// Decides a command on the newest state and appends what follows; answers the events that were added. `patch` is the
/// state that is known: what came since is read when another writer was faster.
pub async fn submit(
    store: &dyn Store,
    projection: &Projection,
    policy: &Policy,
    mut patch: Patch,
    command: &Command,
    fence: Option<&Fence>,
) -> Result<Vec<Event>, SubmitError> {
    let id = patch.id;
    let mut tries = 0;
    loop {
        let now = clock::now();
        let board = zones::on(projection.board(store).await?, [&patch], now);
        let cx = Context { now, policy, board: &board };
        let events = decide(cx, &patch, command)?;
        if events.is_empty() {
            return Ok(events);
        }
        let (takes, gives) = locks(&patch, &events);
        let append = Append {
            patch: id,
            expected: patch.version,
            events: events.clone(),
            fence: fence.cloned(),
            takes,
            gives,
            grounds: grounds(&board, &patch, &events),
        };
        match store.append(append).await {
            Ok(()) => return Ok(events),
            Err(error) if error.is_conflict() && tries < TRIES => {
                tries += 1;
                let newer = store.read(id, patch.version).await?;
                patch = replay(patch, &newer);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
