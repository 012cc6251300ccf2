//! What must hold of each fact before a rollout and after it: finding, fix, proof, approval, end.

use patchline_model::actor::Actor;
use patchline_model::command::Ask;
use patchline_model::event::{Event, Fact};
use patchline_model::job::Outcome;
use patchline_model::patch::Patch;
use patchline_model::stage::approve::{self, Approval};
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::Counts;
use patchline_model::stage::review::{self, End};
use patchline_model::stage::rollout::{self, Tick};
use patchline_model::stage::verify::{CheckResult, REQUIRED};
use patchline_model::stage::{detect, generate, verify};

use crate::breach::{Breach, hold};
use crate::invariants::seen::Seen;

/// Every required check is there and none failed.
pub fn is_shown(patch: &Patch) -> bool {
    let Some(verdict) = &patch.verify.verdict else { return false };
    let has = |name: &&str| verdict.checks.iter().any(|checked| checked.check == **name);
    let fails = verdict.checks.iter().any(|checked| checked.result == CheckResult::Failed);
    REQUIRED.iter().all(has) && !fails
}

/// Checks one fact that is no fact of the rollout.
pub fn check(seen: Seen<'_>) -> Result<(), Breach> {
    let before = seen.before;
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{:?}", seen.event.fact))
    };
    says(!seen.event.by.name().is_empty(), "nothing is done by an unnamed hand")?;
    says(seen.event.by == seen.command.by, "an event names the hand that asked for it")?;
    if before.has_ended() {
        let looks_back = match &seen.event.fact {
            Fact::Review(review::Event::Reviewed(_)) => before.review.reviewed.is_none(),
            Fact::Review(review::Event::Retried { .. }) => true,
            Fact::Review(review::Event::EmergencyReviewed { .. }) => true,
            Fact::Rollout(
                rollout::Event::Recalled { .. }
                | rollout::Event::Halted { .. }
                | rollout::Event::LossAccepted { .. },
            ) => before.review.end == Some(End::Promoted),
            Fact::Faltered { job, .. } => job.stage == patchline_model::id::Stage::Review,
            _ => false,
        };
        says(looks_back, "an ended patch is only looked back at, tried again, or taken back")?;
    }
    match &seen.event.fact {
        Fact::Detect(detect::Event::Opened(_)) => says(before.version == 0, "a patch is opened once"),
        Fact::Detect(detect::Event::Shown(_)) => {
            says(before.rollout.plan.is_none(), "what moves is not proven again")
        }
        Fact::Detect(_) => says(*before.detect == detect::State::Scanning, "findings come from a scan"),
        Fact::Triage(_) | Fact::Build(_) | Fact::Verify(verify::Event::Dropped) => Ok(()),
        Fact::Generate(generate::Event::Proposed { candidate, .. }) => {
            let known =
                candidate.removes.iter().all(|id| before.findings().iter().any(|found| found.id == *id));
            says(known && !candidate.removes.is_empty(), "a candidate removes known findings")?;
            says(candidate.base == seen.planned.base, "a candidate builds on the base")?;
            let refused = &before.generate.refused;
            let fresh = refused.iter().all(|(refused, _)| refused.commit != candidate.commit);
            says(fresh, "what was refused is not proposed again")
        }
        Fact::Generate(_) => Ok(()),
        Fact::Verify(verify::Event::Verified { verdict }) => {
            let has = |name: &str| verdict.checks.iter().any(|checked| checked.check == name);
            says(REQUIRED.iter().all(|name| has(name)), "a verdict speaks of every required check")?;
            let refuses = |event: &Event| {
                matches!(
                    event.fact,
                    Fact::Generate(generate::Event::Refused { .. })
                        | Fact::Review(review::Event::Ended(End::Abandoned(_)))
                )
            };
            let dropped = is_shown(seen.after) || seen.rest.iter().any(refuses);
            says(dropped, "what fails a check is refused")
        }
        Fact::Approve(approve::Event::Decided { considered, .. }) => {
            says(*considered == before.approve.approvals.len(), "a decision considers every approval")
        }
        Fact::Approve(approve::Event::Approved(approval)) => approved(seen, approval),
        Fact::Approve(approve::Event::Rejected { .. }) => {
            let ends = |event: &Event| matches!(event.fact, Fact::Review(review::Event::Ended(_)));
            says(seen.rest.iter().any(ends), "a person's no ends the patch")
        }
        Fact::Rollout(_) => Ok(()),
        Fact::Review(review::Event::Ended(end)) => ended(seen, end),
        Fact::Review(review::Event::Retried { .. }) => retried(seen),
        Fact::Review(review::Event::EmergencyReviewed { .. }) => {
            let owed = before.review.afterwards.as_ref();
            let other = owed.is_some_and(|owed| owed.by != seen.event.by);
            let person = matches!(seen.event.by, Actor::Person(_));
            says(other && person, "another person reviews what passed in an emergency")
        }
        Fact::Review(review::Event::Reviewed(_)) => {
            says(before.has_ended(), "only what has ended is reviewed")
        }
        Fact::Faltered { job, retry_at, .. } => {
            let moves =
                job.stage == patchline_model::id::Stage::Rollout && before.rollout.phase != Phase::Idle;
            says(!moves || retry_at.is_some(), "a rollout that has begun is never given up")?;
            let lacks = match &seen.command.ask {
                Ask::Report {
                    answer: Ok(Outcome::Rollout(rollout::Outcome::Recallable { lacking, .. })),
                    ..
                } => lacking.is_some(),
                _ => false,
            };
            let pages = |event: &Event| matches!(event.fact, Fact::Rollout(rollout::Event::Paged { .. }));
            let called = before.rollout.paged || seen.rest.iter().any(pages);
            says(!lacks || called, "a member of a set that can't go back calls a person")
        }
    }
}

