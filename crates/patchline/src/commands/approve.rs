//! `approve`: a person's word over exactly what they are shown.

use std::path::PathBuf;

use patchline_model::command::{Ask, Command};
use patchline_model::patch::Patch;
use patchline_model::stage::approve;

use crate::cli::ApproveArguments;
use crate::commands::person::person;
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::wire;

pub async fn run(arguments: ApproveArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
    let id = arguments.patch;
    let by = person(arguments.by.as_deref())?;
    let known = conductor.patch(id).await?;
    let known = known.ok_or_else(|| Trouble::new(Exit::Refused, format!("{id} does not exist")))?;
    let command = match arguments.reject {
        Some(reason) => approve::Command::Reject { reason },
        None => {
            let shown = known.patch.approve.decision.as_ref().map(|decision| decision.dossier.clone());
            let named = arguments.dossier.map(|text| text.parse()).transpose();
            let named = named.map_err(|error| Trouble::usage(format!("{error}")))?;
            let Some(dossier) = named.or(shown) else {
                let text =
                    format!("{id} does not ask for approval; it is in stage `{}`", known.patch.stage());
                return Err(Trouble::new(Exit::Refused, text));
            };
            show(&known.patch);
            let role = arguments.role;
            match arguments.emergency {
                Some(reason) => approve::Command::Emergency { role, dossier, reason },
                None => approve::Command::Approve { role, dossier, comment: arguments.comment },
            }
        }
    };
    let events = conductor.submit(id, Command { by: by.clone(), ask: Ask::Approve(command) }, None).await?;
    let done = if events.is_empty() { "had said so already" } else { "has said so; it is in the record" };
    say(&format!("{by} {done}"));
    Ok(Exit::Done)
}

fn show(patch: &Patch) {
    say(&format!("{}  {}", patch.id, patch.title()));
    if let (Some(candidate), Some(pair)) = (patch.candidate(), &patch.build.built) {
        say(&format!("  commit    {} on {}", candidate.commit, candidate.branch));
        say(&format!("  artifact  {}", pair.patch.digest));
    }
    if let Some(bound) = patch.forward_only() {
        say(&format!("  FORWARD ONLY: {}", bound.reason));
    }
    if let Some(decision) = &patch.approve.decision {
        say(&format!("  dossier   {}", decision.dossier));
        for reason in &decision.reasons {
            let mark = if reason.holds { "holds" } else { "does not hold" };
            say(&format!("  {} {mark}: {}", reason.rule, reason.text));
        }
    }
}
