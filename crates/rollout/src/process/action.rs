//! What is wanted of instances, what is there of them, and what may be done about it: the words of the plans.

use std::time::Duration;

use patchline_model::cohort::Token;

use crate::process::spec::HostSpec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub start: Duration,
    pub drain: Duration,
    pub stop: Duration,
}

impl Limits {
    pub fn of(spec: &HostSpec) -> Limits {
        Limits {
            start: Duration::from_millis(spec.start_deadline_ms),
            drain: Duration::from_millis(spec.drain_deadline_ms),
            stop: Duration::from_millis(spec.stop_deadline_ms),
        }
    }
}

/// How many instances of a version there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    pub version: &'a str,
    pub instances: u32,
    /// Which of the named instances, where they have names.
    pub names: &'a [Token],
    /// Whether the pause after failures is over.
    pub may_start: bool,
    /// Whether nobody has died of being converted to it.
    pub may_convert: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Starting,
    Healthy,
    Unhealthy,
    Draining,
    Stopping { killed: bool },
}

impl Stage {
    /// Counts towards what is wanted.
    pub fn is_active(self) -> bool {
        matches!(self, Stage::Starting | Stage::Healthy | Stage::Unhealthy)
    }
}

/// An instance that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    pub instance: u64,
    pub version: &'a str,
    pub name: Option<&'a Token>,
    pub stage: Stage,
    pub in_stage: Duration,
    pub in_flight: usize,
    /// It was told to take another version over, and has not confirmed it.
    pub converting: Option<Converting<'a>>,
    /// The version that its link points at, if that is one of those wanted.
    pub linked: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converting<'a> {
    pub to: &'a str,
    pub since: Duration,
}

impl Standing<'_> {
    /// The version that it serves, or will.
    pub fn heads_for(&self) -> &str {
        self.converting.map_or(self.version, |converting| converting.to)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start one instance of the version, by this name where instances have names.
    Start { version: String, name: Option<Token> },
    /// It drains, but is wanted after all.
    Revive { instance: u64 },
    /// No new requests from now on.
    Drain { instance: u64 },
    /// It has nothing left to do: SIGTERM.
    Terminate { instance: u64 },
    /// It is not healthy for too long: SIGTERM, and another one instead.
    Replace { instance: u64 },
    /// Take this version over and stay: its link, then the signal.
    Apply { instance: u64, version: String },
    /// It has had its time to end: SIGKILL.
    Kill { instance: u64 },
}

/// An instance gets one order at a time: the first one; the rest follows from the next look.
pub fn one_action_each(actions: Vec<Action>) -> Vec<Action> {
    let mut ordered: Vec<u64> = Vec::new();
    let is_first = |action: &Action| match action {
        Action::Start { .. } => true,
        Action::Revive { instance }
        | Action::Drain { instance }
        | Action::Terminate { instance }
        | Action::Replace { instance }
        | Action::Apply { instance, .. }
        | Action::Kill { instance } => {
            let is_first = !ordered.contains(instance);
            ordered.push(*instance);
            is_first
        }
    };
    actions.into_iter().filter(is_first).collect()
}
