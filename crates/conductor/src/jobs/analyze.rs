//! Asks the service's analyzers, and reads reports that were made elsewhere.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use patchline_detect::analyzer::found::{LARGEST_REPORT, read};
use patchline_detect::analyzer::run::run;
use patchline_detect::{Analyzed, Tree};
use patchline_generate::Looks;
use patchline_model::analyzer::{Analysis, Analyzer, Format, Level};
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::id::FindingId;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_sandbox::{Git, Sandbox};

use crate::failures::{analyzer_failure, git_failure, storage};
use crate::hands::Hands;

/// What all analyzers of the service find in a tree of our own, and what these reports say of it.
pub async fn analyzed(
    hands: &Hands,
    service: &Service,
    tree: &Path,
    reports: &[Digest],
) -> Result<Analyzed, Failure> {
    let mut all = by_analyzers(&hands.sandbox, service, tree).await?;
    for report in reports {
        all.take(reported(hands, service, tree, report)?);
    }
    all.finish();
    Ok(all)
}

/// The reports alone.
fn reported(hands: &Hands, service: &Service, tree: &Path, report: &Digest) -> Result<Analyzed, Failure> {
    let bytes =
        hands.attestor.blobs().get(report.as_str(), LARGEST_REPORT).map_err(|error| storage(&error))?;
    let failed = |why: String| {
        Failure::permanent(format!("could not read the report {}: {why}", report.short()))
            .of(FailureClass::Input)
    };
    let tree = Tree::new(tree, &service.folder).map_err(|error| failed(error.to_string()))?;
    read(&bytes, Format::Sarif, None, &tree).map_err(failed)
}

/// What could not be looked at counts as a finding: a patch must not hide from an analyzer what it finds.
pub async fn looked(
    sandbox: &Sandbox,
    service: &Service,
    git: &Git,
    commit: &Commit,
    folder: &Path,
) -> Result<Vec<Finding>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::transient(format!("{}: {error}", folder.display())).of(FailureClass::Storage)
    };
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    git.export(commit.as_str(), folder).await.map_err(|error| git_failure(&error))?;
    let mut all = by_analyzers(sandbox, service, folder).await?;
    all.finish();
    // What could not be removed holds nothing up; the next look replaces it.
    drop(std::fs::remove_dir_all(folder));
    let troubles = all.troubles.iter().enumerate().map(|(number, trouble)| unseen(number, trouble));
    let troubles: Vec<Finding> = troubles.collect();
    all.findings.extend(troubles);
    Ok(all.findings)
}

async fn by_analyzers(sandbox: &Sandbox, service: &Service, tree: &Path) -> Result<Analyzed, Failure> {
    let mut all = Analyzed::default();
    for analyzer in &service.verification.analyzers {
        let found = run(analyzer, sandbox, tree, &service.folder).await;
        all.take(found.map_err(|error| analyzer_failure(&error))?);
    }
    Ok(all)
}

fn unseen(number: usize, trouble: &str) -> Finding {
    let rule = "not looked at".to_owned();
    let print = Digest::of(trouble.as_bytes()).hex().to_owned();
    Finding {
        id: FindingId(format!("{rule}:{print}#{number}")),
        source: Source::Analyzer(Box::new(Analysis {
            tool: trouble.split(':').next().unwrap_or_default().to_owned(),
            analyzer: None,
            rule: rule.clone(),
            level: Level::Error,
            severity_tenths: None,
            region: None,
            print,
            fix: None,
        })),
        advisory: rule,
        aliases: Vec::new(),
        summary: trouble.to_owned(),
        package: None,
        location: Location { path: ".".to_owned(), line: None },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

/// The service's analyzers, for a fixer.
#[derive(Debug)]
pub struct Analyzers {
    service: Service,
    sandbox: Sandbox,
    folder: PathBuf,
}

impl Analyzers {
    /// `folder` is one of our own for trees.
    pub fn new(hands: &Hands, service: &Service, folder: &Path) -> Self {
        Self { service: service.clone(), sandbox: hands.sandbox.clone(), folder: folder.join("analyzed") }
    }
}

#[async_trait]
impl Looks for Analyzers {
    fn analyzer(&self, name: &str) -> Option<&Analyzer> {
        self.service.verification.analyzer(name)
    }

    async fn findings(&self, commit: &Commit) -> Result<Vec<Finding>, Failure> {
        let git = Git::at(Path::new(&self.service.repository));
        looked(&self.sandbox, &self.service, &git, commit, &self.folder).await
    }
}
