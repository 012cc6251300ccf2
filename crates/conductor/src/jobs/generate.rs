//! Carries out a generation: asks the fixers for the next candidate.

use std::path::Path;
use std::sync::Arc;

use patchline_evidence::statement::PATCHLINE_GENERATION;
use patchline_generate::fixer::{Fixer, Proposal, Request};
use patchline_generate::message::branch;
use patchline_generate::proposed;
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::patch::Patch;
use patchline_model::stage::detect::{Finding, Opening, Subject};
use patchline_model::stage::division::Division;
use patchline_model::stage::generate::{Candidate, Job, Outcome};
use patchline_sandbox::Git;
use serde_json::{Value, json};

use crate::attest::{commit_subject, digest_subject};
use crate::failures::git_failure;
use crate::hands::Hands;
use crate::jobs::advised::advised;
use crate::jobs::agents::{from_agents, instead_of_fixers};
use crate::jobs::analyze::Analyzers;
use crate::jobs::detect::is_own;
use crate::jobs::joint::Joint;

/// The author of what Patchline commits.
pub const AUTHOR: &str = "Patchline <patchline@localhost>";

/// Asks for candidate `number` and leaves a signed statement of where it comes from.
pub async fn carry_out(
    hands: &Hands,
    opening: &Opening,
    patch: &Patch,
    job: &Job,
) -> Result<Outcome, Failure> {
    let Job::Propose { number } = job;
    let request = request(hands, opening, patch, *number).await?;
    let (proposal, agents) = match &opening.subject {
        Subject::Change { title, report, commit, author, answers: _ } => {
            (proposed(&request, title, report, commit, author).await?, None)
        }
        Subject::Scan { .. } => match from_fixers(hands, request.clone()).await? {
            Proposal::Candidate { candidate, .. } if is_refused(patch, &candidate) => {
                let reason = "it is the same change as one that was refused".to_owned();
                (Proposal::NoFix { reasons: vec![reason], log: String::new() }, None)
            }
            Proposal::NoFix { reasons, .. } if patch.generate.division.is_none() => {
                instead_of_fixers(hands, opening, patch, reasons, &request).await?
            }
            proposal @ (Proposal::Candidate { .. } | Proposal::NoFix { .. }) => (proposal, None),
        },
        Subject::Report(report) => from_agents(hands, opening, patch, report, &request).await?,
    };
    match proposal {
        Proposal::NoFix { reasons, .. } => Ok(Outcome::NoFix { reasons }),
        Proposal::Candidate { candidate, diff, log } => {
            let candidate = Box::new(Candidate { number: *number, ..*candidate });
            let evidence = attest(hands, opening, &candidate, (&diff, &log), agents)?;
            Ok(Outcome::Proposed { candidate, evidence })
        }
    }
}

async fn request(hands: &Hands, opening: &Opening, patch: &Patch, number: u32) -> Result<Request, Failure> {
    let repository = Path::new(&opening.service.repository).to_owned();
    // Each part is made as if it were all: what was refused is another set of steps, and not these versions. So the patch's one
    // branch ends with what holds.
    let is_divided = patch.generate.division.is_some();
    let number = if is_divided { 1 } else { number };
    let refused = patch.generate.refused.iter().filter(|_| !is_divided);
    let refused = refused.map(|(candidate, _)| candidate.clone()).collect();
    let base_time =
        Git::at(&repository).commit_time(opening.base.as_str()).await.map_err(|error| git_failure(&error))?;
    Ok(Request {
        patch: patch.id,
        number,
        repository,
        folder: opening.service.folder.clone(),
        base: opening.base.clone(),
        findings: wanted(patch),
        branch: Some(branch(patch.id, number)),
        refused,
        work: hands.home.work(patch.id),
        cache: hands.home.cache(),
        // A second run makes the same commit, to the bit: its time is that of the patch, and never before its base.
        committed_at: base_time.max(patch.opened_at.0.div_euclid(1000)),
        author: AUTHOR.to_owned(),
        known: Arc::new(advised(hands)?),
        looks: Arc::new(Analyzers::new(hands, &opening.service, &hands.home.work(patch.id))),
    })
}

