//! Carries out a scan of the base commit, or takes a person's report in.

use std::path::{Path, PathBuf};

use patchline_detect::{Advisories, Scan, scan};
use patchline_evidence::statement::VULNS;
use patchline_model::failure::Failure;
use patchline_model::id::{FindingId, PatchId};
use patchline_model::service::Service;
use patchline_model::stage::detect::{Finding, Location, Opening, Outcome, Source, Subject};
use patchline_sandbox::Git;
use serde_json::{Value, json};

use crate::attest::commit_subject;
use crate::clock;
use crate::failures::{chain, git_failure};
use crate::hands::Hands;

/// Scans, or reads the report, and leaves a signed statement of what was found.
pub async fn carry_out(hands: &Hands, opening: &Opening, patch: PatchId) -> Result<Outcome, Failure> {
    let started = clock::now();
    let (findings, packages, database) = match &opening.subject {
        Subject::Change { title, report, author, .. } => {
            (vec![reported(title, report, author)], 0, json!(null))
        }
        Subject::Scan { only } => {
            let tree = export(hands, opening, patch).await?;
            let scan = scan_tree(hands, tree.join(&opening.service.folder)).await?;
            let packages = u32::try_from(scan.inventory.len()).unwrap_or(u32::MAX);
            let findings = scan.findings.into_iter().filter(|finding| wanted(finding, only)).collect();
            (findings, packages, json!(scan.advisories))
        }
    };
    let predicate = json!({
        "scanner": { "uri": "https://patchline.dev/scanner", "version": env!("CARGO_PKG_VERSION"), "db": database,
            "result": findings.iter().map(result).collect::<Vec<Value>>() },
        "metadata": { "scanStartedOn": started.to_string(), "scanFinishedOn": clock::now().to_string() },
    });
    let subject = commit_subject(opening.service.name.as_str(), &opening.base);
    let evidence = hands.attestor.attest(vec![subject], VULNS, predicate)?;
    Ok(Outcome { findings, packages, evidence })
}

/// Scans a tree on a thread that may block.
pub async fn scan_tree(hands: &Hands, tree: PathBuf) -> Result<Scan, Failure> {
    let directory = hands.home.advisories();
    let scanned = tokio::task::spawn_blocking(move || {
        let advisories = Advisories::open(&directory)?;
        scan(&tree, &advisories)
    });
    match scanned.await {
        Ok(Ok(scan)) => Ok(scan),
        Ok(Err(error)) => Err(Failure::permanent(chain(&error))),
        Err(error) => Err(Failure::transient(format!("the scan was broken off: {error}"))),
    }
}

/// The findings of a service's own folder in an exported tree, as seen from the repository's top.
pub async fn findings_in(hands: &Hands, service: &Service, tree: &Path) -> Result<Vec<Finding>, Failure> {
    Ok(scan_tree(hands, tree.join(&service.folder)).await?.findings)
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

/// A patch is made for vulnerabilities; what is only worth knowing is `scan`'s to show.
fn wanted(finding: &Finding, only: &[String]) -> bool {
    let names = |name: &String| {
        *name == finding.advisory
            || finding.aliases.contains(name)
            || finding.package.as_ref().is_some_and(|package| package.name == *name)
    };
    finding.informational.is_none() && (only.is_empty() || only.iter().any(names))
}

fn reported(title: &str, report: &str, author: &str) -> Finding {
    Finding {
        id: FindingId(format!("report:{report}")),
        source: Source::Report,
        advisory: report.to_owned(),
        aliases: Vec::new(),
        summary: format!("{title} (change by {author})"),
        package: None,
        location: Location { path: ".".to_owned(), line: None },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

fn result(finding: &Finding) -> Value {
    json!({
        "id": finding.advisory,
        "severity": finding.severity.iter().map(|vector| json!({ "method": "cvss", "score": vector })).collect::<Vec<_>>(),
        "annotations": [{
            "finding": finding.id,
            "purl": finding.package.as_ref().map(|package| package.purl()),
            "path": finding.location.path, "line": finding.location.line, "fixed": finding.fixed,
        }],
    })
}
