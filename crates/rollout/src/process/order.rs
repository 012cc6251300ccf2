//! What may be asked of the supervisor, and what it says to that.

use tokio::sync::oneshot;

use crate::process::history::Minutes;
use crate::process::spec::{DesiredArms, ObservedArms};

#[derive(Debug)]
pub enum Order {
    Apply(DesiredArms, oneshot::Sender<Applied>),
    Observe(oneshot::Sender<ObservedArms>),
    /// What was served, minute by minute.
    History(oneshot::Sender<Minutes>),
    /// What was accepted last.
    Desired(oneshot::Sender<DesiredArms>),
    /// Stop all instances and end. `forget`: the next host starts with nothing to do.
    End {
        forget: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    Accepted,
    /// It comes from an earlier attempt of its patch, or from a patch that another one has followed.
    Overtaken,
    /// It is older than what was seen, or has the same revision and other contents.
    Stale {
        seen: u64,
    },
    /// It is in force, but a crash would lose it: ask again.
    NotStored {
        reason: String,
    },
    Ending,
}