/// All findings, or those of the steps that are tried now.
fn wanted(patch: &Patch) -> Vec<Finding> {
    let scope = patch.generate.division.as_ref().map(Division::scope);
    let findings = patch.findings().iter();
    findings.filter(|one| scope.as_ref().is_none_or(|scope| scope.contains(&one.id))).cloned().collect()
}

fn is_refused(patch: &Patch, candidate: &Candidate) -> bool {
    patch.generate.refused.iter().any(|(refused, _)| refused.commit == candidate.commit)
}

/// Each fixer does what it can, one on top of the other; what none can do stays with the reason.
pub async fn from_fixers(hands: &Hands, mut request: Request) -> Result<Proposal, Failure> {
    let (own, left) = apart(std::mem::take(&mut request.findings), &hands.fixers);
    request.findings = own;
    let mut reasons: Vec<String> = Vec::new();
    for (_, why) in &left {
        if !reasons.contains(why) {
            reasons.push(why.clone());
        }
    }
    let mut joint = Joint::default();
    for fixer in &hands.fixers {
        let able = request.findings.iter().filter(|finding| fixer.can(finding)).cloned().collect::<Vec<_>>();
        if able.is_empty() {
            continue;
        }
        let base = joint.candidate.as_ref().map_or(&request.base, |candidate| &candidate.commit).clone();
        let ids: Vec<FindingId> = able.iter().map(|finding| finding.id.clone()).collect();
        match fixer.propose(&Request { findings: able, base, ..request.clone() }).await? {
            Proposal::NoFix { reasons: why, log } => {
                joint.note(&log);
                let sentence = why.join("; ");
                joint.leaves.extend(ids.into_iter().map(|id| (id, sentence.clone())));
                reasons.extend(why);
            }
            Proposal::Candidate { candidate, log, .. } => {
                joint.note(&log);
                joint.take(*candidate);
            }
        }
    }
    joint.leaves.extend(left);
    joint.proposal(&request, reasons).await
}

/// Whether any fixer's trade is such a finding, in such a file.
pub fn has_fixer(finding: &Finding, fixers: &[Arc<dyn Fixer>]) -> bool {
    fixers.iter().any(|fixer| fixer.can(finding))
}

/// What can be fixed here, and what is left with the reason: it stands in another lockfile, or there is no fixer for it.
fn apart(findings: Vec<Finding>, fixers: &[Arc<dyn Fixer>]) -> (Vec<Finding>, Vec<(FindingId, String)>) {
    let (mut own, mut left) = (Vec::new(), Vec::new());
    for finding in findings {
        match (has_fixer(&finding, fixers), is_own(&finding)) {
            (true, true) => own.push(finding),
            (true, false) => left.push((finding.id.clone(), left_to(&finding))),
            (false, _) => left.push((finding.id.clone(), without_fixer(&finding))),
        }
    }
    (own, left)
}

/// Another lockfile in the tree is fixed where it lies.
fn left_to(finding: &Finding) -> String {
    let path = Path::new(&finding.location.path);
    let folder = path.parent().unwrap_or(Path::new(".")).display();
    format!("it stands in `{}`; `patchline fix {folder}` fixes it there", finding.location.path)
}

/// What a person needs to fix it by hand.
fn without_fixer(finding: &Finding) -> String {
    let Some(package) = &finding.package else { return format!("no fixer can handle {}", finding.advisory) };
    let fixed = match finding.fixed.is_empty() {
        true => "has no fixed version yet".to_owned(),
        false => format!("is fixed in {}", finding.fixed.join(" or ")),
    };
    let (ecosystem, advisory, path) = (&package.ecosystem, &finding.advisory, &finding.location.path);
    format!(
        "there is no fixer for {ecosystem} in such a file yet: {package} in `{path}` has {advisory}, which {fixed}"
    )
}

