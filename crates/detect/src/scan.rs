//! Walk, read, match, report: every lockfile of a tree against the advisories.

use std::path::Path;

use patchline_model::failure::in_full;
use patchline_model::id::FindingId;
use patchline_model::stage::detect::{Finding, Source};
use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Installed, Unresolved};
use crate::error::DetectError;
use crate::index::open::{Advisories, AdvisoryStatus, Problem};
use crate::lockfile::cargo::CargoLock;
use crate::version::Scheme;
use crate::walk;

/// Every kind of lockfile that is read. A new one is one file and one word here.
const DETECTORS: [&dyn Detector; 1] = [&CargoLock];

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

/// Scans the tree at `root`, or the one lockfile that it is. A lockfile that cannot be read is an error that names it: half
/// an answer would look like a whole one. Below one on top, where fixtures and templates lie, it is unresolved by name.
pub fn scan(root: &Path, advisories: &Advisories) -> Result<Scan, DetectError> {
    let walked = walk::walk(root, &DETECTORS)?;
    let mut scan = Scan {
        findings: Vec::new(),
        inventory: Vec::new(),
        unresolved: walked.unresolved,
        advisories: advisories.status().clone(),
    };
    if walked.lockfiles.is_empty() && scan.unresolved.is_empty() {
        let names: Vec<String> =
            DETECTORS.iter().map(|detector| format!("`{}`", detector.lockfile())).collect();
        let what = format!("there is no lockfile here; Patchline reads {}", names.join(", "));
        scan.unresolved.push(Unresolved { path: ".".to_owned(), what });
    }
    let has_top = walked.lockfiles.iter().any(|found| !found.relative.contains('/'));
    for found in &walked.lockfiles {
        let detector = DETECTORS[found.detector];
        let read = walk::read_text(found, detector.hint()).and_then(|text| {
            let parsed = detector.parse(&found.relative, &text);
            parsed.map_err(|broken| walk::broken(&found.path, broken, detector.hint()))
        });
        let installed = match read {
            Ok(installed) => installed,
            Err(error) if has_top && found.relative.contains('/') => {
                scan.unresolved.push(Unresolved { path: found.relative.clone(), what: in_full(&error) });
                continue;
            }
            Err(error) => return Err(error),
        };
        for installed in installed {
            if installed.registered {
                judge(&installed, advisories, &mut scan)?;
            }
            scan.inventory.push(installed);
        }
    }
    tidy(&mut scan);
    Ok(scan)
}

fn judge(installed: &Installed, advisories: &Advisories, scan: &mut Scan) -> Result<(), DetectError> {
    let package = &installed.package;
    let path = &installed.location.path;
    let answer = advisories.of(package)?;
    scan.findings.extend(answer.problems.into_iter().map(|problem| finding(problem, installed)));
    let understood =
        Scheme::of(&package.ecosystem).and_then(|scheme| scheme.parse(&package.version)).is_some();
    let unresolved = |what: String| Unresolved { path: path.clone(), what };
    if understood {
        let what = answer.unresolved.into_iter().map(|what| unresolved(format!("{package}: {what}")));
        scan.unresolved.extend(what);
    } else {
        scan.unresolved
            .push(unresolved(format!("{package}: this is not a version of {}", package.ecosystem)));
    }
    Ok(())
}

fn finding(problem: Problem, installed: &Installed) -> Finding {
    let package = &installed.package;
    let (ecosystem, name, version) = (&package.ecosystem, &package.name, &package.version);
    let id = format!("{}:{ecosystem}/{name}@{version}:{}", problem.advisory, installed.location.path);
    Finding {
        id: FindingId(id),
        source: Source::Lockfile,
        advisory: problem.advisory,
        aliases: problem.aliases,
        summary: problem.summary,
        package: Some(package.clone()),
        location: installed.location.clone(),
        paths: installed.paths.clone(),
        fixed: problem.fixed,
        severity: problem.severity,
        informational: problem.informational,
    }
}

/// Sorts, and joins what one lockfile says twice, as it does when a version comes from two registries.
fn tidy(scan: &mut Scan) {
    let key = |finding: &Finding| {
        (finding.location.path.clone(), finding.package.clone(), finding.advisory.clone())
    };
    scan.findings.sort_by_cached_key(key);
    scan.findings.dedup_by(|again, kept| {
        let same = again.id == kept.id;
        if same {
            kept.paths.append(&mut again.paths);
            kept.paths.sort_by_key(Vec::len);
            kept.paths.dedup();
            kept.paths.truncate(MOST_PATHS);
        }
        same
    });
    scan.unresolved.sort();
    scan.unresolved.dedup();
}
