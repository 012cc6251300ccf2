//! Tells a patch's story as it happens, until it ends or waits for somebody.

use std::sync::Arc;
use std::time::Duration;

use patchline_conductor::conductor::Conductor;
use patchline_conductor::projection::Known;
use patchline_model::event::Fact;
use patchline_model::id::PatchId;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::plan::{Plan, Strategy};
use patchline_model::stage::rollout::Event as RolloutEvent;
use patchline_model::strategy::course::course;
use patchline_model::view::board::card;
use patchline_model::view::story::{self, Mood};

use crate::exit::{Exit, Trouble};
use crate::terminal::Teller;

/// How often the status line moves on.
const REDRAW: Duration = Duration::from_millis(250);

/// Why following ended.
pub enum Stopped {
    Closed(Arc<Known>),
    /// The policy wants a person's approval.
    NeedsApproval(Arc<Known>),
}

/// Follows from the event after `seen` on.
pub async fn follow(
    conductor: &Conductor,
    id: PatchId,
    teller: &mut Teller,
    seen: &mut usize,
) -> Result<Stopped, Trouble> {
    let mut changes = conductor.subscribe();
    loop {
        changes.mark_unchanged();
        let known = conductor.patch(id).await?;
        let known = known.ok_or_else(|| Trouble::new(Exit::Refused, format!("{id} does not exist")))?;
        for event in known.events.iter().skip(*seen) {
            tell(&known, event, teller);
        }
        *seen = known.events.len();
        if known.patch.is_closed() {
            return Ok(Stopped::Closed(known));
        }
        let decision = known.patch.approve.decision.as_ref().map(|decision| &decision.answer);
        let considered = known.patch.approve.considered == known.patch.approve.approvals.len();
        if matches!(decision, Some(Answer::Needs(_))) && considered && !known.patch.has_ended() {
            return Ok(Stopped::NeedsApproval(known));
        }
        let stage = known.patch.stage();
        teller.doing(stage.name(), &doing(&known));
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(REDRAW) => {}
        }
    }
}

fn tell(known: &Known, event: &patchline_model::event::Event, teller: &mut Teller) {
    if let Fact::Rollout(RolloutEvent::StepEntered { step }) = &event.fact {
        let text = match &known.patch.rollout.plan {
            Some(plan) => taken(plan, *step),
            None => format!("step {}", step + 1),
        };
        teller.tell("rollout", Mood::Plain, &text);
    } else if let Some(line) = story::line(event) {
        teller.line(&line);
    }
}

/// Who takes how much from this step on.
fn taken(plan: &Plan, step: usize) -> String {
    let share = course(plan).stations.get(step).map(|station| station.share).unwrap_or_default();
    let to = match &plan.strategy {
        Strategy::Canary(canary) => match &canary.cohort {
            None => "the canary".to_owned(),
            Some(cohort) => return format!("step {}: {share} of the {cohort}, meet the canary", step + 1),
        },
        Strategy::Flag(flag) => {
            return format!(
                "step {}: the flag {} is on for {share} of the {}",
                step + 1,
                flag.flag,
                flag.cohort
            );
        }
        Strategy::Shadow(shadow) => {
            let mirrored = shadow.mirror.share;
            return format!(
                "step {}: {mirrored} of the requests are mirrored, and users meet none of it",
                step + 1
            );
        }
        Strategy::Rolling(_) | Strategy::BlueGreen(_) | Strategy::Hot(_) => "the new version".to_owned(),
    };
    format!("step {}: {share} of the requests go to {to}", step + 1)
}

/// What goes on, with the figures of a running canary.
fn doing(known: &Known) -> String {
    card(&known.patch).doing
}
