//! A fake target: applies what is desired bit by bit, flaps, forgets its counters, and serves traffic meanwhile.

use std::collections::btree_map::Entry;
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

/// Where instances say that they listen.
const ADDRESSES: [&str; 4] = ["127.0.0.1:4000", "127.0.0.1:4001", "127.0.0.1:4002", "127.0.0.1:4003"];

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

/// What is true of one version, whatever the target tells.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    error_rate: f64,
    /// How often its answers differ from the stable version's.
    differs: f64,
    /// Its instances end again and again.
    crashes: bool,
    served: Served,
    /// Requests that are truly comparable, since the world began.
    compared: u64,
    /// Times that it came back after its last instance had gone, with counters that begin anew.
    returns: u64,
}

impl Truth {
    fn has_served(&self) -> bool {
        self.served.requests > 0
    }
}

#[derive(Clone, Debug)]
pub struct Target {
    running: BTreeMap<Digest, Running>,
    /// Every instance as a process, in step with the numbers above.
    processes: Processes,
    /// Every version that ever ran here, or may.
    versions: BTreeMap<Digest, Truth>,
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
            versions: BTreeMap::new(),
            desired: None,
            traffic: Traffic::ByTurns,
            pair: None,
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
        target.teach(&stable.artifact, rate, 0.0, false);
        let mut arm = Running::none(stable.clone());
        (arm.instances, arm.healthy, arm.share) = (instances, instances, Share::ALL);
        target.processes.fit(&stable.artifact, instances);
        target.running.insert(stable.artifact, arm);
        target
    }

    /// Error rate with which this version will serve.
    pub fn teach(&mut self, artifact: &Digest, rate: f64, differs: f64, crashes: bool) {
        let truth = Truth { error_rate: rate, differs, crashes, ..Truth::default() };
        self.versions.insert(artifact.clone(), truth);
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
        self.truth(artifact).returns
    }

    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    pub fn served(&self, artifact: &Digest) -> Served {
        self.truth(artifact).served
    }

    /// Requests to this version that can be compared with the other one.
    pub fn compared(&self, artifact: &Digest) -> u64 {
        self.truth(artifact).compared
    }

    fn truth(&self, artifact: &Digest) -> Truth {
        self.versions.get(artifact).copied().unwrap_or_default()
    }

    /// Moves towards what is desired: capacity first, then shares, then what is not wanted any more goes.
    pub fn advance(&mut self, chance: &mut Chance, calm: bool) {
        if self.is_stuck {
            return;
        }
        let Some(desired) = self.desired.take() else { return };
        self.follow(chance, calm, &desired);
        self.desired = Some(desired);
    }

    fn follow(&mut self, chance: &mut Chance, calm: bool, desired: &Desired) {
        if desired.in_place {
            return self.convert(chance, calm, desired);
        }
        if desired.arms.iter().any(|arm| !arm.names.is_empty()) {
            return self.replace(chance, calm, desired);
        }
        self.approach(chance, calm, desired);
        for (artifact, there) in &self.running {
            self.processes.fit(artifact, there.instances);
        }
        for (artifact, truth) in &self.versions {
            if truth.has_served() && !self.running.contains_key(artifact) {
                self.processes.fit(artifact, 0);
            }
        }
    }

    /// Instances have names: the share first, then those go whose names others are to have, and then these come.
    fn replace(&mut self, chance: &mut Chance, calm: bool, desired: &Desired) {
        for arm in &desired.arms {
            self.start(&arm.version);
        }
        if !calm {
            self.crash(chance);
        }
        let are_given = (calm || !chance.one_in(4)) && self.give_shares(desired);
        self.processes.give_names(&desired.arms);
        if are_given {
            self.processes.end_strays(chance, &desired.arms, calm);
        }
        self.processes.start_named(chance, &desired.arms, calm, self.fault);
        for there in self.running.values_mut() {
            let before = there.instances;
            there.instances = self.processes.serving(&there.version.artifact);
            let kept = there.healthy.min(before.min(there.instances));
            let ill = there.instances - kept;
            there.healthy = kept + if calm { ill } else { ill.min(u32::from(!chance.one_in(4))) };
        }
        let is_desired = |artifact: &Digest| desired.arms.iter().any(|arm| arm.version.artifact == *artifact);
        self.running.retain(|artifact, there| there.instances > 0 || is_desired(artifact));
    }

    fn approach(&mut self, chance: &mut Chance, calm: bool, desired: &Desired) {
        for arm in &desired.arms {
            let there = self.start(&arm.version);
            let lacking = arm.instances.saturating_sub(there.instances);
            let grows = if calm { lacking } else { lacking.min(u32::from(!chance.one_in(3))) };
            there.instances += grows;
            let ill = there.instances - there.healthy;
            there.healthy += if calm { ill } else { ill.min(u32::from(!chance.one_in(4))) };
            if !calm && there.healthy > 0 && chance.one_in(40) {
                there.healthy -= 1;
            }
        }
        if !calm {
            self.crash(chance);
        }
        if !calm && chance.one_in(4) {
            return;
        }
        if self.give_shares(desired) && (calm || !chance.one_in(3)) {
            self.shrink(desired);
        }
    }

    /// The shares, if those are there who carry them.
    fn give_shares(&mut self, desired: &Desired) -> bool {
        let ready = |there: &BTreeMap<Digest, Running>| {
            desired.arms.iter().all(|arm| {
                let there = there.get(&arm.version.artifact);
                there.is_some_and(|there| there.share >= arm.share || there.instances >= arm.carriers)
            })
        };
        if !ready(&self.running) {
            return false;
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
        true
    }

    /// Instances end by themselves: those of a version that does so often, and now and then any.
    fn crash(&mut self, chance: &mut Chance) {
        for (artifact, there) in self.running.iter_mut().filter(|(_, there)| there.healthy > 0) {
            let crashes = self.versions.get(artifact).is_some_and(|truth| truth.crashes);
            if chance.one_in(if crashes { 3 } else { 60 }) {
                there.healthy -= 1;
                there.counts.restarts += 1;
                self.processes.crash(artifact);
            }
        }
    }

    /// The version's arm; a new one, where it did not run.
    fn start(&mut self, version: &Version) -> &mut Running {
        match self.running.entry(version.artifact.clone()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let truth = self.versions.entry(version.artifact.clone()).or_default();
                truth.returns += u64::from(truth.has_served());
                place.insert(Running::none(version.clone()))
            }
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
            self.start(&arm.version);
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
        self.processes.live(milliseconds);
        let requests = self.requests_per_second * milliseconds / 1000;
        if requests > 0 {
            self.answer(chance, requests);
        }
        self.mirror(chance, requests);
    }

    /// Users' requests find their version, and it answers.
    fn answer(&mut self, chance: &mut Chance, requests: u64) {
        let parts = self.parts(requests);
        let minor =
            self.running.values().map(|there| there.share).filter(|share| *share != Share::NONE).min();
        // Of users with keys nobody can say how many requests they are, so there a lie about shares would go unnoticed.
        let lie = minor.filter(|share| {
            self.traffic == Traffic::ByTurns && self.lies && share.ppm() <= Share::ALL.ppm() / 4
        });
        let is_ill = |(artifact, _): &&(Digest, Part)| {
            self.running.get(artifact).is_none_or(|there| there.healthy == 0)
        };
        let homeless: u64 = parts.iter().filter(is_ill).map(|(_, part)| part.users).sum();
        let part_of = |artifact: &Digest| {
            parts.iter().find(|(other, _)| other == artifact).map_or(Part::default(), |(_, part)| *part)
        };
        for (artifact, there) in &mut self.running {
            let Part { users: fair, compared } = part_of(artifact);
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
            let truth = self.versions.entry(artifact.clone()).or_default();
            let errors = chance.failures(part, truth.error_rate);
            let compared = if compared >= fair { part } else { compared.min(part) };
            let told = if self.fault == Some(Fault::OutsidersAreCompared) { part } else { compared };
            let (seen, failed) = (told, errors * told / part);
            there.counts.requests += seen;
            there.counts.errors += failed;
            there.met.requests += part;
            there.met.errors += errors;
            truth.served.requests += part;
            truth.served.errors += errors;
            truth.compared += compared;
        }
    }

    /// How many users come to each version, and how many of them chance alone has led there.
    fn parts(&self, requests: u64) -> Vec<(Digest, Part)> {
        let share =
            |artifact: &Digest| self.running.get(artifact).map_or(0, |there| u64::from(there.share.ppm()));
        let by_share = |there: &Running| {
            let users = requests * u64::from(there.share.ppm()) / 1_000_000;
            let compared = if matches!(self.traffic, Traffic::Mirrored(_)) { 0 } else { users };
            Part { users, compared }
        };
        let mut parts: Vec<(Digest, Part)> =
            self.running.iter().map(|(artifact, there)| (artifact.clone(), by_share(there))).collect();
        if let (Traffic::ByKey { others: Others::Stable, .. }, Some((stable, new))) =
            (&self.traffic, &self.pair)
        {
            let cohort = requests * COHORT_PERCENT / 100;
            let wanted = cohort * share(new) / 1_000_000;
            // Who belongs to a version that is ill is served by the stable one, and not compared.
            let there = self.running.get(new).map_or(0, |there| there.healthy);
            let to_new = if there > 0 { wanted } else { 0 };
            parts.retain(|(artifact, _)| artifact != new && artifact != stable);
            parts.push((stable.clone(), Part { users: requests - to_new, compared: cohort - wanted }));
            parts.push((new.clone(), Part { users: to_new, compared: to_new }));
        }
        parts
    }

    /// Copies of what users asked the stable version.
    fn mirror(&mut self, chance: &mut Chance, requests: u64) {
        let (Traffic::Mirrored(mirror), Some((stable, new))) = (&self.traffic, &self.pair) else { return };
        let answered = self.running.get(stable).is_some_and(|there| there.healthy > 0);
        let pairs = requests * u64::from(mirror.share.ppm()) / 1_000_000;
        let rate = |artifact: &Digest| self.truth(artifact).error_rate;
        let (of_stable, of_new) = (chance.failures(pairs, rate(stable)), chance.failures(pairs, rate(new)));
        let body = chance.failures(pairs, self.truth(new).differs);
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
            self.versions.entry(artifact).or_default().compared += pairs;
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
            addresses: ADDRESSES.iter().take(there.healthy as usize).map(|it| (*it).to_owned()).collect(),
            usage: self.processes.usage(&there.version.artifact, there.healthy),
            names: self.processes.names(&there.version.artifact, there.healthy),
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
