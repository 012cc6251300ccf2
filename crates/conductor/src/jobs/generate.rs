//! Carries out a generation: asks the fixers for the next candidate.

use std::path::Path;

use patchline_evidence::statement::PATCHLINE_GENERATION;
use patchline_generate::fixer::{Proposal, Request};
use patchline_generate::proposed;
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::patch::Patch;
use patchline_model::stage::detect::{Finding, Opening, Subject};
use patchline_model::stage::generate::{Candidate, Job, Outcome};
use patchline_sandbox::Git;
use serde_json::json;

use crate::attest::{commit_subject, digest_subject};
use crate::failures::git_failure;
use crate::hands::Hands;
use crate::jobs::detect::is_own;

/// The author of what Patchline commits.
const AUTHOR: &str = "Patchline <patchline@localhost>";

/// Asks for candidate `number` and leaves a signed statement of where it comes from.
pub async fn carry_out(
    hands: &Hands,
    opening: &Opening,
    patch: &Patch,
    job: &Job,
) -> Result<Outcome, Failure> {
    let Job::Propose { number } = job;
    let request = request(hands, opening, patch, *number).await?;
    let proposal = match &opening.subject {
        Subject::Change { title, report, commit, author } => {
            proposed(&request, title, report, commit, author).await?
        }
        Subject::Scan { .. } => from_fixers(hands, request).await?,
    };
    match proposal {
        Proposal::NoFix { reasons, .. } => Ok(Outcome::NoFix { reasons }),
        Proposal::Candidate { candidate, diff, log } => {
            let evidence = attest(hands, opening, &candidate, &diff, &log)?;
            Ok(Outcome::Proposed { candidate, evidence })
        }
    }
}

async fn request(hands: &Hands, opening: &Opening, patch: &Patch, number: u32) -> Result<Request, Failure> {
    let repository = Path::new(&opening.service.repository).to_owned();
    let base_time =
        Git::at(&repository).commit_time(opening.base.as_str()).await.map_err(|error| git_failure(&error))?;
    Ok(Request {
        patch: patch.id,
        number,
        repository,
        folder: opening.service.folder.clone(),
        base: opening.base.clone(),
        findings: patch.findings().to_vec(),
        refused: patch.generate.refused.iter().map(|(candidate, _)| candidate.clone()).collect(),
        work: hands.home.work(patch.id),
        // A second run makes the same commit, to the bit: its time is that of the patch, and never before its base.
        committed_at: base_time.max(patch.opened_at.0.div_euclid(1000)),
        author: AUTHOR.to_owned(),
    })
}

/// The first fixer that can do something about any finding; the others' findings stay with the reason.
async fn from_fixers(hands: &Hands, mut request: Request) -> Result<Proposal, Failure> {
    let (own, elsewhere): (Vec<_>, Vec<_>) = request.findings.into_iter().partition(is_own);
    request.findings = own;
    let left: Vec<(FindingId, String)> =
        elsewhere.iter().map(|finding| (finding.id.clone(), left_to(finding))).collect();
    let mut reasons: Vec<String> = left.iter().map(|(_, why)| why.clone()).collect();
    reasons.dedup();
    for fixer in &hands.fixers {
        let able = request.findings.iter().filter(|finding| fixer.can(finding)).cloned().collect::<Vec<_>>();
        if able.is_empty() {
            continue;
        }
        match fixer.propose(&Request { findings: able, ..request.clone() }).await? {
            Proposal::NoFix { reasons: why, .. } => reasons.extend(why),
            Proposal::Candidate { mut candidate, diff, log } => {
                candidate.leaves.extend(left);
                return Ok(Proposal::Candidate { candidate, diff, log });
            }
        }
    }
    if reasons.is_empty() {
        reasons.extend(
            request.findings.iter().map(|finding| format!("no fixer can handle {}", finding.advisory)),
        );
    }
    Ok(Proposal::NoFix { reasons, log: String::new() })
}

/// Another lockfile in the tree is fixed where it lies.
fn left_to(finding: &Finding) -> String {
    let path = Path::new(&finding.location.path);
    let folder = path.parent().unwrap_or(Path::new(".")).display();
    format!("it stands in `{}`; `patchline fix {folder}` fixes it there", finding.location.path)
}

fn attest(
    hands: &Hands,
    opening: &Opening,
    candidate: &Candidate,
    diff: &str,
    log: &str,
) -> Result<patchline_model::digest::Digest, Failure> {
    let kept = hands.attestor.keep(diff.as_bytes())?;
    if kept != candidate.diff {
        return Err(Failure::permanent("the candidate's diff is not the one that was handed over"));
    }
    let log = hands.attestor.keep(log.as_bytes())?;
    let subjects = vec![commit_subject(&candidate.branch, &candidate.commit), digest_subject("diff", &kept)];
    let predicate = json!({
        "fixer": candidate.fixer, "author": candidate.author, "base": candidate.base, "rationale": candidate.rationale,
        "moves": candidate.moves, "files": candidate.files, "removes": candidate.removes, "leaves": candidate.leaves,
        "service": opening.service.name, "log": log,
    });
    hands.attestor.attest(subjects, PATCHLINE_GENERATION, predicate)
}
