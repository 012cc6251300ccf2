//! What a change of versions means for the findings: what is cleared, what is left with which reason, and how it is told.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::package::Package;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::{Move, Rung};

use crate::fixer::Known;
use crate::message::{Update, clean};

/// Most moves that the rationale names one by one.
const MOST_NAMED: usize = 12;

/// A finding's package by the name that the ecosystem knows it by, and its version.
pub(crate) type Named = fn(&Finding) -> Option<(String, String)>;

/// What is cleared, and what is left with why.
pub(crate) type Apart<'a> = (Vec<&'a Finding>, Vec<(FindingId, String)>);

/// The findings apart: those whose package has the advisory no more, and the others with the reason. `installed` is what
/// there is afterwards.
pub(crate) fn apart<'a>(
    findings: &'a [Finding],
    named: Named,
    installed: &BTreeSet<(String, String)>,
    whys: &BTreeMap<String, String>,
    known: &dyn Known,
) -> Result<Apart<'a>, Failure> {
    let (mut cleared, mut left) = (Vec::new(), Vec::new());
    for finding in findings {
        match named(finding) {
            Some(package) if !installed.contains(&package) => {
                match has_still(finding, &package.0, installed, known)? {
                    None => cleared.push(finding),
                    Some(version) => {
                        let none = || {
                            let name = &package.0;
                            format!(
                                "`{name} {version}` has it as well, and no version is without a known problem"
                            )
                        };
                        let why = whys.get(&package.0).cloned().unwrap_or_else(none);
                        left.push((finding.id.clone(), why));
                    }
                }
            }
            Some((name, _)) => {
                let why = whys.get(&name).cloned();
                let why = why.unwrap_or_else(|| "the version is still installed somewhere".to_owned());
                left.push((finding.id.clone(), why));
            }
            None => left.push((finding.id.clone(), "it names no package".to_owned())),
        }
    }
    Ok((cleared, left))
}

/// Why a finding stays although its version goes.
pub(crate) fn stays_with(name: &str, version: &str, why: Option<String>) -> String {
    let stays = format!("`{name} {version}`, which comes in its place, has it as well");
    [stays].into_iter().chain(why).collect::<Vec<_>>().join("; ")
}

/// The installed version that has the same advisory.
pub(crate) fn has_still(
    finding: &Finding,
    name: &str,
    installed: &BTreeSet<(String, String)>,
    known: &dyn Known,
) -> Result<Option<String>, Failure> {
    let Some(package) = &finding.package else { return Ok(None) };
    for (_, version) in installed.iter().filter(|(other, _)| other == name) {
        let other = Package {
            ecosystem: package.ecosystem.clone(),
            name: package.name.clone(),
            version: version.clone(),
        };
        if known.problems(&other)?.contains(&finding.advisory) {
            return Ok(Some(version.clone()));
        }
    }
    Ok(None)
}

/// One for each package that is cleared; `to` says where each goes.
pub(crate) fn updates<'a>(
    cleared: &[&'a Finding],
    named: Named,
    to: &BTreeMap<String, String>,
) -> Vec<Update<'a>> {
    let mut updates: Vec<Update<'a>> = Vec::new();
    for finding in cleared {
        let (Some(package), Some((name, _))) = (&finding.package, named(finding)) else { continue };
        let known = updates
            .iter_mut()
            .find(|update| update.package == package.name && update.from == package.version);
        match known {
            Some(update) => update.findings.push(finding),
            None => updates.push(Update {
                package: &package.name,
                from: package.version.clone(),
                to: to.get(&name).cloned().unwrap_or_else(|| "none".to_owned()),
                findings: vec![finding],
            }),
        }
    }
    updates
}

/// How the version of a package came to be chosen: as what was vulnerable, or so that this could move.
pub(crate) fn rung(is_target: bool, is_relaxed: bool) -> Rung {
    match (is_target, is_relaxed) {
        (_, true) => Rung::Relax,
        (true, false) => Rung::InRange,
        (false, false) => Rung::Lift,
    }
}

/// What a version is chosen for.
pub(crate) fn merit(is_free: bool) -> &'static str {
    if is_free { "without a known problem" } else { "with the fewest known problems" }
}

/// A sentence about what moves along.
pub(crate) fn others(moves: &[Move], updates: &[Update<'_>]) -> String {
    let is_aimed = |step: &&Move| updates.iter().any(|update| update.package == step.package);
    let shown: Vec<String> = moves.iter().filter(|step| !is_aimed(step)).map(shown).collect();
    match shown.len() {
        0 => "Nothing else moves.".to_owned(),
        1 => format!("One other package moves with it: {}.", shown[0]),
        count if count <= MOST_NAMED => format!("{count} other packages move with it: {}.", shown.join(", ")),
        count => {
            format!("{count} other packages move with it: {} and more.", shown[..MOST_NAMED].join(", "))
        }
    }
}

/// A sentence for each finding that is left.
pub(crate) fn left_open(left: &[(FindingId, String)]) -> Vec<String> {
    let mut by_reason: Vec<(String, Vec<&str>)> = Vec::new();
    for (id, why) in left {
        match by_reason.iter_mut().find(|(known, _)| known == why) {
            Some((_, ids)) => ids.push(&id.0),
            None => by_reason.push((why.clone(), vec![&id.0])),
        }
    }
    let told = by_reason
        .into_iter()
        .map(|(why, ids)| format!("Left open: {}, for {}.", ids.join(", "), clean(&why, 300)));
    told.collect()
}

fn shown(step: &Move) -> String {
    match (&step.from, &step.to) {
        (Some(from), Some(to)) => format!("{} from {from} to {to}", step.package),
        (None, Some(to)) => format!("{} {to} comes", step.package),
        (Some(from), None) => format!("{} {from} goes", step.package),
        (None, None) => step.package.clone(),
    }
}
