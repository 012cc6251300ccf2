//! What is to happen to the world: the plan that a service states, the state that a strategy desires, and the state
//! that a target observed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cohort::{Cohort, Token};
use crate::digest::Digest;
use crate::share::Share;
use crate::stage::pause::PauseLimit;
use crate::stage::safety::Irreversible;
use crate::stage::traffic::{FlagValue, Met, Mirror, Mirrored, Traffic};
use crate::time::Seconds;

/// How a patch gets onto every instance, and when it is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Instances of the stable version.
    pub instances: u32,
    pub strategy: Strategy,
    pub guards: Guards,
    /// From the first canary request to the end; past it the plan's exit is taken.
    pub deadline: Seconds,
    /// How long new instances may take to become healthy.
    pub start_deadline: Seconds,
    /// Looks in a row without data, after which the rollout pauses and says so.
    pub missing_limit: u32,
    pub at_deadline: Exit,
    /// How long a person's pause may last, and what ends it then.
    #[serde(default, skip_serializing_if = "PauseLimit::is_usual")]
    pub pause: PauseLimit,
    /// Which changes of this service can't be undone by running the old version.
    #[serde(default, skip_serializing_if = "Irreversible::is_blank")]
    pub irreversible: Irreversible,
}

/// What a rollout does when its deadline passes without enough evidence either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Take the canary back: the default, for missing evidence is never good news.
    Rollback,
    /// Keep the canary's share and wait for a person.
    Hold,
}

/// The way from the old version to the new one; `strategy::course` says where it leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    Canary(Canary),
    Rolling(Rolling),
    BlueGreen(BlueGreen),
    Flag(Flag),
    Shadow(Shadow),
    Hot(Hot),
}

/// Growing shares, each watched for its bake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    pub instances: u32,
    pub steps: Vec<Step>,
    /// Watched once more with nearly all of the traffic before the old version goes; without it, it goes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<WatchedEnd>,
    /// The steps' shares are shares of these users; of all requests, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<Cohort>,
}

/// Growing parts of a cohort have a flag on: they meet the new version, which stands whole from the beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    pub flag: Token,
    pub cohort: Cohort,
    pub steps: Vec<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<WatchedEnd>,
}

/// Requests that the stable version answers are sent to the new one as well, and its answers are compared and thrown away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    pub instances: u32,
    pub mirror: Mirror,
    /// The least time of mirroring.
    pub bake: Seconds,
    /// The part of the answers that may differ, beyond what the stable version's own differ by.
    pub most_mismatches: Share,
    /// Copies prove nothing about what writes, so users are watched before the old version goes.
    pub end: WatchedEnd,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub share: Share,
    pub bake: Seconds,
    /// After the bake the rollout waits here for a person; the judge stays armed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gate: bool,
}

/// The bake after a decided promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedEnd {
    pub bake: Seconds,
    /// What the old version keeps meanwhile, to be compared with.
    pub hold_back: Share,
}

/// Instances are replaced batch by batch; the share follows their number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rolling {
    /// Instances of one batch.
    pub batch: u32,
    /// Old instances that may go before the new ones of their batch are healthy; the others carry all of the traffic.
    pub max_unavailable: u32,
    /// The least time for each batch.
    pub bake: Seconds,
    /// Where instances have names, and are replaced in the order of these. A batch's old instances go first then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// Instances with names: never do two have one name, so the old one of a name ends before the new one starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// A name for each instance, the first to be replaced first. They come back in the reverse order.
    pub names: Vec<Token>,
    /// So many at the end keep the old version until a person opens the gate before them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub partition: u32,
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

/// The new version stands whole beside the old one, then takes nearly everything at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlueGreen {
    /// The least time with all instances and no share.
    pub preview: Seconds,
    /// The least time after the switch, with the old version still whole.
    pub bake: Seconds,
    /// What the old version keeps after the switch, to be compared with. Nothing: then the judge sees no baseline, and
    /// only a person can promote.
    pub hold_back: Share,
    /// Tried against one of the new instances in the preview; it must succeed before the switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<Smoke>,
}

/// Instances take the new version over in place, batch by batch; the share follows their number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hot {
    /// Instances of one batch.
    pub batch: u32,
    /// The least time for each batch.
    pub bake: Seconds,
}

/// A command that tries a new instance before any user does. It exits with 0 when the instance is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoke {
    /// Program and arguments; `{address}` stands for where the instance listens.
    pub command: Vec<String>,
}

/// What the judge is asked to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guards {
    /// Chance of ever taking back a version that is no worse, however often one looks.
    pub alpha: f64,
    /// Chance of promoting a version that is worse by the margin.
    pub beta: f64,
    /// Error rate, as a difference of fractions, that matters.
    pub error_margin: f64,
    /// Whether slower answers count too.
    pub latency: bool,
    /// What is held against the instances themselves. Plans from before it was asked hold nothing.
    #[serde(default, skip_serializing_if = "InstanceGuards::is_blank")]
    pub instances: InstanceGuards,
}

/// What the judge watches beside the requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceGuards {
    /// Whether instances that end, or have to be ended, count too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incidents: bool,
    /// How much more resident memory an instance uses that matters, as a part of what the stable version's use: 0.5 is half
    /// as much again. Without it memory is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_margin: Option<f64>,
    /// The same for processor time, at the new version's load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_margin: Option<f64>,
    /// A margin that was stated asks for readings: nothing is promoted before there were some of both versions. One that is
    /// there by default asks for none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_memory: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_cpu: bool,
}

/// A version that can run: what was built, and from what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    pub artifact: Digest,
    /// For people, as in `1f2e3d4c5b (yaml-rust 0.4.1)`. The text is shared: whatever is desired names it again.
    pub label: Arc<str>,
}

