//! `db update`: the advisories as the public OSV bucket, or a mirror of it, has them now. `db accept`: what was held back.

use std::path::Path;

use patchline_connect::{Client, Settings};
use patchline_detect::DetectError;
use patchline_detect::index::intake::Limits;
use patchline_detect::update::mirror::{Mirror, PUBLIC};
use patchline_detect::update::run::{self, Updated};
use patchline_model::failure::in_full;

use crate::cli::{AcceptArguments, UpdateArguments};
use crate::exit::{Exit, Trouble};
use crate::terminal::{note, say};
use crate::wire;

pub async fn update(arguments: UpdateArguments, data: Option<&Path>) -> Result<Exit, Trouble> {
    let directory = wire::home(data)?.advisories();
    let client = Client::new(Settings { cache: Some(directory.join("cache")), ..Settings::default() });
    let client = client.map_err(|error| trouble(&error.into()))?;
    let mirror = arguments.mirror.as_deref().unwrap_or(PUBLIC);
    if let Some((scheme, _)) =
        mirror.split_once("://").filter(|(scheme, _)| !matches!(*scheme, "http" | "https"))
    {
        let what = format!("could not ask a mirror by `{scheme}`");
        return Err(Trouble::usage(what).hint("give an address with https:// or http://, or a folder"));
    }
    let mirror = Mirror::of(mirror, client);
    let ecosystems = match arguments.ecosystems.is_empty() {
        true => run::ecosystems(&directory, &mirror).await.map_err(|error| trouble(&error))?,
        false => arguments.ecosystems,
    };
    note(&format!("updating {} from {}", ecosystems.join(", "), mirror.name()));
    let mut first = None;
    for ecosystem in &ecosystems {
        // One that fails keeps no other from being updated.
        match run::update(&directory, &mirror, ecosystem, &Limits::default()).await {
            Ok(updated) => told(&updated),
            Err(error) => {
                let trouble = trouble(&error);
                note(&format!("{ecosystem}: {}", trouble.message));
                first.get_or_insert(trouble);
            }
        }
    }
    first.map_or(Ok(Exit::Done), Err)
}

pub fn accept(arguments: &AcceptArguments, data: Option<&Path>) -> Result<Exit, Trouble> {
    let directory = wire::home(data)?.advisories();
    for id in &arguments.ids {
        let accepted = patchline_detect::update::accept::accept(&directory, id, &Limits::default());
        let ecosystems = accepted.map_err(|error| trouble(&error))?;
        say(&format!("{id} counts now, in {}", ecosystems.join(", ")));
    }
    Ok(Exit::Done)
}

fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn told(updated: &Updated) {
    let how = match (updated.snapshot, updated.records) {
        (true, records) => format!("a snapshot of {}", counted(records, "record")),
        (false, 0) => "nothing has changed".to_owned(),
        (false, records) => format!("{} changed", counted(records, "record")),
    };
    say(&format!("{}: {how}", updated.ecosystem));
    if updated.missing > 0 {
        note(&format!(
            "warning: {}: the feed names {} that the mirror does not have; the next update asks again",
            updated.ecosystem,
            counted(updated.missing, "record")
        ));
    }
    if updated.behind > 0 {
        note(&format!(
            "warning: {}: the mirror's snapshot lacks {} that the feed names; the next update looks again",
            updated.ecosystem,
            counted(updated.behind as u64, "change")
        ));
    }
    for (id, held) in &updated.held {
        note(&format!("warning: {}: {id} is held back: {}", updated.ecosystem, held.why));
        note(&format!("hint: look at it; `patchline db accept {id}` lets it in"));
    }
}

/// What the error means for the exit code.
pub fn trouble(error: &DetectError) -> Trouble {
    let exit = match error {
        DetectError::Write { .. } => Exit::Storage,
        DetectError::Fetch(error) if error.kind == patchline_connect::Kind::Storage => Exit::Storage,
        DetectError::Fetch(error) if error.kind == patchline_connect::Kind::Usage => Exit::Usage,
        DetectError::Fetch(_) => Exit::Network,
        _ => Exit::Input,
    };
    let mut trouble = Trouble::new(exit, in_full(error));
    trouble.hint = error.hint().map(str::to_owned);
    trouble
}
