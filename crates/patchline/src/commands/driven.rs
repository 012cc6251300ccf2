//! Drives patches in this process, and tells their story, until each ends or waits for a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use patchline_conductor::projection::Known;
use patchline_model::id::PatchId;

use crate::commands::follow::{Stopped, follow};
use crate::commands::serve::ended;
use crate::exit::{Exit, Trouble};
use crate::terminal::Teller;
use crate::wire::Works;

/// One after the other is told; all of them move.
pub async fn driven(works: &Works, ids: &[PatchId], aloud: bool) -> Result<Vec<Arc<Known>>, Trouble> {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let only: BTreeSet<PatchId> = ids.iter().copied().collect();
    let mut driven = tokio::spawn(works.driver().run(Some(only), stopped));
    let conductor = Arc::clone(&works.conductor);
    let watched = tokio::spawn(async move { conductor.watch_ledger().await });
    let mut told = Vec::with_capacity(ids.len());
    for id in ids {
        let mut teller = Teller::new(aloud);
        let mut seen = 0;
        // A patch that ends with verification never asks for approval; either way this is the last of it.
        let known = tokio::select! {
            stopped = follow(&works.conductor, *id, &mut teller, &mut seen) => match stopped? {
                Stopped::Closed(known) | Stopped::NeedsApproval(known) => known,
            },
            () = ended() => {
                stop.send_replace(true);
                let _ = driven.await;
                let text = format!("{id} was interrupted at `{}`", stage_of(works, *id).await);
                return Err(Trouble::new(Exit::Found, text).hint("the same command goes on from there"));
            }
            ended = &mut driven => {
                let text = format!("{id} is not driven any more");
                return Err(match ended {
                    Ok(Err(error)) => error.into(),
                    Ok(Ok(())) | Err(_) => Trouble::storage(text),
                });
            }
        };
        told.push(known);
    }
    stop.send_replace(true);
    watched.abort();
    // The driver ends by itself once it was told to stop.
    let _ = driven.await;
    Ok(told)
}

async fn stage_of(works: &Works, id: PatchId) -> String {
    let known = works.conductor.patch(id).await.ok().flatten();
    known.map(|known| known.patch.stage().to_string()).unwrap_or_default()
}
