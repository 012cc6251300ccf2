//! What is known of one patch, in the shape that the API promises.

use patchline_model::actor::Actor;
use patchline_model::digest::{Commit, Digest};
use patchline_model::hold::Hold;
use patchline_model::patch::Patch;
use patchline_model::stage::approve::{Answer, Approval, Reason};
use patchline_model::stage::build::Artifact;
use patchline_model::stage::detect::{Finding, Opening, Subject, Until};
use patchline_model::stage::generate::Candidate;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Plan, Version};
use patchline_model::stage::review::{End, Review};
use patchline_model::stage::rollout::{Cause, Gate, Judgement, Totals};
use patchline_model::stage::safety::ForwardOnly;
use patchline_model::stage::terms::Terms;
use patchline_model::stage::triage::Priority;
use patchline_model::stage::verify::Verdict;
use patchline_model::time::Timestamp;
use patchline_model::view::board::{Card, card_under};
use serde::Serialize;

/// Everything but the single events.
#[derive(Serialize)]
pub struct Facts<'a> {
    pub id: String,
    /// How many events are taken in.
    pub version: u64,
    pub card: Card,
    pub opening: Option<OpeningFacts<'a>>,
    pub findings: &'a [Finding],
    pub priorities: &'a [Priority],
    pub candidate: Option<&'a Candidate>,
    /// Why running the old version again would not undo it.
    pub forward_only: Option<ForwardOnly>,
    pub refused: Vec<Refused<'a>>,
    pub no_fix: Option<&'a [String]>,
    pub artifact: Option<&'a Artifact>,
    pub base_artifact: Option<&'a Artifact>,
    pub broken: Option<&'a str>,
    pub verdict: Option<&'a Verdict>,
    pub decision: Option<DecisionFacts<'a>>,
    pub rollout: Option<RolloutFacts<'a>>,
    pub faltering: Option<FalteringFacts<'a>>,
    pub end: Option<&'a End>,
    pub review: Option<&'a Review>,
}

#[derive(Serialize)]
pub struct OpeningFacts<'a> {
    pub service: &'a str,
    pub owner: &'a str,
    pub tier: u8,
    pub base: &'a Commit,
    pub subject: &'a Subject,
    pub until: Until,
    pub terms: &'a Terms,
}

#[derive(Serialize)]
pub struct Refused<'a> {
    pub candidate: &'a Candidate,
    pub why: &'a str,
}

#[derive(Serialize)]
pub struct DecisionFacts<'a> {
    pub answer: &'a Answer,
    pub reasons: &'a [Reason],
    pub policy: &'a Digest,
    /// What an approval must name.
    pub dossier: &'a Digest,
    pub evidence: &'a Digest,
    pub approvals: &'a [Approval],
    pub rejected: Option<RejectedFacts<'a>>,
}

#[derive(Serialize)]
pub struct RejectedFacts<'a> {
    pub by: &'a Actor,
    pub reason: &'a str,
}

#[derive(Serialize)]
pub struct RolloutFacts<'a> {
    /// `watching`, `growing`, …
    pub phase: &'static str,
    /// The watched step, from 1.
    pub step: Option<usize>,
    /// What the plan allows the new version now, as a fraction.
    pub share: f64,
    pub stable: Option<&'a Version>,
    pub new: Option<&'a Version>,
    pub plan: &'a Plan,
    pub started: Option<Timestamp>,
    pub since: Timestamp,
    pub paused: Option<&'a str>,
    /// Of the present step: ahead, waits for a person, or opened.
    pub gate: Gate,
    pub hurried: bool,
    pub looks: usize,
    /// Looks in a row in which an arm was missing.
    pub missing: u32,
    pub totals: &'a Totals,
    pub judgement: Option<&'a Judgement>,
    pub cause: Option<&'a Cause>,
    pub rollback_decided: Option<Timestamp>,
    pub rollback_confirmed: Option<Timestamp>,
    pub paged: bool,
}

#[derive(Serialize)]
pub struct FalteringFacts<'a> {
    pub stage: &'static str,
    pub tries: u32,
    pub retry_at: Option<Timestamp>,
    pub message: &'a str,
}

