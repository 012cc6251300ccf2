//! What a change means, in words: what moved from where to where, what is cleared, and why these versions.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::failure::Failure;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::{Move, Rung};

use crate::dependency::graph::Graph;
use crate::dependency::node::range::is_major;
use crate::dependency::node::rules::{Comparison, State};
use crate::dependency::outcome::{Apart, has_still, stays_with};
use crate::dependency::sketch::{Plan, Step};
use crate::fixer::Known;
use crate::message::Update;

/// Most packages that the rationale names one by one.
const MOST_NAMED: usize = 12;

/// The moves with those first that were planned, each from the version that it left to the one that was chosen for it.
pub(crate) fn told(plan: &Plan, graph: &Graph, after: &State, counted: Vec<Move>) -> Vec<Move> {
    let installed = after.copies.values().map(|copy| (copy.name.clone(), copy.version.clone()));
    let there: BTreeSet<(String, String)> = installed.collect();
    let mut planned: BTreeMap<(&str, &str, &str), Rung> = BTreeMap::new();
    for Step { node, to, rung } in &plan.steps {
        let node = &graph.nodes[*node];
        if there.contains(&(node.name.clone(), to.clone())) {
            let step = planned.entry((&node.name, &node.version, to)).or_insert(*rung);
            *step = (*step).max(*rung);
        }
    }
    let left = |name: &str, version: &str| planned.keys().any(|key| (key.0, key.1) == (name, version));
    let chosen = |name: &str, version: &str| planned.keys().any(|key| (key.0, key.2) == (name, version));
    let along = counted.into_iter().filter_map(|Move { package, from, to, .. }| {
        let from = from.filter(|from| !left(&package, from));
        let to = to.filter(|to| !chosen(&package, to));
        (from.is_some() || to.is_some()).then_some(Move { package, from, to, rung: None })
    });
    let along: Vec<Move> = along.collect();
    let moved = planned.iter().map(|((package, from, to), rung)| Move {
        package: (*package).to_owned(),
        from: Some((*from).to_owned()),
        to: Some((*to).to_owned()),
        rung: Some(*rung),
    });
    moved.chain(along).collect()
}

pub(crate) fn named(finding: &Finding) -> Option<(String, String)> {
    finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
}

/// The findings apart: those that are gone, and the others with why. One stays, too, where a version comes that has it.
pub(crate) fn apart<'a>(
    findings: &'a [Finding],
    before: &State,
    after: &State,
    whys: &BTreeMap<(String, String), String>,
    known: &dyn Known,
) -> Result<Apart<'a>, Failure> {
    let installed = |state: &State| -> BTreeSet<(String, String)> {
        state.copies.values().map(|copy| (copy.name.clone(), copy.version.clone())).collect()
    };
    let (old, new) = (installed(before), installed(after));
    let came: BTreeSet<(String, String)> = new.difference(&old).cloned().collect();
    let (mut cleared, mut left) = (Vec::new(), Vec::new());
    for finding in findings {
        let Some(package) = named(finding) else {
            left.push((finding.id.clone(), "it names no package".to_owned()));
            continue;
        };
        let why = whys.get(&package).cloned();
        let still = || "the version is still installed somewhere".to_owned();
        let why = match new.contains(&package) {
            true => Some(why.unwrap_or_else(still)),
            false => {
                let version = has_still(finding, &package.0, &came, known)?;
                version.map(|version| stays_with(&package.0, &version, why))
            }
        };
        match why {
            Some(why) => left.push((finding.id.clone(), why)),
            None => cleared.push(finding),
        }
    }
    Ok((cleared, left))
}

/// One for each package that is cleared.
pub(crate) fn updates<'a>(cleared: &[&'a Finding], moves: &[Move]) -> Vec<Update<'a>> {
    let mut updates: Vec<Update<'a>> = Vec::new();
    for finding in cleared {
        let Some(package) = &finding.package else { continue };
        let known = updates
            .iter_mut()
            .find(|update| update.package == package.name && update.from == package.version);
        if let Some(known) = known {
            known.findings.push(finding);
            continue;
        }
        let step = moves.iter().find(|step| {
            step.package == package.name && step.from.as_deref() == Some(package.version.as_str())
        });
        let to = step.and_then(|step| step.to.clone()).unwrap_or_else(|| "none".to_owned());
        updates.push(Update {
            package: &package.name,
            from: package.version.clone(),
            to,
            findings: vec![finding],
        });
    }
    updates
}

/// Why these versions, and what else moves.
pub(crate) fn rationale(
    plan: &Plan,
    graph: &Graph,
    updates: &[Update<'_>],
    comparison: &Comparison,
) -> String {
    let mut sentences = Vec::new();
    for step in &plan.steps {
        let node = &graph.nodes[step.node];
        let (name, from, to) = (&node.name, &node.version, &step.to);
        let major = if is_major(from, to) { ", a major upgrade" } else { "" };
        let is_lessened = plan.lessened.contains(&step.node);
        sentences.push(match step.rung {
            Rung::InRange | Rung::Lift | Rung::Relax if is_lessened => {
                format!("{name} {to} has fewer known problems than {from}, and no other{major}.")
            }
            Rung::Override if is_lessened => format!(
                "{name} {to} comes by an override{major}: it has fewer known problems than {from}, and no other."
            ),
            Rung::InRange => {
                format!("{name} {to} is the smallest good version within what is required of it{major}.")
            }
            Rung::Lift => format!("{name} goes to {to}{major}, so that what is vulnerable can move."),
            Rung::Relax => format!("{name} goes to {to}{major}."),
            Rung::Override => {
                format!("{name} {to} comes by an override{major}: what requires it allows no good version.")
            }
        });
    }
    for guard in &plan.guards {
        sentences.push(format!(
            "{} {} comes by an override, as what {} asks for breaks a rule.",
            guard.called, guard.to, guard.asking
        ));
    }
    for relaxed in &plan.relaxed {
        sentences.push(format!("package.json now asks for {} {}.", relaxed.called, relaxed.range));
    }
    let aimed: BTreeSet<&str> = updates.iter().map(|update| update.package).collect();
    let planned: BTreeSet<&str> =
        plan.steps.iter().map(|step| graph.nodes[step.node].name.as_str()).collect();
    let others = comparison.moves.iter().map(|step| step.package.as_str());
    let others: BTreeSet<&str> =
        others.filter(|name| !aimed.contains(name) && !planned.contains(name)).collect();
    sentences.push(match others.len() {
        0 => "Nothing else moves.".to_owned(),
        1 => format!("One other package moves with it: {}.", others.into_iter().collect::<String>()),
        count => format!(
            "{count} other packages move with it: {}.",
            others.into_iter().take(MOST_NAMED).collect::<Vec<_>>().join(", ")
        ),
    });
    let mut seen = BTreeSet::new();
    sentences.retain(|sentence| seen.insert(sentence.clone()));
    sentences.join(" ")
}
