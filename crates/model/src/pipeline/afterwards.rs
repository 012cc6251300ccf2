//! The look that an emergency owes: by another person, and before the service has another emergency.

use crate::actor::Actor;
use crate::context::Board;
use crate::digest::Digest;
use crate::patch::Patch;
use crate::rejection::Rejection;
use crate::stage::approve::same_person;
use crate::stage::emergency::LONGEST_REASON;
use crate::stage::review::Event;

/// What follows when a person has looked at what passed.
pub fn decide(
    patch: &Patch,
    by: &Actor,
    note: String,
    evidence: Option<Digest>,
) -> Result<Vec<Event>, Rejection> {
    let owed = patch.review.afterwards.as_ref().ok_or(Rejection::NoReviewOwed { patch: patch.id })?;
    if *by == Actor::Machine {
        return Err(Rejection::NotAPerson);
    }
    if same_person(by.name(), owed.by.name()) {
        return Err(Rejection::OwnEmergency { name: by.name().to_owned() });
    }
    if note.trim().is_empty() {
        return Err(Rejection::NoReason);
    }
    if note.len() > LONGEST_REASON {
        return Err(Rejection::ReasonTooLong { most: LONGEST_REASON });
    }
    Ok(vec![Event::EmergencyReviewed { note, evidence }])
}

/// No emergency of a service while the review of another one is owed.
pub fn refuse_another(board: &Board, patch: &Patch) -> Result<(), Rejection> {
    let service = patch.opening.as_ref().map(|opening| &opening.service.name);
    match service.and_then(|service| board.reviews.get(service)) {
        Some(other) if *other != patch.id => Err(Rejection::ReviewOwed { patch: *other }),
        Some(_) | None => Ok(()),
    }
}