impl<'a> Facts<'a> {
    pub fn of(patch: &'a Patch, hold: Option<Hold>) -> Self {
        let built = patch.build.built.as_ref();
        Self {
            id: patch.id.to_string(),
            version: patch.version,
            card: card_under(patch, hold),
            opening: patch.opening.as_deref().map(OpeningFacts::of),
            findings: patch.findings(),
            priorities: &patch.triage.priorities,
            candidate: patch.candidate(),
            forward_only: patch.forward_only(),
            refused: patch
                .generate
                .refused
                .iter()
                .map(|(candidate, why)| Refused { candidate, why })
                .collect(),
            no_fix: patch.generate.no_fix.as_deref(),
            artifact: built.map(|pair| &pair.patch),
            base_artifact: built.map(|pair| &pair.base),
            broken: patch.build.broken.as_deref(),
            verdict: patch.verify.verdict.as_ref(),
            decision: DecisionFacts::of(patch),
            rollout: RolloutFacts::of(patch),
            faltering: patch.faltering.as_ref().map(|faltering| FalteringFacts {
                stage: faltering.stage.name(),
                tries: faltering.tries,
                retry_at: faltering.retry_at,
                message: &faltering.message,
            }),
            end: patch.review.end.as_ref(),
            review: patch.review.reviewed.as_ref(),
        }
    }
}

impl<'a> OpeningFacts<'a> {
    fn of(opening: &'a Opening) -> Self {
        Self {
            service: opening.service.name.as_str(),
            owner: &opening.service.owner,
            tier: opening.service.tier.number(),
            base: &opening.base,
            subject: &opening.subject,
            until: opening.until,
            terms: &opening.terms,
        }
    }
}

impl<'a> DecisionFacts<'a> {
    fn of(patch: &'a Patch) -> Option<Self> {
        let decision = patch.approve.decision.as_ref()?;
        Some(Self {
            answer: &decision.answer,
            reasons: &decision.reasons,
            policy: &decision.policy,
            dossier: &decision.dossier,
            evidence: &decision.evidence,
            approvals: &patch.approve.approvals,
            rejected: patch.approve.rejected.as_ref().map(|(by, reason)| RejectedFacts { by, reason }),
        })
    }
}

impl<'a> RolloutFacts<'a> {
    /// `None` until the rollout has begun.
    pub fn of(patch: &'a Patch) -> Option<Self> {
        let rollout = &patch.rollout;
        let (phase, step) = phase(&rollout.phase);
        Some(Self {
            phase,
            step,
            share: patch.allowed_share().fraction(),
            stable: rollout.stable.as_ref(),
            new: rollout.new.as_ref(),
            plan: rollout.plan.as_ref()?,
            started: rollout.started,
            since: rollout.since,
            paused: rollout.paused.as_deref(),
            gate: rollout.gate,
            hurried: rollout.hurried,
            looks: rollout.ticks.len(),
            missing: rollout.missing,
            totals: &rollout.totals,
            judgement: rollout.judgement.as_deref(),
            cause: rollout.cause.as_ref(),
            rollback_decided: rollout.rollback_decided,
            rollback_confirmed: rollout.rollback_confirmed,
            paged: rollout.paged,
        })
    }
}

/// A phase by its name in JSON, and the step from 1.
pub fn phase(phase: &Phase) -> (&'static str, Option<usize>) {
    match phase {
        Phase::Idle => ("idle", None),
        Phase::Preparing => ("preparing", None),
        Phase::Filling { step } => ("filling", Some(step.saturating_add(1))),
        Phase::Watching { step } => ("watching", Some(step.saturating_add(1))),
        Phase::Growing => ("growing", None),
        Phase::Baking => ("baking", None),
        Phase::Switching => ("switching", None),
        Phase::Finishing => ("finishing", None),
        Phase::Promoted => ("promoted", None),
        Phase::Recalling => ("recalling", None),
        Phase::RollingBack => ("rolling_back", None),
        Phase::Retiring => ("retiring", None),
        Phase::RolledBack => ("rolled_back", None),
        Phase::Halted { .. } => ("halted", None),
    }
}
