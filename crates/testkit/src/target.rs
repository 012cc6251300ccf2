//! A fake target: applies what is desired bit by bit, flaps, forgets its counters, and serves traffic meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::digest::Digest;
use patchline_model::id::{JobId, PatchId};
use patchline_model::share::Share;
use patchline_model::stage::plan::{Counts, Desired, Observed, ObservedArm, Version};

use crate::chance::Chance;
use crate::faults::Fault;

/// One version as it runs.
#[derive(Clone, Debug)]
pub struct Running {
    pub version: Version,
    pub instances: u32,
    pub healthy: u32,
    pub share: Share,
    counts: Counts,
}

/// What one version truly served, since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    pub requests: u64,
    pub errors: u64,
}

#[derive(Clone, Debug)]
pub struct Target {
    running: BTreeMap<Digest, Running>,
    served: BTreeMap<Digest, Served>,
    rates: BTreeMap<Digest, f64>,
    desired: Option<Desired>,
    /// The patch that moves the service now with its newest attempt, and those that did before: old orders don't count.
    newest: Option<(PatchId, u32)>,
    past: BTreeSet<PatchId>,
    /// The attempt of each patch after which its orders count: those of an earlier try are old, too.
    floors: BTreeMap<PatchId, u32>,
    epoch: u64,
    unrouted: u64,
    /// Times that counters were lost or could not be read; what was served then may be missing from the totals.
    pub losses: u64,
    /// Takes orders and does nothing.
    pub is_stuck: bool,
    /// Gives the minor version thrice the share that it tells of.
    pub lies: bool,
    /// Requests that a version served beyond its share.
    pub excess: u64,
    requests_per_second: u64,
    fault: Option<Fault>,
}

impl Target {
    pub fn new(
        stable: Version,
        instances: u32,
        rate: f64,
        requests_per_second: u64,
        fault: Option<Fault>,
    ) -> Self {
        let mut target = Self {
            running: BTreeMap::new(),
            served: BTreeMap::new(),
            rates: BTreeMap::from([(stable.artifact.clone(), rate)]),
            desired: None,
            newest: None,
            past: BTreeSet::new(),
            floors: BTreeMap::new(),
            epoch: 1,
            unrouted: 0,
            losses: 0,
            is_stuck: false,
            lies: false,
            excess: 0,
            requests_per_second,
            fault,
        };
        let mut arm = Running::none(stable.clone());
        (arm.instances, arm.healthy, arm.share) = (instances, instances, Share::ALL);
        target.running.insert(stable.artifact, arm);
        target
    }

    /// Error rate with which this version will serve.
    pub fn teach(&mut self, artifact: &Digest, rate: f64) {
        self.rates.insert(artifact.clone(), rate);
    }

    /// The version that serves most.
    pub fn stable(&self) -> Version {
        let most = self.running.values().max_by_key(|arm| arm.share);
        most.map(|arm| arm.version.clone()).expect("something always runs")
    }

    /// A rollout begins: if the patch moved the service before, its new orders count and its old ones don't.
    pub fn begins(&mut self, job: JobId) {
        let floor = self.floors.entry(job.patch).or_default();
        *floor = (*floor).max(job.attempt);
        self.past.remove(&job.patch);
    }

    /// Takes an order, unless it is older than one that was taken before.
    pub fn order(&mut self, job: JobId, desired: &Desired) -> bool {
        let other = self.newest.filter(|(patch, _)| *patch != job.patch).map(|(patch, _)| patch);
        let newer = |(patch, attempt)| patch != job.patch || job.attempt >= attempt;
        let floor = self.floors.get(&job.patch).copied().unwrap_or(0);
        let is_fresh = job.attempt >= floor && !self.past.contains(&job.patch);
        let obeys = self.newest.is_none_or(newer) && is_fresh;
        if !obeys && self.fault != Some(Fault::TargetObeysOldOrders) {
            return false;
        }
        self.past.extend(other);
        self.newest = Some((job.patch, job.attempt));
        let floor = self.floors.entry(job.patch).or_default();
        *floor = (*floor).max(job.attempt);
        self.desired = Some(desired.clone());
        true
    }

    pub fn arm(&self, artifact: &Digest) -> Option<&Running> {
        self.running.get(artifact)
    }

    pub fn arms(&self) -> impl Iterator<Item = &Running> {
        self.running.values()
    }

    pub fn served(&self, artifact: &Digest) -> Served {
        self.served.get(artifact).copied().unwrap_or_default()
    }