fn attest(
    hands: &Hands,
    opening: &Opening,
    candidate: &Candidate,
    (diff, log): (&str, &str),
    agents: Option<Value>,
) -> Result<patchline_model::digest::Digest, Failure> {
    let kept = hands.attestor.keep(diff.as_bytes())?;
    if kept != candidate.diff {
        return Err(Failure::permanent("the candidate's diff is not the one that was handed over"));
    }
    let log = hands.attestor.keep(log.as_bytes())?;
    let subjects = vec![commit_subject(&candidate.branch, &candidate.commit), digest_subject("diff", &kept)];
    let mut predicate = json!({
        "fixer": candidate.fixer, "author": candidate.author, "base": candidate.base, "rationale": candidate.rationale,
        "moves": candidate.moves, "files": candidate.files, "removes": candidate.removes, "leaves": candidate.leaves,
        "service": opening.service.name, "log": log,
    });
    if let Some(agents) = agents {
        predicate["agents"] = agents;
    }
    hands.attestor.attest(subjects, PATCHLINE_GENERATION, predicate)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use patchline_generate::fixer::{Fixer, Proposal, Request};
    use patchline_model::failure::Failure;
    use patchline_model::id::FindingId;
    use patchline_model::package::{Ecosystem, Package};
    use patchline_model::stage::detect::{Finding, Location, Source};

    use super::apart;

    struct ForCrates;

    #[async_trait]
    impl Fixer for ForCrates {
        fn name(&self) -> &'static str {
            "crates"
        }

        fn can(&self, finding: &Finding) -> bool {
            let package = finding.package.as_ref();
            finding.location.path.ends_with("Cargo.lock")
                && package.is_some_and(|package| package.ecosystem == Ecosystem::crates_io())
        }

        fn changes(&self, file: &str) -> bool {
            file == "Cargo.lock"
        }

        async fn propose(&self, _: &Request) -> Result<Proposal, Failure> {
            Err(Failure::permanent("nobody asks in this test"))
        }
    }

    fn finding(ecosystem: &str, path: &str, fixed: &[&str]) -> Finding {
        let ecosystem = Ecosystem(ecosystem.to_owned());
        Finding {
            id: FindingId(format!("{path}:{}", fixed.len())),
            source: Source::Lockfile,
            advisory: "X-1".to_owned(),
            aliases: Vec::new(),
            summary: String::new(),
            package: Some(Package { ecosystem, name: "a".to_owned(), version: "1.0.0".to_owned() }),
            location: Location { path: path.to_owned(), line: None },
            paths: Vec::new(),
            fixed: fixed.iter().map(|version| (*version).to_owned()).collect(),
            severity: Vec::new(),
            informational: None,
        }
    }

    #[test]
    fn what_has_no_fixer_is_left_with_what_a_person_needs_and_the_rest_is_fixed() {
        let findings = vec![
            finding("npm", "package-lock.json", &["1.2.6"]),
            finding("crates.io", "Cargo.lock", &["2.0.0"]),
            finding("crates.io", "fuzz/Cargo.lock", &["2.0.0"]),
            finding("npm", "web/package-lock.json", &[]),
            finding("crates.io", "bom.json", &["2.0.0"]),
        ];
        let (own, left) = apart(findings, &[Arc::new(ForCrates)]);
        assert_eq!(
            own.iter().map(|finding| finding.location.path.as_str()).collect::<Vec<_>>(),
            ["Cargo.lock"]
        );
        let why: Vec<&str> = left.iter().map(|(_, why)| why.as_str()).collect();
        assert_eq!(
            why,
            [
                "there is no fixer for npm in such a file yet: a 1.0.0 in `package-lock.json` has X-1, which is fixed in 1.2.6",
                "it stands in `fuzz/Cargo.lock`; `patchline fix fuzz` fixes it there",
                "there is no fixer for npm in such a file yet: a 1.0.0 in `web/package-lock.json` has X-1, which has no fixed version yet",
                "there is no fixer for crates.io in such a file yet: a 1.0.0 in `bom.json` has X-1, which is fixed in 2.0.0",
            ]
        );
    }
}
