//! A set: patches that belong together, in an order, all or nothing. What follows from how its members stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::PatchId;

/// Most members of one set.
pub const MOST_MEMBERS: usize = 50;

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has moved nothing yet.
    Waits,
    /// It is being rolled out.
    Moves,
    /// Its version runs everywhere.
    Runs,
    /// It can't be undone, and a person must say what becomes of it.
    Halted,
    /// It is to be taken back, or on its way.
    Returns,
    /// Another patch was promoted over it: it is not taken back any more.
    Covered,
    /// It ended otherwise than by a promotion.
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it comes after.
    pub after: Vec<PatchId>,
    pub standing: Standing,
    /// Times that it was taken back, in all of its tries.
    pub returns: u32,
    /// The set's times when its rollout began, or when it was said that it stays: what came later concerns it.
    pub seen: u32,
    /// How many events it has had: what is decided on this picture of it is true only as long as there are no more.
    pub version: u64,
}

/// The members by their numbers, which is an order that fits: a patch comes only after older ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    pub members: BTreeMap<PatchId, Member>,
}

/// A patch that must be promoted first, and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    pub patch: PatchId,
    /// It ended otherwise, so waiting is in vain.
    pub has_ended: bool,
}

impl Standing {
    /// Its version is there, so that what it comes after must be there, too.
    fn is_there(self) -> bool {
        match self {
            Standing::Moves | Standing::Runs | Standing::Halted | Standing::Returns => true,
            Standing::Waits | Standing::Covered | Standing::Ended => false,
        }
    }
}

impl Set {
    /// Times that any member was taken back; it only grows.
    pub fn returns(&self) -> u32 {
        self.members.values().fold(0, |sum, member| sum.saturating_add(member.returns))
    }

    /// The member must go back, now or when those that come after it are back: one was taken back since it began.
    pub fn is_called_back(&self, patch: PatchId) -> bool {
        let concerns = |member: &Member| {
            matches!(member.standing, Standing::Moves | Standing::Runs) && member.seen < self.returns()
        };
        self.members.get(&patch).is_some_and(concerns) && self.stays_after(patch).is_none()
    }

    /// Somebody is on the way back, or must be.
    pub fn is_returning(&self) -> bool {
        let goes = |(patch, member): (&PatchId, &Member)| {
            member.standing == Standing::Returns || self.is_called_back(*patch)
        };
        self.members.iter().any(goes)
    }

    /// One that comes after this patch and is still there: it goes back first.
    pub fn goes_before(&self, patch: PatchId) -> Option<PatchId> {
        self.followers(patch).into_iter().rev().find(|follower| self.stands(*follower).is_there())
    }

    /// One that comes after this patch and stays for good: then this one stays as well.
    pub fn stays_after(&self, patch: PatchId) -> Option<PatchId> {
        let stays = |follower: &PatchId| {
            self.members.get(follower).is_some_and(|member| {
                let stands = matches!(member.standing, Standing::Moves | Standing::Runs);
                stands && member.seen >= self.returns()
            })
        };
        self.followers(patch).into_iter().find(stays)
    }

    /// The first of these patches that is not promoted, or won't stay so.
    pub fn unmet(&self, after: &[PatchId]) -> Option<Unmet> {
        let stands = |patch: PatchId| self.stands(patch);
        let is_met = |patch: PatchId| match stands(patch) {
            Standing::Runs => !self.is_called_back(patch),
            Standing::Covered => true,
            Standing::Waits | Standing::Moves | Standing::Halted | Standing::Returns | Standing::Ended => {
                false
            }
        };
        let unmet = after.iter().copied().find(|patch| !is_met(*patch))?;
        Some(Unmet { patch: unmet, has_ended: stands(unmet) == Standing::Ended })
    }

