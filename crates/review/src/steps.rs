//! The steps of a rollout: which share was held how long, what came in both arms, and what the judge said last.

use std::sync::Arc;

use patchline_model::event::{Event, Fact};
use patchline_model::share::Share;
use patchline_model::stage::plan::{Counts, Plan};
use patchline_model::stage::rollout::{self, Judgement, Tick};
use patchline_model::strategy::course::course;
use patchline_model::time::Timestamp;

/// One step of the plan as it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Counted from 1.
    pub number: usize,
    pub share: Share,
    pub since: Timestamp,
    pub seconds: f64,
    pub canary: Arm,
    pub stable: Arm,
    /// Looks in which an arm could not be read.
    pub missing: u64,
    pub judgement: Option<Arc<Judgement>>,
}

/// What one version met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arm {
    pub requests: u64,
    pub errors: u64,
}

/// The steps that were entered, in order. What was counted after the last step belongs to it: the canary was still
/// meeting users.
pub fn steps(events: &[Event]) -> Vec<Step> {
    let mut plan: Option<&Plan> = None;
    let mut steps: Vec<Step> = Vec::new();
    let mut watched = false;
    for event in events {
        let Fact::Rollout(fact) = &event.fact else { continue };
        if let (true, Some(step)) = (watched, steps.last_mut()) {
            step.seconds = event.at.seconds_since(step.since).max(step.seconds);
        }
        match fact {
            rollout::Event::Started { plan: started, .. } => plan = Some(started),
            rollout::Event::StepEntered { step } => {
                watched = true;
                // Where instances are converted, users met the first step while it was made ready.
                match steps.last_mut().filter(|last| last.number == step.saturating_add(1)) {
                    Some(last) => last.since = event.at,
                    None => steps.push(Step::new(plan, *step, event.at)),
                }
            }
            rollout::Event::StepPrepared { step } if steps.is_empty() => {
                steps.push(Step::new(plan, *step, event.at));
            }
            rollout::Event::Looked { tick, judgement, .. } => {
                if let Some(step) = steps.last_mut() {
                    step.count(tick);
                    step.judgement = Some(Arc::clone(judgement));
                }
            }
            rollout::Event::Counted { tick, .. } => {
                if let Some(step) = steps.last_mut() {
                    step.count(tick);
                }
            }
            // What users met after the promotion belongs to no step.
            rollout::Event::Recalled { .. } => break,
            rollout::Event::StepPrepared { .. }
            | rollout::Event::PromotionDecided
            | rollout::Event::RollbackDecided { .. } => watched = false,
            rollout::Event::Paused { .. }
            | rollout::Event::GateReached { .. }
            | rollout::Event::GateOpened { .. }
            | rollout::Event::SmokeBegun { .. }
            | rollout::Event::SmokePassed { .. }
            | rollout::Event::SmokeFailed { .. }
            | rollout::Event::BakeBegun
            | rollout::Event::StableReturned { .. }
            | rollout::Event::Confirmed { .. }
            | rollout::Event::Resumed
            | rollout::Event::Deferred { .. }
            | rollout::Event::Held { .. }
            | rollout::Event::Released
            | rollout::Event::Hurried { .. }
            | rollout::Event::Switched
            | rollout::Event::OldRetired
            | rollout::Event::Promoted
            | rollout::Event::Halted { .. }
            | rollout::Event::Forced { .. }
            | rollout::Event::LossAccepted { .. }
            | rollout::Event::ReturnBegun
            | rollout::Event::Kept { .. }
            | rollout::Event::ShareTaken
            | rollout::Event::RolledBack
            | rollout::Event::Paged { .. } => {}
        }
    }
    steps
}

impl Step {
    fn new(plan: Option<&Plan>, step: usize, since: Timestamp) -> Self {
        let share = plan
            .and_then(|plan| course(plan).stations.get(step).map(|station| station.share))
            .unwrap_or_default();
        Self {
            number: step.saturating_add(1),
            share,
            since,
            seconds: 0.0,
            canary: Arm::default(),
            stable: Arm::default(),
            missing: 0,
            judgement: None,
        }
    }

    fn count(&mut self, tick: &Tick) {
        self.canary.add(tick.canary.as_ref());
        self.stable.add(tick.stable.as_ref());
        self.missing += u64::from(tick.canary.is_none() || tick.stable.is_none());
    }
}

impl Arm {
    fn add(&mut self, counts: Option<&Counts>) {
        if let Some(counts) = counts {
            self.requests = self.requests.saturating_add(counts.requests);
            self.errors = self.errors.saturating_add(counts.errors);
        }
    }
}
