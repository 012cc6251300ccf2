//! `freeze add`, `freeze list`, `freeze lift`: when nothing may begin or grow.

use std::path::PathBuf;

use patchline_conductor::clock;
use patchline_model::line::{Command, Scope};

use crate::cli::{Except, Format, FreezeArguments, FreezeCommand, StatusArguments};
use crate::commands::line::{hold, tell};
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::wire;

pub async fn run(command: FreezeCommand, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    match command {
        FreezeCommand::Add(arguments) => add(arguments, data).await,
        FreezeCommand::List(arguments) => list(arguments, data).await,
        FreezeCommand::Lift(arguments) => {
            let command = Command::Thaw { freeze: arguments.freeze, reason: arguments.reason };
            hold(arguments.by.as_deref(), command, data).await?;
            Ok(Exit::Done)
        }
    }
}

async fn add(arguments: FreezeArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let scope = match (arguments.service, arguments.tier) {
        (Some(service), _) => Scope::Service(service),
        (None, Some(tier)) => Scope::Tier(tier),
        (None, None) => Scope::Everything,
    };
    let command = Command::Freeze {
        scope,
        from: arguments.from.unwrap_or_else(clock::now),
        until: arguments.until,
        reason: arguments.reason,
        hotfix_passes: arguments.except == Some(Except::Hotfix),
    };
    hold(arguments.by.as_deref(), command, data).await?;
    Ok(Exit::Done)
}

async fn list(arguments: StatusArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
    let mut line = conductor.line().await?;
    line.stops.clear();
    let now = clock::now();
    line.freezes.retain(|freeze| now < freeze.until);
    match arguments.format {
        Format::Json => say(&serde_json::json!({ "freezes": line.freezes }).to_string()),
        Format::Table if !tell(&line) => say("no freeze is in force or ahead"),
        Format::Table => {}
    }
    Ok(Exit::Done)
}