fn approved(seen: Seen<'_>, approval: &Approval) -> Result<(), Breach> {
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{approval:?} asked as {:?}", seen.command))
    };
    let name = approval.by.name().to_lowercase();
    says(!name.contains("ann@example.com"), "nobody approves their own patch")?;
    let person = matches!(&seen.command.by, Actor::Person(_)) && approval.by == seen.command.by;
    says(person && !name.is_empty(), "only a named person approves")?;
    let shown = match &seen.command.ask {
        Ask::Approve(
            approve::Command::Approve { dossier, .. } | approve::Command::Emergency { dossier, .. },
        ) => Some(dossier),
        _ => None,
    };
    let asked = seen.before.approve.decision.as_ref().map(|decision| &decision.dossier);
    let owes = approval.emergency.is_none() || seen.after.review.afterwards.is_some();
    says(owes, "an emergency owes a review")?;
    let same = shown == Some(&approval.dossier) && asked == shown;
    says(same, "an approval is given over exactly what was shown")
}

/// Only what was taken back or stopped on its way out comes again, by a person's word, and nobody's old word counts.
fn retried(seen: Seen<'_>) -> Result<(), Breach> {
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || {
            format!("{:?} after {:?}", seen.event, seen.before.review.end)
        })
    };
    let stopped = matches!(seen.before.review.end, Some(End::RolledBack(_) | End::Abandoned(_)));
    let person = matches!(seen.event.by, Actor::Person(_));
    says(
        stopped && person && is_shown(seen.before),
        "a person tries again what was proven and did not stay",
    )?;
    let asks_anew = *seen.after.approve == approve::State::default() && seen.after.rollout.ticks.is_empty();
    says(asks_anew, "a new try asks the gate and the judge anew")?;
    let owed = |patch: &Patch| patch.review.afterwards.clone();
    says(owed(seen.before) == owed(seen.after), "the review of an emergency is owed until somebody closes it")
}

fn ended(seen: Seen<'_>, end: &End) -> Result<(), Breach> {
    let before = seen.before;
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{end:?} in {:?}", before.rollout.phase))
    };
    match end {
        End::HandedOver => says(is_shown(before), "only what was shown to be a fix is handed over"),
        End::Promoted => says(before.rollout.phase == Phase::Promoted, "an end fits the rollout"),
        End::RolledBack(_) => says(before.rollout.phase == Phase::RolledBack, "an end fits the rollout"),
        End::NothingToDo | End::Abandoned(_) => {
            says(before.rollout.plan.is_none(), "a rollout that has begun is never given up")
        }
    }
}

/// What users met by these events, as the totals must show: requests and errors of the new version, then of the stable one.
pub fn added(events: &[Event]) -> [u64; 4] {
    let mut sums = [0; 4];
    for tick in ticks(events) {
        let (canary, stable) = (tick.met_canary(), tick.met_stable());
        let met = [canary.requests, canary.errors, stable.requests, stable.errors];
        sums.iter_mut().zip(met).for_each(|(sum, met)| *sum += met);
    }
    sums
}

/// Requests of the new and of the stable version that these events compare.
pub fn compared(events: &[Event]) -> [u64; 2] {
    let requests = |counts: &Option<Counts>| counts.as_ref().map_or(0, |counts| counts.requests);
    ticks(events).fold([0; 2], |[canary, stable], tick| {
        [canary + requests(&tick.canary), stable + requests(&tick.stable)]
    })
}

fn ticks(events: &[Event]) -> impl Iterator<Item = &Tick> {
    events.iter().filter_map(|event| match &event.fact {
        Fact::Rollout(rollout::Event::Looked { tick, .. } | rollout::Event::Counted { tick, .. }) => {
            Some(&**tick)
        }
        _ => None,
    })
}
