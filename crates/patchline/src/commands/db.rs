//! `db import`: the advisories that scans match against, from files.

pub mod compare;
pub mod status;
pub mod update;

use patchline_model::failure::in_full;
use std::path::Path;

use patchline_detect::{DetectError, import as import_into};

use crate::cli::ImportArguments;
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::wire;

/// Skipped records that are named one by one.
const MOST_NAMED: usize = 10;

pub fn import(arguments: &ImportArguments, data: Option<&Path>) -> Result<Exit, Trouble> {
    let home = wire::home(data)?;
    let directory = home.advisories();
    let imported = import_into(&arguments.paths, &directory).map_err(|error| {
        let exit = if matches!(error, DetectError::Write { .. }) { Exit::Storage } else { Exit::Input };
        let mut trouble = Trouble::new(exit, in_full(&error));
        trouble.hint = error.hint().map(|hint| hint.to_string());
        trouble
    })?;
    for (ecosystem, records) in &imported.ecosystems {
        say(&format!("{ecosystem}: {records} advisories"));
    }
    say(&format!(
        "imported {} records into {}; {} withdrawn, {} skipped",
        imported.records,
        directory.display(),
        imported.withdrawn,
        imported.skipped.len()
    ));
    for (name, why) in imported.skipped.iter().take(MOST_NAMED) {
        say(&format!("  skipped {name}: {why}"));
    }
    if imported.skipped.len() > MOST_NAMED {
        say(&format!("  … and {} more", imported.skipped.len() - MOST_NAMED));
    }
    if imported.records == 0 {
        return Err(Trouble::input(
            "nothing of it can be used: no record is of an ecosystem whose versions have an order here",
        ));
    }
    Ok(Exit::Done)
}
