//! What a flag is for a user, from what the rollout asks of the proxy: so both agree about every user.

use std::collections::BTreeMap;

use crate::cohort::{Bucket, Cohort, Field, Token};
use crate::digest::Digest;
use crate::patch::Patch;
use crate::share::Share;
use crate::stage::plan::Strategy;
use crate::stage::review::End;
use crate::stage::traffic::Traffic;

/// A flag as it stands: the newest rollout of it, of a service that has not been promoted past it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub service: String,
    pub cohort: Cohort,
    state: State,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Off,
    Split { share: Share, only_cohort: bool },
    On,
}

/// What is known of a user: values by the names of headers and cookies.
pub type Attributes = BTreeMap<String, String>;

/// The answer for one user, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub is_on: bool,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has been turned off, or not yet on, for everybody.
    Disabled,
    /// The user takes no part in the cohort.
    NoPart,
    /// By the place of the user's key.
    Split,
    /// It is on for everybody.
    Static,
}

/// The answer depends on the user, and the user's key is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMissing;

/// Every flag that stands, by name; more than one where services share a name.
pub fn standing<'a>(patches: impl Iterator<Item = &'a Patch>) -> BTreeMap<String, Vec<Standing>> {
    let patches: Vec<&Patch> = patches.filter(|patch| patch.rollout.plan.is_some()).collect();
    let mut newest: BTreeMap<(String, String), &Patch> = BTreeMap::new();
    for patch in patches.iter().filter(|patch| !is_superseded(patch, &patches)) {
        let (Some(lock), Some(Strategy::Flag(flag))) = (lock(patch), strategy(patch)) else { continue };
        let place = newest.entry((flag.flag.to_string(), lock)).or_insert(patch);
        if patch.rollout.started >= place.rollout.started {
            *place = patch;
        }
    }
    let mut flags: BTreeMap<String, Vec<Standing>> = BTreeMap::new();
    for ((flag, _), patch) in newest {
        flags.entry(flag).or_default().extend(of(patch));
    }
    flags
}

/// The flags that a version keeps on for as long as it runs, because it was promoted with them.
pub fn kept_on<'a>(patches: impl Iterator<Item = &'a Patch>, artifact: &Digest) -> Vec<Token> {
    let promoted = patches.filter(|patch| {
        patch.review.end == Some(End::Promoted)
            && patch.rollout.new.as_ref().is_some_and(|new| new.artifact == *artifact)
    });
    let flag = |patch: &Patch| match strategy(patch) {
        Some(Strategy::Flag(flag)) => Some(flag.flag.clone()),
        _ => None,
    };
    promoted.filter_map(flag).collect()
}

fn strategy(patch: &Patch) -> Option<&Strategy> {
    patch.rollout.plan.as_ref().map(|plan| &plan.strategy)
}

fn lock(patch: &Patch) -> Option<String> {
    patch.opening.as_ref().and_then(|opening| opening.service.lock())
}

/// A later patch of the same service runs everywhere: the flag belongs to a version that is gone.
fn is_superseded(patch: &Patch, patches: &[&Patch]) -> bool {
    patches.iter().any(|other| {
        other.id != patch.id
            && lock(other) == lock(patch)
            && other.review.end == Some(End::Promoted)
            && other.rollout.started > patch.rollout.started
    })
}

fn of(patch: &Patch) -> Option<Standing> {
    let Some(Strategy::Flag(flag)) = strategy(patch) else { return None };
    let service = patch.opening.as_ref()?.service.name.to_string();
    let desired = patch.rollout.desired()?;
    let share = patch.rollout.allowed_share();
    let state = match (&desired.traffic, share) {
        (_, Share::NONE) => State::Off,
        (_, Share::ALL) => State::On,
        (Traffic::ByKey { cohort, .. }, share) => State::Split { share, only_cohort: cohort.only.is_some() },
        (Traffic::ByTurns | Traffic::Mirrored(_), share) => State::Split { share, only_cohort: false },
    };
    Some(Standing { service, cohort: flag.cohort.clone(), state })
}

impl Standing {
    /// The flag for the user with this key.
    pub fn answer(&self, key: Option<&str>, attributes: &Attributes) -> Result<Answer, KeyMissing> {
        let says = |is_on, why| Ok(Answer { is_on, why });
        match self.state {
            State::Off => says(false, Why::Disabled),
            State::On => says(true, Why::Static),
            State::Split { only_cohort: true, .. } if !self.takes_part(attributes) => {
                says(false, Why::NoPart)
            }
            State::Split { share, .. } => {
                let key = key.filter(|key| !key.is_empty()).ok_or(KeyMissing)?;
                says(Bucket::of(&self.service, key.as_bytes()).is_within(share), Why::Split)
            }
        }
    }

    fn takes_part(&self, attributes: &Attributes) -> bool {
        let Some(only) = &self.cohort.only else { return true };
        let value = match &only.field {
            Field::Cookie(name) => attributes.get(name.as_str()),
            // The names of headers have no case.
            Field::Header(name) => attributes
                .iter()
                .find(|(attribute, _)| attribute.eq_ignore_ascii_case(name.as_str()))
                .map(|(_, value)| value),
        };
        value.is_some_and(|value| only.values.contains(value))
    }
}
