//! `pause`, `resume`, `promote`, `abort`, `rollback`, `retry`: a person steers. Asking twice is asking once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use patchline_conductor::projection::Known;
use patchline_model::command::{Ask, Command};
use patchline_model::event::Fact;
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::stage::review::End;
use patchline_model::stage::{review, rollout};
use patchline_model::view::story;
use tokio::sync::watch;

use crate::cli::{ControlArguments, RollbackArguments};
use crate::commands::person::person;
use crate::commands::set;
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::wire::{self, Works};

/// How long a rollback may take to be confirmed before the command says that it is not.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(100);

/// What a person asks for.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    Pause,
    Resume,
    Promote,
    Abort,
    Rollback,
    Retry,
}

pub async fn run(
    control: Control,
    arguments: ControlArguments,
    data: Option<PathBuf>,
) -> Result<Exit, Trouble> {
    steer(control, arguments, false, data).await
}

/// Takes a version back; what can't be undone, only with a person's word for it.
pub async fn rollback(arguments: RollbackArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let RollbackArguments { patch, set, by, reason, accept_data_loss } = arguments;
    let accepts_loss = accept_data_loss.is_some();
    let reason = accept_data_loss.unwrap_or(reason);
    match (patch, set) {
        (_, Some(name)) => set::rollback(&name, &person(by.as_deref())?, &reason, accepts_loss, data).await,
        (Some(patch), None) => {
            let control = ControlArguments { patch, by, reason };
            steer(Control::Rollback, control, accepts_loss, data).await
        }
        (None, None) => Err(Trouble::usage("name a patch, as in `P-7`, or a set")),
    }
}

async fn steer(
    control: Control,
    arguments: ControlArguments,
    accepts_loss: bool,
    data: Option<PathBuf>,
) -> Result<Exit, Trouble> {
    let works = wire::works(wire::home(data.as_deref())?)?;
    let conductor = &works.conductor;
    let by = person(arguments.by.as_deref())?;
    let id = arguments.patch;
    if conductor.patch(id).await?.is_none() {
        return Err(Trouble::new(Exit::Refused, format!("{id} does not exist")));
    }
    let reason = arguments.reason;
    let ask = match control {
        Control::Pause => Ask::Rollout(rollout::Command::Pause { reason }),
        Control::Resume => Ask::Rollout(rollout::Command::Resume),
        Control::Promote => Ask::Rollout(rollout::Command::Promote { reason }),
        Control::Rollback if accepts_loss => Ask::Rollout(rollout::Command::RollbackWithLoss { reason }),
        Control::Rollback => Ask::Rollout(rollout::Command::Rollback { reason }),
        Control::Abort => Ask::Review(review::Command::Abort { reason }),
        Control::Retry => Ask::Review(review::Command::Retry { reason }),
    };
    let events = conductor.submit(id, Command { by, ask }, None).await?;
    if events.is_empty() {
        say(&format!("{id}: nothing changes; it was asked for before"));
    }
    for line in events.iter().filter_map(story::line) {
        say(&format!("{id}: {}", line.text));
    }
    if matches!(control, Control::Rollback | Control::Abort) {
        return see_it_done(&works, id).await;
    }
    Ok(Exit::Done)
}

/// What was promoted could not be taken back.
fn stays(known: &Known) -> Trouble {
    let why = known.events.iter().rev().find_map(|event| match &event.fact {
        Fact::Rollout(rollout::Event::Kept { reason, .. }) => Some(reason.as_str()),
        _ => None,
    });
    let why = why.unwrap_or("it was promoted meanwhile");
    Trouble::new(Exit::Refused, format!("{} stays: {why}", known.patch.id))
        .hint("`git revert` its commit, and hand that to Patchline as a change")
}

/// Asking is not enough where users may be hurt: drives the patch until it holds no share any more, whether `serve` is
/// there or not. Where another process drives it, that one has the lease and this one only watches.
async fn see_it_done(works: &Works, id: PatchId) -> Result<Exit, Trouble> {
    let (stop, stopped) = watch::channel(false);
    let driven = tokio::spawn(works.driver().run(Some(BTreeSet::from([id])), stopped));
    let done = async {
        loop {
            let known = works.conductor.patch(id).await?;
            let patch = known.as_ref().map(|known| &known.patch);
            if let Some(known) = known.as_ref().filter(|known| known.patch.review.end == Some(End::Promoted))
            {
                return Err(stays(known));
            }
            let back =
                |patch: &Patch| patch.rollout.rollback_confirmed.is_some() || patch.rollout.plan.is_none();
            if patch.is_none_or(back) {
                return Ok::<_, Trouble>(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, done).await;
    stop.send_replace(true);
    // It ends by itself once it was told to stop; what it could not do is said below.
    let _ = driven.await;
    match done {
        Ok(done) => {
            done?;
            say(&format!("{id}: the new version holds no share"));
            Ok(Exit::Done)
        }
        Err(_) => {
            let text = format!(
                "{id} is on its way back, but that it holds no share is not confirmed after {} s",
                PATIENCE.as_secs()
            );
            Err(Trouble::storage(text)
                .hint("`patchline status` shows what it waits for; `patchline serve` goes on with it"))
        }
    }
}
