//! A fake target: applies what is desired bit by bit, flaps, forgets its counters, and serves traffic meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::digest::Digest;
use patchline_model::id::{JobId, PatchId};
use patchline_model::share::Share;
use patchline_model::stage::plan::{Counts, Desired, Observed, ObservedArm, Version};
use patchline_model::stage::traffic::{Met, Mirrored, Others, Traffic};
use patchline_model::strategy::station::part;

use crate::chance::Chance;
use crate::fault::Fault;
use crate::processes::Processes;

/// The part of the requests that belong to a cohort.
const COHORT_PERCENT: u64 = 40;

/// One version as it runs.
#[derive(Clone, Debug)]
pub struct Running {
    pub version: Version,
    pub instances: u32,
    pub healthy: u32,
    pub share: Share,
    counts: Counts,
    met: Met,
    mirrored: Mirrored,
}

/// Requests of a span to one version: of users, and those that are compared.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    users: u64,
    compared: u64,
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
    /// Every instance as a process, in step with the numbers above.
    processes: Processes,
    served: BTreeMap<Digest, Served>,
    rates: BTreeMap<Digest, f64>,
    /// How often a version's answers differ from the stable version's.
    differs: BTreeMap<Digest, f64>,
    /// Requests that are truly comparable, since the world began.
    compared: BTreeMap<Digest, Served>,
    desired: Option<Desired>,
    /// How requests find their version, and which is the stable and which the new one.
    traffic: Traffic,
    pair: Option<(Digest, Digest)>,
    /// The patch that moves the service now with its newest attempt, and those that did before: old orders don't count.
    newest: Option<(PatchId, u32)>,
    past: BTreeSet<PatchId>,
    /// The attempt of each patch after which its orders count: those of an earlier try are old, too.
    floors: BTreeMap<PatchId, u32>,
    epoch: u64,
    unrouted: u64,
    /// Times that counters were lost or could not be read; what was served then may be missing from the totals.
    pub losses: u64,
    /// Times that a version came back after its last instance had gone, with counters that begin anew.
    returns: BTreeMap<Digest, u64>,
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
            processes: Processes::default(),
            served: BTreeMap::new(),
            rates: BTreeMap::from([(stable.artifact.clone(), rate)]),
            differs: BTreeMap::new(),
            compared: BTreeMap::new(),
            desired: None,
            traffic: Traffic::ByTurns,
            pair: None,
            newest: None,
            past: BTreeSet::new(),
            floors: BTreeMap::new(),
            epoch: 1,
            unrouted: 0,
            losses: 0,
            returns: BTreeMap::new(),
            is_stuck: false,
            lies: false,
            excess: 0,
            requests_per_second,
            fault,
        };
        let mut arm = Running::none(stable.clone());
        (arm.instances, arm.healthy, arm.share) = (instances, instances, Share::ALL);
        target.processes.fit(&stable.artifact, instances);
        target.running.insert(stable.artifact, arm);
        target
    }

    /// Error rate with which this version will serve.
    pub fn teach(&mut self, artifact: &Digest, rate: f64, differs: f64) {
        self.rates.insert(artifact.clone(), rate);
        self.differs.insert(artifact.clone(), differs);
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

    pub fn returned(&self, artifact: &Digest) -> u64 {
        self.returns.get(artifact).copied().unwrap_or(0)
    }

    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    pub fn served(&self, artifact: &Digest) -> Served {
        self.served.get(artifact).copied().unwrap_or_default()
    }

    /// Requests to this version that can be compared with the other one.
    pub fn compared(&self, artifact: &Digest) -> u64 {
        self.compared.get(artifact).map_or(0, |compared| compared.requests)
    }

    /// Moves towards what is desired: capacity first, then shares, then what is not wanted any more goes.
    pub fn advance(&mut self, chance: &mut Chance, calm: bool) {
        let Some(desired) = self.desired.clone().filter(|_| !self.is_stuck) else { return };
        if desired.in_place {
            return self.convert(chance, calm, &desired);
        }
        self.approach(chance, calm, &desired);
        let known: Vec<Digest> = self.running.keys().chain(self.served.keys()).cloned().collect();
        for artifact in known {
            let instances = self.running.get(&artifact).map_or(0, |there| there.instances);
            self.processes.fit(&artifact, instances);
        }
    }

    fn approach(&mut self, chance: &mut Chance, calm: bool, desired: &Desired) {
        for arm in &desired.arms {
            let fresh = Running::none(arm.version.clone());
            let is_new = !self.running.contains_key(&arm.version.artifact);
            if is_new && self.served.contains_key(&arm.version.artifact) {
                *self.returns.entry(arm.version.artifact.clone()).or_default() += 1;
            }
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
        self.traffic = desired.traffic.clone();
        self.pair = match &desired.arms[..] {
            [stable, new] => Some((stable.version.artifact.clone(), new.version.artifact.clone())),
            _ => None,
        };
        for there in self.running.values_mut() {
            let wanted = desired.arms.iter().find(|arm| arm.version.artifact == there.version.artifact);
            there.share = wanted.map_or(Share::NONE, |arm| arm.share);
            let shared = desired.arms.len() > 1 && there.share != Share::NONE;
            if shared && self.fault == Some(Fault::TargetGivesTooMuch) {
                there.share = there.share.rest();
            }
        }
        if calm || !chance.one_in(3) {
            self.shrink(desired);
        }
    }

    fn shrink(&mut self, desired: &Desired) {
        for there in self.running.values_mut() {
            let wanted = desired.arms.iter().find(|arm| arm.version.artifact == there.version.artifact);
            there.instances = there.instances.min(wanted.map_or(0, |arm| arm.instances));
            there.healthy = there.healthy.min(there.instances);
        }
        self.running.retain(|_, there| there.instances > 0);
    }

    /// Converts processes; the shares follow what they have confirmed, both ways.
    fn convert(&mut self, chance: &mut Chance, calm: bool, desired: &Desired) {
        for arm in &desired.arms {
            let fresh = Running::none(arm.version.clone());
            let is_new = !self.running.contains_key(&arm.version.artifact);
            if is_new && self.served.contains_key(&arm.version.artifact) {
                *self.returns.entry(arm.version.artifact.clone()).or_default() += 1;
            }
            self.running.entry(arm.version.artifact.clone()).or_insert(fresh);
        }
        let wanted: Vec<(Digest, u32)> =
            desired.arms.iter().map(|arm| (arm.version.artifact.clone(), arm.instances)).collect();
        self.processes.convert(chance, &wanted, calm, self.fault);
        self.traffic = desired.traffic.clone();
        let total = desired.arms.iter().map(|arm| arm.instances).sum();
        let (processes, fault) = (&self.processes, self.fault);
        let confirmed = |artifact: &Digest| processes.confirmed(artifact, fault);
        let mut rest = Share::ALL;
        for arm in desired.arms.iter().skip(1) {
            let share = part(confirmed(&arm.version.artifact), total);
            rest = share.rest();
            self.running.entry(arm.version.artifact.clone()).and_modify(|there| there.share = share);
        }
        for there in self.running.values_mut() {
            let is_first =
                desired.arms.first().is_some_and(|arm| arm.version.artifact == there.version.artifact);
            let is_desired = desired.arms.iter().any(|arm| arm.version.artifact == there.version.artifact);
            there.share = if is_first { rest } else { there.share };
            there.share = if is_desired { there.share } else { Share::NONE };
            let instances = confirmed(&there.version.artifact);
            let ill = u32::from(!calm && instances > 0 && chance.one_in(40));
            (there.instances, there.healthy) = (instances, instances - ill);
        }
    }

    /// Serves what comes in this span.
    pub fn serve(&mut self, chance: &mut Chance, milliseconds: u64) {
        let requests = self.requests_per_second * milliseconds / 1000;
        let parts = self.parts(requests);
        let minor =
            self.running.values().map(|there| there.share).filter(|share| *share != Share::NONE).min();
        // Of users with keys nobody can say how many requests they are, so there a lie about shares would go unnoticed.
        let lie = minor.filter(|share| {
            self.traffic == Traffic::ByTurns && self.lies && share.ppm() <= Share::ALL.ppm() / 4
        });
        let is_ill = |(artifact, _): &(&Digest, &Part)| {
            self.running.get(*artifact).is_none_or(|there| there.healthy == 0)
        };
        let homeless: u64 = parts.iter().filter(is_ill).map(|(_, part)| part.users).sum();
        for (artifact, there) in &mut self.running {
            let Part { users: fair, compared } = parts.get(artifact).copied().unwrap_or_default();
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
            let compared = if compared >= fair { part } else { compared.min(part) };
            let told = if self.fault == Some(Fault::OutsidersAreCompared) { part } else { compared };
            let (seen, failed) = (told, errors * told / part);
            there.counts.requests += seen;
            there.counts.errors += failed;
            there.met.requests += part;
            there.met.errors += errors;
            let served = self.served.entry(artifact.clone()).or_default();
            served.requests += part;
            served.errors += errors;
            self.compared.entry(artifact.clone()).or_default().requests += compared;
        }
        self.mirror(chance, requests);
    }

    /// How many users come to each version, and how many of them chance alone has led there.
    fn parts(&self, requests: u64) -> BTreeMap<Digest, Part> {
        let share =
            |artifact: &Digest| self.running.get(artifact).map_or(0, |there| u64::from(there.share.ppm()));
        let mut parts = BTreeMap::new();
        for artifact in self.running.keys() {
            let users = requests * share(artifact) / 1_000_000;
            let compared = if matches!(self.traffic, Traffic::Mirrored(_)) { 0 } else { users };
            parts.insert(artifact.clone(), Part { users, compared });
        }
        if let (Traffic::ByKey { others: Others::Stable, .. }, Some((stable, new))) =
            (&self.traffic, &self.pair)
        {
            let cohort = requests * COHORT_PERCENT / 100;
            let wanted = cohort * share(new) / 1_000_000;
            // Who belongs to a version that is ill is served by the stable one, and not compared.
            let there = self.running.get(new).map_or(0, |there| there.healthy);
            let to_new = if there > 0 { wanted } else { 0 };
            parts.insert(new.clone(), Part { users: to_new, compared: to_new });
            parts.insert(stable.clone(), Part { users: requests - to_new, compared: cohort - wanted });
        }
        parts
    }

    /// Copies of what users asked the stable version.
    fn mirror(&mut self, chance: &mut Chance, requests: u64) {
        let (Traffic::Mirrored(mirror), Some((stable, new))) = (&self.traffic, &self.pair) else { return };
        let answered = self.running.get(stable).is_some_and(|there| there.healthy > 0);
        let pairs = requests * u64::from(mirror.share.ppm()) / 1_000_000;
        let rate = |artifact: &Digest| self.rates.get(artifact).copied().unwrap_or(0.0);
        let (of_stable, of_new) = (chance.failures(pairs, rate(stable)), chance.failures(pairs, rate(new)));
        let body = chance.failures(pairs, self.differs.get(new).copied().unwrap_or(0.0));
        let hides = self.fault == Some(Fault::DifferencesAreHidden);
        let body = if hides { 0 } else { body };
        let both = [(stable.clone(), of_stable), (new.clone(), of_new)];
        if !answered || self.running.get(new).is_none_or(|there| there.healthy == 0) {
            return;
        }
        for (artifact, errors) in both {
            let Some(there) = self.running.get_mut(&artifact) else { continue };
            there.counts.requests += pairs;
            there.counts.errors += errors;
            if artifact == *new {
                let example = (body > 0).then(|| "GET /: the body".to_owned());
                there.mirrored.add(&Mirrored { pairs, body, example, ..Mirrored::default() });
            }
            self.compared.entry(artifact).or_default().requests += pairs;
        }
    }

    /// The counters begin anew: another epoch.
    pub fn lose_counters(&mut self) {
        self.epoch += 1;
        self.processes.forget();
        self.unrouted = 0;
        self.losses += 1;
        for there in self.running.values_mut() {
            (there.counts, there.met, there.mirrored) = Default::default();
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
            processes: self.processes.said(&there.version.artifact, self.fault),
            counts: (blind != Some(&there.version.artifact)).then(|| there.counts.clone()),
            met: (blind != Some(&there.version.artifact)).then_some(there.met),
            mirrored: (blind != Some(&there.version.artifact)).then(|| there.mirrored.clone()),
            addresses: (0..there.healthy).map(|number| format!("127.0.0.1:{}", 4000 + number)).collect(),
            usage: Vec::new(),
        });
        Observed {
            epoch: self.epoch.to_string(),
            arms: arms.collect(),
            unrouted: self.unrouted,
            address: None,
            traffic: Some(self.traffic.clone()),
        }
    }
}

impl Running {
    fn none(version: Version) -> Self {
        Self {
            version,
            instances: 0,
            healthy: 0,
            share: Share::NONE,
            counts: Counts::default(),
            met: Met::default(),
            mirrored: Mirrored::default(),
        }
    }
}
