//! `scan`: find vulnerable dependencies and what analyzers find, and say how urgent it is.

mod analyzed;
mod changed;
mod place;
mod ranked;
mod stream;
mod whole;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use patchline_conductor::clock;
use patchline_detect::age::warning;
use patchline_detect::{Advisories, Ages};
use patchline_inventory::Unresolved;
use patchline_model::scanning::{self, Freshness};
use patchline_model::triage::action::Action;

use crate::cli::{Face, FailOn, ScanArguments, Stale};
use crate::commands::scan::analyzed::{Analyzing, tell_who_did_not_look};
use crate::commands::scan::changed::Ranges;
use crate::commands::scan::place::{Place, folder_of};
use crate::commands::scan::ranked::{ranked, service_at};
use crate::commands::scan::whole::{trouble, whole};
use crate::exit::{Exit, Trouble};
use crate::report::scanned::Scanned;
use crate::report::tally::Tally;
use crate::report::{cyclonedx, json, markdown, sarif, spdx, table, words};
use crate::settings;
use crate::terminal::{say, warn, warn_if_only_built_in};
use crate::wire;

pub fn run(arguments: &ScanArguments, data: Option<&Path>) -> Result<Exit, Trouble> {
    let directory = match &arguments.db {
        Some(directory) => directory.clone(),
        None => wire::data_folder(data)?.join("advisories"),
    };
    let advisories = Advisories::open(&directory).map_err(|error| trouble(&error))?;
    let place = Place::of(&arguments.paths)?;
    // What is looked at by lockfile alone is told as it is found.
    let is_plain = arguments.changed.is_none() && arguments.sarif.is_empty() && !arguments.analyzers;
    let tally = match arguments.format {
        Face::Jsonl if is_plain => stream::run(arguments, &advisories, &place)?,
        _ => whole_of_all(arguments, &advisories, &place)?,
    };
    warn_if_only_built_in(&advisories);
    let ages = Ages::of(&directory, SystemTime::now()).map_err(|error| trouble(&error))?;
    let is_needed = |name: &str| tally.ecosystems.keys().any(|needed| needed.split(':').next() == Some(name));
    let freshness = freshness(arguments)?;
    let old = warning(&ages.old(&advisories, is_needed, freshness.days()));
    match (old, freshness.stale) {
        (Some(old), scanning::Stale::Error) => {
            // What was found has been said; it may not be all.
            return Err(Trouble::new(Exit::Stale, old).hint("`--stale warn` takes them all the same"));
        }
        (Some(old), scanning::Stale::Warn) => warn(&old),
        (None, _) => {}
    }
    let fails = tally.worst().is_some_and(|worst| match arguments.fail_on {
        FailOn::ActNow => worst >= Action::ActNow,
        FailOn::Schedule => worst >= Action::Schedule,
        FailOn::Watch => worst >= Action::Watch,
        FailOn::Never => false,
    });
    Ok(if fails { Exit::Found } else { Exit::Done })
}

/// How new advisories must be: as asked for, else as the settings of the PATHs say, and of several the strictest.
fn freshness(arguments: &ScanArguments) -> Result<Freshness, Trouble> {
    let of = |path: &PathBuf| Ok(settings::scanning(folder_of(path))?.freshness);
    let all: Vec<Freshness> = arguments.paths.iter().map(of).collect::<Result<_, Trouble>>()?;
    let mut freshness = all.into_iter().reduce(|one, other| one.and(&other)).unwrap_or_default();
    freshness.stale_after_days = arguments.stale_after.or(freshness.stale_after_days);
    freshness.stale = match arguments.stale {
        Some(Stale::Warn) => scanning::Stale::Warn,
        Some(Stale::Error) => scanning::Stale::Error,
        None => freshness.stale,
    };
    Ok(freshness)
}

/// Scans every PATH before anything is told, so that all is in one order and nothing is told twice.
fn whole_of_all(arguments: &ScanArguments, advisories: &Advisories, place: &Place) -> Result<Tally, Trouble> {
    let mut scanned = Scanned::new(place.name.clone(), clock::now(), place.within.clone());
    let analyzing = Analyzing::new(&arguments.sarif, arguments.analyzers, arguments.offline)?;
    let mut ranges = arguments.changed.as_deref().map(Ranges::new);
    for (path, folder) in arguments.paths.iter().zip(&place.folders) {
        let mut scan = match &mut ranges {
            Some(ranges) => ranges.scan(path, advisories)?,
            None => whole(path, path, advisories)?,
        };
        let service = service_at(path)?;
        tell_who_did_not_look(&service, arguments);
        // Only who looks at code needs whole trees.
        let looks = arguments.analyzers || !arguments.sarif.is_empty();
        let sides = ranges.as_mut().filter(|_| looks).map(|ranges| ranges.sides(path)).transpose()?;
        let analyzed = analyzing.at(path, &service.verification.analyzers, sides.as_ref())?;
        scan.findings.extend(analyzed.findings);
        let lacks = analyzed.troubles.into_iter().chain(analyzed.left);
        scan.unresolved.extend(lacks.map(|what| Unresolved::of(".", what)));
        let priorities = ranked(&service, &scan.findings);
        scanned.take(folder, scan, priorities);
    }
    scanned.since = ranges.and_then(|ranges| ranges.since());
    scanned.advisories = advisories.consulted();
    scanned.finish();
    show(&scanned, arguments.format);
    Ok(Tally::of(&scanned))
}

fn show(scanned: &Scanned, face: Face) {
    match face {
        Face::Table => {
            words::grouped(&scanned.unresolved).iter().for_each(|line| warn(line));
            say(&table::text(scanned));
        }
        Face::Json => say(&json::text(scanned)),
        Face::Jsonl => {
            let last = json::last_line(&Tally::of(scanned), &scanned.advisories, scanned.since.as_deref());
            say(&format!("{}{last}", String::from_utf8_lossy(&json::lines(scanned))));
        }
        Face::Sarif => say(&sarif::text(scanned)),
        Face::Cyclonedx => say(&cyclonedx::text(scanned)),
        Face::Spdx => say(&spdx::text(scanned)),
        Face::Markdown => say(&markdown::text(scanned)),
    }
}
