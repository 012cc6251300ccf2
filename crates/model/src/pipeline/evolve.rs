//! Takes a fact in. Never fails, never decides.

use std::sync::Arc;

use crate::event::{Event, Fact};
use crate::id::Stage;
use crate::patch::{Faltering, Patch};
use crate::stage::{approve, build, detect, folding, generate, review, rollout, triage, verify};

/// The patch after this event.
pub fn evolve(mut patch: Patch, event: &Event) -> Patch {
    let stage = event.fact.stage();
    patch.version += 1;
    patch.changed_at = event.at;
    *patch.attempts.entry(stage).or_insert(0) += 1;
    if !matches!(event.fact, Fact::Faltered { .. } | Fact::Rollout(rollout::Event::Paged { .. })) {
        patch.faltering = patch.faltering.filter(|faltering| faltering.stage != stage);
    }
    match &event.fact {
        Fact::Detect(fact) => {
            if let detect::Event::Opened(opening) = fact {
                patch.opening = Some(Arc::new((**opening).clone()));
                patch.opened_at = event.at;
            }
            patch.detect = detect::evolve(patch.detect, fact);
        }
        Fact::Triage(fact) => patch.triage = triage::evolve(patch.triage, fact),
        Fact::Generate(fact) => patch.generate = generate::evolve(patch.generate, fact),
        Fact::Build(fact) => patch.build = build::evolve(patch.build, fact),
        Fact::Verify(fact) => patch.verify = verify::evolve(patch.verify, fact),
        Fact::Approve(fact) => patch.approve = approve::evolve(patch.approve, fact),
        Fact::Rollout(fact) => {
            patch.rollout = folding::evolve(patch.rollout, event.at, fact);
            patch.returns = patch.returns.saturating_add(u32::from(takes_back(fact)));
            if reopens(fact) {
                patch.review = review::reopened(patch.review);
            }
        }
        Fact::Review(fact) => {
            // The world has changed meanwhile: nobody's word and no look of the try before counts for this one.
            if matches!(fact, review::Event::Retried { .. }) {
                (patch.approve, patch.rollout) = (approve::State::default(), rollout::State::default());
                patch.faltering = None;
                // It is an event of theirs, too: an answer that was asked for before is not owed any more.
                for reopened in [Stage::Approve, Stage::Rollout] {
                    *patch.attempts.entry(reopened).or_insert(0) += 1;
                }
            }
            patch.review = review::evolve(patch.review, fact);
        }
        Fact::Faltered { failure, retry_at, .. } => {
            let before = patch.faltering.take().filter(|faltering| faltering.stage == stage);
            patch.faltering = Some(Faltering {
                stage,
                tries: before.map_or(0, |faltering| faltering.tries).saturating_add(1),
                retry_at: *retry_at,
                message: failure.message.clone(),
            });
        }
    }
    patch
}

/// What was promoted has not ended after all.
fn reopens(fact: &rollout::Event) -> bool {
    matches!(fact, rollout::Event::Recalled { .. } | rollout::Event::Halted { .. })
}

fn takes_back(fact: &rollout::Event) -> bool {
    matches!(fact, rollout::Event::Recalled { .. } | rollout::Event::RollbackDecided { .. })
}

/// The patch that these events tell of, oldest first.
pub fn replay<'a>(patch: Patch, events: impl IntoIterator<Item = &'a Event>) -> Patch {
    events.into_iter().fold(patch, evolve)
}

/// What the events change about who moves which service: locks to take, and locks to give back. Written in the same
/// transaction as the events.
pub fn locks(patch: &Patch, events: &[Event]) -> (Option<String>, Option<String>) {
    let lock = patch.opening.as_ref().and_then(|opening| opening.service.lock());
    let takes = |fact: &Fact| match fact {
        Fact::Rollout(fact) => matches!(fact, rollout::Event::Started { .. }) || reopens(fact),
        _ => false,
    };
    let gives = |fact: &Fact| matches!(fact, Fact::Review(review::Event::Ended(_)));
    let any = |test: &dyn Fn(&Fact) -> bool| events.iter().any(|event| test(&event.fact));
    let held = patch.attempts.contains_key(&Stage::Rollout);
    (lock.clone().filter(|_| any(&takes)), lock.filter(|_| held && any(&gives)))
}

/// Whether any of these lets users meet more of a new version, leaves less of a way back, or says what is held. Such
/// events are true only if the line has not changed since the board was read: the append checks it. What goes back
/// rests on nothing.
pub fn rests_on_the_line(events: &[Event]) -> bool {
    use rollout::Event as Moved;
    events.iter().any(|event| match &event.fact {
        Fact::Rollout(
            Moved::Started { .. }
            | Moved::StepPrepared { .. }
            | Moved::StepEntered { .. }
            | Moved::GateOpened { .. }
            | Moved::Hurried { .. }
            | Moved::PromotionDecided
            | Moved::BakeBegun
            | Moved::Switched
            | Moved::OldRetired
            | Moved::Forced { .. }
            | Moved::Held { .. }
            | Moved::Released,
        ) => true,
        Fact::Rollout(
            Moved::Deferred { .. }
            | Moved::GateReached { .. }
            | Moved::SmokeBegun { .. }
            | Moved::SmokePassed { .. }
            | Moved::SmokeFailed { .. }
            | Moved::Looked { .. }
            | Moved::Paused { .. }
            | Moved::Resumed
            | Moved::Promoted
            | Moved::Recalled { .. }
            | Moved::ReturnBegun
            | Moved::Kept { .. }
            | Moved::Halted { .. }
            | Moved::LossAccepted { .. }
            | Moved::Confirmed { .. }
            | Moved::RollbackDecided { .. }
            | Moved::StableReturned { .. }
            | Moved::ShareTaken
            | Moved::Counted { .. }
            | Moved::RolledBack
            | Moved::Paged { .. },
        )
        | Fact::Detect(_)
        | Fact::Triage(_)
        | Fact::Generate(_)
        | Fact::Build(_)
        | Fact::Verify(_)
        | Fact::Approve(_)
        | Fact::Review(_)
        | Fact::Faltered { .. } => false,
    })
}
