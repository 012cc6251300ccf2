//! Carries out a build: the patch twice, the base once, each with SBOM and signed provenance.

use std::path::Path;

use patchline_build::builder::{Built, Made, Request};
use patchline_build::provenance::provenance;
use patchline_build::registry;
use patchline_build::sbom::{Patched, cyclonedx};
use patchline_evidence::statement::{CYCLONEDX, SLSA_PROVENANCE};
use patchline_model::digest::Commit;
use patchline_model::failure::Failure;
use patchline_model::patch::Patch;
use patchline_model::service::Service;
use patchline_model::stage::build::{Artifact, Outcome, Pair, Reproducible};
use patchline_model::stage::detect::Opening;
use patchline_sandbox::Git;
use serde_json::json;

use crate::attest::digest_subject;
use crate::blocking::blocking;
use crate::failures::git_failure;
use crate::hands::Hands;

/// Builds both sides. A base that does not build is no fault of the patch: nothing can be compared, and it says so.
pub async fn carry_out(hands: &Hands, opening: &Opening, patch: &Patch) -> Result<Outcome, Failure> {
    let service = &opening.service;
    let Some(candidate) = patch.candidate() else {
        return Err(Failure::permanent("there is no candidate to build"));
    };
    let base = match make(hands, service, &opening.base, false).await? {
        Built::Artifact(made) => artifact(hands, service, &opening.base, &made, None)?,
        Built::Broken { why, log } => {
            let log = hands.attestor.keep(log.as_bytes())?;
            return Ok(Outcome::BaseBroken { why, log });
        }
    };
    match make(hands, service, &candidate.commit, true).await? {
        Built::Broken { why, log } => Ok(Outcome::Broken { why, log: hands.attestor.keep(log.as_bytes())? }),
        Built::Artifact(made) => {
            let patched = Patched { candidate, findings: patch.findings() };
            let patch = artifact(hands, service, &candidate.commit, &made, Some(patched))?;
            Ok(Outcome::Built(Box::new(Pair { patch, base })))
        }
    }
}

/// Builds a commit, or answers from what is built already.
pub async fn make(hands: &Hands, service: &Service, commit: &Commit, twice: bool) -> Result<Built, Failure> {
    let repository = Path::new(&service.repository).to_owned();
    let time =
        Git::at(&repository).commit_time(commit.as_str()).await.map_err(|error| git_failure(&error))?;
    let request = Request {
        service: service.clone(),
        repository,
        commit: commit.clone(),
        work: hands.home.builds(&service.name),
        twice,
        epoch_seconds: time,
    };
    hands.builder.build(&request).await
}

/// Keeps and signs what was made.
pub fn artifact(
    hands: &Hands,
    service: &Service,
    commit: &Commit,
    made: &Made,
    patched: Option<Patched<'_>>,
) -> Result<Artifact, Failure> {
    let sbom = cyclonedx(made, service, commit, patched);
    let bytes = serde_json::to_vec_pretty(&sbom).map_err(|error| Failure::permanent(error.to_string()))?;
    let stored = blocking(|| registry::store(hands.attestor.blobs(), made, &bytes, service, commit))?;
    let subject = || vec![digest_subject(&made.name, &made.digest)];
    let invocation = format!("{}/{commit}", service.name);
    let provenance =
        hands.attestor.attest(subject(), SLSA_PROVENANCE, provenance(made, service, commit, &invocation))?;
    // The SBOM itself lies among the blobs: the statement names it by digest, whatever its size.
    let reference = json!({ "mediaType": "application/vnd.cyclonedx+json", "digest": stored.sbom, "components": sbom["components"].as_array().map_or(0, Vec::len) });
    let listed = hands.attestor.attest(subject(), CYCLONEDX, reference)?;
    Ok(Artifact {
        digest: made.digest.clone(),
        name: made.name.clone(),
        bytes: made.bytes,
        reproducible: match &made.second {
            None => Reproducible::NotTried,
            Some(second) if *second == made.digest => Reproducible::Identical,
            Some(second) => Reproducible::Different { second: second.clone() },
        },
        sbom: stored.sbom,
        evidence: vec![provenance, listed],
    })
}
