//! A patch that the shipped policy allows, to be spoiled one thing at a time.

use patchline_approve::input::{ApprovalFacts, FindingFacts, PatchFacts};
use patchline_approve::{Input, Verified, dossier};
use patchline_model::digest::{Commit, Digest};
use patchline_model::id::{FindingId, PatchId};
use patchline_model::stage::generate::{Kind, Move};
use patchline_model::stage::verify::{CheckResult, Checked};
use serde_json::{Value, json};

pub struct Case {
    pub patch: PatchFacts,
    /// In order: finding, generation, provenance, SBOM, then the required checks.
    pub evidence: Vec<Verified>,
    pub approvals: Vec<ApprovalFacts>,
    pub checks: Vec<Checked>,
}

impl Case {
    pub fn dossier(&self) -> Digest {
        let digests: Vec<&Digest> = self.evidence.iter().map(|item| &item.digest).collect();
        dossier(&self.patch.commit, &self.patch.artifact, &digests)
    }

    pub fn input(&self) -> Input {
        Input {
            patch: self.patch.clone(),
            evidence: self.evidence.clone(),
            approvals: self.approvals.clone(),
            checks: self.checks.clone(),
            dossier: self.dossier(),
        }
    }

    /// Changes one field of one predicate.
    pub fn set(&mut self, index: usize, field: &str, value: Value) {
        self.evidence[index].predicate[field] = value;
    }

    /// Changes what a check said, in the record and in the signed statement.
    pub fn checked(&mut self, index: usize, result: CheckResult, signed: &str) {
        self.checks[index].result = result;
        self.set(index + 4, "result", json!(signed));
    }
}

pub fn artifact() -> String {
    Digest::of(b"artifact").to_string()
}

pub fn approval(by: &str, role: &str, dossier: &Digest) -> ApprovalFacts {
    ApprovalFacts { by: by.to_owned(), role: role.to_owned(), dossier: dossier.clone(), emergency: None }
}

pub fn statement(number: u8, role: &str, kind: &str, subjects: Vec<String>, predicate: Value) -> Verified {
    Verified {
        digest: Digest::of(&[number]),
        predicate_type: kind.to_owned(),
        role: role.to_owned(),
        subjects,
        predicate,
    }
}

fn commit(digit: &str) -> Commit {
    digit.repeat(40).parse().expect("40 hex digits are a commit")
}

fn checked(number: u8, name: &str) -> Checked {
    Checked {
        check: name.to_owned(),
        result: CheckResult::Passed,
        summary: "all is well".to_owned(),
        details: Vec::new(),
        sides: None,
        rollback_milliseconds: None,
        irreversible: None,
        evidence: Digest::of(&[number]),
        milliseconds: 1,
    }
}

pub fn good() -> Case {
    let (base, patched) = (format!("gitCommit:{}", commit("1")), format!("gitCommit:{}", commit("2")));
    let provenance = json!({
        "buildDefinition": { "resolvedDependencies": [{ "digest": { "gitCommit": commit("2") } }] },
        "runDetails": { "builder": { "id": "https://patchline.dev/builder/local-namespaces" } },
        "patchline_rebuilt": "identical",
    });
    let tested = |number, check: &str| {
        let kind = "https://in-toto.io/attestation/test-result/v0.1";
        statement(
            number,
            "tester",
            kind,
            vec![artifact()],
            json!({ "patchline_check": check, "result": "PASSED" }),
        )
    };
    let evidence = vec![
        statement(1, "detector", "https://in-toto.io/attestation/vulns/v0.2", vec![base], json!({})),
        statement(
            2,
            "generator",
            "https://patchline.dev/attestation/generation/v0.1",
            vec![patched],
            json!({ "fixer": "cargo" }),
        ),
        statement(3, "builder", "https://slsa.dev/provenance/v1", vec![artifact()], provenance),
        statement(4, "builder", "https://cyclonedx.org/bom", vec![artifact()], json!({})),
        tested(5, "before-after"),
        tested(6, "suite"),
        tested(7, "re-scan"),
        tested(8, "diff"),
    ];
    Case {
        patch: PatchFacts {
            id: PatchId(7),
            kind: Kind::Dependency,
            title: "yaml 0.4.1".to_owned(),
            author: "Ann <ann@example.com>".to_owned(),
            fixer: "cargo".to_owned(),
            base: commit("1"),
            commit: commit("2"),
            artifact: Digest::of(b"artifact"),
            service: "notebook".to_owned(),
            owner: "team-notes".to_owned(),
            tier: 1,
            findings: vec![FindingFacts {
                id: FindingId("F".to_owned()),
                advisory: "RUSTSEC-2018-0006".to_owned(),
                informational: None,
            }],
            removes: vec![FindingId("F".to_owned())],
            moves: vec![Move {
                package: "yaml".to_owned(),
                from: Some("0.4.0".to_owned()),
                to: Some("0.4.1".to_owned()),
                rung: None,
            }],
            files: vec!["Cargo.lock".to_owned(), "app/Cargo.toml".to_owned()],
            reproducible: "identical",
            forward_only: None,
        },
        evidence,
        approvals: Vec::new(),
        checks: vec![
            checked(5, "before-after"),
            checked(6, "suite"),
            checked(7, "re-scan"),
            checked(8, "diff"),
        ],
    }
}
