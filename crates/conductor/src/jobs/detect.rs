//! Carries out a scan of the base commit, or takes a person's report in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use patchline_detect::age::warning;
use patchline_detect::{Advisories, AdvisoryStatus, Ages, DetectError, Scan, scan_from};
use patchline_evidence::statement::VULNS;
use patchline_model::analyzer::Level;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::id::{FindingId, PatchId};
use patchline_model::owner::Owners;
use patchline_model::package::Ecosystem;
use patchline_model::scanning::{Freshness, Stale};
use patchline_model::service::Service;
use patchline_model::stage::detect::{Finding, Location, Opening, Outcome, Source, Subject};
use patchline_sandbox::Git;
use serde_json::{Value, json};

use crate::attest::commit_subject;
use crate::clock;
use crate::failures::git_failure;
use crate::hands::Hands;
use crate::jobs::analyze::analyzed;
use crate::owners;

/// Scans, or reads the report, and leaves a signed statement of what was found.
pub async fn carry_out(hands: &Hands, opening: &Opening, patch: PatchId) -> Result<Outcome, Failure> {
    let started = clock::now();
    let (findings, named, packages, database) = match &opening.subject {
        Subject::Change { title, report, author, answers, .. } if answers.is_empty() => {
            let summary = format!("{title} (change by {author})");
            (vec![reported(report, summary, None)], Owners::new(), 0, json!(null))
        }
        Subject::Report(report) => {
            let summary = format!("{} ({})", report.title, report.reason);
            let findings = vec![reported(&report.name, summary, report.place.clone())];
            let (rules, _) = owners::rules_at(&opening.service, &opening.base).await?;
            let named = owners::named(&rules, "", &findings);
            (findings, named, 0, json!(null))
        }
        Subject::Scan { only, .. } | Subject::Change { answers: only, .. } => {
            let tree = export(hands, opening, patch).await?;
            let reports = reports_of(&opening.subject);
            let Seen { findings, owners: named, packages, advisories, old, warning: _ } =
                findings_to_fix(hands, &opening.service, (&opening.base, &tree), reports).await?;
            refuse_unknown(only, &findings)?;
            let findings = findings.into_iter().filter(|finding| wanted(finding, only)).collect();
            (findings, named, u32::try_from(packages).unwrap_or(u32::MAX), database(&advisories, &old))
        }
    };
    let predicate = json!({
        "scanner": { "uri": "https://patchline.dev/scanner", "version": env!("CARGO_PKG_VERSION"), "db": database,
            "result": findings.iter().map(result).collect::<Vec<Value>>() },
        "metadata": { "scanStartedOn": started.to_string(), "scanFinishedOn": clock::now().to_string() },
    });
    let subject = commit_subject(opening.service.name.as_str(), &opening.base);
    let evidence = hands.attestor.attest(vec![subject], VULNS, predicate)?;
    Ok(Outcome { findings, owners: named, packages, evidence })
}

/// Reports that were made elsewhere, and came with the opening.
fn reports_of(subject: &Subject) -> &[Digest] {
    match subject {
        Subject::Scan { reports, .. } => reports,
        Subject::Change { .. } | Subject::Report(_) => &[],
    }
}

/// Scans the service in an exported tree, on a thread that may block. A member of a workspace is scanned where the
/// workspace's lockfile lies.
async fn scan_service(hands: &Hands, service: &Service, tree: &Path) -> Result<(Scan, Old), Failure> {
    let folder = lockfile_folder(hands, tree, &service.folder);
    let directory = hands.home.advisories();
    let scanning = service.verification.scanning.clone();
    let scanned = tokio::task::spawn_blocking(move || {
        let advisories = Advisories::open(&directory)?;
        let scan = scan_from(&folder, &advisories, &scanning.sources)?;
        let of = |ecosystem: &Ecosystem| ecosystem.0.split(':').next().unwrap_or_default().to_owned();
        let needed: BTreeSet<String> = scan.inventory.iter().map(|one| of(&one.package.ecosystem)).collect();
        let ages = Ages::of(&directory, SystemTime::now())?;
        let old = ages.old(&advisories, |name| needed.contains(name), scanning.freshness.days());
        let old = old.into_iter().map(|(name, days)| (name.to_owned(), days)).collect();
        Ok::<(Scan, Old), DetectError>((scan, old))
    });
    match scanned.await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => Err(unscanned(&error)),
        Err(error) => Err(Failure::transient(format!("the scan was broken off: {error}"))),
    }
}

