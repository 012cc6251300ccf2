//! Carries out the checks, one after another, each with signed evidence.

use std::path::Path;

use patchline_build::builder::{Built, Made};
use patchline_evidence::statement::TEST_RESULT;
use patchline_model::digest::Commit;
use patchline_model::failure::Failure;
use patchline_model::patch::Patch;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Finding, Opening};
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_model::stage::verify::{CheckResult, Checked, Outcome, Verdict};
use patchline_sandbox::Git;
use patchline_verify::check::{Case, Check, Shown, Side};
use serde_json::json;

use crate::attest::{commit_subject, digest_subject};
use crate::clock;
use crate::hands::Hands;
use crate::jobs::analyze::looked;
use crate::jobs::build::make;
use crate::jobs::detect::{findings_in, is_own};

/// Runs every check on base and patch.
pub async fn carry_out(hands: &Hands, opening: &Opening, patch: &Patch) -> Result<Outcome, Failure> {
    let service = &opening.service;
    let (Some(candidate), Some(built)) = (patch.candidate(), &patch.build.built) else {
        return Err(Failure::permanent("there is nothing built to verify"));
    };
    let base = made(hands, service, &opening.base, false).await?;
    let patched = made(hands, service, &candidate.commit, true).await?;
    if base.digest != built.base.digest || patched.digest != built.patch.digest {
        return Err(Failure::permanent("what lies in the build folder is not what was built for this patch"));
    }
    let (mut before, mut after) =
        (own_findings(hands, service, &base.tree).await?, own_findings(hands, service, &patched.tree).await?);
    if is_about_code(service, candidate, patch.findings()) {
        // Both in one place, for reports name it.
        let (git, folder) =
            (Git::at(Path::new(&service.repository)), hands.home.work(patch.id).join("analyzed"));
        before.extend(looked(&hands.sandbox, service, &git, &opening.base, &folder).await?);
        after.extend(looked(&hands.sandbox, service, &git, &candidate.commit, &folder).await?);
    }
    let case = Case {
        service: service.clone(),
        candidate: candidate.clone(),
        findings: patch.findings().to_vec(),
        before,
        after,
        base: side(base),
        patch: side(patched),
        sandbox: hands.sandbox.clone(),
        diff: hands.attestor.text(&candidate.diff)?,
        forward_only: patch.forward_only().map(|forward_only| forward_only.reason),
        patience: None,
    };
    let mut checks = Vec::with_capacity(hands.checks.len());
    for check in &hands.checks {
        checks.push(run(hands, &case, check.as_ref(), patch).await?);
    }
    Ok(Outcome { verdict: Verdict { checks } })
}

async fn own_findings(hands: &Hands, service: &Service, tree: &Path) -> Result<Vec<Finding>, Failure> {
    Ok(findings_in(hands, service, tree).await?.into_iter().filter(is_own).collect())
}

/// Whether analyzers could find another thing on one side than on the other.
fn is_about_code(service: &Service, candidate: &Candidate, findings: &[Finding]) -> bool {
    let is_code = candidate.kind != Kind::Dependency || findings.iter().any(|one| one.analysis().is_some());
    is_code && !service.verification.analyzers.is_empty()
}

fn side(made: Made) -> Side {
    Side { tree: made.tree, artifact: made.artifact, environment: made.environment }
}

/// What the builder left; it answers from there unless it was lost.
async fn made(hands: &Hands, service: &Service, commit: &Commit, twice: bool) -> Result<Made, Failure> {
    match make(hands, service, commit, twice).await? {
        Built::Artifact(made) => Ok(*made),
        Built::Broken { why, .. } => {
            Err(Failure::transient(format!("{} does not build any more: {why}", commit.short())))
        }
    }
}

async fn run(hands: &Hands, case: &Case, check: &dyn Check, patch: &Patch) -> Result<Checked, Failure> {
    let started = clock::now();
    let shown = check.check(case).await?;
    let milliseconds = clock::now().millis_since(started);
    let log = hands.attestor.keep(shown.log.as_bytes())?;
    let mut subjects = vec![commit_subject(&case.candidate.branch, &case.candidate.commit)];
    if let Some(built) = &patch.build.built {
        subjects.push(digest_subject(&built.patch.name, &built.patch.digest));
    }
    let predicate = json!({
        "result": result_word(shown.result),
        "configuration": [{ "name": check.name(), "digest": { "gitCommit": case.candidate.base.as_str() } }],
        "passedTests": shown.passed, "warnedTests": shown.warned, "failedTests": shown.failed,
        "patchline_check": check.name(), "patchline_summary": shown.summary, "patchline_details": shown.details,
        "patchline_sides": shown.sides, "patchline_rollback_milliseconds": shown.rollback_milliseconds, "patchline_irreversible": shown.irreversible,
        "patchline_log": log, "patchline_milliseconds": milliseconds, "patchline_isolation": case.sandbox.isolation(),
    });
    let evidence = hands.attestor.attest(subjects, TEST_RESULT, predicate)?;
    let Shown { result, summary, details, sides, rollback_milliseconds, irreversible, .. } = shown;
    let check = check.name().to_owned();
    Ok(Checked {
        check,
        result,
        summary,
        details,
        sides,
        rollback_milliseconds,
        irreversible,
        evidence,
        milliseconds,
    })
}

/// The words of the test-result predicate; it has none for what was skipped, which is no pass.
fn result_word(result: CheckResult) -> &'static str {
    match result {
        CheckResult::Passed => "PASSED",
        CheckResult::Warned | CheckResult::Skipped => "WARNED",
        CheckResult::Failed => "FAILED",
    }
}
