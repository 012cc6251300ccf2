//! What a gate is shown: the patch, the evidence whose signatures hold, the approvals, and one digest over all of it.

use patchline_evidence::statement::Statement;
use patchline_model::digest::{Commit, Digest};
use patchline_model::id::{FindingId, PatchId};
use patchline_model::patch::Patch;
use patchline_model::stage::build::Reproducible;
use patchline_model::stage::generate::{Kind, Move};
use patchline_model::stage::verify::Checked;
use serde::Serialize;
use serde_json::{Value, json};

/// The whole of what a policy sees, as `input`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    pub patch: PatchFacts,
    pub evidence: Vec<Verified>,
    pub approvals: Vec<ApprovalFacts>,
    pub checks: Vec<Checked>,
    /// What an approval must be over to count.
    pub dossier: Digest,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatchFacts {
    pub id: PatchId,
    pub kind: Kind,
    pub title: String,
    pub author: String,
    pub fixer: String,
    pub base: Commit,
    pub commit: Commit,
    /// What was built from `commit` and would run.
    pub artifact: Digest,
    pub service: String,
    pub owner: String,
    /// 1 is critical, 4 internal.
    pub tier: u8,
    pub findings: Vec<FindingFacts>,
    pub removes: Vec<FindingId>,
    pub moves: Vec<Move>,
    pub files: Vec<String>,
    /// `identical`, `different` or `not_tried`.
    pub reproducible: &'static str,
    /// Why running the old version again would not undo it; null: it would.
    pub forward_only: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingFacts {
    pub id: FindingId,
    pub advisory: String,
    pub informational: Option<String>,
}

/// A statement whose signature holds, with the role of the key that signed it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    pub digest: Digest,
    pub predicate_type: String,
    /// `detector`, `generator`, `builder`, `tester`.
    pub role: String,
    /// `sha256:…` for bytes, `gitCommit:…` for a commit.
    pub subjects: Vec<String>,
    pub predicate: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApprovalFacts {
    pub by: String,
    pub role: String,
    pub dossier: Digest,
    /// Why it can't wait, where one person's word is to stand for all; null: it can.
    pub emergency: Option<String>,
}

impl Input {
    /// What the gate is to see of this patch; `None` before something is built.
    ///
    /// `evidence` is what was there when the gate was first asked, in order. The gate's own decisions and people's
    /// approvals are no part of it: they would change the dossier that was approved.
    pub fn of(patch: &Patch, evidence: Vec<Verified>) -> Option<Self> {
        let facts = PatchFacts::of(patch)?;
        let digests: Vec<&Digest> = evidence.iter().map(|item| &item.digest).collect();
        let dossier = dossier(&facts.commit, &facts.artifact, &digests);
        let approvals = patch.approve.approvals.iter().map(|approval| ApprovalFacts {
            by: approval.by.name().to_owned(),
            role: approval.role.clone(),
            dossier: approval.dossier.clone(),
            emergency: approval.emergency.as_ref().map(|emergency| emergency.reason.clone()),
        });
        let checks = patch.verify.verdict.as_ref().map_or_else(Vec::new, |verdict| verdict.checks.clone());
        Some(Self { patch: facts, approvals: approvals.collect(), evidence, checks, dossier })
    }
}

impl PatchFacts {
    /// `None` before something is built.
    pub fn of(patch: &Patch) -> Option<Self> {
        let service = &patch.opening.as_ref()?.service;
        let candidate = patch.candidate()?;
        let artifact = &patch.build.built.as_ref()?.patch;
        let findings = patch.findings().iter().map(|finding| FindingFacts {
            id: finding.id.clone(),
            advisory: finding.advisory.clone(),
            informational: finding.informational.clone(),
        });
        Some(Self {
            id: patch.id,
            kind: candidate.kind,
            title: candidate.title.clone(),
            author: candidate.author.clone(),
            fixer: candidate.fixer.clone(),
            base: candidate.base.clone(),
            commit: candidate.commit.clone(),
            artifact: artifact.digest.clone(),
            service: service.name.to_string(),
            owner: service.owner.clone(),
            tier: service.tier.number(),
            findings: findings.collect(),
            removes: candidate.removes.clone(),
            moves: candidate.moves.clone(),
            files: candidate.files.clone(),
            reproducible: match artifact.reproducible {
                Reproducible::Identical => "identical",
                Reproducible::Different { .. } => "different",
                Reproducible::NotTried => "not_tried",
            },
            forward_only: patch.forward_only().map(|bound| bound.reason),
        })
    }
}

impl Verified {
    /// A statement whose signature the caller has verified. `digest` is that of the signed envelope as it is kept.
    pub fn new(digest: Digest, role: &str, statement: Statement) -> Self {
        let subjects = statement.subject.iter().flat_map(|subject| &subject.digest);
        Self {
            digest,
            role: role.to_owned(),
            subjects: subjects.map(|(algorithm, hex)| format!("{algorithm}:{hex}")).collect(),
            predicate_type: statement.predicate_type,
            predicate: statement.predicate,
        }
    }
}

/// One digest over everything that an approver is shown: the candidate's commit, the artifact, and all evidence in
/// order. It is the SHA-256 of compact JSON with sorted keys.
pub fn dossier(candidate: &Commit, artifact: &Digest, evidence: &[&Digest]) -> Digest {
    let shown = json!({ "artifact": artifact, "commit": candidate, "evidence": evidence });
    Digest::of(shown.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use patchline_evidence::statement::{ResourceDescriptor, Statement};
    use patchline_model::digest::Digest;
    use serde_json::json;

    use super::{Verified, dossier};

    #[test]
    fn the_dossier_is_a_digest_of_sorted_json_that_anyone_can_make() {
        let commit = "1".repeat(40);
        let artifact = Digest::of(b"artifact");
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let text = format!(
            "{{\"artifact\":\"{artifact}\",\"commit\":\"{commit}\",\"evidence\":[\"{one}\",\"{two}\"]}}"
        );
        let commit = commit.parse().unwrap();
        assert_eq!(dossier(&commit, &artifact, &[&one, &two]), Digest::of(text.as_bytes()));
        assert_ne!(dossier(&commit, &artifact, &[&two, &one]), Digest::of(text.as_bytes()));
    }

    #[test]
    fn subjects_say_their_algorithm() {
        let statement = Statement {
            subject: vec![
                ResourceDescriptor::sha256("app", &"a".repeat(64)),
                ResourceDescriptor::git_commit("commit", &"b".repeat(40)),
            ],
            predicate_type: "a:b".to_owned(),
            predicate: json!({}),
        };
        let verified = Verified::new(Digest::of(b"envelope"), "builder", statement);
        assert_eq!(
            verified.subjects,
            [format!("sha256:{}", "a".repeat(64)), format!("gitCommit:{}", "b".repeat(40))]
        );
    }
}
