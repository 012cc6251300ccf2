//! What people may ask of a patch: approve, reject, pause, resume, promote, abort, roll back, try
//! again, and review what passed in an emergency.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::digest::Digest;
use patchline_model::patch::Patch;
use patchline_model::stage::{approve, review, rollout};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::state::Shared;

/// Longest name and role, and longest reason or comment, in characters.
const LONGEST_NAME: usize = 200;
pub const LONGEST_REASON: usize = 2000;

/// What a person sends with their word.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Word {
    by: String,
    reason: String,
    role: Option<String>,
    dossier: Option<String>,
    comment: String,
    /// With `rollback`: what it loses is accepted; `reason` says why.
    accept_data_loss: bool,
    /// With `approve`: it can't wait; `reason` says why.
    emergency: bool,
}

/// Carries a person's word to the conductor; answers the events that follow, none when it was so already.
pub async fn act(
    State(shared): State<Shared>,
    Path((id, action)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let word: Word = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("could not read the body: {error}")))?;
    let by = person(&word.by)?;
    let known = shared.patch(&id).await?;
    let ask = match action.as_str() {
        "review" => emergency_review(&shared, &known.patch, &by, &word)?,
        _ => ask(&action, word)?,
    };
    let submitted = shared.app.conductor.submit(known.patch.id, Command { by, ask }, None).await;
    let events = submitted.map_err(|error| Problem::submit(&error))?;
    Ok(Json(json!({ "events": events })))
}

/// What somebody else says of what passed in an emergency, signed as the command line signs it.
fn emergency_review(shared: &Shared, patch: &Patch, by: &Actor, word: &Word) -> Result<Ask, Problem> {
    let note = plain("reason", &word.reason, LONGEST_REASON)?;
    if note.is_empty() {
        return Err(
            Problem::bad_request("`reason` is empty").with_hint("say what you looked at, and what you found")
        );
    }
    let evidence = shared.app.attestor.emergency_review(patch, by, &note);
    let evidence = evidence.map_err(|failure| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("could not sign the review: {}", failure.message),
        )
    })?;
    Ok(Ask::Review(review::Command::ReviewEmergency { note, evidence }))
}

/// A name that can be held to account. Patchline's own is taken.
pub fn person(name: &str) -> Result<Actor, Problem> {
    let name = plain("by", name, LONGEST_NAME)?;
    if name.is_empty() {
        return Err(Problem::bad_request("`by` is empty").with_hint("give your own name or e-mail address"));
    }
    if name.eq_ignore_ascii_case(Actor::Machine.name()) {
        return Err(Problem::bad_request("`by` names Patchline itself").with_hint("give your own name"));
    }
    Ok(Actor::person(&name))
}

fn ask(action: &str, word: Word) -> Result<Ask, Problem> {
    let reason = plain("reason", &word.reason, LONGEST_REASON)?;
    let given = || if reason.is_empty() { "no reason given".to_owned() } else { reason.clone() };
    match action {
        "approve" => approval(&word).map(Ask::Approve),
        "reject" if reason.is_empty() => {
            Err(Problem::bad_request("`reason` is empty").with_hint("say what must change for a yes"))
        }
        "reject" => Ok(Ask::Approve(approve::Command::Reject { reason })),
        "pause" => Ok(Ask::Rollout(rollout::Command::Pause { reason: given() })),
        "resume" => Ok(Ask::Rollout(rollout::Command::Resume)),
        "promote" => Ok(Ask::Rollout(rollout::Command::Promote { reason: given() })),
        "rollback" if word.accept_data_loss && reason.is_empty() => {
            Err(Problem::bad_request("`reason` is empty").with_hint("say why the loss is acceptable"))
        }
        "rollback" if word.accept_data_loss => {
            Ok(Ask::Rollout(rollout::Command::RollbackWithLoss { reason }))
        }
        // Who rolls back is in a hurry: the reason may come later.
        "rollback" => Ok(Ask::Rollout(rollout::Command::Rollback { reason })),
        "abort" => Ok(Ask::Review(review::Command::Abort { reason: given() })),
        "retry" => Ok(Ask::Review(review::Command::Retry { reason: given() })),
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such action").with_hint(
            "actions are approve, reject, pause, resume, promote, abort, rollback, retry and review",
        )),
    }
}

fn approval(word: &Word) -> Result<approve::Command, Problem> {
    let role = plain("role", word.role.as_deref().unwrap_or(""), LONGEST_NAME)?;
    if role.is_empty() {
        return Err(Problem::bad_request("`role` is empty").with_hint("name the role in which you approve"));
    }
    let hint = "the patch's `decision.dossier` says what you are shown; approve exactly that";
    let dossier: Digest = word.dossier.as_deref().unwrap_or("").parse().map_err(|error| {
        Problem::bad_request(format!("could not read `dossier`: {error}")).with_hint(hint)
    })?;
    if word.emergency {
        let reason = plain("reason", &word.reason, LONGEST_REASON)?;
        return Ok(approve::Command::Emergency { role, dossier, reason });
    }
    Ok(approve::Command::Approve { role, dossier, comment: plain("comment", &word.comment, LONGEST_REASON)? })
}

/// Text of bounded length without control characters, surrounding blanks dropped; line breaks become blanks.
pub fn plain(field: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let text: String = text.trim().chars().map(|letter| if letter == '\n' { ' ' } else { letter }).collect();
    if text.chars().nth(longest).is_some() {
        return Err(Problem::bad_request(format!("`{field}` has more than {longest} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("`{field}` has control characters")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{Word, ask, person};
    use patchline_model::command::Ask;
    use patchline_model::stage::{review, rollout};

    #[test]
    fn nobody_and_patchline_itself_are_no_persons() {
        for name in ["", "  ", "patchline", " PATCHLINE ", "a\u{7}b", &"x".repeat(201)] {
            assert!(person(name).is_err(), "{name:?}");
        }
        assert_eq!(person(" Ann ").unwrap().name(), "Ann");
    }

    #[test]
    fn a_retry_is_asked_for_like_the_other_actions() {
        let then = review::Command::Retry { reason: "no reason given".to_owned() };
        assert_eq!(ask("retry", Word::default()).unwrap(), Ask::Review(then));
    }

    #[test]
    fn a_rollback_needs_no_reason_and_a_rejection_does() {
        let then = Ask::Rollout(rollout::Command::Rollback { reason: String::new() });
        assert_eq!(ask("rollback", Word::default()).unwrap(), then);
        assert!(ask("reject", Word::default()).is_err());
        assert!(ask("approve", Word { role: Some("owner".to_owned()), ..Word::default() }).is_err());
        let lossy = || Word { accept_data_loss: true, ..Word::default() };
        assert!(ask("rollback", lossy()).is_err(), "who accepts a loss says why");
        let then = Ask::Rollout(rollout::Command::RollbackWithLoss { reason: "a copy is kept".to_owned() });
        assert_eq!(ask("rollback", Word { reason: "a copy is kept".to_owned(), ..lossy() }).unwrap(), then);
        assert!(ask("explode", Word::default()).is_err());
    }
}
