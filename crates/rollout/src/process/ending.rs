//! How a host is told to end, and why: known to all of its parts.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// By its conductor: what was desired is over, too.
    Asked,
    /// By SIGTERM: the next host goes on with what was desired.
    Signalled,
}

pub type Ending = watch::Receiver<Option<Reason>>;
pub type End = watch::Sender<Option<Reason>>;
