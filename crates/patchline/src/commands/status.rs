//! `status`: where each patch stands.

use std::path::PathBuf;

use patchline_model::view::board::Card;

use crate::cli::{Format, StatusArguments};
use crate::commands::line::tell;
use crate::exit::{Exit, Trouble};
use crate::terminal::{say, table};
use crate::wire;

pub async fn run(arguments: StatusArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
    let (cards, line) = (conductor.cards().await?, conductor.line().await?);
    match arguments.format {
        Format::Json => say(&serde_json::json!({ "patches": cards, "line": line }).to_string()),
        Format::Table => {
            tell(&line);
            if cards.is_empty() {
                say("no patches yet; `patchline fix` opens one");
                return Ok(Exit::Done);
            }
            let heading = ["patch", "service", "stage", "state", "due", "title"].map(str::to_owned).to_vec();
            let rows = cards.iter().map(|card| {
                vec![
                    card.id.to_string(),
                    card.service.clone(),
                    card.stage.to_string(),
                    doing(card),
                    card.due.map(|due| due.date()).unwrap_or_default(),
                    card.title.clone(),
                ]
            });
            table(&[heading].into_iter().chain(rows).collect::<Vec<_>>());
        }
    }
    Ok(Exit::Done)
}

/// What it does, and what is owed for it.
fn doing(card: &Card) -> String {
    match card.review_due {
        Some(due) => format!("{}; the review of its emergency is due {}", card.doing, due.date()),
        None => card.doing.clone(),
    }
}
