//! Packages that move: never down, and none that has nothing to do with the fix.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use patchline_inventory::version::Scheme;
use patchline_model::stage::generate::Move;

use crate::complaint::{Complaint, Given};
use crate::moved::{Moved, Moves};
use crate::outcome::few;

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    let moves = Moves::of(given);
    let lockfiles = moves.moved.iter().filter_map(downgrade);
    // What the candidate says of itself is held against it as well.
    let said = given.case.candidate.moves.iter().filter_map(|said| said_downgrade(given, said));
    let mut complaints: Vec<Complaint> = lockfiles.chain(said).collect();
    complaints.dedup_by(|a, b| a.why == b.why);
    complaints.extend(unrelated(given, &moves));
    complaints
}

/// No version that came is below each version that went.
fn downgrade(moved: &Moved) -> Option<Complaint> {
    let scheme = Scheme::of(&moved.ecosystem)?;
    let higher = |a: &&String, b: &&String| scheme.compare(a, b).unwrap_or(Ordering::Equal);
    let (highest, to) = (moved.went().max_by(higher)?, moved.came().max_by(higher)?);
    let down = scheme.compare(to, highest) == Some(Ordering::Less);
    down.then(|| {
        Complaint::refused(&moved.lockfile, format!("{} moves down from {highest} to {to}", moved.name))
    })
}

fn said_downgrade(given: Given<'_>, said: &Move) -> Option<Complaint> {
    let (from, to) = (said.from.as_ref()?, said.to.as_ref()?);
    let packages = given.case.findings.iter().filter_map(|finding| finding.package.as_ref());
    let ecosystem =
        packages.clone().find(|package| package.name == said.package).or_else(|| packages.clone().next());
    let scheme = Scheme::of(&ecosystem?.ecosystem)?;
    let down = scheme.compare(to, from) == Some(Ordering::Less);
    down.then(|| Complaint::refused("moves", format!("{} moves down from {from} to {to}", said.package)))
}

/// A fix of dependencies moves the vulnerable package, what leads to it, and what these need.
fn unrelated(given: Given<'_>, moves: &Moves) -> Option<Complaint> {
    if !given.is_dependency_fix() || moves.moved.is_empty() {
        return None;
    }
    let removed =
        given.case.findings.iter().filter(|finding| given.case.candidate.removes.contains(&finding.id));
    let mut roots: BTreeSet<(String, String)> = BTreeSet::new();
    for finding in removed {
        let Some(package) = &finding.package else { continue };
        let ecosystem = &package.ecosystem.0;
        roots.insert((ecosystem.clone(), package.name.clone()));
        for (at, step) in finding.paths.iter().flat_map(|path| path.iter().enumerate()) {
            let name = step.rsplit_once(' ').map_or(step.as_str(), |(name, _)| name);
            let step = (ecosystem.clone(), name.to_owned());
            // The first of each way is the repository's own package, which needs everything; but for pnpm and yarn 1, whose
            // lockfiles do not have that.
            if at > 0 || (ecosystem == "npm" && moves.known.contains(&step)) {
                roots.insert(step);
            }
        }
    }
    let related_before = moves.needed_before_by(roots.clone());
    let related = moves.needed_by(roots);
    let strange = |moved: &&Moved| {
        let key = (moved.ecosystem.0.clone(), moved.name.clone());
        // A copy that only what is fixed needed, and needs no more, goes; others of it stay.
        let is_dropped = moved.came().next().is_none() && related_before.contains(&key);
        !moved.to.is_empty() && !is_dropped && !related.contains(&key)
    };
    let names: Vec<String> = moves.moved.iter().filter(strange).map(|moved| moved.name.clone()).collect();
    let lockfile = moves.moved.iter().find(strange).map(|moved| moved.lockfile.clone())?;
    let why = format!("moves {}, which the fix does not need", few(&names));
    Some(Complaint::unless_meant(given, lockfile, why))
}
