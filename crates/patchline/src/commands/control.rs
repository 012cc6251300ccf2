//! `pause`, `resume`, `promote`, `abort`, `rollback`: a person steers. Asking twice is asking once.

use std::path::PathBuf;

use patchline_model::command::{Ask, Command};
use patchline_model::stage::{review, rollout};
use patchline_model::view::story;

use crate::cli::ControlArguments;
use crate::commands::person::person;
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::wire;

/// What a person asks for.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    Pause,
    Resume,
    Promote,
    Abort,
    Rollback,
}

pub async fn run(
    control: Control,
    arguments: ControlArguments,
    data: Option<PathBuf>,
) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
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
        Control::Rollback => Ask::Rollout(rollout::Command::Rollback { reason }),
        Control::Abort => Ask::Review(review::Command::Abort { reason }),
    };
    let events = conductor.submit(id, Command { by, ask }, None).await?;
    if events.is_empty() {
        say(&format!("{id}: nothing changes; it was asked for before"));
    }
    for line in events.iter().filter_map(story::line) {
        say(&format!("{id}: {}", line.text));
    }
    Ok(Exit::Done)
}
