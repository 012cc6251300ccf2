//! What must hold of a patch that the old version can't undo: it halts, and only a person moves it on.

use patchline_model::actor::Actor;
use patchline_model::command::Ask;
use patchline_model::event::{Event, Fact};
use patchline_model::patch::Patch;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::rollout::{Command, Event as Walked};
use patchline_model::stage::safety::NoReturn;

use crate::breach::{Breach, hold};
use crate::invariants::seen::Seen;

/// What is true of the patch, reckoned without the model.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// From when on it can't be undone, if ever.
    pub from: Option<NoReturn>,
    /// It has been asked to take a share.
    pub shared: bool,
    /// A person answers for what its way back loses.
    pub accepted: bool,
}

impl Truth {
    fn is_bound(self) -> bool {
        let past = match self.from {
            Some(NoReturn::Start) => true,
            Some(NoReturn::Share) => self.shared,
            None => false,
        };
        past && !self.accepted
    }
}

/// Checks one fact of the rollout.
pub fn check(seen: Seen<'_>, event: &Walked, truth: Truth) -> Result<(), Breach> {
    let (before, after) = (&seen.before.rollout, &seen.after.rollout);
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{event:?} in {:?}, {truth:?}", before.phase))
    };
    let by_person = matches!(seen.event.by, Actor::Person(_));
    let asked = match &seen.command.ask {
        Ask::Rollout(command) => Some(command),
        _ => None,
    };
    match event {
        Walked::Halted { .. } => {
            says(truth.is_bound(), "only what can't be undone halts")?;
            let pages = |event: &Event| matches!(event.fact, Fact::Rollout(Walked::Paged { .. }));
            says(seen.rest.iter().any(pages), "a halt calls a person")?;
        }
        Walked::RollbackDecided { .. } | Walked::Recalled { .. } => {
            says(!truth.is_bound(), "what can't be undone is taken back only if a person answers for it")?;
        }
        Walked::LossAccepted { .. } => {
            let said = matches!(asked, Some(Command::RollbackWithLoss { .. }));
            says(by_person && said, "only a named person accepts a loss, in so many words")?;
        }
        Walked::Forced { .. } => {
            let said = matches!(asked, Some(Command::Promote { .. }));
            says(by_person && said, "only a person sends forward what has halted")?;
        }
        _ => {}
    }
    if truth.is_bound() {
        let holds = after.allowed_share() >= before.allowed_share();
        says(holds, "the share of what can't be undone never shrinks by itself")?;
    }
    if matches!(before.phase, Phase::Halted { .. }) {
        // An instance that was told before the halt may take the version over after it, and that is seen.
        let stands = matches!(
            event,
            Walked::Looked { .. }
                | Walked::Confirmed { .. }
                | Walked::Paged { .. }
                | Walked::LossAccepted { .. }
        );
        says(stands || by_person, "a halt stands until a person decides")?;
        let same = before.desired() == after.desired();
        says(!stands || same, "what has halted asks for exactly what it asked for before")?;
    }
    Ok(())
}

/// The phase in which it stands, or in which it stood when it halted.
pub fn standing(phase: &Phase) -> &Phase {
    match phase {
        Phase::Halted { from } => from,
        other => other,
    }
}

/// The old version may go: the new one has all of the traffic, confirmed.
pub fn is_past_switch(patch: &Patch) -> bool {
    matches!(standing(&patch.rollout.phase), Phase::Finishing | Phase::Promoted | Phase::Recalling)
}
