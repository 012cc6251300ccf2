//! `status`: where each patch stands.

use std::path::PathBuf;

use patchline_model::view::board::{Card, card};

use crate::cli::{Format, StatusArguments};
use crate::exit::{Exit, Trouble};
use crate::terminal::{say, table};
use crate::wire;

pub async fn run(arguments: StatusArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
    let cards: Vec<Card> = conductor.patches().await?.iter().map(|known| card(&known.patch)).collect();
    match arguments.format {
        Format::Json => say(&serde_json::json!({ "patches": cards }).to_string()),
        Format::Table if cards.is_empty() => say("no patches yet; `patchline fix` opens one"),
        Format::Table => {
            let heading = ["patch", "service", "stage", "state", "due", "title"].map(str::to_owned).to_vec();
            let rows = cards.iter().map(|card| {
                vec![
                    card.id.to_string(),
                    card.service.clone(),
                    card.stage.to_string(),
                    card.doing.clone(),
                    card.due.map(|due| due.date()).unwrap_or_default(),
                    card.title.clone(),
                ]
            });
            table(&[heading].into_iter().chain(rows).collect::<Vec<_>>());
        }
    }
    Ok(Exit::Done)
}
