//! `line stop`, `line start`, `line status`: everything that goes forward stands still, or goes on.

use std::path::PathBuf;

use patchline_conductor::attest::Attestor;
use patchline_conductor::clock;
use patchline_conductor::conductor::Conductor;
use patchline_model::line::{Command, Event, Freeze, Line, Scope};
use patchline_model::service::Name;

use crate::cli::{Format, LineCommand, StatusArguments};
use crate::commands::person::person;
use crate::exit::{Exit, Trouble};
use crate::terminal::{note, say};
use crate::wire;

/// Newest events that are shown.
const MOST_SHOWN: usize = 10;

pub async fn run(command: LineCommand, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let (by, command) = match command {
        LineCommand::Status(arguments) => return status(arguments, data).await,
        LineCommand::Stop(arguments) => {
            let (scope, reason) = (scope(arguments.service), arguments.reason);
            (arguments.by, Command::Stop { scope, reason })
        }
        LineCommand::Start(arguments) => {
            let (scope, reason) = (scope(arguments.service), arguments.reason);
            (arguments.by, Command::Start { scope, reason })
        }
    };
    let starts = matches!(command, Command::Start { .. });
    let conductor = hold(by.as_deref(), command, data).await?;
    for stop in conductor.line().await?.stops.iter().filter(|_| starts) {
        note(&format!("still stopped for {}: {} ({})", stop.scope, stop.reason, stop.by));
    }
    Ok(Exit::Done)
}

/// Gives a person's word to the line and says what follows; answers the ledger, to look at what is in force now.
pub async fn hold(
    by: Option<&str>,
    command: Command,
    data: Option<PathBuf>,
) -> Result<std::sync::Arc<Conductor>, Trouble> {
    let by = person(by)?;
    let home = wire::home(data.as_deref())?;
    let (conductor, attestor): (_, Attestor) = (wire::conductor(&home)?, wire::attestor(&home)?);
    warn_of_strangers(&conductor, &command).await?;
    let events = conductor.hold(&attestor, &by, command).await?;
    if events.is_empty() {
        say("nothing changes: it was so already");
    }
    events.iter().for_each(|event| say(&event.to_string()));
    Ok(conductor)
}

/// A misspelt service would be held in vain, and nobody would know.
async fn warn_of_strangers(conductor: &Conductor, command: &Command) -> Result<(), Trouble> {
    let (Command::Stop { scope, .. } | Command::Start { scope, .. } | Command::Freeze { scope, .. }) =
        command
    else {
        return Ok(());
    };
    let Scope::Service(name) = scope else { return Ok(()) };
    let patches = conductor.patches().await?;
    let of_it = |name: &Name| {
        let mut services = patches.iter().filter_map(|known| known.patch.opening.as_ref());
        services.any(|opening| opening.service.name == *name)
    };
    if !of_it(name) {
        note(&format!("warning: no patch of a service `{name}` is known here; is the name right?"));
    }
    Ok(())
}

fn scope(service: Option<Name>) -> Scope {
    service.map_or(Scope::Everything, Scope::Service)
}

async fn status(arguments: StatusArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
    let (line, events) = (conductor.line().await?, conductor.line_events().await?);
    match arguments.format {
        Format::Json => say(&serde_json::json!({ "line": line, "events": events }).to_string()),
        Format::Table => {
            if !tell(&line) {
                say("the line runs: nothing is stopped or frozen");
            }
            for event in events.iter().rev().take(MOST_SHOWN) {
                say(&format!("  {}  {event}{}", event.at, signed(event)));
            }
        }
    }
    Ok(Exit::Done)
}

fn signed(event: &Event) -> String {
    event.evidence.as_ref().map(|digest| format!("  [signed {}]", digest.short())).unwrap_or_default()
}

/// Says what is in force or ahead, and whether that is anything.
pub fn tell(line: &Line) -> bool {
    let now = clock::now();
    for stop in &line.stops {
        let (scope, by) = (&stop.scope, &stop.by);
        say(&format!("STOPPED: {by} stopped the line for {scope} at {}: {}", stop.at, stop.reason));
    }
    let freezes: Vec<&Freeze> = line.freezes.iter().filter(|freeze| now < freeze.until).collect();
    for freeze in &freezes {
        let word = if freeze.is_in_force(now) { "FROZEN" } else { "frozen later" };
        let except = if freeze.hotfix_passes { ", except for hotfixes" } else { "" };
        say(&format!(
            "{word}: F-{} holds {} from {} until {}{except}: {} ({})",
            freeze.number, freeze.scope, freeze.from, freeze.until, freeze.reason, freeze.by
        ));
    }
    !line.stops.is_empty() || !freezes.is_empty()
}
