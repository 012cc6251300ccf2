//! `review`: somebody else has looked at what passed in an emergency; signed, and in the record.

use std::path::PathBuf;

use patchline_model::command::{Ask, Command};
use patchline_model::stage::review;
use patchline_model::view::story;

use crate::cli::ReviewArguments;
use crate::commands::person::person;
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::wire;

pub async fn run(arguments: ReviewArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let works = wire::works(wire::home(data.as_deref())?)?;
    let (id, note) = (arguments.patch, arguments.note);
    let by = person(arguments.by.as_deref())?;
    let known = works.conductor.patch(id).await?;
    let known = known.ok_or_else(|| Trouble::new(Exit::Refused, format!("{id} does not exist")))?;
    let patch = &known.patch;
    let evidence = works.hands.attestor.emergency_review(patch, &by, &note)?;
    let ask = Ask::Review(review::Command::ReviewEmergency { note, evidence });
    let events = works.conductor.submit(id, Command { by, ask }, None).await?;
    for line in events.iter().filter_map(story::line) {
        say(&format!("{id}: {}", line.text));
    }
    Ok(Exit::Done)
}
