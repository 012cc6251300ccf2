//! One turn of the line: decide on the newest line, sign, append. Whoever was faster wins; the other decides again.

use patchline_evidence::statement::PATCHLINE_LINE;
use patchline_ledger::store::Store;
use patchline_model::actor::Actor;
use patchline_model::digest::Digest;
use patchline_model::line::{self, Command, Event};
use serde_json::json;

use crate::attest::{Attestor, digest_subject};
use crate::clock;
use crate::turn::{SubmitError, TRIES};

/// Decides a person's command and appends what follows, each event with its signed statement.
pub async fn submit(
    store: &dyn Store,
    attestor: &Attestor,
    by: &Actor,
    command: Command,
) -> Result<Vec<Event>, SubmitError> {
    let mut tries = 0;
    loop {
        let line = store.board().await?.line;
        let decided = line::decide(&line, clock::now(), by, command.clone())?;
        if decided.is_empty() {
            return Ok(decided);
        }
        let signed = (line.version + 1..).zip(decided).map(|(version, event)| sign(attestor, version, event));
        let events: Vec<Event> = signed.collect::<Result<_, _>>()?;
        match store.append_line(line.version, events.clone()).await {
            Ok(()) => return Ok(events),
            Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The event with the digest of its statement: who, when, what and why, about the event by its own digest.
fn sign(attestor: &Attestor, version: u64, event: Event) -> Result<Event, SubmitError> {
    let body = serde_json::to_value(&event).expect("events have text keys only");
    let digest = Digest::of(body.to_string().as_bytes());
    let subject = vec![digest_subject(&format!("line/{version}"), &digest)];
    let predicate = json!({ "version": version, "event": body });
    let evidence = attestor.attest(subject, PATCHLINE_LINE, predicate).map_err(SubmitError::Unsigned)?;
    Ok(Event { evidence: Some(evidence), ..event })
}
