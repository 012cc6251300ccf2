//! What a change of versions means for the findings: what is cleared, what is left with which reason, and how it is told.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::id::FindingId;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::Move;

use crate::message::{Update, clean};

/// Most moves that the rationale names one by one.
const MOST_NAMED: usize = 12;

/// A finding's package by the name that the ecosystem knows it by, and its version.
pub(crate) type Named = fn(&Finding) -> Option<(String, String)>;

/// The findings apart: those whose package at that version is gone, and the others with the reason.
pub(crate) fn apart<'a>(
    findings: &'a [Finding],
    named: Named,
    installed: &BTreeSet<(String, String)>,
    whys: &BTreeMap<String, String>,
) -> (Vec<&'a Finding>, Vec<(FindingId, String)>) {
    let (mut cleared, mut left) = (Vec::new(), Vec::new());
    for finding in findings {
        match named(finding) {
            Some(package) if !installed.contains(&package) => cleared.push(finding),
            Some((name, _)) => {
                let why = whys.get(&name).cloned();
                let why = why.unwrap_or_else(|| "the version is still installed somewhere".to_owned());
                left.push((finding.id.clone(), why));
            }
            None => left.push((finding.id.clone(), "it names no package".to_owned())),
        }
    }
    (cleared, left)
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
