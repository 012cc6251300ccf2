//! What happens without being asked: scans of the services that are watched, and a patch for what they find.

use std::path::Path;

use patchline_model::actor::Actor;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::PatchId;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Finding, Opening, Subject, Until};
use patchline_model::stage::terms::Terms;
use patchline_sandbox::Git;

use crate::conductor::Conductor;
use crate::failures::git_failure;
use crate::failures::storage;
use crate::hands::Hands;
use crate::jobs::detect::{findings_to_fix, wanted};
use crate::jobs::generate::has_fixer;
use crate::turn::SubmitError;

/// Scans the service's checked-out commit. What it finds gets one patch, once: the same findings are the same patch. What
/// no fixer can do anything about opens none by itself: it would be given up at each new commit.
pub async fn scan_and_open(
    hands: &Hands,
    conductor: &Conductor,
    service: &Service,
) -> Result<Option<PatchId>, Failure> {
    let base = head(service).await?;
    let tree = hands.home.root().join("work").join(format!("scan-{}", service.name));
    if tree.exists() {
        std::fs::remove_dir_all(&tree).map_err(|error| storage(&error))?;
    }
    let git = Git::at(Path::new(&service.repository));
    git.export(base.as_str(), &tree).await.map_err(|error| git_failure(&error))?;
    let findings = findings_to_fix(hands, service, &tree, &[]).await?.findings;
    let _ = std::fs::remove_dir_all(&tree);
    let serious: Vec<&Finding> = findings.iter().filter(|finding| wanted(finding, &[])).collect();
    if !serious.iter().any(|finding| has_fixer(finding, &hands.fixers)) {
        return Ok(None);
    }
    let opening = Opening {
        service: service.clone(),
        base,
        subject: Subject::Scan { only: Vec::new(), reports: Vec::new() },
        until: Until::Rollout,
        terms: Terms::default(),
    };
    let opened =
        conductor.open(&key(service, opening.base.as_str(), &serious), Actor::Machine, opening).await;
    opened.map(Some).map_err(|error| match error {
        SubmitError::Store(error) => storage(&error),
        SubmitError::Unsigned(failure) => failure,
        SubmitError::Rejected(rejection) => Failure::permanent(rejection.to_string()),
    })
}

/// The commit that is checked out.
pub async fn head(service: &Service) -> Result<Commit, Failure> {
    let git = Git::at(Path::new(&service.repository));
    let head = git.head().await.map_err(|error| git_failure(&error))?;
    head.parse().map_err(|error| Failure::permanent(format!("git answered {error}")))
}

/// What the patch is for. A new commit is a new question; the same commit with the same findings is not asked again by
/// itself, however it ended: `patchline fix` asks again.
fn key(service: &Service, base: &str, findings: &[&Finding]) -> String {
    let mut ids: Vec<&str> = findings.iter().map(|finding| finding.id.0.as_str()).collect();
    ids.sort_unstable();
    let asked = format!("{base}\n{}", ids.join("\n"));
    format!("scan:{}:{}", service.name, Digest::of(asked.as_bytes()).hex())
}
