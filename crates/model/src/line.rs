//! The line: what is held for many patches at once. Stops and freezes, in a stream of their own beside the patches.
//!
//! Nothing in here moves anything: it says what may not begin or grow. What goes back is never held.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::digest::Digest;
use crate::rejection::Rejection;
use crate::service::{Name, Service, Tier};
use crate::time::{Seconds, Timestamp};

/// Stops and freezes that may be in force, or ahead, at once.
const MOST_IN_FORCE: usize = 200;

/// A freeze is remembered so long after its end.
const CLOCK_MAY_GO_BACK: Seconds = Seconds(86_400);

/// Longest reason, in bytes.
const LONGEST_REASON: usize = 4000;

/// What a stop or a freeze is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Everything,
    Service(Name),
    Tier(Tier),
}

/// One fact of the line, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub by: Actor,
    pub fact: Fact,
    /// The signed statement of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Nothing begins, grows or is promoted any more, until the line is started again.
    Stopped {
        scope: Scope,
        reason: String,
    },
    Started {
        scope: Scope,
        reason: String,
    },
    /// From then until then nothing begins or grows.
    Frozen {
        freeze: u32,
        scope: Scope,
        from: Timestamp,
        until: Timestamp,
        reason: String,
        /// A hotfix may move all the same.
        hotfix_passes: bool,
    },
    /// The freeze is lifted before its end.
    Thawed {
        freeze: u32,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Stop { scope: Scope, reason: String },
    Start { scope: Scope, reason: String },
    Freeze { scope: Scope, from: Timestamp, until: Timestamp, reason: String, hotfix_passes: bool },
    Thaw { freeze: u32, reason: String },
}

/// What is in force or ahead, folded from the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// How many events have been taken in: what an append that goes forward was decided upon.
    pub version: u64,
    pub stops: Vec<Stop>,
    pub freezes: Vec<Freeze>,
    /// The number of the newest freeze.
    pub numbered: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub scope: Scope,
    pub reason: String,
    pub by: Actor,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    pub number: u32,
    pub scope: Scope,
    pub from: Timestamp,
    pub until: Timestamp,
    pub reason: String,
    pub hotfix_passes: bool,
    pub by: Actor,
}

/// What follows from a person's command. Asking twice is asking once.
pub fn decide(line: &Line, now: Timestamp, by: &Actor, command: Command) -> Result<Vec<Event>, Rejection> {
    if *by == Actor::Machine || by.name().is_empty() || by.name() == Actor::Machine.name() {
        return Err(Rejection::NotAPerson);
    }
    let fact = match command {
        Command::Stop { scope, .. } if line.is_stopped(&scope) => None,
        Command::Stop { scope, reason } => Some(Fact::Stopped { scope, reason: reasoned(line, reason)? }),
        Command::Start { scope, .. } if !line.is_stopped(&scope) => None,
        // Whoever lifts a stop may be in a hurry as well: the reason may be empty.
        Command::Start { scope, reason } => Some(Fact::Started { scope, reason: bounded(reason)? }),
        Command::Freeze { scope, from, until, reason, hotfix_passes } => {
            if until <= from || until <= now {
                return Err(Rejection::NeverInForce { until });
            }
            let same = |freeze: &Freeze| {
                (&freeze.scope, freeze.from, freeze.until, &freeze.reason, freeze.hotfix_passes)
                    == (&scope, from, until, &reason, hotfix_passes)
            };
            if line.freezes.iter().any(same) {
                return Ok(Vec::new());
            }
            let (freeze, reason) = (line.numbered.saturating_add(1), reasoned(line, reason)?);
            Some(Fact::Frozen { freeze, scope, from, until, reason, hotfix_passes })
        }
        Command::Thaw { freeze, .. } if freeze == 0 || freeze > line.numbered => {
            return Err(Rejection::NoFreeze { freeze });
        }
        Command::Thaw { freeze, .. } if !line.freezes.iter().any(|known| known.number == freeze) => None,
        Command::Thaw { freeze, reason } => Some(Fact::Thawed { freeze, reason: bounded(reason)? }),
    };
    Ok(fact.into_iter().map(|fact| Event { at: now, by: by.clone(), fact, evidence: None }).collect())
}