fn unscanned(error: &DetectError) -> Failure {
    Failure::permanent(in_full(error)).of(FailureClass::Input)
}

/// Nothing found by old advisories is no all-clear: whoever wants that to be an error gets one, everybody else what is to be
/// said of it.
fn fresh(old: &Old, freshness: &Freshness) -> Result<Option<String>, Failure> {
    let told: Vec<(&str, u64)> = old.iter().map(|(name, days)| (name.as_str(), *days)).collect();
    match (warning(&told), freshness.stale) {
        (Some(old), Stale::Error) => Err(Failure::permanent(old)
            .of(FailureClass::Input)
            .with_hint("`stale = \"warn\"` under `[scan]` in patchline.toml takes them all the same")),
        (old, Stale::Warn | Stale::Error) => Ok(old),
    }
}

/// Where no lockfile was read and no analyzer looked, nothing is known: that is a failure and no all-clear. Of a cargo project
/// nothing is known without a `Cargo.lock`, whatever else lies there.
fn known(scan: Scan, is_analyzed: bool) -> Result<Scan, Failure> {
    let has_crates = scan.inventory.iter().any(|one| one.package.ecosystem == Ecosystem::crates_io());
    let wants_crates = scan.unresolved.iter().any(|one| one.path == "Cargo.toml");
    if has_crates || (is_analyzed || !scan.inventory.is_empty()) && !wants_crates {
        return Ok(scan);
    }
    let hint = match wants_crates {
        true => {
            "commit `Cargo.lock` (`cargo generate-lockfile` writes one); only what is committed is looked at"
        }
        false => "commit the lockfile; only what is committed is looked at",
    };
    let failure = Failure::permanent("no lockfile could be read in the commit, so nothing is known");
    Err(failure.of(FailureClass::Input).with_hint(hint))
}

/// The service's own folder, or the nearest above it, inside the tree, that has a lockfile which a fixer changes.
fn lockfile_folder(hands: &Hands, tree: &Path, folder: &str) -> PathBuf {
    let own = tree.join(folder);
    let has_lockfile = |place: &PathBuf| {
        let names = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names
            .filter_map(|name| name.into_string().ok())
            .any(|name| hands.fixers.iter().any(|fixer| fixer.changes(&name)))
    };
    let above = own.ancestors().take_while(|place| place.starts_with(tree));
    above.map(Path::to_owned).find(has_lockfile).unwrap_or(own)
}

/// Ecosystems whose advisories are old, and their age in days.
type Old = BTreeMap<String, u64>;

/// What was seen in a tree.
pub struct Seen {
    pub findings: Vec<Finding>,
    /// Whom the commit names for them.
    pub owners: Owners,
    pub packages: usize,
    pub advisories: AdvisoryStatus,
    pub old: Old,
    /// What is to be said of old advisories.
    pub warning: Option<String>,
}

/// The findings of the service in the exported tree of a commit that must have a lockfile, or be looked at by an analyzer.
pub async fn findings_to_fix(
    hands: &Hands,
    service: &Service,
    (base, tree): (&Commit, &Path),
    reports: &[Digest],
) -> Result<Seen, Failure> {
    let is_analyzed = !service.verification.analyzers.is_empty() || !reports.is_empty();
    let (scan, old) = scan_service(hands, service, tree).await?;
    let Scan { mut findings, inventory, advisories, .. } = known(scan, is_analyzed)?;
    let warning = fresh(&old, &service.verification.scanning.freshness)?;
    findings.extend(analyzed(hands, service, tree, reports).await?.findings);
    let folder = lockfile_folder(hands, tree, &service.folder);
    let folder = folder.strip_prefix(tree).map(Path::to_string_lossy).unwrap_or_default();
    let (rules, _) = owners::rules_at(service, base).await?;
    let owners = owners::named(&rules, &folder, &findings);
    Ok(Seen { findings, owners, packages: inventory.len(), advisories, old, warning })
}

