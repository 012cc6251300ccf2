//! What a look reads: what came since the look before, in both arms, and how it is summed.

use crate::share::Share;
use crate::stage::plan::{Counts, Observed, ObservedArm, Version};
use crate::stage::rollout::{Cursor, State, Tick};
use crate::stage::traffic::{Apart, Met, Mirrored};

impl Cursor {
    /// This cursor one tick later, if both arms could be read.
    pub fn after(&self, tick: &Tick) -> Option<Cursor> {
        let later =
            |before: &Option<Counts>, tick: &Option<Counts>| Some(before.as_ref()?.plus(tick.as_ref()?));
        Some(Cursor {
            epoch: self.epoch.clone(),
            canary: Some(later(&self.canary, &tick.canary)?),
            stable: Some(later(&self.stable, &tick.stable)?),
            unrouted: self.unrouted,
            apart: self.apart.as_deref().map(|before| Box::new(later_apart(before, tick))),
        })
    }
}

impl Tick {
    /// What users met of the new version: what was compared, unless it says otherwise.
    pub fn met_canary(&self) -> Met {
        let apart = self.apart.as_ref().and_then(|apart| apart.canary);
        apart.or(self.canary.as_ref().map(Counts::met)).unwrap_or_default()
    }

    /// What users met of the stable version.
    pub fn met_stable(&self) -> Met {
        let apart = self.apart.as_ref().and_then(|apart| apart.stable);
        apart.or(self.stable.as_ref().map(Counts::met)).unwrap_or_default()
    }

    /// The share of the requests that chance gave the new version, where the split can be held against the plan. What an
    /// instance that ended would have answered went elsewhere, so such a look says nothing of the split.
    pub fn planned_share(&self) -> Option<Share> {
        let ended = |counts: &Option<Counts>| counts.as_ref().is_some_and(|counts| counts.restarts > 0);
        let share = self.signs.as_ref().and_then(|signs| signs.share);
        share.filter(|_| !ended(&self.canary) && !ended(&self.stable))
    }

    /// Requests that the instances of both versions answered, copies among them, if both were read: their load.
    pub fn served(&self) -> Option<(u64, u64)> {
        let (Some(_), Some(_)) = (&self.canary, &self.stable) else { return None };
        let copies = self.mirrored().map_or((0, 0), |mirrored| (mirrored.pairs, mirrored.controlled));
        let canary = self.met_canary().requests.saturating_add(copies.0);
        Some((canary, self.met_stable().requests.saturating_add(copies.1)))
    }

    /// What mirrors answered.
    pub fn mirrored(&self) -> Option<&Mirrored> {
        self.apart.as_ref()?.mirrored.as_ref()
    }
}

fn later_apart(before: &Apart, tick: &Tick) -> Apart {
    let nothing = Mirrored::default();
    Apart {
        canary: before.canary.map(|met| met.plus(tick.met_canary())),
        stable: before.stable.map(|met| met.plus(tick.met_stable())),
        mirrored: before.mirrored.as_ref().map(|sum| sum.plus(tick.mirrored().unwrap_or(&nothing))),
    }
}

impl State {
    /// What came since the last look. A new epoch, a counter that went backwards, or an arm that could not be read is
    /// missing, never zero.
    pub fn tick(&self, observed: &Observed) -> (Tick, Cursor) {
        let arm = |version: &Option<Version>| observed.arm(&version.as_ref()?.artifact);
        let (canary, stable) = (arm(&self.new), arm(&self.stable));
        let read = |arm: Option<&ObservedArm>| arm.and_then(|arm| arm.counts.clone());
        let now = Cursor {
            epoch: observed.epoch.clone(),
            canary: read(canary),
            stable: read(stable),
            unrouted: observed.unrouted,
            apart: Apart {
                canary: canary.and_then(|arm| arm.met),
                stable: stable.and_then(|arm| arm.met),
                mirrored: canary.and_then(|arm| arm.mirrored.clone()),
            }
            .kept(),
        };
        let before = self.cursor.as_ref().filter(|cursor| cursor.epoch == now.epoch);
        let since = |of: fn(&Cursor) -> &Option<Counts>| of(&now).as_ref()?.since(of(before?).as_ref()?);
        let (canary, stable) = (since(|at| &at.canary), since(|at| &at.stable));
        let nothing = Apart::default();
        let apart = before
            .and_then(|before| Some(now.apart.as_ref()?.since(before.apart.as_deref().unwrap_or(&nothing))));
        let mut apart = apart.unwrap_or_default();
        apart.canary = apart.canary.filter(|met| Some(*met) != canary.as_ref().map(Counts::met));
        apart.stable = apart.stable.filter(|met| Some(*met) != stable.as_ref().map(Counts::met));
        let signs = Some(Box::new(self.signs(observed)));
        let tick = Tick { canary, stable, apart: apart.kept(), signs };
        (tick, now)
    }

    /// Adds a look to the totals.
    pub fn count(&mut self, tick: &Tick, cursor: Option<Cursor>) {
        if let Some(cursor) = &cursor {
            let before = self.cursor.as_ref().filter(|before| before.epoch == cursor.epoch);
            let unrouted = before.map_or(0, |before| cursor.unrouted.saturating_sub(before.unrouted));
            self.totals.unrouted = self.totals.unrouted.saturating_add(unrouted);
        }
        let totals = &mut self.totals;
        let (canary, stable) = (tick.met_canary(), tick.met_stable());
        totals.canary_requests = totals.canary_requests.saturating_add(canary.requests);
        totals.canary_errors = totals.canary_errors.saturating_add(canary.errors);
        totals.stable_requests = totals.stable_requests.saturating_add(stable.requests);
        totals.stable_errors = totals.stable_errors.saturating_add(stable.errors);
        if let Some(mirrored) = tick.mirrored() {
            self.mirrored.add(mirrored);
        }
        self.cursor = cursor.or(self.cursor.take());
    }
}
