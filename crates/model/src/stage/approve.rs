//! Approve: may this patch move, who had to say so, and on which evidence does that rest.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::context::Context;
use crate::digest::Digest;
use crate::id::PatchId;
use crate::rejection::Rejection;
use crate::stage::emergency::{Emergency, LONGEST_REASON, RULE};
use crate::stage::generate::Candidate;
use crate::time::Timestamp;

/// A policy's answer with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub answer: Answer,
    pub reasons: Vec<Reason>,
    /// The policy that answered, by the digest of its text.
    pub policy: Digest,
    /// Everything that an approver is shown, by one digest.
    pub dossier: Digest,
    /// The signed statement of this decision.
    pub evidence: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Allow,
    Deny,
    /// A person in each of these roles must approve.
    Needs(Vec<String>),
}

/// One rule's word, and the evidence that it rests on or misses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub rule: String,
    pub holds: bool,
    pub text: String,
    pub evidence: Vec<Digest>,
}

/// A person's word over exactly what they were shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub by: Actor,
    pub role: String,
    pub dossier: Digest,
    pub comment: String,
    pub at: Timestamp,
    /// One person's word for all, because it can't wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Emergency>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub decision: Option<Decision>,
    pub approvals: Vec<Approval>,
    /// Approvals that the decision above has taken into account.
    pub considered: usize,
    /// A person's no.
    pub rejected: Option<(Actor, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Approve {
        role: String,
        dossier: Digest,
        comment: String,
    },
    /// An approval that is to pass freezes, windows and the approval of others.
    Emergency {
        role: String,
        dossier: Digest,
        reason: String,
    },
    Reject {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Decided { decision: Decision, considered: usize },
    Approved(Approval),
    Rejected { by: Actor, reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Ask the policy, with these approvals.
    Decide,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub decision: Decision,
    pub considered: usize,
}

/// A person's word: refused from a machine, from the patch's own author, and over another dossier than the one asked.
pub fn decide(
    cx: Context<'_>,
    patch: PatchId,
    by: &Actor,
    candidate: &Candidate,
    state: &State,
    command: Command,
) -> Result<Vec<Event>, Rejection> {
    if *by == Actor::Machine || by.name().is_empty() {
        return Err(Rejection::NotAPerson);
    }
    let (role, dossier, comment, emergency) = match command {
        Command::Reject { reason } => return Ok(vec![Event::Rejected { by: by.clone(), reason }]),
        Command::Approve { role, dossier, comment } => (role, dossier, comment, None),
        Command::Emergency { role, dossier, reason } => {
            (role, dossier, String::new(), Some(declared(cx, reason)?))
        }
    };
    if same_person(by.name(), &candidate.author) {
        return Err(Rejection::OwnPatch { name: by.name().to_owned() });
    }
    if state.decision.as_ref().is_none_or(|decision| decision.dossier != dossier) {
        return Err(Rejection::StaleDossier { patch });
    }
    let given = |approval: &Approval| {
        let lasts = approval.emergency.as_ref().is_none_or(|emergency| cx.now < emergency.until);
        let says_as_much = emergency.is_none() || (approval.emergency.is_some() && lasts);
        approval.by == *by && approval.role == role && says_as_much
    };
    if state.approvals.iter().any(given) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::Approved(Approval { by: by.clone(), role, dossier, comment, at: cx.now, emergency })])
}

fn declared(cx: Context<'_>, reason: String) -> Result<Emergency, Rejection> {
    if reason.trim().is_empty() {
        return Err(Rejection::NoReason);
    }
    if reason.len() > LONGEST_REASON {
        return Err(Rejection::ReasonTooLong { most: LONGEST_REASON });
    }
    let (until, review_due) =
        (cx.now.after(cx.policy.emergency_lasts), cx.now.after(cx.policy.emergency_review));
    Ok(Emergency { reason, until, review_due })
}

/// The approval in an emergency that the policy lets pass, while it lasts.
pub fn emergency(state: &State, now: Timestamp) -> Option<&Approval> {
    let says = |reason: &Reason| reason.rule == RULE && reason.holds;
    let passes = state.decision.as_ref().is_some_and(|decision| decision.reasons.iter().any(says));
    let lasts =
        |approval: &&Approval| approval.emergency.as_ref().is_some_and(|emergency| now < emergency.until);
    state.approvals.iter().rfind(lasts).filter(|_| passes && allowed(state))
}

/// Whether two names may mean one person: the whole, the display name, the address or its local part are the same.
/// Rather one approval too few than an author's own.
pub fn same_person(one: &str, other: &str) -> bool {
    let one = names_of(one);
    names_of(other).iter().any(|name| one.contains(name))
}

fn names_of(text: &str) -> Vec<String> {
    let text = text.trim().to_lowercase();
    let (display, mail) = match text.split_once('<') {
        Some((display, rest)) => (display.trim(), rest.trim_end_matches('>').trim()),
        None => (text.as_str(), if text.contains('@') { text.as_str() } else { "" }),
    };
    let local = mail.split('@').next().unwrap_or_default();
    let names = [text.as_str(), display, mail, local].map(str::to_owned);
    names.into_iter().filter(|name| !name.is_empty()).collect()
}

/// Takes in the policy's answer; one that looked at fewer approvals than there are is out of date.
pub fn report(state: &State, outcome: Outcome) -> Result<Vec<Event>, Rejection> {
    if outcome.considered != state.approvals.len() {
        return Err(Rejection::Nonsense("the decision did not look at every approval".to_owned()));
    }
    Ok(vec![Event::Decided { decision: outcome.decision, considered: outcome.considered }])
}

pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Decided { decision, considered } => {
            state.decision = Some(decision.clone());
            state.considered = *considered;
        }
        Event::Approved(approval) => state.approvals.push(approval.clone()),
        Event::Rejected { by, reason } => state.rejected = Some((by.clone(), reason.clone())),
    }
}

pub fn due(state: &State) -> Option<Job> {
    let undecided = state.decision.is_none() || state.considered < state.approvals.len();
    (undecided && state.rejected.is_none()).then_some(Job::Decide)
}

/// Whether the gate stands open.
pub fn allowed(state: &State) -> bool {
    let allows = state.decision.as_ref().is_some_and(|decision| decision.answer == Answer::Allow);
    allows && state.considered == state.approvals.len() && state.rejected.is_none()
}

#[cfg(test)]
mod tests {
    use super::same_person;

    #[test]
    fn one_address_is_one_person() {
        assert!(same_person("Ann <ann@example.com>", "ANN@example.com"));
        assert!(same_person("ann", "Ann"));
        assert!(same_person("ann", "Ann Author <ann@example.com>"));
        assert!(same_person("Ann Author", "Ann Author <ann@example.com>"));
        assert!(!same_person("Ann <ann@example.com>", "bob@example.com"));
    }
}
