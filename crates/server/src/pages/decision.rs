//! The gate: what the policy answered and why, who has said yes, and the form for those who must.

use maud::{Markup, html};
use patchline_model::id::Stage;
use patchline_model::patch::Patch;
use patchline_model::stage::approve::{Answer, Decision, Reason};

use crate::pages::words;

pub fn section(patch: &Patch) -> Option<Markup> {
    let decision = patch.approve.decision.as_ref()?;
    let (class, text) = match &decision.answer {
        Answer::Allow => ("good", "allowed".to_owned()),
        Answer::Deny => ("bad", "denied".to_owned()),
        Answer::Needs(roles) => ("accent", format!("needs {}", roles.join(" and "))),
    };
    Some(html! {
        h2 { "Decision " (words::chip(class, &text)) }
        @if let Some(bound) = patch.forward_only() {
            p.banner.warn { strong { "Forward only: " } (bound.reason) }
        }
        ul.reasons role="list" { @for reason in decision.reasons.iter().take(200) { (one(reason)) } }
        (people(patch))
        p.muted {
            "Policy " code { (decision.policy.short()) } " · dossier " code title=(decision.dossier) { (decision.dossier.short()) }
            " · " (words::evidence(&decision.evidence, "signed decision"))
        }
    })
}

fn one(reason: &Reason) -> Markup {
    let (class, word) = if reason.holds { ("good", "holds") } else { ("bad", "does not hold") };
    html! {
        li.reason {
            (words::chip(class, word))
            div {
                p { strong { (reason.rule) } " " (reason.text) }
                @if !reason.evidence.is_empty() {
                    p.muted { "rests on "
                        @for (number, digest) in reason.evidence.iter().take(20).enumerate() {
                            @if number > 0 { ", " }
                            (words::digest_link(digest))
                        }
                    }
                }
            }
        }
    }
}

fn people(patch: &Patch) -> Markup {
    html! {
        @if !patch.approve.approvals.is_empty() {
            ul.approvals role="list" {
                @for approval in patch.approve.approvals.iter().take(50) {
                    li {
                        (words::chip("good", "approved")) " " strong { (approval.by) } " as " (approval.role) ", "
                        (words::time(approval.at))
                        @if !approval.comment.is_empty() { ": " (approval.comment) }
                    }
                }
            }
        }
        @if let Some((by, reason)) = &patch.approve.rejected {
            p { (words::chip("bad", "rejected")) " " strong { (by) } ": " (reason) }
        }
    }
}

/// The roles in which somebody's word is still missing.
pub fn missing_roles(patch: &Patch) -> Vec<&str> {
    let open = patch.stage() == Stage::Approve && !patch.has_ended() && patch.approve.rejected.is_none();
    match patch.approve.decision.as_ref().map(|decision| &decision.answer) {
        Some(Answer::Needs(roles)) if open => {
            let given = |role: &&str| !patch.approve.approvals.iter().any(|approval| approval.role == *role);
            roles.iter().map(String::as_str).filter(given).collect()
        }
        Some(Answer::Needs(_) | Answer::Allow | Answer::Deny) | None => Vec::new(),
    }
}

/// The decision that somebody is asked about.
pub fn asked(patch: &Patch) -> Option<&Decision> {
    if missing_roles(patch).is_empty() { None } else { patch.approve.decision.as_ref() }
}
