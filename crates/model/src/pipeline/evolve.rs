//! Takes a fact in. Never fails, never decides.

use std::sync::Arc;

use crate::event::{Event, Fact};
use crate::id::Stage;
use crate::patch::{Faltering, Patch};
use crate::stage::{approve, build, detect, folding, generate, review, rollout, triage, verify};

/// The patch after this event. Only the state that the event changes is made anew, and where nobody else holds it, not even
/// that is copied.
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
            if let detect::Event::Shown(reproducer) = fact {
                if let Some(opening) = &mut patch.opening {
                    Arc::make_mut(opening).service.reproducers.push((**reproducer).clone());
                }
                // It is an event of the gate, too: an answer that was asked for before is not owed any more.
                patch.approve = Arc::default();
                *patch.attempts.entry(Stage::Approve).or_insert(0) += 1;
            }
            detect::evolve(Arc::make_mut(&mut patch.detect), fact);
        }
        Fact::Triage(fact) => triage::evolve(Arc::make_mut(&mut patch.triage), fact),
        Fact::Generate(fact) => generate::evolve(Arc::make_mut(&mut patch.generate), fact),
        Fact::Build(fact) => build::evolve(Arc::make_mut(&mut patch.build), fact),
        Fact::Verify(fact) => verify::evolve(Arc::make_mut(&mut patch.verify), fact),
        Fact::Approve(fact) => {
            if let approve::Event::Approved(approval) = fact
                && approval.emergency.is_some()
            {
                review::owe(Arc::make_mut(&mut patch.review), approval);
            }
            approve::evolve(Arc::make_mut(&mut patch.approve), fact);
            // Until it may begin, a pause keeps nothing: its limit counts from here.
            if patch.rollout.paused_since.is_some() {
                Arc::make_mut(&mut patch.rollout).paused_since = Some(event.at);
            }
        }
        Fact::Rollout(fact) => {
            folding::evolve(Arc::make_mut(&mut patch.rollout), event.at, &event.by, fact);
            patch.returns = patch.returns.saturating_add(u32::from(takes_back(fact)));
            if reopens(fact) {
                review::reopen(Arc::make_mut(&mut patch.review));
            }
        }
        Fact::Review(fact) => {
            // The world has changed meanwhile: nobody's word and no look of the try before counts for this one.
            if matches!(fact, review::Event::Retried { .. }) {
                (patch.approve, patch.rollout) = Default::default();
                patch.faltering = None;
                // It is an event of theirs, too: an answer that was asked for before is not owed any more.
                for reopened in [Stage::Approve, Stage::Rollout] {
                    *patch.attempts.entry(reopened).or_insert(0) += 1;
                }
            }
            review::evolve(Arc::make_mut(&mut patch.review), fact);
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
    let lock = || patch.opening.as_ref().and_then(|opening| opening.service.lock());
    let takes = |fact: &Fact| match fact {
        Fact::Rollout(fact) => matches!(fact, rollout::Event::Started { .. }) || reopens(fact),
        _ => false,
    };
    let gives = |fact: &Fact| matches!(fact, Fact::Review(review::Event::Ended(_)));
    let any = |test: &dyn Fn(&Fact) -> bool| events.iter().any(|event| test(&event.fact));
    let held = patch.attempts.contains_key(&Stage::Rollout);
    (any(&takes).then(lock).flatten(), (held && any(&gives)).then(lock).flatten())
}
