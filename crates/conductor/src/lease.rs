//! One driver at a time for each patch: a lease that is renewed while the work goes on, and that fences every write.

use std::time::Duration;

use patchline_ledger::store::{Fence, LeaseRequest, Store, StoreError};
use patchline_model::id::PatchId;
use patchline_model::time::Seconds;

use crate::clock;

/// How long a lease holds without being renewed.
const HOLDS: Seconds = Seconds(15);

/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(4);

/// The right to drive one patch.
#[derive(Clone, Debug)]
pub struct Lease {
    holder: String,
    fence: Fence,
}

impl Lease {
    /// Takes the lease; `None` when another process has it.
    pub async fn take(store: &dyn Store, patch: PatchId, holder: &str) -> Result<Option<Self>, StoreError> {
        let name = format!("drive/{patch}");
        let epoch = store.lease(&request(&name, holder)).await?;
        Ok(epoch.map(|epoch| Self { holder: holder.to_owned(), fence: Fence { name, epoch } }))
    }

    /// What every write under this lease carries.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Renews for as long as it is ours; ends when it is lost or the ledger fails for longer than it holds.
    pub async fn keep(&self, store: &dyn Store) {
        let mut failures = 0;
        loop {
            tokio::time::sleep(RENEWED).await;
            match store.lease(&request(&self.fence.name, &self.holder)).await {
                Ok(Some(epoch)) if epoch == self.fence.epoch => failures = 0,
                Ok(Some(_) | None) => return,
                Err(_) if failures < 2 => failures += 1,
                Err(_) => return,
            }
        }
    }

    pub async fn give_back(&self, store: &dyn Store) -> Result<(), StoreError> {
        store.release(&self.fence.name, &self.holder).await
    }
}

fn request(name: &str, holder: &str) -> LeaseRequest {
    let now = clock::now();
    LeaseRequest { name: name.to_owned(), holder: holder.to_owned(), now, until: now.after(HOLDS) }
}