    /// The member whose way back calls the others back.
    pub fn caller(&self, other_than: PatchId) -> Option<PatchId> {
        let others = || self.members.iter().filter(|(patch, _)| **patch != other_than);
        let returns = others().find(|(_, member)| member.standing == Standing::Returns);
        let returned = || others().rfind(|(_, member)| member.returns > 0);
        returns.or_else(returned).map(|(patch, _)| *patch)
    }

    /// Those whose version is there, in the order in which they are taken back.
    pub fn way_back(&self) -> Vec<PatchId> {
        let there = |(_, member): &(&PatchId, &Member)| member.standing.is_there();
        self.members.iter().rev().filter(there).map(|(patch, _)| *patch).collect()
    }

    fn stands(&self, patch: PatchId) -> Standing {
        self.members.get(&patch).map_or(Standing::Waits, |member| member.standing)
    }

    /// Everyone who comes after this patch, however indirectly. One pass is enough: it is met before its followers.
    fn followers(&self, patch: PatchId) -> BTreeSet<PatchId> {
        let mut found = BTreeSet::new();
        for (other, member) in &self.members {
            let follows = |before: &PatchId| *before == patch || found.contains(before);
            if member.after.iter().any(follows) {
                found.insert(*other);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{Member, Set, Standing, Unmet};
    use crate::id::PatchId;

    /// Patch, what it comes after, how it stands, times taken back, times seen.
    fn set(rows: &[(u64, &[u64], Standing, u32, u32)]) -> Set {
        let member = |(patch, after, standing, returns, seen): &(u64, &[u64], Standing, u32, u32)| {
            let after = after.iter().copied().map(PatchId).collect();
            (
                PatchId(*patch),
                Member { after, standing: *standing, returns: *returns, seen: *seen, version: 0 },
            )
        };
        Set { members: rows.iter().map(member).collect() }
    }

    #[test]
    fn who_comes_later_goes_back_first() {
        use Standing::{Ended, Runs};
        let chain = set(&[(1, &[], Runs, 0, 0), (2, &[1], Runs, 0, 0), (3, &[2], Ended, 1, 0)]);
        assert!(chain.is_called_back(PatchId(1)) && chain.is_called_back(PatchId(2)));
        assert_eq!(chain.goes_before(PatchId(1)), Some(PatchId(2)));
        assert_eq!(chain.goes_before(PatchId(2)), None);
        assert_eq!(chain.way_back(), [PatchId(2), PatchId(1)]);
    }

    #[test]
    fn what_was_taken_back_before_it_began_does_not_concern_a_new_try() {
        use Standing::{Ended, Runs};
        let again = set(&[(1, &[], Runs, 1, 2), (2, &[1], Ended, 1, 0)]);
        assert!(!again.is_called_back(PatchId(1)) && !again.is_returning());
    }

    #[test]
    fn what_stays_holds_what_it_comes_after() {
        use Standing::{Ended, Halted, Runs};
        let rows = |second: Standing, seen| {
            set(&[(1, &[], Runs, 0, 0), (2, &[1], second, 0, seen), (3, &[2], Ended, 1, 0)])
        };
        let halted = rows(Halted, 0);
        assert!(halted.is_called_back(PatchId(1)) && halted.goes_before(PatchId(1)) == Some(PatchId(2)));
        assert!(!rows(Runs, 1).is_called_back(PatchId(1)), "a person said that the second stays");
    }

    #[test]
    fn nobody_begins_before_what_it_comes_after_is_promoted_to_stay() {
        use Standing::{Covered, Ended, Moves, Runs};
        let unmet = |first: Standing| {
            let set = set(&[(1, &[], first, 0, 0), (2, &[1], Standing::Waits, 0, 0)]);
            set.unmet(&[PatchId(1)]).map(|unmet| unmet.has_ended)
        };
        assert_eq!([Moves, Ended, Runs, Covered].map(unmet), [Some(false), Some(true), None, None]);
        let unknown = Unmet { patch: PatchId(9), has_ended: false };
        assert_eq!(Set::default().unmet(&[PatchId(9)]), Some(unknown));
    }
}