/// Which version holds which share, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    pub arms: Vec<Arm>,
    /// How requests find their arm.
    #[serde(default)]
    pub traffic: Traffic,
    /// Instances of one arm become those of another by conversion: as many as all arms want stay as they are. What goes
    /// wrong falls back to the first arm. A share is what its confirmed instances carry, at most what the arm says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_place: bool,
}

/// One version's part of the desired state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    pub version: Version,
    pub instances: u32,
    pub share: Share,
    /// Healthy instances that it takes to carry the share; others may still be on their way. With fewer, a target gives
    /// less: capacity comes before weight.
    pub carriers: u32,
    /// What its instances are told with each request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<FlagValue>,
    /// Which of the named instances it has, where they have names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Token>,
}

/// What is really there, read back from the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Changes when the target's counters begin anew; a reset is not an event.
    pub epoch: String,
    pub arms: Vec<ObservedArm>,
    /// Requests that no version answered because none could be reached: failures by shifting or draining.
    pub unrouted: u64,
    /// Where the service is reached.
    pub address: Option<String>,
    /// How requests find their arm, as far as the target can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// One version as it really runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedArm {
    pub artifact: Digest,
    pub share: Share,
    pub instances: u32,
    pub healthy: u32,
    /// What can be compared with the other arm. `None` when the target could not be asked: missing, which is not zero.
    pub counts: Option<Counts>,
    /// What users met of it, where that is not what can be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met: Option<Met>,
    /// Its answers to mirrored requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<Mirrored>,
    /// Where its healthy instances listen, as far as the target can say.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What each of its instances uses, as far as the target can say.
    #[serde(default)]
    pub usage: Vec<Usage>,
    /// Those of its instances that have said themselves that they serve this artifact, where the target can know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Process>,
    /// The names of its healthy instances, where they have names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Token>,
}

/// What one instance uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Which instance, by a name that no other one of this service ever has.
    pub instance: String,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Processor time since it began.
    pub cpu_millis: u64,
}

/// One process of one machine, never mistaken for another with its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    /// When it was started, in the clock ticks of its machine.
    pub started: u64,
}

/// Cumulative counts of one version since the epoch began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub requests: u64,
    pub errors: u64,
    /// Latency as (bucket, count), ascending; the buckets are the judge's.
    pub latency: Vec<(u16, u64)>,
    /// How often an instance ended, or had to be ended, though it was wanted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} started at tick {}", self.pid, self.started)
    }
}

impl InstanceGuards {
    pub fn is_blank(&self) -> bool {
        *self == InstanceGuards::default()
    }
}

impl Strategy {
    /// As people call it.
    pub fn word(&self) -> &'static str {
        match self {
            Strategy::Canary(_) => "canary",
            Strategy::Rolling(_) => "rolling",
            Strategy::BlueGreen(_) => "blue/green",
            Strategy::Flag(_) => "flag",
            Strategy::Shadow(_) => "shadow",
            Strategy::Hot(_) => "hot",
        }
    }
}

impl Observed {
    pub fn arm(&self, artifact: &Digest) -> Option<&ObservedArm> {
        self.arms.iter().find(|arm| arm.artifact == *artifact)
    }

    /// Whether the world is as desired: every arm has its share and its healthy instances, requests find it as they should,
    /// and no other arm runs. Where instances are converted, they must have said what they serve; where they have names, these
    /// must be the ones.
    pub fn meets(&self, desired: &Desired) -> bool {
        let stands = |arm: &Arm| {
            self.arm(&arm.version.artifact).is_some_and(|there| {
                let said = u32::try_from(there.processes.len()).unwrap_or(u32::MAX);
                let is_said = !desired.in_place || said >= arm.instances;
                let is_named = arm.names.iter().all(|name| there.names.contains(name));
                there.share == arm.share && there.healthy >= arm.instances && is_said && is_named
            })
        };
        let wanted =
            |there: &ObservedArm| desired.arms.iter().any(|arm| arm.version.artifact == there.artifact);
        let found = self.traffic.as_ref().is_none_or(|traffic| *traffic == desired.traffic);
        found
            && desired.arms.iter().all(stands)
            && self.arms.iter().all(|there| wanted(there) || there.instances == 0)
    }
}

impl Counts {
    /// Without the latencies.
    pub fn met(&self) -> Met {
        Met { requests: self.requests, errors: self.errors }
    }

    /// What came since `earlier`; `None` if a counter went backwards, which is a reset.
    pub fn since(&self, earlier: &Counts) -> Option<Counts> {
        let mut latency = Vec::with_capacity(self.latency.len());
        for &(bucket, count) in &self.latency {
            let before =
                earlier.latency.iter().find(|(other, _)| *other == bucket).map_or(0, |(_, count)| *count);
            let added = count.checked_sub(before)?;
            if added > 0 {
                latency.push((bucket, added));
            }
        }
        Some(Counts {
            requests: self.requests.checked_sub(earlier.requests)?,
            errors: self.errors.checked_sub(earlier.errors)?,
            latency,
            restarts: self.restarts.checked_sub(earlier.restarts)?,
        })
    }

    /// These and what came after them.
    pub fn plus(&self, later: &Counts) -> Counts {
        let mut latency = self.latency.clone();
        for &(bucket, count) in &later.latency {
            match latency.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                Ok(at) => latency[at].1 = latency[at].1.saturating_add(count),
                Err(at) => latency.insert(at, (bucket, count)),
            }
        }
        Counts {
            requests: self.requests.saturating_add(later.requests),
            errors: self.errors.saturating_add(later.errors),
            latency,
            restarts: self.restarts.saturating_add(later.restarts),
        }
    }
}
