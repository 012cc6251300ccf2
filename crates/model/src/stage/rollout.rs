//! Rollout: walk the plan forward, hold, or go back; every look at the world is a fact.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::digest::Digest;
use crate::hold::Hold;
use crate::id::PatchId;
use crate::service::Name;
use crate::share::Share;
use crate::stage::budget::History;
use crate::stage::footing::{Footing, none};
use crate::stage::pause::Pauser;
use crate::stage::phase::Phase;
use crate::stage::plan::{Counts, Desired, Observed, ObservedArm, Plan, Process, Smoke, Usage, Version};
use crate::stage::safety::{ForwardOnly, NoReturn};
use crate::stage::traffic::{Apart, Mirrored, Traffic};
use crate::strategy::desired::{Progress, desired};
use crate::strategy::station::{Course, Left};
use crate::time::Timestamp;

/// One look: what came since the look before, in both arms. `None` is missing, which is no evidence either way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    pub canary: Option<Counts>,
    pub stable: Option<Counts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<Box<Signs>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Box<Apart>>,
}

/// What a look saw beside the requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signs {
    /// The new version's share by the plan, where it was in force for all of the time since the look before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Healthy instances of both versions.
    pub canary_instances: u32,
    pub stable_instances: u32,
    /// Instances that were asked for, and so could end: one that has crashed is still wanted. Looks of earlier rollouts
    /// don't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// What each instance uses, once in [`USAGE_EVERY`] looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canary_usage: Vec<Usage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stable_usage: Vec<Usage>,
}

/// How many instances of both versions were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub canary: u32,
    pub stable: u32,
}

/// What instances use changes slowly, and is kept for ever.
pub const USAGE_EVERY: usize = 10;

/// What the judge said after a look, with the numbers that say why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub answer: JudgeAnswer,
    pub reason: String,
    pub readings: Vec<Reading>,
    /// The versions did not get the shares of the plan: the target's fault, and no evidence about the version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrong_split: bool,
    /// The version of the judge that said it; zero for judgements from before versions were kept. Another version may
    /// say something else of the same looks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub judge: u32,
}

fn is_zero(version: &u32) -> bool {
    *version == 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeAnswer {
    Continue,
    Promote,
    Rollback,
    Inconclusive,
}

/// One guard's evidence, in nats, beside its threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub guard: String,
    pub log_evidence: f64,
    pub threshold: f64,
}

/// Why a version is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Judge {
        reason: String,
    },
    /// The canary did not become healthy in time, or its target could not be made to follow.
    Unhealthy {
        reason: String,
    },
    /// The deadline passed without enough evidence.
    Inconclusive {
        reason: String,
    },
    /// The smoke test failed, before any user met it.
    Smoke {
        reason: String,
    },
    Person {
        by: Actor,
        reason: String,
    },
    /// A newer patch takes its place.
    Replaced {
        patch: PatchId,
    },
    /// Another patch of its set was taken back.
    Set {
        name: Name,
        patch: PatchId,
    },
}

/// Cumulative counts at the last look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    pub epoch: String,
    pub canary: Option<Counts>,
    pub stable: Option<Counts>,
    pub unrouted: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Box<Apart>>,
}

/// What users met in this rollout, summed over its looks: also those who are not compared, and no mirrors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub canary_requests: u64,
    pub canary_errors: u64,
    pub stable_requests: u64,
    pub stable_errors: u64,
    pub unrouted: u64,
}

/// The gate at the end of the present step, if the plan has one there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The step's bake is not over.
    #[default]
    Ahead,
    /// A person must open it.
    Waits,
    Opened,
}