/// What holds others needs a reason, and there is an end to how much can be held at once.
fn reasoned(line: &Line, reason: String) -> Result<String, Rejection> {
    if reason.trim().is_empty() {
        return Err(Rejection::NoReason);
    }
    if line.stops.len() + line.freezes.len() >= MOST_IN_FORCE {
        return Err(Rejection::TooMuchHeld { most: MOST_IN_FORCE });
    }
    bounded(reason)
}

fn bounded(reason: String) -> Result<String, Rejection> {
    if reason.len() > LONGEST_REASON {
        return Err(Rejection::ReasonTooLong { most: LONGEST_REASON });
    }
    Ok(reason)
}

/// The line after this event.
pub fn evolve(mut line: Line, event: &Event) -> Line {
    line.version += 1;
    // What is long over needs no place; what has just ended may be in force again when the clock is set back.
    line.freezes.retain(|freeze| freeze.until.after(CLOCK_MAY_GO_BACK) > event.at);
    match &event.fact {
        Fact::Stopped { scope, reason } => {
            let (by, at) = (event.by.clone(), event.at);
            line.stops.retain(|stop| stop.scope != *scope);
            line.stops.push(Stop { scope: scope.clone(), reason: reason.clone(), by, at });
        }
        Fact::Started { scope, .. } => line.stops.retain(|stop| stop.scope != *scope),
        Fact::Frozen { freeze, scope, from, until, reason, hotfix_passes } => {
            line.numbered = *freeze;
            line.freezes.push(Freeze {
                number: *freeze,
                scope: scope.clone(),
                from: *from,
                until: *until,
                reason: reason.clone(),
                hotfix_passes: *hotfix_passes,
                by: event.by.clone(),
            });
        }
        Fact::Thawed { freeze, .. } => line.freezes.retain(|known| known.number != *freeze),
    }
    line
}

impl Line {
    /// Whether exactly this is stopped; a wider stop may hold it as well.
    pub fn is_stopped(&self, scope: &Scope) -> bool {
        self.stops.iter().any(|stop| stop.scope == *scope)
    }

    /// The stop that holds this service, the widest first.
    pub fn stop_of(&self, service: &Service) -> Option<&Stop> {
        self.stops.iter().filter(|stop| stop.scope.covers(service)).min_by_key(|stop| &stop.scope)
    }

    /// The freeze that holds this service now: of several, the one that ends last.
    pub fn freeze_of(&self, service: &Service, now: Timestamp, is_hotfix: bool) -> Option<&Freeze> {
        let holds = |freeze: &&Freeze| {
            freeze.is_in_force(now) && freeze.scope.covers(service) && !(freeze.hotfix_passes && is_hotfix)
        };
        self.freezes.iter().filter(holds).max_by_key(|freeze| freeze.until)
    }
}

impl Freeze {
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl Scope {
    pub fn covers(&self, service: &Service) -> bool {
        match self {
            Scope::Everything => true,
            Scope::Service(name) => service.name == *name,
            Scope::Tier(tier) => service.tier == *tier,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Everything => f.write_str("every service"),
            Scope::Service(name) => write!(f, "{name}"),
            Scope::Tier(tier) => write!(f, "every service of {tier}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let because = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
        match &self.fact {
            Fact::Stopped { scope, reason } => write!(f, "{} stops the line for {scope}: {reason}", self.by),
            Fact::Started { scope, reason } => {
                write!(f, "{} starts the line for {scope} again{}", self.by, because(reason))
            }
            Fact::Frozen { freeze, scope, from, until, reason, hotfix_passes } => {
                let except = if *hotfix_passes { ", except for hotfixes" } else { "" };
                let by = &self.by;
                write!(f, "{by} freezes {scope} from {from} until {until}{except} (F-{freeze}): {reason}")
            }
            Fact::Thawed { freeze, reason } => {
                write!(f, "{} lifts the freeze F-{freeze}{}", self.by, because(reason))
            }
        }
    }
}
