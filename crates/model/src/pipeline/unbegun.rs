//! What people ask of a rollout before it has begun: it waits until they say more, is hurried, or ends without having moved
//! anything.

use crate::actor::Actor;
use crate::context::Context;
use crate::event::Fact;
use crate::patch::Patch;
use crate::pipeline::ending::ended;
use crate::pipeline::held::hold;
use crate::rejection::Rejection;
use crate::stage::approve;
use crate::stage::review::End;
use crate::stage::rollout::{Command, Event};

/// What follows from a person's word. Asking twice is asking once.
pub fn decide(
    cx: Context<'_>,
    patch: &Patch,
    by: &Actor,
    asked: &str,
    command: Command,
) -> Result<Vec<Fact>, Rejection> {
    let (id, state) = (patch.id, &patch.rollout);
    if !patch.goes_to_rollout() {
        return Err(Rejection::NotNow { patch: id, stage: patch.stage(), asked: asked.to_owned() });
    }
    let is_paused = state.paused.is_some();
    let event = match command {
        Command::Pause { .. } | Command::Promote { .. } | Command::RollbackWithLoss { .. }
            if *by == Actor::Machine =>
        {
            return Err(Rejection::NotAPerson);
        }
        Command::Promote { .. } if !approve::allowed(&patch.approve) => {
            return Err(Rejection::NotApproved { patch: id });
        }
        Command::Pause { .. } if is_paused => return Ok(Vec::new()),
        Command::Resume if !is_paused => return Ok(Vec::new()),
        Command::Promote { .. } if state.hurried && !is_paused => return Ok(Vec::new()),
        Command::Pause { reason } => Event::Paused { reason, by_machine: false },
        Command::Resume => Event::Resumed,
        Command::Promote { reason } => {
            if let Some(hold) = hold(cx, patch).filter(|hold| hold.kind.holds_people()) {
                return Err(Rejection::Held { patch: id, asked: asked.to_owned(), hold });
            }
            Event::Hurried { reason }
        }
        Command::Rollback { reason } | Command::RollbackWithLoss { reason } => {
            return Ok(vec![given_up("taken back before it began", by, &reason)]);
        }
    };
    Ok(vec![Fact::Rollout(event)])
}

/// It ends, and nothing has moved.
pub fn given_up(how: &str, by: &Actor, reason: &str) -> Fact {
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    ended(End::Abandoned(format!("{how} by {by}{why}")))
}