/// The smoke test of the present step, if the plan has one there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmokeTest {
    #[default]
    Ahead,
    /// It is owed against the instance at this address.
    Runs {
        address: String,
    },
    Passed,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub phase: Phase,
    pub stable: Option<Version>,
    pub new: Option<Version>,
    pub plan: Option<Arc<Plan>>,
    /// The way that the plan takes, reckoned once.
    pub course: Option<Arc<Course>>,
    pub footing: Footing,
    pub started: Option<Timestamp>,
    /// The step that was entered last; it outlives the phase in which it is watched.
    pub reached: usize,
    /// When the present phase, or step, began.
    pub since: Timestamp,
    pub paused: Option<String>,
    pub pauser: Pauser,
    /// When a person paused it, and how long one has paused the present phase before that: no bake goes on meanwhile.
    pub paused_since: Option<Timestamp>,
    pub unbaked_millis: u64,
    /// What holds the rollout where it is, and since when.
    pub held: Option<(Hold, Timestamp)>,
    /// Since when people hold or pause it, and how long they have before that: the deadline stands still meanwhile.
    pub still_since: Option<Timestamp>,
    pub stood_still_millis: u64,
    /// Why the error budget has not let it begin, until when, and how often in a row.
    pub deferred: Option<(String, Timestamp, u32)>,
    pub gate: Gate,
    pub smoke: SmokeTest,
    /// A person asked for promotion: the remaining steps are skipped, the judge stays armed.
    pub hurried: bool,
    /// Every look so far, oldest first: the judge's whole input.
    pub ticks: Vec<Arc<Tick>>,
    pub cursor: Option<Cursor>,
    pub totals: Totals,
    /// Answers to mirrored requests, over all looks.
    pub mirrored: Mirrored,
    /// Looks in a row that said nothing: an arm was missing, or the shares were not the plan's.
    pub missing: u32,
    /// Requests to the new version since the present step was entered.
    pub step_requests: u64,
    pub judgement: Option<Arc<Judgement>>,
    pub cause: Option<Cause>,
    /// When taking it back was decided, and when the target confirmed that the canary has no share.
    pub rollback_decided: Option<Timestamp>,
    pub rollback_confirmed: Option<Timestamp>,
    /// The new version was ever asked to take a share.
    pub shared: bool,
    /// A person sent it forward in spite of the judge, and another accepted what its way back loses.
    pub forced: bool,
    pub loss_accepted: bool,
    /// It was promoted before it was taken back: when somebody asked for that.
    pub recalled: Option<Timestamp>,
    /// It was taken back while the old version drained: as after a promotion, that one must come back first.
    pub was_draining: bool,
    /// What stood when that was decided, and how many stable instances have come back since.
    pub left: Option<Left>,
    /// What each process said last that it serves, where instances are converted in place. Those of the stable version
    /// before the first conversion come first, and stay the same ones to the end.
    pub processes: Vec<(Process, Digest)>,
    /// Failed tries to make the world match, in a row, were so many that a person was called.
    pub paged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Pause {
        reason: String,
    },
    Resume,
    Promote {
        reason: String,
    },
    Rollback {
        reason: String,
    },
    /// Takes back what can't be undone; a person answers for what is lost.
    RollbackWithLoss {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Started {
        stable: Version,
        new: Version,
        plan: Box<Plan>,
        #[serde(default, skip_serializing_if = "Footing::is_blank")]
        footing: Footing,
        /// What was counted of the service before, so that whoever judges can be shown it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Box<History>>,
        /// What the error budget says, where it is no plain yes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The error budget does not let it begin; it is asked again then.
    Deferred {
        reason: String,
        until: Timestamp,
    },
    /// The step's instances are asked for; its share comes when they are healthy.
    StepPrepared {
        step: usize,
    },
    /// The step's share is asked for from now on.
    StepEntered {
        step: usize,
    },
    /// The step's bake is over, and a person must open the way to the next.
    GateReached {
        step: usize,
    },
    GateOpened {
        step: usize,
    },
    /// The smoke test is asked for, against the new instance at this address.
    SmokeBegun {
        step: usize,
        address: String,
    },
    SmokePassed {
        evidence: Digest,
    },
    SmokeFailed {
        reason: String,
        evidence: Digest,
    },
    /// What was seen and said is shared with the state that it becomes part of.
    Looked {
        tick: Arc<Tick>,
        /// Left out where it is the cursor before and this tick, as nearly always.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<Cursor>,
        judgement: Arc<Judgement>,
    },
    Paused {
        reason: String,
        #[serde(default)]
        by_machine: bool,
    },
    Resumed,
    /// The line, or a freeze, holds the rollout where it is from now on; the judge stays armed.
    Held {
        hold: Hold,
    },
    /// Nothing holds it any more.
    Released,
    Hurried {
        reason: String,
    },
    /// The evidence, or a person, promotes: the new version gets full capacity.
    PromotionDecided,
    /// The new version has capacity for everything and gets all but the hold-back, watched for the last time.
    BakeBegun,
    /// The new version has capacity for everything and gets all of the traffic.
    Switched,
    /// The target confirmed the switch; the old version may go.
    OldRetired,
    Promoted,
    /// What was promoted is to be taken back; the service is claimed for it.
    Recalled {
        cause: Cause,
    },
    /// The version still runs, and the one before is at hand: its instances are asked for.
    ReturnBegun,
    /// What was promoted stays, though it was to be taken back.
    Kept {
        reason: String,
        /// Times that members of its set had been taken back by then.
        #[serde(default, skip_serializing_if = "none")]
        seen: u32,
    },
    RollbackDecided {
        cause: Cause,
    },
    /// It would be taken back, but the old version can't undo it: everything stays until a person decides.
    Halted {
        cause: Cause,
    },
    /// A person sends a halted rollout forward, in spite of what halted it.
    Forced {
        reason: String,
        /// Times that members of its set had been taken back by then.
        #[serde(default, skip_serializing_if = "none")]
        seen: u32,
    },
    /// A person takes it back though something is lost by that.
    LossAccepted {
        reason: String,
    },
    /// So many stable instances are healthy again: they take what they can carry.
    StableReturned {
        instances: u32,
    },
    /// These processes have said that they serve this artifact now: first that all serve the stable one, then each
    /// conversion, forward and back.
    Confirmed {
        artifact: Digest,
        /// What they served until then, as far as this rollout knows.
        #[serde(default)]
        before: Option<Digest>,
        processes: Vec<Process>,
    },
    /// The target confirmed that the bad version has no share any more.
    ShareTaken,
    /// What users met at the end, counted until the bad version was gone.
    Counted {
        tick: Arc<Tick>,
        cursor: Cursor,
    },
    RolledBack,
    /// The world could not be made to match, again and again: a person is needed. The rollout goes on trying.
    Paged {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Find out which version runs now, and claim the service.
    Begin,
    /// Make the world match and read back what is really there; `look` asks the judge as well.
    Reconcile { desired: Desired, look: bool },
    /// Try the new instance at this address.
    Smoke { smoke: Smoke, address: String },
    /// Nothing is asked of the world: the patch's set says what follows.
    Follow,
    /// See whether what was promoted still runs, and whether the version before can be started.
    Recall,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What runs now.
    Begun {
        stable: Version,
        /// What the target counted of the service until now, where an error budget is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<Box<History>>,
    },
    Reconciled {
        observed: Observed,
        judgement: Option<Arc<Judgement>>,
    },
    /// How the smoke test ended; `failed` says why, if it did not succeed.
    Smoked {
        failed: Option<String>,
        evidence: Digest,
    },
    /// The set was heard.
    Followed,
    /// What runs now; `lacking` says why the version before can't be started, if it can't.
    Recallable {
        runs: Digest,
        lacking: Option<String>,
    },
}

impl Cause {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Cause::Judge { reason }
            | Cause::Unhealthy { reason }
            | Cause::Inconclusive { reason }
            | Cause::Smoke { reason } => reason.clone(),
            Cause::Person { by, reason } if reason.is_empty() => format!("asked for by {by}"),
            Cause::Person { by, reason } => format!("asked for by {by}: {reason}"),
            Cause::Replaced { patch } => format!("{patch} replaces it"),
            Cause::Set { name, patch } => format!("{patch} of the set `{name}` was taken back"),
        }
    }
}

