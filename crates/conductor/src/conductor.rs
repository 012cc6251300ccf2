//! The conductor as others use it: submit a command, look at patches, hear of changes.

use std::sync::Arc;
use std::time::Duration;

use patchline_ledger::store::{Fence, Store, StoreError};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::context::{Board, Context};
use patchline_model::event::Event;
use patchline_model::hold::Hold;
use patchline_model::id::PatchId;
use patchline_model::line::{self, Line};
use patchline_model::patch::Patch;
use patchline_model::pipeline::{held, recall};
use patchline_model::policy::Policy;
use patchline_model::rejection::Rejection;
use patchline_model::stage::detect::{self, Opening};
use patchline_model::stage::review::End;
use patchline_model::view::board::{Card, card_under};
use tokio::sync::watch;

use crate::attest::Attestor;
use crate::clock;
use crate::hold;
use crate::projection::{Known, Projection};
use crate::turn::{SubmitError, submit};
use crate::zones;

/// How often the ledger is asked whether another process has written.
const PULSE: Duration = Duration::from_millis(100);

/// What else is so when a patch is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// What holds it now.
    pub hold: Option<Hold>,
    /// Why it could not be taken back after its promotion; nothing: it could.
    pub stays: Option<String>,
}

/// Commands in, patches out, over one ledger.
pub struct Conductor {
    store: Arc<dyn Store>,
    policy: Policy,
    projection: Projection,
    changes: watch::Sender<u64>,
}

impl Conductor {
    pub fn new(store: Arc<dyn Store>, policy: Policy) -> Arc<Self> {
        let (changes, _) = watch::channel(0);
        Arc::new(Self { store, policy, projection: Projection::default(), changes })
    }

    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Opens a patch, once for each key; answers its id whether it is new or was there.
    pub async fn open(&self, key: &str, by: Actor, opening: Opening) -> Result<PatchId, SubmitError> {
        let id = self.store.allocate(key).await?;
        let ask = Ask::Detect(detect::Command::Open(Box::new(opening)));
        match self.submit(id, Command { by, ask }, None).await {
            Ok(_) | Err(SubmitError::Rejected(Rejection::AlreadyOpen { .. })) => Ok(id),
            Err(error) => Err(error),
        }
    }

    /// Opens a patch for a question that may be asked again: while a patch for it is under way, or came to a good end,
    /// that is the answer; one that ended without a fix is followed by another.
    pub async fn open_again(&self, key: &str, by: Actor, opening: Opening) -> Result<PatchId, SubmitError> {
        for generation in 1_u32.. {
            let numbered = format!("{key}#{generation}");
            let id = self.open(&numbered, by.clone(), opening.clone()).await?;
            let end = self.patch(id).await?.and_then(|known| known.patch.review.end.clone());
            match end {
                Some(End::Abandoned(_) | End::RolledBack(_)) => {}
                None | Some(End::HandedOver | End::Promoted | End::NothingToDo) => return Ok(id),
            }
        }
        self.open(key, by, opening).await
    }

    /// Decides a command and keeps what follows. What it answers is on disk.
    pub async fn submit(
        &self,
        id: PatchId,
        command: Command,
        fence: Option<&Fence>,
    ) -> Result<Vec<Event>, SubmitError> {
        let known = self.projection.one(self.store(), id).await?;
        let patch = known.map_or_else(|| Patch::new(id), |known| known.patch.clone());
        let events = submit(self.store(), &self.projection, &self.policy, patch, &command, fence).await?;
        if !events.is_empty() {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(events)
    }

    pub async fn patches(&self) -> Result<Vec<Arc<Known>>, StoreError> {
        self.projection.all(self.store()).await
    }

    pub async fn patch(&self, id: PatchId) -> Result<Option<Arc<Known>>, StoreError> {
        self.projection.one(self.store(), id).await
    }

    /// What else is under way and what is held, as these patches must see it.
    pub async fn board<'a>(&self, patches: impl IntoIterator<Item = &'a Patch>) -> Result<Board, StoreError> {
        Ok(zones::on(self.projection.board(self.store()).await?, patches, clock::now()))
    }

    /// What people hold now.
    pub async fn line(&self) -> Result<Line, StoreError> {
        Ok(self.store.board().await?.line)
    }

    /// What the line has heard so far, oldest first.
    pub async fn line_events(&self) -> Result<Vec<line::Event>, StoreError> {
        self.store.read_line(0).await
    }

    /// Stops, freezes, or lets go: what it answers is on disk, and in force for whatever is decided after it.
    pub async fn hold(
        &self,
        attestor: &Attestor,
        by: &Actor,
        command: line::Command,
    ) -> Result<Vec<line::Event>, SubmitError> {
        let events = hold::submit(self.store(), attestor, by, command).await?;
        if !events.is_empty() {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(events)
    }

    /// What of the world around it whoever shows this patch must know.
    pub async fn around(&self, patch: &Patch) -> Result<Around, StoreError> {
        let board = self.board([patch]).await?;
        let hold = held::hold(Context { now: clock::now(), policy: &self.policy, board: &board }, patch);
        Ok(Around { hold, stays: recall::why_not(&board, patch) })
    }

    /// The card of each patch, with what holds it now, oldest first.
    pub async fn cards(&self) -> Result<Vec<Card>, StoreError> {
        let patches = self.patches().await?;
        let board = self.board(patches.iter().map(|known| &known.patch)).await?;
        let cx = Context { now: clock::now(), policy: &self.policy, board: &board };
        let card = |known: &Arc<Known>| card_under(&known.patch, held::hold(cx, &known.patch));
        Ok(patches.iter().map(card).collect())
    }

    /// Hears of every change, whoever wrote it; `watch_ledger` must run for other processes' writes to be heard.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Watches the ledger for writes of other processes; ends only when dropped.
    pub async fn watch_ledger(&self) {
        let mut last = None;
        loop {
            // A ledger that can't be asked now is asked again: the turn that needs it reports the error.
            if let Ok(pulse) = self.store.pulse().await
                && last.replace(pulse) != Some(pulse)
            {
                self.changes.send_modify(|count| *count = count.wrapping_add(1));
            }
            tokio::time::sleep(PULSE).await;
        }
    }
}
