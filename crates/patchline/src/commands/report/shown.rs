//! `report P-7 --reproducer …`: what shows a finding of a patch that is open, so that it is proven again with that.

use std::path::PathBuf;

use patchline_model::command::{Ask, Command};
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::service::Reproducer;
use patchline_model::stage::detect;
use patchline_model::view::story;

use crate::cli::{Format, ReportArguments};
use crate::commands::fix::carried_out;
use crate::commands::person::person;
use crate::commands::report::how::how;
use crate::exit::{Exit, Trouble};
use crate::terminal::{note, say};
use crate::wire;

pub async fn run(id: PatchId, arguments: ReportArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let by = person(arguments.by.as_deref())?;
    let works = wire::works(wire::home(data.as_deref())?)?;
    let known = works.conductor.patch(id).await?;
    let known = known.ok_or_else(|| Trouble::new(Exit::Refused, format!("{id} does not exist")))?;
    let Some(opening) = known.patch.opening.clone() else {
        return Err(Trouble::new(Exit::Refused, format!("{id} was never opened")));
    };
    let Some(how) = how(&arguments, &opening.service)? else {
        return Err(Trouble::usage(format!("nothing is said that shows the finding of {id}"))
            .hint("`--reproducer COMMAND…` or `--test NAME` says it"));
    };
    let advisory = finding(&known.patch, arguments.finding.as_deref())?;
    let ask = Ask::Detect(detect::Command::Show(Box::new(Reproducer { advisory, how })));
    let events = works.conductor.submit(id, Command { by, ask }, None).await?;
    if events.is_empty() {
        note(&format!("{id} has this already"));
    }
    if arguments.format == Format::Table {
        events.iter().filter_map(story::line).for_each(|line| say(&format!("{id}: {}", line.text)));
    }
    carried_out(&works, opening.service.repository.as_ref(), id, arguments.format).await
}

/// The finding that is meant: the only one, or the one that was named.
fn finding(patch: &Patch, named: Option<&str>) -> Result<String, Trouble> {
    let mut names: Vec<&str> = patch.findings().iter().map(|finding| finding.advisory.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match (named, names.as_slice()) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(Trouble::new(Exit::Refused, format!("{} has no finding yet", patch.id))
            .hint("its scan is not over; ask again in a moment")),
        (None, several) => {
            let shown = several.iter().take(10).copied().collect::<Vec<_>>().join(", ");
            Err(Trouble::usage(format!("{} has several findings: {shown}", patch.id))
                .hint("`--finding NAME` says which one is shown"))
        }
    }
}