/// The findings of the service in an exported tree, to be compared with another's; a tree without a lockfile has none.
pub async fn findings_in(hands: &Hands, service: &Service, tree: &Path) -> Result<Vec<Finding>, Failure> {
    Ok(scan_service(hands, service, tree).await?.0.findings)
}

/// Whether the finding stands in a file beside the lockfile that a fix of this service changes, or in none. Others in the
/// tree, as a `fuzz/Cargo.lock`, are services of their own; a `requirements/` folder, that of workflows and a module of
/// Maven's are none.
pub fn is_own(finding: &Finding) -> bool {
    if finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "GitHub Actions") {
        return true;
    }
    let path = &finding.location.path;
    let path = path.strip_prefix("requirements/").filter(|rest| rest.ends_with(".txt")).unwrap_or(path);
    match finding.source {
        // Those of an analyzer lie in the service's folder, or they are none.
        Source::Report | Source::Analyzer(_) => true,
        Source::Lockfile => !path.contains('/') || path.ends_with("/pom.xml"),
    }
}

/// A name that nothing bears is more likely a slip of the hand than good news.
pub fn refuse_unknown(only: &[String], findings: &[Finding]) -> Result<(), Failure> {
    match only.iter().find(|name| !findings.iter().any(|finding| bears(finding, name))) {
        None => Ok(()),
        Some(name) => Err(Failure::permanent(format!("`{name}` names no finding here"))
            .of(FailureClass::Input)
            .with_hint("`patchline scan` lists them")),
    }
}

/// The base commit in a folder of our own: what is committed counts, not what lies about in a checkout.
async fn export(hands: &Hands, opening: &Opening, patch: PatchId) -> Result<PathBuf, Failure> {
    let tree = hands.home.work(patch).join("base");
    if tree.exists() {
        std::fs::remove_dir_all(&tree)
            .map_err(|error| Failure::transient(format!("{}: {error}", tree.display())))?;
    }
    let git = Git::at(Path::new(&opening.service.repository));
    git.export(opening.base.as_str(), &tree).await.map_err(|error| git_failure(&error))?;
    Ok(tree)
}

/// A patch is made for vulnerabilities, for what analyzers call an error or a warning, and for what was asked for by name; what
/// is only worth knowing is `scan`'s to show.
pub fn wanted(finding: &Finding, only: &[String]) -> bool {
    if only.is_empty() {
        let level = finding.analysis().map_or(Level::Error, |analysis| analysis.level);
        finding.informational.is_none() && matches!(level, Level::Error | Level::Warning)
    } else {
        only.iter().any(|name| bears(finding, name))
    }
}

/// Whether the finding itself, its advisory, one of its other names, or the package is called so.
fn bears(finding: &Finding, name: &str) -> bool {
    finding.advisory == name
        || finding.id.0 == name
        || finding.aliases.iter().any(|alias| alias == name)
        || finding.package.as_ref().is_some_and(|package| package.name == name)
}

fn reported(name: &str, summary: String, place: Option<Location>) -> Finding {
    Finding {
        id: FindingId(format!("report:{name}")),
        source: Source::Report,
        advisory: name.to_owned(),
        aliases: Vec::new(),
        summary,
        package: None,
        location: place.unwrap_or(Location { path: ".".to_owned(), line: None }),
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

/// What was known, and what of it was old: a policy may want to know.
fn database(advisories: &AdvisoryStatus, old: &Old) -> Value {
    let mut database = json!(advisories);
    database["stale_days"] = json!(old);
    database
}

fn result(finding: &Finding) -> Value {
    json!({
        "id": finding.advisory,
        "severity": finding.severity.iter().map(|vector| json!({ "method": "cvss", "score": vector })).collect::<Vec<_>>(),
        "annotations": [{
            "finding": finding.id,
            "level": finding.analysis().map(|analysis| analysis.level),
            "purl": finding.package.as_ref().map(|package| package.purl()),
            "path": finding.location.path, "line": finding.location.line, "fixed": finding.fixed,
        }],
    })
}
