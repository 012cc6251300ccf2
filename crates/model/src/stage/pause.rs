//! Who paused a rollout, and how a person's pause ends if nobody ends it.

use serde::{Deserialize, Serialize};

use crate::time::Seconds;

/// How long a person's pause may last, and what ends it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseLimit {
    pub deadline: Seconds,
    pub exit: PauseExit,
}

/// What ends a person's pause that has lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseExit {
    /// Take the new version back: the default, for nobody looks after it.
    Rollback,
    /// Go on.
    Resume,
    /// Call a person, once, and stay.
    Hold,
}

/// Whose pause it is: a person's has a limit of its own, and meanwhile the clocks stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pauser {
    #[default]
    Person,
    /// The plan holds at its deadline, for as long as it takes.
    Plan,
    /// Patchline misses data; the deadline ends it.
    Machine,
}

impl PauseLimit {
    /// What holds where a service states nothing.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What is told when a pause has lasted so long.
    pub fn reason(&self) -> String {
        format!("it was paused for {}, which is the most, and nobody resumed it", self.deadline)
    }
}

impl Default for PauseLimit {
    fn default() -> Self {
        Self { deadline: Seconds(24 * 3600), exit: PauseExit::Rollback }
    }
}
