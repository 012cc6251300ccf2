//! The loop: wake, turn, dispatch, repeat. Restart, crash and a normal turn are one code path.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use patchline_ledger::store::StoreError;
use patchline_model::command::Command;
use patchline_model::context::{Board, Context};
use patchline_model::failure::{Failure, in_full};
use patchline_model::id::{JobId, PatchId};
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::patch::Patch;
use patchline_model::pipeline::due::due;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock;
use crate::conductor::Conductor;
use crate::dispatch::dispatch;
use crate::hands::Hands;
use crate::lease::Lease;
use crate::projection::Known;
use crate::turn::SubmitError;

/// Before asking again a hand whose answer changed nothing.
const PAUSE: Duration = Duration::from_millis(150);

/// Before asking again a ledger that failed, or for a lease that another process has.
const BACK_OFF: Duration = Duration::from_millis(500);

/// Who waits for named patches is told after so many failures of the ledger in a row; a service tries for ever.
const MOST_FAILURES: u32 = 10;

/// Even with nothing to hear, the patches are looked at this often.
const IDLE: Duration = Duration::from_secs(5);

/// Hears of what went wrong around the loop, for the terminal or a log.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// Drives every open patch, each in a task of its own.
pub struct Driver {
    conductor: Arc<Conductor>,
    hands: Arc<Hands>,
    holder: String,
    notice: Notice,
}

impl Driver {
    pub fn new(conductor: Arc<Conductor>, hands: Arc<Hands>, notice: Notice) -> Arc<Self> {
        Arc::new(Self { conductor, hands, holder: patchline_ledger::holder::this_process(), notice })
    }

    /// Drives until told to stop; `only` restricts it to these patches. Work that is under way is dropped at the stop and
    /// owed again at the next start. With `only`, a ledger that keeps failing ends it.
    pub async fn run(
        self: Arc<Self>,
        only: Option<BTreeSet<PatchId>>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let mut changes = self.conductor.subscribe();
        let mut driven: JoinSet<(PatchId, Result<(), StoreError>)> = JoinSet::new();
        let mut failures = 0;
        let mut busy: BTreeMap<PatchId, ()> = BTreeMap::new();
        loop {
            changes.mark_unchanged();
            for id in self.owed(only.as_ref()).await {
                if busy.insert(id, ()).is_none() {
                    let driver = Arc::clone(&self);
                    driven.spawn(async move { (id, driver.drive_and_tell(id).await) });
                }
            }
            tokio::select! {
                () = told_to_stop(&mut stop) => {
                    driven.abort_all();
                    while driven.join_next().await.is_some() {}
                    return Ok(());
                }
                _ = changes.changed() => {}
                _ = tokio::time::sleep(IDLE) => {}
                Some(done) = driven.join_next() => match done {
                    Ok((id, done)) => {
                        busy.remove(&id);
                        failures = if done.is_ok() { 0 } else { failures + 1 };
                        if only.is_some() && failures >= MOST_FAILURES {
                            return done;
                        }
                    }
                    Err(error) => {
                        (self.notice)(&format!("a driver task ended badly: {error}"));
                        driven.abort_all();
                        while driven.join_next().await.is_some() {}
                        busy.clear();
                    }
                },
            }
        }
    }

    /// The open patches to which something is owed now or later.
    async fn owed(&self, only: Option<&BTreeSet<PatchId>>) -> Vec<PatchId> {
        let both = async {
            let patches = self.conductor.patches().await?;
            let board = self.conductor.board(patches.iter().map(|known| &known.patch)).await?;
            Ok::<_, StoreError>((patches, board))
        };
        let (patches, board) = match both.await {
            Ok(both) => both,
            Err(error) => {
                (self.notice)(&format!("could not look for work: {error}"));
                tokio::time::sleep(BACK_OFF).await;
                return Vec::new();
            }
        };
        let wanted = |patch: &Patch| only.is_none_or(|only| only.contains(&patch.id));
        let owed = patches
            .iter()
            .filter(|known| wanted(&known.patch) && self.due(&board, &known.patch) != Due::Nothing);
        owed.map(|known| known.patch.id).collect()
    }

    fn due(&self, board: &Board, patch: &Patch) -> Due {
        due(Context { now: clock::now(), policy: self.conductor.policy(), board }, patch)
    }

    async fn drive_and_tell(&self, id: PatchId) -> Result<(), StoreError> {
        let done = self.drive(id).await;
        if let Err(error) = &done {
            (self.notice)(&format!("could not drive {id}: {}", in_full(error)));
            tokio::time::sleep(BACK_OFF).await;
        }
        done
    }

    /// Takes the lease and drives until nothing is owed, or the lease is lost.
    async fn drive(&self, id: PatchId) -> Result<(), StoreError> {
        let store = self.conductor.store();
        let Some(lease) = Lease::take(store, id, &self.holder).await? else {
            tokio::time::sleep(BACK_OFF).await;
            return Ok(());
        };
        let done = tokio::select! {
            done = self.turns(id, &lease) => done,
            () = lease.keep(store) => return Ok(()),
        };
        lease.give_back(store).await?;
        done
    }

    async fn turns(&self, id: PatchId, lease: &Lease) -> Result<(), StoreError> {
        let mut changes = self.conductor.subscribe();
        loop {
            changes.mark_unchanged();
            let Some(known) = self.conductor.patch(id).await? else { return Ok(()) };
            let board = self.conductor.board([&known.patch]).await?;
            match self.due(&board, &known.patch) {
                Due::Nothing => return Ok(()),
                Due::Wake(at) => {
                    tokio::select! {
                        _ = changes.changed() => {}
                        () = tokio::time::sleep(clock::until(at)) => {}
                    }
                }
                Due::Job(job_id, job) => {
                    let answer = tokio::select! {
                        answer = self.carry_out(&known, job_id, &job) => answer,
                        () = self.superseded(id, job_id) => continue,
                    };
                    let command = Command::report(job_id, answer);
                    match self.conductor.submit(id, command, Some(lease.fence())).await {
                        Ok(events) if events.is_empty() => tokio::time::sleep(PAUSE).await,
                        Ok(_) => {}
                        Err(SubmitError::Rejected(rejection)) => {
                            (self.notice)(&format!("{id}: {rejection}"));
                            tokio::time::sleep(PAUSE).await;
                        }
                        Err(SubmitError::Store(error)) => return Err(error),
                        Err(unsigned @ SubmitError::Unsigned(_)) => {
                            (self.notice)(&format!("{id}: {unsigned}"));
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                }
            }
        }
    }

    /// Has a hand do the job. A hand that breaks has failed at this job; it takes nobody else with it.
    async fn carry_out(&self, known: &Known, id: JobId, job: &Job) -> Result<Outcome, Failure> {
        let work = dispatch(&self.hands, &self.conductor, known, id, job);
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::permanent(format!(
                "the hand that had {id} broke; its message is on standard error"
            ))),
        }
    }

    /// Ends when something else than this job is owed: a person has intervened.
    async fn superseded(&self, id: PatchId, job: JobId) {
        let mut changes = self.conductor.subscribe();
        loop {
            changes.mark_unchanged();
            if let Ok(Some(known)) = self.conductor.patch(id).await
                && let Ok(board) = self.conductor.board([&known.patch]).await
                && !matches!(self.due(&board, &known.patch), Due::Job(owed, _) if owed == job)
            {
                return;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Ends when stopping is asked for, or nobody is left to ask.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
