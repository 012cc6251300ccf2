//! Makes the state durable beside the supervisor's work: no order waits for a disk that another one keeps busy.

use std::future::pending;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::process::order::Applied;
use crate::process::saved::{Saved, write_json};

const PAUSE: Duration = Duration::from_millis(50);

/// One file is written at a time; what changes meanwhile is written next. An order is acknowledged when a file that
/// contains it is on disk.
#[derive(Debug)]
pub struct Saving {
    path: PathBuf,
    /// The number of the newest change, and of the newest that is on disk.
    changes: u64,
    stored: u64,
    /// After a failure it is tried again, but not at once.
    not_before: Option<Instant>,
    under_way: Option<(u64, JoinHandle<Result<(), String>>)>,
    /// Who wants to know, and from which change on. Bounded by the control socket's connections.
    waiting: Vec<(u64, oneshot::Sender<Applied>)>,
}

impl Saving {
    /// What is on disk is taken for out of date until the first file has been written.
    pub fn to(path: PathBuf) -> Saving {
        Saving { path, changes: 1, stored: 0, not_before: None, under_way: None, waiting: Vec::new() }
    }

    pub fn changed(&mut self) {
        self.changes += 1;
    }

    /// The number of the newest change.
    pub fn newest(&self) -> u64 {
        self.changes
    }

    /// Whether this change is on disk, or can't be put there for now and need not be waited for.
    pub fn is_settled(&self, change: u64) -> bool {
        self.stored >= change || self.not_before.is_some()
    }

    pub fn is_stored(&self) -> bool {
        self.stored == self.changes
    }

    /// Answers once everything up to now is on disk, or could not be put there.
    pub fn answer_when_stored(&mut self, reply: oneshot::Sender<Applied>) {
        if self.is_stored() {
            // Nobody listens any more when the connection is gone.
            let _ = reply.send(Applied::Accepted);
        } else {
            self.waiting.push((self.changes, reply));
        }
    }

    /// Begins to write if there is something new and nothing is being written.
    pub fn begin(&mut self, state: impl FnOnce() -> Saved) {
        let waits = self.not_before.is_some_and(|not_before| not_before > Instant::now());
        if self.under_way.is_some() || self.is_stored() || waits {
            return;
        }
        let (saved, path) = (state(), self.path.clone());
        let written =
            tokio::task::spawn_blocking(move || write_json(&path, &saved).map_err(|error| error.to_string()));
        self.under_way = Some((self.changes, written));
    }

    /// Waits for the file that is being written; for ever when there is none. May be dropped and called again.
    pub async fn finished(&mut self) -> Result<(), String> {
        let Some((change, written)) = &mut self.under_way else { return pending().await };
        let written = match written.await {
            Ok(written) => written,
            Err(error) => Err(error.to_string()),
        };
        let change = *change;
        self.under_way = None;
        match &written {
            Ok(()) => (self.stored, self.not_before) = (change, None),
            Err(_) => self.not_before = Some(Instant::now() + PAUSE),
        }
        let (now, later) = std::mem::take(&mut self.waiting).into_iter().partition(|(of, _)| *of <= change);
        self.waiting = later;
        for (_, reply) in now {
            let _ = reply.send(match &written {
                Ok(()) => Applied::Accepted,
                Err(reason) => Applied::NotStored { reason: reason.clone() },
            });
        }
        written
    }

    /// The last word of a host that ends: what is being written, and what has changed since.
    pub async fn conclude(&mut self, state: impl FnOnce() -> Saved) -> Result<(), String> {
        if self.under_way.is_some() {
            // Should it fail, it is written once more right here.
            let _ = self.finished().await;
        }
        if self.is_stored() {
            return Ok(());
        }
        self.not_before = None;
        self.begin(state);
        self.finished().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::saved::read_json;

    #[tokio::test]
    async fn an_order_is_acknowledged_by_the_first_file_that_contains_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.json");
        let mut saving = Saving::to(path.clone());
        let with_port = |port| Saved { port: Some(port), ..Saved::default() };
        saving.begin(|| with_port(1));
        // It comes while a file without it is being written.
        saving.changed();
        let (reply, mut replied) = oneshot::channel();
        saving.answer_when_stored(reply);
        saving.begin(|| unreachable!("one file at a time"));
        saving.finished().await.expect("it is written");
        assert!(replied.try_recv().is_err(), "that file did not contain it");
        assert!(!saving.is_stored());
        saving.begin(|| with_port(2));
        saving.finished().await.expect("it is written");
        assert_eq!(replied.try_recv(), Ok(Applied::Accepted));
        let on_disk = read_json::<Saved>(&path).expect("it can be read").and_then(|saved| saved.port);
        assert_eq!(on_disk, Some(2));
        assert!(saving.is_stored());
    }

    #[tokio::test]
    async fn what_could_not_be_stored_is_said_and_written_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("missing/state.json");
        let mut saving = Saving::to(path.clone());
        let (reply, mut replied) = oneshot::channel();
        saving.answer_when_stored(reply);
        saving.begin(Saved::default);
        saving.finished().await.expect_err("there is no such folder");
        assert!(matches!(replied.try_recv(), Ok(Applied::NotStored { .. })));
        std::fs::create_dir(path.parent().expect("it has one")).expect("it can be made");
        saving.conclude(Saved::default).await.expect("it is written");
        assert!(saving.is_stored() && path.exists());
    }
}
