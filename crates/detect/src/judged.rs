//! What advisories say of packages that are in use: findings, and what could not be judged.

use std::collections::BTreeMap;

use patchline_inventory::detector::{Installed, Inventory, Unresolved};
use patchline_model::id::FindingId;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::{Finding, Source};
use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::open::{Advisories, AdvisoryStatus, Problem};

const MOST_PATHS: usize = 10;

/// What a tree holds and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// In the order of lockfile, package, version and advisory.
    pub findings: Vec<Finding>,
    /// Every package of every lockfile, the repository's own included.
    pub inventory: Vec<Installed>,
    /// What could not be judged. As long as there is any, no finding does not mean that all is well.
    pub unresolved: Vec<Unresolved>,
    pub advisories: AdvisoryStatus,
}

/// How many packages there are of ecosystems without advisories.
pub type Unjudged = BTreeMap<Ecosystem, usize>;

/// The inventory with all that advisories say of it.
pub fn judged(inventory: Inventory, advisories: &Advisories) -> Result<Scan, DetectError> {
    let Inventory { installed, unresolved } = inventory;
    let mut scan = Scan {
        findings: Vec::new(),
        inventory: installed,
        unresolved,
        advisories: AdvisoryStatus::default(),
    };
    let Scan { findings, inventory, unresolved, .. } = &mut scan;
    for installed in inventory.iter().filter(|installed| installed.registered) {
        judge(installed, advisories, findings, unresolved)?;
    }
    tidy(findings);
    unresolved.sort();
    unresolved.dedup();
    scan.advisories = advisories.consulted();
    Ok(scan)
}

/// Counts the packages of ecosystems of which there are no advisories.
pub fn count_unjudged(counts: &mut Unjudged, inventory: &[Installed], advisories: &Advisories) {
    let mut last: Option<(&Ecosystem, bool)> = None;
    for one in inventory.iter().filter(|one| one.registered) {
        let ecosystem = &one.package.ecosystem;
        let is_known = match last {
            Some((last, is_known)) if last == ecosystem => is_known,
            Some(_) | None => advisories.knows(ecosystem),
        };
        last = Some((ecosystem, is_known));
        if is_known {
            continue;
        }
        match counts.get_mut(&one.package.ecosystem) {
            Some(count) => *count += 1,
            None => {
                counts.insert(one.package.ecosystem.clone(), 1);
            }
        }
    }
}

pub fn say_unjudged(counts: &Unjudged) -> impl Iterator<Item = Unresolved> {
    counts.iter().map(|(ecosystem, count)| {
        let what =
            format!("{count} packages of {ecosystem} were not judged: there are no advisories of it here");
        Unresolved::of(".", what)
    })
}

fn judge(
    installed: &Installed,
    advisories: &Advisories,
    findings: &mut Vec<Finding>,
    unresolved: &mut Vec<Unresolved>,
) -> Result<(), DetectError> {
    let package = &installed.package;
    let path = &installed.location.path;
    let answer = advisories.of(package)?;
    let first = findings.len();
    findings.extend(answer.problems.iter().map(|problem| finding(problem, installed)));
    let mut unknown = answer.unresolved.clone();
    for other in &installed.also {
        // One advisory may be filed in several places.
        let more = advisories.of(other)?;
        for problem in &more.problems {
            if findings[first..].iter().all(|known| known.advisory != problem.advisory) {
                findings.push(finding(problem, installed));
            }
        }
        unknown.extend_from_slice(&more.unresolved);
    }
    let line = installed.location.line;
    let lack = |what: String| Unresolved::package(path, line, &package.name, what);
    if !answer.is_no_version {
        unresolved.extend(unknown.into_iter().map(|what| lack(format!("{package}: {what}"))));
    } else {
        unresolved.push(lack(format!("{package}: this is not a version of {}", package.ecosystem)));
    }
    Ok(())
}

fn finding(problem: &Problem, installed: &Installed) -> Finding {
    let package = &installed.package;
    let (ecosystem, name, version) = (&package.ecosystem, &package.name, &package.version);
    let id = format!("{}:{ecosystem}/{name}@{version}:{}", problem.advisory, installed.location.path);
    Finding {
        id: FindingId(id),
        source: Source::Lockfile,
        advisory: problem.advisory.clone(),
        aliases: problem.aliases.clone(),
        summary: problem.summary.clone(),
        package: Some(package.clone()),
        location: installed.location.clone(),
        paths: installed.paths.iter().map(|way| way.iter().map(|step| step.to_string()).collect()).collect(),
        fixed: problem.fixed.clone(),
        severity: problem.severity.clone(),
        informational: problem.informational.clone(),
    }
}

/// Puts findings in their order.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|left, right| key(left).cmp(&key(right)));
}

fn key(finding: &Finding) -> (&str, &Option<Package>, &str) {
    (&finding.location.path, &finding.package, &finding.advisory)
}

/// Sorts, and joins what one lockfile says twice, as it does when a version comes from two registries.
fn tidy(findings: &mut Vec<Finding>) {
    sort(findings);
    findings.dedup_by(|again, kept| {
        let same = again.id == kept.id;
        if same {
            kept.paths.append(&mut again.paths);
            kept.paths.sort_by_key(Vec::len);
            kept.paths.dedup();
            kept.paths.truncate(MOST_PATHS);
        }
        same
    });
}
