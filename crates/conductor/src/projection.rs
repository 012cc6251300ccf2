//! Every patch with its events in memory, kept up with the ledger; what the loop and the pages read.

use std::collections::BTreeMap;
use std::sync::Arc;

use patchline_ledger::store::{Store, StoreError};
use patchline_model::context::Board;
use patchline_model::event::Event;
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::evolve;
use patchline_model::pipeline::survey::survey;
use tokio::sync::Mutex;

/// A patch and everything that happened to it.
#[derive(Clone, Debug)]
pub struct Known {
    pub patch: Patch,
    pub events: Vec<Event>,
}

/// What has been read so far.
#[derive(Debug, Default)]
pub struct Projection {
    known: Mutex<BTreeMap<PatchId, Arc<Known>>>,
}

impl Projection {
    /// All patches as the ledger has them now, oldest first.
    pub async fn all(&self, store: &dyn Store) -> Result<Vec<Arc<Known>>, StoreError> {
        let versions = store.patches().await?;
        let mut known = self.known.lock().await;
        let mut all = Vec::with_capacity(versions.len());
        for (id, version) in versions {
            let entry = known.entry(id).or_insert_with(|| fresh(id));
            if entry.patch.version < version {
                catch_up(store, entry).await?;
            }
            if entry.patch.version > 0 {
                all.push(Arc::clone(entry));
            }
        }
        Ok(all)
    }

    /// What else is under way, as the ledger has it now.
    pub async fn board(&self, store: &dyn Store) -> Result<Board, StoreError> {
        // The locks first: a lock that was given back since then is only waited for once more.
        let Board { locks, line, .. } = store.board().await?;
        let all = self.all(store).await?;
        Ok(Board { line, ..survey(locks, all.iter().map(|known| &known.patch)) })
    }

    /// One patch as the ledger has it now; `None` if it was never opened.
    pub async fn one(&self, store: &dyn Store, id: PatchId) -> Result<Option<Arc<Known>>, StoreError> {
        let mut known = self.known.lock().await;
        // Taken out, so that what nobody else holds is changed in its place and not copied.
        let mut entry = known.remove(&id).unwrap_or_else(|| fresh(id));
        let caught_up = catch_up(store, &mut entry).await;
        if entry.patch.version == 0 {
            return caught_up.map(|()| None);
        }
        known.insert(id, Arc::clone(&entry));
        caught_up.map(|()| Some(entry))
    }
}

fn fresh(id: PatchId) -> Arc<Known> {
    Arc::new(Known { patch: Patch::new(id), events: Vec::new() })
}

async fn catch_up(store: &dyn Store, entry: &mut Arc<Known>) -> Result<(), StoreError> {
    let newer = store.read(entry.patch.id, entry.patch.version).await?;
    if newer.is_empty() {
        return Ok(());
    }
    let known = Arc::make_mut(entry);
    let blank = Patch::new(known.patch.id);
    known.patch = newer.iter().fold(std::mem::replace(&mut known.patch, blank), evolve);
    known.events.extend(newer);
    Ok(())
}
