//! What an append is true upon: whatever was seen of others when it was decided. The ledger checks it in the append's own
//! transaction, so nothing goes forward on a picture that has changed meanwhile. What goes back rests on nothing.

use crate::context::Board;
use crate::event::{Event, Fact};
use crate::id::PatchId;
use crate::patch::Patch;
use crate::stage::rollout;

/// What must still be so for events to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// The version of the line.
    pub line: Option<u64>,
    /// How many events the other members of its set have had.
    pub others: Vec<(PatchId, u64)>,
}

/// What these events of a patch rest on, decided on this board.
pub fn grounds(board: &Board, patch: &Patch, events: &[Event]) -> Grounds {
    if !goes_forward(events) {
        return Grounds::default();
    }
    let membership = patch.opening.as_ref().and_then(|opening| opening.terms.set.as_ref());
    let set = membership.and_then(|membership| board.sets.get(&membership.name));
    let members = set.into_iter().flat_map(|set| &set.members);
    let others = members.filter(|(other, _)| **other != patch.id);
    Grounds {
        line: Some(board.line.version),
        others: others.map(|(other, member)| (*other, member.version)).collect(),
    }
}

/// Whether any of these lets users meet more of a new version, leaves less of a way back, or says what is held.
fn goes_forward(events: &[Event]) -> bool {
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
