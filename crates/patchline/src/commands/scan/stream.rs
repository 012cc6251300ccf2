//! `scan --format jsonl`: each finding is told as soon as its lockfile was read, and nothing is kept. So thousands of
//! lockfiles take no more memory than a few.

use std::io::{BufWriter, Write as _};

use patchline_conductor::clock;
use patchline_detect::{Advisories, Scan, scan_parts};

use crate::cli::ScanArguments;
use crate::commands::scan::analyzed::tell_who_did_not_look;
use crate::commands::scan::place::{Place, folder_of};
use crate::commands::scan::ranked::{ranked, service_at};
use crate::exit::Trouble;
use crate::report::json;
use crate::report::scanned::Scanned;
use crate::report::tally::Tally;
use crate::settings;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 20;

/// Tells what is found at every PATH, one after the other.
pub fn run(arguments: &ScanArguments, advisories: &Advisories, place: &Place) -> Result<Tally, Trouble> {
    let mut out = BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
    let mut whole = Tally::default();
    for (path, folder) in arguments.paths.iter().zip(&place.folders) {
        let sources = settings::scanning(folder_of(path))?.sources;
        let service = service_at(path)?;
        tell_who_did_not_look(&service, arguments);
        let told = |part: Scan| {
            let priorities = ranked(&service, &part.findings);
            let (name, within) = (place.name.clone(), place.within.clone());
            let mut scanned = Scanned::new(name, clock::now(), within);
            scanned.take(folder, part, priorities);
            (json::lines(&scanned), Tally::of(&scanned))
        };
        scan_parts(path, advisories, &sources, told, &mut |(lines, tally)| {
            whole.add(tally);
            out.write_all(&lines).map_err(unwritten)
        })?;
    }
    let last = json::last_line(&whole, &advisories.consulted(), None);
    writeln!(out, "{last}").and_then(|()| out.flush()).map_err(unwritten)?;
    Ok(whole)
}

fn unwritten(error: std::io::Error) -> Trouble {
    Trouble::storage(format!("could not write what was found: {error}"))
}
