//! Walk, read, match, report: all that a tree, an image or a binary says is in use against the advisories.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use patchline_model::failure::in_full;
use patchline_model::scanning::Sources;

use crate::belt::in_order;
use crate::container::open;
use crate::error::DetectError;
use crate::index::open::Advisories;
use crate::judged::{Scan, Unjudged, count_unjudged, judged, say_unjudged, sort};
use crate::reading;
use crate::walk::{self, Found, Walked};
use patchline_inventory::detector::{Installed, Inventory, Unresolved};
use patchline_inventory::detectors::DETECTORS;

/// Scans what `root` is: a tree, a lockfile, an image, an archive of a root, a binary. A lockfile on top that Patchline fixes
/// and cannot read is an error that names it: half an answer would look like a whole one. So is a tree of which nothing could
/// be read, and an image of which a layer could not. Other files that cannot be read, as fixtures and templates, are
/// unresolved by name.
pub fn scan(root: &Path, advisories: &Advisories) -> Result<Scan, DetectError> {
    scan_from(root, advisories, &Sources::default())
}

/// As [`scan`], where it is known which hosts are mirrors and which are private.
pub fn scan_from(root: &Path, advisories: &Advisories, sources: &Sources) -> Result<Scan, DetectError> {
    let mut whole = judged(Inventory::default(), advisories)?;
    scan_parts(root, advisories, sources, |part| part, &mut |part: Scan| {
        whole.findings.extend(part.findings);
        whole.inventory.extend(part.inventory);
        whole.unresolved.extend(part.unresolved);
        Ok::<(), DetectError>(())
    })?;
    // No two parts speak of one place, so there is nothing to join.
    sort(&mut whole.findings);
    whole.unresolved.sort();
    whole.unresolved.dedup();
    whole.advisories = advisories.consulted();
    Ok(whole)
}

/// As [`scan_from`] in parts, none of which is kept: one for each lockfile in the order of their paths, and one for all else.
/// `make` makes on several threads what `take` gets in that order. What an error follows on was no whole answer.
pub fn scan_parts<T: Send, E: From<DetectError>>(
    root: &Path,
    advisories: &Advisories,
    sources: &Sources,
    make: impl Fn(Scan) -> T + Sync,
    take: &mut dyn FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(inventory) = held(root)? {
        let mut unjudged = Unjudged::new();
        count_unjudged(&mut unjudged, &inventory.installed, advisories);
        return take(make(rest(inventory, &unjudged, advisories)?));
    }
    let walked = walk::walk(root, DETECTORS)?;
    let started = Instant::now();
    let claimed: BTreeSet<&str> = walked.lockfiles.iter().map(|found| found.relative.as_str()).collect();
    let file = |number: usize| -> Result<Readable<File<T>>, DetectError> {
        let found: &Found = &walked.lockfiles[number];
        let mut inventory = match reading::inventory(found, &claimed, sources, started) {
            Ok(inventory) => inventory,
            Err(error) => return Ok(Err(error)),
        };
        let mut unjudged = Unjudged::new();
        count_unjudged(&mut unjudged, &inventory.installed, advisories);
        let is_its = |one: &Installed| one.location.path == found.relative;
        let shared = inventory.installed.extract_if(.., |one| !is_its(one)).collect();
        Ok(Ok(File { part: make(judged(inventory, advisories)?), shared, unjudged }))
    };
    let mut tree = Tree::of(&walked);
    in_order(walked.lockfiles.len(), file, |read| match tree.take(&walked, read?)? {
        Some(part) => take(part),
        None => Ok(()),
    })?;
    let (inventory, unjudged) = tree.rest(walked, advisories)?;
    take(make(rest(inventory, &unjudged, advisories)?))
}

/// What an image, an archive or a binary holds. A file that a detector reads by its name is a lockfile, whatever is in it.
fn held(root: &Path) -> Result<Option<Inventory>, DetectError> {
    match root.is_file() && walk::is_claimed(root, DETECTORS) {
        true => Ok(None),
        false => open::inventory(root),
    }
}

/// What belongs to no lockfile by itself.
fn rest(mut inventory: Inventory, unjudged: &Unjudged, advisories: &Advisories) -> Result<Scan, DetectError> {
    inventory.unresolved.extend(say_unjudged(unjudged));
    judged(inventory, advisories)
}

/// A file that can't be read does not always end a scan; advisories that can't be used always do.
type Readable<T> = Result<T, DetectError>;

/// What one lockfile comes to.
struct File<T> {
    part: T,
    /// What stands in a neighbour, which others may read as well.
    shared: Vec<Installed>,
    unjudged: Unjudged,
}

/// What is known of a tree while its files are read.
struct Tree {
    /// Whether there is a lockfile on top that Patchline fixes; then those below may be fixtures.
    has_top: bool,
    has_read: bool,
    first_error: Option<DetectError>,
    inventory: Inventory,
    unjudged: Unjudged,
    /// How many files were taken.
    taken: usize,
}

impl Tree {
    fn of(walked: &Walked) -> Self {
        let is_top = |found: &Found| is_fixed(found) && !found.relative.contains('/');
        Self {
            has_top: walked.lockfiles.iter().any(is_top),
            has_read: !walked.systems.is_empty(),
            first_error: None,
            inventory: Inventory::default(),
            unjudged: Unjudged::new(),
            taken: 0,
        }
    }

    /// Takes the next file in, and gives its part.
    fn take<T>(&mut self, walked: &Walked, read: Readable<File<T>>) -> Result<Option<T>, DetectError> {
        let found = &walked.lockfiles[self.taken];
        self.taken += 1;
        match read {
            Ok(File { part, shared, unjudged }) => {
                self.has_read = true;
                self.inventory.installed.extend(shared);
                for (ecosystem, count) in unjudged {
                    *self.unjudged.entry(ecosystem).or_default() += count;
                }
                Ok(Some(part))
            }
            Err(error) if is_fixed(found) && !(self.has_top && found.relative.contains('/')) => Err(error),
            Err(error) => {
                self.inventory.unresolved.push(Unresolved::of(&found.relative, in_full(&error)));
                self.first_error.get_or_insert(error);
                Ok(None)
            }
        }
    }

    /// All that no lockfile says alone.
    fn rest(mut self, walked: Walked, advisories: &Advisories) -> Result<(Inventory, Unjudged), DetectError> {
        if let Some(error) = self.first_error.filter(|_| !self.has_read) {
            return Err(error);
        }
        let inventory = &mut self.inventory;
        if walked.lockfiles.is_empty() && walked.unresolved.is_empty() && walked.systems.is_empty() {
            let names = DETECTORS.iter().take(4).map(|detector| format!("`{}`", detector.kind().files[0]));
            let names: Vec<String> = names.collect();
            let what = format!("there is no lockfile here; Patchline reads {} and others", names.join(", "));
            inventory.unresolved.push(Unresolved::of(".", what));
        }
        inventory.unresolved.extend(walked.unresolved);
        for system in walked.systems {
            count_unjudged(&mut self.unjudged, &system.installed, advisories);
            inventory.installed.extend(system.installed);
            inventory.unresolved.extend(system.unresolved);
        }
        Ok((self.inventory, self.unjudged))
    }
}

fn is_fixed(found: &Found) -> bool {
    DETECTORS[found.detector].kind().is_fixed
}