impl State {
    /// What the world should look like now.
    pub fn desired(&self) -> Option<Desired> {
        let (stable, new, course) = (self.stable.as_ref()?, self.new.as_ref()?, self.course.as_ref()?);
        let was_promoted = self.had_all();
        let progress =
            Progress { phase: &self.phase, reached: self.reached, left: self.left.as_ref(), was_promoted };
        Some(desired(course, stable, new, progress))
    }

    /// The share that the plan allows the new version now; the most that a target may give it.
    pub fn allowed_share(&self) -> Share {
        self.desired().map_or(Share::NONE, |desired| self.share_of(&desired))
    }

    /// The new version's share in this state of the world.
    fn share_of(&self, desired: &Desired) -> Share {
        let new = self.new.as_ref();
        let arm = new.and_then(|new| desired.arms.iter().find(|arm| arm.version.artifact == new.artifact));
        arm.map_or(Share::NONE, |arm| arm.share)
    }

    fn wanted(&self, desired: &Desired) -> Wanted {
        let of = |version: &Option<Version>| {
            let artifact = version.as_ref().map(|version| &version.artifact);
            let arm = desired.arms.iter().find(|arm| Some(&arm.version.artifact) == artifact);
            arm.map_or(0, |arm| arm.instances)
        };
        Wanted { canary: of(&self.new), stable: of(&self.stable) }
    }

