//! What keeps a patch from beginning or growing, though nothing is wrong with it. Whatever it is, it never holds what
//! goes back, and it disarms no judge.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One reason to wait, with its end if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub kind: Kind,
    /// Who or what holds, and why, as a person is told.
    pub reason: String,
    /// It ends by itself then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody stopped the line.
    Stop,
    /// A freeze is in force.
    Freeze,
    /// No window of the service is open.
    Window,
    /// The new version's own requests burn the error budget, though it may be no worse than the stable one.
    Burn,
}

impl Kind {
    /// Whether the rollout's deadline stands still meanwhile: what people hold is not the version's fault.
    pub fn stops_the_deadline(self) -> bool {
        match self {
            Kind::Stop | Kind::Freeze | Kind::Window => true,
            Kind::Burn => false,
        }
    }
}

impl Kind {
    /// Whether a person's word to promote must wait as well. A burning budget they may overrule: it is theirs.
    pub fn holds_people(self) -> bool {
        match self {
            Kind::Stop | Kind::Freeze | Kind::Window => true,
            Kind::Burn => false,
        }
    }
}

impl Hold {
    /// Nothing is new about it. The numbers of a burning budget change with every look, which is no news.
    pub fn is_as(&self, other: &Hold) -> bool {
        self == other || (self.kind, other.kind) == (Kind::Burn, Kind::Burn)
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.until {
            Some(until) => write!(f, " (until {until})"),
            None => Ok(()),
        }
    }
}
