//! Asks the policy: over evidence that verifies, and over people's approvals.

use patchline_approve::{Input, Verified};
use patchline_evidence::statement::PATCHLINE_DECISION;
use patchline_model::digest::Digest;
use patchline_model::event::{Event, Fact};
use patchline_model::failure::{Failure, in_full};
use patchline_model::stage::approve::{Answer, Decision, Outcome};
use patchline_model::stage::{build, detect, generate, verify};
use serde_json::json;

use crate::attest::{commit_subject, digest_subject};
use crate::hands::Hands;
use crate::projection::Known;

/// Collects and verifies the evidence, asks the policy, and signs the decision.
pub async fn carry_out(hands: &Hands, known: &Known) -> Result<Outcome, Failure> {
    let patch = &known.patch;
    let Some(input) = Input::of(patch, verified(hands, &known.events)?) else {
        return Err(Failure::permanent("there is nothing to decide about"));
    };
    let ruling = hands.gate.decide(&input).map_err(|error| Failure::permanent(in_full(&error)))?;
    let evidence: Vec<&Digest> = input.evidence.iter().map(|item| &item.digest).collect();
    let predicate = json!({
        "answer": answer_word(&ruling.answer), "needs": needs(&ruling.answer), "reasons": ruling.reasons,
        "policy": { "digest": hands.gate.digest() }, "dossier": input.dossier, "inputEvidence": evidence,
        "approvals": patch.approve.approvals,
    });
    let subject = vec![
        commit_subject("commit", &input.patch.commit),
        digest_subject("artifact", &input.patch.artifact),
    ];
    let evidence = hands.attestor.attest(subject, PATCHLINE_DECISION, predicate)?;
    let decision = Decision {
        answer: ruling.answer,
        reasons: ruling.reasons,
        policy: hands.gate.digest(),
        dossier: input.dossier,
        evidence,
    };
    Ok(Outcome { decision, considered: patch.approve.approvals.len() })
}

/// The patch's statements that verify; one that does not is an error, never left out in silence.
fn verified(hands: &Hands, events: &[Event]) -> Result<Vec<Verified>, Failure> {
    let mut all = Vec::new();
    for (role, digest) in events.iter().flat_map(|event| evidence_of(&event.fact)) {
        let statement = hands.attestor.verified(&digest)?;
        all.push(Verified::new(digest, role, statement));
    }
    Ok(all)
}

/// Which statements an event left, and in which role they were signed.
fn evidence_of(fact: &Fact) -> Vec<(&'static str, Digest)> {
    match fact {
        Fact::Detect(detect::Event::Found { evidence, .. }) => vec![("detector", evidence.clone())],
        Fact::Generate(generate::Event::Proposed { evidence, .. }) => vec![("generator", evidence.clone())],
        Fact::Build(build::Event::Built(pair)) => {
            pair.patch.evidence.iter().map(|digest| ("builder", digest.clone())).collect()
        }
        Fact::Verify(verify::Event::Verified { verdict }) => {
            verdict.checks.iter().map(|checked| ("tester", checked.evidence.clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn answer_word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Allow => "allow",
        Answer::Deny => "deny",
        Answer::Needs(_) => "needs",
    }
}

fn needs(answer: &Answer) -> &[String] {
    match answer {
        Answer::Needs(roles) => roles,
        Answer::Allow | Answer::Deny => &[],
    }
}