    /// Why it can't be taken back now by running the old version; nothing: it can, or a person accepted what is lost.
    pub fn no_way_back(&self) -> Option<&ForwardOnly> {
        let past = |bound: &&ForwardOnly| match bound.from {
            NoReturn::Start => true,
            NoReturn::Share => self.shared,
        };
        self.footing.forward_only.as_ref().filter(|_| !self.loss_accepted).filter(past)
    }

    /// What is known of both arms beside their counts.
    pub fn signs(&self, observed: &Observed) -> Signs {
        let arm = |version: &Option<Version>| observed.arm(&version.as_ref()?.artifact);
        let (canary, stable) = (arm(&self.new), arm(&self.stable));
        let healthy = |arm: Option<&ObservedArm>| arm.map_or(0, |arm| arm.healthy);
        let keeps_usage = self.ticks.len().is_multiple_of(USAGE_EVERY);
        let usage = |arm: Option<&ObservedArm>| {
            arm.filter(|_| keeps_usage).map_or_else(Vec::new, |arm| arm.usage.clone())
        };
        // Requests that an earlier look of this step saw prove that the share was in force by then.
        let is_steady = matches!(self.phase, Phase::Watching { .. }) && self.step_requests > 0;
        // A share of users is no share of requests, and copies are as many as their originals.
        let by_turns = |desired: &Desired| desired.traffic == Traffic::ByTurns;
        let desired = self.desired();
        let steady = desired.as_ref().filter(|_| is_steady).filter(|desired| by_turns(desired));
        let in_force = steady.filter(|desired| observed.meets(desired));
        Signs {
            wanted: desired.as_ref().map(|desired| self.wanted(desired)),
            share: in_force.map(|desired| self.share_of(desired)),
            canary_instances: healthy(canary),
            stable_instances: healthy(stable),
            canary_usage: usage(canary),
            stable_usage: usage(stable),
        }
    }

    /// The cursor as the event of a look keeps it: nothing, where it follows from the one before.
    pub fn kept_cursor(&self, tick: &Tick, cursor: Cursor) -> Option<Cursor> {
        let carried = self.cursor.as_ref().and_then(|before| before.after(tick));
        (carried.as_ref() != Some(&cursor)).then_some(cursor)
    }

    /// Its way back began when the new version had everything, and the old one was going or gone.
    pub fn had_all(&self) -> bool {
        self.was_draining || self.recalled.is_some()
    }

    /// On its way back, or there.
    pub fn is_going_back(&self) -> bool {
        matches!(self.phase, Phase::RollingBack | Phase::Retiring | Phase::RolledBack)
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Promoted | Phase::RolledBack)
    }
}
