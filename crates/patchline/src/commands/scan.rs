//! `scan`: find vulnerable dependencies and what analyzers find, and say how urgent it is.

mod analyzed;
mod changed;
mod place;
mod whole;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::SystemTime;

use patchline_conductor::clock;
use patchline_detect::Advisories;
use patchline_inventory::Unresolved;
use patchline_model::context::{Board, Context};
use patchline_model::id::FindingId;
use patchline_model::policy::Policy;
use patchline_model::service::{Build, CommandLine, Service, Tier};
use patchline_model::stage::detect::Finding;
use patchline_model::stage::triage::{Priority, prioritise};
use patchline_model::triage::action::Action;

use crate::cli::{Face, FailOn, ScanArguments, Stale};
use crate::commands::scan::analyzed::Analyzing;
use crate::commands::scan::changed::Ranges;
use crate::commands::scan::place::{Place, folder_of};
use crate::commands::scan::whole::{trouble, whole};
use crate::exit::{Exit, Trouble};
use crate::report::scanned::Scanned;
use crate::report::{cyclonedx, json, markdown, sarif, spdx, table, words};
use crate::staleness::{Ages, warning};
use crate::terminal::{note, say, warn_if_only_built_in};
use crate::{settings, wire};

pub fn run(arguments: &ScanArguments, data: Option<&Path>) -> Result<Exit, Trouble> {
    let directory = match &arguments.db {
        Some(directory) => directory.clone(),
        None => wire::data_folder(data)?.join("advisories"),
    };
    let advisories = Advisories::open(&directory).map_err(|error| trouble(&error))?;
    let place = Place::of(&arguments.paths)?;
    let status = advisories.status().clone();
    let mut scanned = Scanned::new(place.name.clone(), clock::now(), place.within.clone(), status);
    let mut needed = BTreeSet::new();
    let analyzing = Analyzing::new(&arguments.sarif, !arguments.no_analyzers, arguments.offline)?;
    let mut ranges = arguments.changed.as_deref().map(Ranges::new);
    for (path, folder) in arguments.paths.iter().zip(&place.folders) {
        let mut scan = match &mut ranges {
            Some(ranges) => ranges.scan(path, &advisories)?,
            None => whole(path, path, &advisories)?,
        };
        let names = scan.inventory.iter().filter_map(|one| one.package.ecosystem.0.split(':').next());
        needed.extend(names.map(str::to_owned));
        let service = service_at(path)?;
        let sides = ranges.as_mut().map(|ranges| ranges.sides(path)).transpose()?;
        let analyzed = analyzing.at(path, &service.verification.analyzers, sides.as_ref())?;
        scan.findings.extend(analyzed.findings);
        let lacks = analyzed.troubles.into_iter().chain(analyzed.left);
        scan.unresolved.extend(lacks.map(|what| Unresolved::of(".", what)));
        let priorities = priorities(&service, &scan.findings);
        scanned.take(folder, scan, priorities);
    }
    scanned.since = ranges.and_then(|ranges| ranges.since());
    scanned.finish();
    show(&scanned, arguments.format, &advisories);
    let ages = Ages::of(&directory, SystemTime::now()).map_err(|error| trouble(&error))?;
    let old = warning(&ages.old(&advisories, |name| needed.contains(name), arguments.stale_after));
    match (old, arguments.stale) {
        (Some(old), Stale::Error) => {
            // What was found has been said; it may not be all.
            return Err(Trouble::new(Exit::Stale, old).hint("`--stale warn` takes them all the same"));
        }
        (Some(old), Stale::Warn) => note(&format!("warning: {old}")),
        (None, _) => {}
    }
    let worst = scanned.rows.iter().map(|row| row.priority.action).max();
    let fails = worst.is_some_and(|worst| match arguments.fail_on {
        FailOn::ActNow => worst >= Action::ActNow,
        FailOn::Schedule => worst >= Action::Schedule,
        FailOn::Watch => worst >= Action::Watch,
        FailOn::Never => false,
    });
    Ok(if fails { Exit::Found } else { Exit::Done })
}

fn show(scanned: &Scanned, face: Face, advisories: &Advisories) {
    match face {
        Face::Table => {
            words::grouped(&scanned.unresolved).iter().for_each(|line| note(&format!("warning: {line}")));
            say(&table::text(scanned));
        }
        Face::Json => say(&json::text(scanned)),
        Face::Sarif => say(&sarif::text(scanned)),
        Face::Cyclonedx => say(&cyclonedx::text(scanned)),
        Face::Spdx => say(&spdx::text(scanned)),
        Face::Markdown => say(&markdown::text(scanned)),
    }
    warn_if_only_built_in(advisories);
}

/// Ranks by the tier that the project's settings state, or as an internal service where there are none.
fn priorities(service: &Service, findings: &[Finding]) -> Vec<Priority> {
    let board = Board::default();
    let policy = Policy::default();
    let cx = Context { now: clock::now(), policy: &policy, board: &board };
    let ranked = prioritise(cx, service, findings);
    let known: HashMap<&FindingId, &Priority> =
        ranked.iter().map(|priority| (&priority.finding, priority)).collect();
    let of = |finding: &Finding| known.get(&finding.id).map(|priority| (*priority).clone());
    findings.iter().filter_map(of).collect()
}

fn service_at(path: &Path) -> Result<Service, Trouble> {
    if let Some(service) = settings::described(folder_of(path))? {
        return Ok(service);
    }
    Ok(Service {
        name: settings::plain_name("project"),
        owner: "unowned".to_owned(),
        tier: Tier::try_from(3).map_err(|error| Trouble::input(error.to_string()))?,
        repository: String::new(),
        folder: String::new(),
        build: Build { prepare: None, command: CommandLine(Vec::new()), artifact: String::new() },
        test: None,
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    })
}
