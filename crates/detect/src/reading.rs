//! What one lockfile says is in use, and from which registry each of its packages comes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::error::DetectError;
use crate::origin::{Origin, Origins};
use crate::walk::{self, Found};
use patchline_inventory::detector::{Installed, Inventory, Unresolved};
use patchline_inventory::detectors::DETECTORS;
use patchline_inventory::lockfile::npmrc;
use patchline_model::scanning::Sources;

/// What is kept for a line may be a hundred times as large as the line.
const MOST_LINES: usize = 1_000_000;
const LONGEST_READING: Duration = Duration::from_secs(300);

/// What the file says of itself. What stands in a neighbour that is read by itself, one of the `claimed`, is told there.
pub fn inventory(
    found: &Found,
    claimed: &BTreeSet<&str>,
    sources: &Sources,
    started: Instant,
) -> Result<Inventory, DetectError> {
    let (mut inventory, npmrc) = read(found, started)?;
    let origins = Origins::of(&inventory.installed, npmrc.as_deref(), sources);
    inventory.unresolved.extend(origins.doubts(&found.relative));
    let is_elsewhere = |path: &str| path != found.relative && claimed.contains(path);
    inventory.installed.retain(|one| !is_elsewhere(&one.location.path));
    for installed in &mut inventory.installed {
        let origin = origins.origin(installed);
        installed.registered = origin == Origin::Registry;
        if let Origin::Private(host) = origin {
            inventory.unresolved.push(unmatched(installed, &host));
        }
    }
    Ok(inventory)
}

/// What a file says, and the `.npmrc` that holds for it.
fn read(found: &Found, started: Instant) -> Result<(Inventory, Option<String>), DetectError> {
    if started.elapsed() > LONGEST_READING {
        let what = "reading the files before it took five minutes, and this one was not looked at".to_owned();
        return Err(DetectError::Scan { path: found.path.clone(), what });
    }
    let detector = DETECTORS[found.detector];
    let hint = detector.kind().hint;
    let text = walk::read_text(found, hint)?;
    if text.bytes().filter(|byte| *byte == b'\n').count() > MOST_LINES {
        let what = format!("it has more than {MOST_LINES} lines");
        return Err(DetectError::Scan { path: found.path.clone(), what });
    }
    let mut neighbours = walk::read_neighbours(found, detector, &text);
    let parsed = detector.parse(&found.relative, &text, &neighbours);
    let npmrc = npmrc::of(&found.relative).and_then(|path| neighbours.remove(&path));
    parsed.map(|inventory| (inventory, npmrc)).map_err(|broken| walk::broken(&found.path, broken, hint))
}

/// A private registry's package shares no more than the name with the one that public advisories speak of.
fn unmatched(installed: &Installed, host: &str) -> Unresolved {
    let what = format!(
        "{}: it comes from a private registry (`{host}`), of which public advisories say nothing; a mirror is named \
         under `[scan] mirrors` in patchline.toml",
        installed.package
    );
    Unresolved::package(&installed.location.path, installed.location.line, &installed.package.name, what)
}