    /// Moves towards what is desired: capacity first, then shares, then what is not wanted any more goes.
    pub fn advance(&mut self, chance: &mut Chance, calm: bool) {
        let Some(desired) = self.desired.clone().filter(|_| !self.is_stuck) else { return };
        for arm in &desired.arms {
            let fresh = Running::none(arm.version.clone());
            let there = self.running.entry(arm.version.artifact.clone()).or_insert(fresh);
            let lacking = arm.instances.saturating_sub(there.instances);
            let grows = if calm { lacking } else { lacking.min(u32::from(!chance.one_in(3))) };
            there.instances += grows;
            let ill = there.instances - there.healthy;
            there.healthy += if calm { ill } else { ill.min(u32::from(!chance.one_in(4))) };
            if !calm && there.healthy > 0 && chance.one_in(40) {
                there.healthy -= 1;
            }
        }
        if !calm && chance.one_in(4) {
            return;
        }
        let ready = |there: &BTreeMap<Digest, Running>| {
            desired.arms.iter().all(|arm| {
                let there = there.get(&arm.version.artifact);
                there.is_some_and(|there| there.share >= arm.share || there.instances >= arm.carriers)
            })
        };
        if !ready(&self.running) {
            return;
        }
        for there in self.running.values_mut() {
            let wanted = desired.arms.iter().find(|arm| arm.version == there.version);
            there.share = wanted.map_or(Share::NONE, |arm| arm.share);
            let shared = desired.arms.len() > 1 && there.share != Share::NONE;
            if shared && self.fault == Some(Fault::TargetGivesTooMuch) {
                there.share = there.share.rest();
            }
        }
        if calm || !chance.one_in(3) {
            self.shrink(&desired);
        }
    }

    fn shrink(&mut self, desired: &Desired) {
        for there in self.running.values_mut() {
            let wanted = desired.arms.iter().find(|arm| arm.version == there.version);
            there.instances = there.instances.min(wanted.map_or(0, |arm| arm.instances));
            there.healthy = there.healthy.min(there.instances);
        }
        self.running.retain(|_, there| there.instances > 0);
    }

    /// Serves what comes in this span.
    pub fn serve(&mut self, chance: &mut Chance, milliseconds: u64) {
        let requests = self.requests_per_second * milliseconds / 1000;
        let part_of = |there: &Running| requests * u64::from(there.share.ppm()) / 1_000_000;
        let minor =
            self.running.values().map(|there| there.share).filter(|share| *share != Share::NONE).min();
        let lie = minor.filter(|share| self.lies && share.ppm() <= Share::ALL.ppm() / 4);
        let homeless: u64 = self.running.values().filter(|there| there.healthy == 0).map(part_of).sum();
        for (artifact, there) in &mut self.running {
            let fair = part_of(there);
            let shifts = self.fault == Some(Fault::MinorArmTakesAll) && there.healthy > 0;
            let part = if shifts && fair > 0 { fair + homeless } else { fair };
            self.excess += part - fair;
            let part = match lie {
                Some(share) if there.share == share => part * 3,
                Some(share) => part.saturating_sub(requests * u64::from(share.ppm()) / 500_000),
                None => part,
            };
            if part == 0 {
                continue;
            }
            if there.healthy == 0 {
                self.unrouted += part;
                continue;
            }
            let rate = self.rates.get(artifact).copied().unwrap_or(0.0);
            let errors = chance.failures(part, rate);
            there.counts.requests += part;
            there.counts.errors += errors;
            let served = self.served.entry(artifact.clone()).or_default();
            served.requests += part;
            served.errors += errors;
        }
    }

    /// The counters begin anew: another epoch.
    pub fn lose_counters(&mut self) {
        self.epoch += 1;
        self.unrouted = 0;
        self.losses += 1;
        for there in self.running.values_mut() {
            there.counts = Counts::default();
        }
    }

    /// What is there now; `blind` leaves the counts of one arm out.
    pub fn observe(&mut self, blind: Option<&Digest>) -> Observed {
        self.losses += u64::from(blind.is_some());
        let arms = self.running.values().map(|there| ObservedArm {
            artifact: there.version.artifact.clone(),
            share: there.share,
            instances: there.instances,
            healthy: there.healthy,
            counts: (blind != Some(&there.version.artifact)).then(|| there.counts.clone()),
            addresses: (0..there.healthy).map(|number| format!("127.0.0.1:{}", 4000 + number)).collect(),
            usage: Vec::new(),
        });
        Observed {
            epoch: self.epoch.to_string(),
            arms: arms.collect(),
            unrouted: self.unrouted,
            address: None,
        }
    }
}

impl Running {
    fn none(version: Version) -> Self {
        Self { version, instances: 0, healthy: 0, share: Share::NONE, counts: Counts::default() }
    }
}
