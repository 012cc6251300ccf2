//! Makes the instances be what is desired: starts, adopts, checks, replaces, drains and stops them. One task owns it all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use patchline_model::stage::traffic::Traffic;
use rustix::process::Signal;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use crate::process::arm::{Arm, PROBATION};
use crate::process::counters::Tallies;
use crate::process::headers::told_of;
use crate::process::identity::{Found, Held, boot_id, find_instances, marker};
use crate::process::instance::{free_port, is_healthy, start};
use crate::process::log::{Log, append, instance_log, tidy};
use crate::process::order::{Applied, Order};
use crate::process::plan::{Action, Limits, Stage, Standing, Wanted, plan};
use crate::process::routes::{Route, Routes};
use crate::process::running::{Event, Running};
use crate::process::saved::{Files, Saved, SavedInstance};
use crate::process::saving::Saving;
use crate::process::spec::{Compared, DesiredArm, DesiredArms, HostSpec, ObservedArm, ObservedArms};
use crate::process::strays::Strays;

/// How often it looks while something is on its way, and how often else.
const LIVELY: Duration = Duration::from_millis(20);
const CALM: Duration = Duration::from_millis(500);
const HOUSEKEEPING: Duration = Duration::from_secs(1);
const STRAY_HUNT: Duration = Duration::from_secs(30);
const MAX_KNOWN_VERSIONS: usize = 256;

/// Who this host is.
#[derive(Clone, Debug)]
pub struct Host {
    pub epoch: String,
    pub spec: HostSpec,
    pub files: Files,
    /// The directory as it stands in the markers.
    pub name: String,
}

#[derive(Debug)]
pub struct Supervisor {
    host: Host,
    log: Arc<Log>,
    routes: Arc<Routes>,
    saved: Saved,
    saving: Saving,
    order_of_versions: Vec<String>,
    arms: HashMap<String, Arm>,
    running: Vec<Running>,
    strays: Strays,
    events: (UnboundedSender<Event>, UnboundedReceiver<Event>),
    is_ending: bool,
    housekeeping_due: Instant,
    stray_hunt_due: Instant,
}

impl Supervisor {
    /// Takes over what an earlier host has left: its instances keep running, and what is not wanted is stopped.
    pub async fn take_over(host: Host, saved: Saved, routes: Arc<Routes>, log: Arc<Log>) -> Supervisor {
        let now = Instant::now();
        let mut supervisor = Supervisor {
            log,
            routes,
            saving: Saving::to(host.files.state()),
            saved,
            order_of_versions: Vec::new(),
            arms: HashMap::new(),
            running: Vec::new(),
            strays: Strays::default(),
            events: unbounded_channel(),
            is_ending: false,
            housekeeping_due: now + HOUSEKEEPING,
            stray_hunt_due: now,
            host,
        };
        supervisor.adopt();
        if !supervisor.saved.is_lost {
            supervisor.hunt_strays();
        }
        supervisor.probe_all().await;
        supervisor.route();
        supervisor
    }

    /// Remembers where the proxy listens.
    pub fn listens_on(&mut self, port: u16) {
        self.saved.port = Some(port);
        self.saving.changed();
    }

    /// Works until it is told to end and everything has been stopped.
    pub async fn run(mut self, mut orders: Receiver<Order>) {
        let routes = Arc::clone(&self.routes);
        loop {
            self.turn();
            if self.is_ending && self.running.is_empty() && self.strays.is_empty() {
                let state = self.state();
                if let Err(reason) = self.saving.conclude(|| state).await {
                    self.log.line(&format!("could not store the state: {reason}"));
                }
                return;
            }
            let wake = self.next_look();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order),
                    // The host keeps a sender for as long as it lives; without one there is nobody to ask for anything.
                    None => self.carry_out(Order::End { forget: false }),
                },
                Some(event) = self.events.1.recv() => self.take_in(event),
                written = self.saving.finished() => if let Err(reason) = written {
                    self.log.line(&format!("could not store the state: {reason}"));
                },
                () = routes.suspected.notified() => {}
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// One look at everything. All that blocks here is short, like a fork; files are made durable beside it.
    fn turn(&mut self) {
        while let Ok(event) = self.events.1.try_recv() {
            self.take_in(event);
        }
        self.running.iter_mut().for_each(Running::look_at_suspicion);
        for action in self.plan() {
            self.act(action);
        }
        let now = Instant::now();
        for running in &mut self.running {
            running.probe_if_due(now, &self.host.spec, &self.events.0);
            if running.stage == Stage::Healthy && now.saturating_duration_since(running.since) >= PROBATION {
                self.arms.get_mut(&running.saved.version).into_iter().for_each(Arm::forgive);
            }
        }
        self.route();
        self.store();
        self.strays.follow_up(Limits::of(&self.host.spec).stop);
        self.keep_house(now);
    }

    fn plan(&self) -> Vec<Action> {
        let now = Instant::now();
        let may_start =
            |arm: &DesiredArm| self.arms.get(&arm.version).is_none_or(|known| known.may_start(now));
        let wanted: Vec<Wanted<'_>> = self
            .desired_arms()
            .iter()
            .map(|arm| Wanted { version: &arm.version, instances: arm.instances, may_start: may_start(arm) })
            .collect();
        let standing: Vec<Standing<'_>> = self.running.iter().map(|running| running.standing(now)).collect();
        plan(Limits::of(&self.host.spec), &wanted, &standing)
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { version } => self.start(&version),
            Action::Revive { instance } => self.with(instance, |running| {
                let stage = if running.was_healthy { Stage::Healthy } else { Stage::Starting };
                running.enter(stage);
            }),
            Action::Drain { instance } => self.with(instance, |running| running.enter(Stage::Draining)),
            Action::Terminate { instance } => self.terminate(instance),
            Action::Replace { instance } => {
                let version = self.version_of(instance);
                self.log.line(&format!("instance {instance} is not healthy for too long and is replaced"));
                self.arms.get_mut(&version).into_iter().for_each(|arm| arm.failed(Instant::now()));
                self.terminate(instance);
            }
            Action::Kill { instance } => self.with(instance, |running| {
                running.held.signal(Signal::KILL);
                running.enter(Stage::Stopping { killed: true });
            }),
        }
    }

    fn start(&mut self, version: &str) {
        let Some(arm) = self.desired_arms().iter().find(|arm| arm.version == version).cloned() else {
            return;
        };
        let instance = self.saved.next_instance;
        self.saved.next_instance += 1;
        let marker = marker(&self.host.name, &self.host.epoch, instance);
        let given: Vec<u16> = self.running.iter().map(|running| running.saved.port).collect();
        let started = free_port(&given).and_then(|port| {
            let log = append(&instance_log(&self.host.files.logs(), version))?;
            start(&arm, port, &marker, log).map(|started| (port, started))
        });
        match started {
            Ok((port, started)) => {
                let identity = started.held.identity;
                self.log.line(&format!(
                    "instance {instance} of {} started: pid {}, port {port}",
                    arm.label, identity.pid
                ));
                let (version, label) = (arm.version, arm.label);
                let saved = SavedInstance { instance, marker, version, label, port, identity };
                self.running.push(Running::watch(
                    saved,
                    started.held,
                    Some(started.child),
                    self.events.0.clone(),
                ));
                self.saving.changed();
            }
            Err(error) => {
                self.log.line(&format!("could not start an instance of {}: {error}", arm.label));
                self.arms.get_mut(version).into_iter().for_each(|arm| arm.failed(Instant::now()));
            }
        }
    }

    fn terminate(&mut self, instance: u64) {
        self.with(instance, |running| {
            running.held.signal(Signal::TERM);
            running.enter(Stage::Stopping { killed: false });
        });
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Probed { instance, is_healthy } => {
                let Some(running) =
                    self.running.iter_mut().find(|running| running.saved.instance == instance)
                else {
                    return;
                };
                running.probed(is_healthy, &self.host.spec);
            }
            Event::Ended { instance } => {
                let Some(position) =
                    self.running.iter().position(|running| running.saved.instance == instance)
                else {
                    return;
                };
                let ended = self.running.remove(position);
                self.log.line(&format!("instance {instance} of {} ended", ended.saved.label));
                if ended.stage.is_active() {
                    self.arms
                        .get_mut(&ended.saved.version)
                        .into_iter()
                        .for_each(|arm| arm.failed(Instant::now()));
                }
                self.saving.changed();
                // Its children may have stayed behind.
                self.hunt_strays();
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Apply(desired, reply) => self.apply(desired, reply),
            Order::Observe(reply) => {
                let _ = reply.send(self.observed());
            }
            Order::Desired(reply) => {
                let nothing = DesiredArms::nothing();
                let _ = reply.send(self.saved.desired.clone().unwrap_or(nothing));
            }
            Order::End { forget } => {
                self.is_ending = true;
                // Nobody will say what of it is wanted: all of it ends.
                if std::mem::take(&mut self.saved.is_lost) {
                    self.hunt_strays();
                }
                if forget && let Some(desired) = &mut self.saved.desired {
                    desired.arms.clear();
                }
                self.saving.changed();
            }
        }
    }

    /// Takes shares away first and makes it durable then: users do not wait for a disk. It is acknowledged once it is
    /// on disk.
    fn apply(&mut self, desired: DesiredArms, reply: oneshot::Sender<Applied>) {
        if let Some(refused) = self.refusal(&desired) {
            // Nobody listens any more when the connection is gone.
            let _ = reply.send(refused);
            return;
        }
        if self.saved.desired.as_ref() != Some(&desired) {
            self.log.line(&format!("revision {} with {} arms", desired.revision, desired.arms.len()));
            desired.attempt.into_iter().for_each(|attempt| self.saved.fence.obey(attempt));
            self.saved.desired = Some(desired);
            self.saving.changed();
            self.get_to_know();
            if std::mem::take(&mut self.saved.is_lost) {
                self.adopt_marked();
            }
            self.route();
        }
        self.saving.answer_when_stored(reply);
        self.store();
    }

    fn refusal(&self, desired: &DesiredArms) -> Option<Applied> {
        if self.is_ending {
            return Some(Applied::Ending);
        }
        if desired.attempt.is_some_and(|attempt| self.saved.fence.refuses(attempt)) {
            return Some(Applied::Overtaken);
        }
        let seen = self.saved.desired.as_ref()?;
        let is_stale =
            desired.revision < seen.revision || (desired.revision == seen.revision && desired != seen);
        is_stale.then_some(Applied::Stale { seen: seen.revision })
    }

    fn route(&self) {
        let healthy = |version: &str| {
            let of_version = self.running.iter().filter(|running| running.saved.version == version);
            of_version
                .filter(|running| running.takes_requests())
                .map(|running| Arc::clone(&running.upstream))
                .collect()
        };
        let route = |arm: &DesiredArm| {
            let known = self.arms.get(&arm.version)?;
            let counters = Arc::clone(&known.counters);
            Some(Route {
                counters,
                share_ppm: arm.share_ppm,
                carriers: arm.carriers.unwrap_or(arm.instances),
                healthy: healthy(&arm.version),
                flags: told_of(&arm.flags),
            })
        };
        let by_turns = Traffic::ByTurns;
        let traffic = self
            .saved
            .desired
            .as_ref()
            .filter(|_| !self.is_ending)
            .map_or(&by_turns, |desired| &desired.traffic);
        self.routes.set(self.desired_arms().iter().filter_map(route).collect(), traffic);
    }

    fn store(&mut self) {
        if !self.saving.is_stored() {
            let state = self.state();
            self.saving.begin(|| state);
        }
    }

    fn state(&self) -> Saved {
        Saved {
            boot_id: boot_id(),
            instances: self.running.iter().map(|running| running.saved.clone()).collect(),
            ..self.saved.clone()
        }
    }

    fn adopt(&mut self) {
        // An earlier version of this program kept no fence.
        if let (true, Some(attempt)) =
            (self.saved.fence.is_empty(), self.saved.desired.as_ref().and_then(|desired| desired.attempt))
        {
            self.saved.fence.obey(attempt);
        }
        self.get_to_know();
        let is_same_boot = self.saved.boot_id == boot_id();
        for saved in std::mem::take(&mut self.saved.instances) {
            self.saved.next_instance = self.saved.next_instance.max(saved.instance + 1);
            self.learn(&saved.version, &saved.label);
            match Held::open(saved.identity) {
                Ok(held) if is_same_boot => {
                    self.log
                        .line(&format!("instance {} adopted: pid {}", saved.instance, saved.identity.pid));
                    self.running.push(Running::watch(saved, held, None, self.events.0.clone()));
                }
                Ok(_) | Err(_) => {
                    self.log.line(&format!("instance {} is gone", saved.instance));
                    let is_wanted = self.desired_arms().iter().any(|arm| arm.version == saved.version);
                    if let Some(arm) = self.arms.get_mut(&saved.version) {
                        arm.restarts += u64::from(is_wanted && is_same_boot);
                    }
                }
            }
        }
    }

    /// What carries the marker of an instance of a version that is wanted, though the state that knew it is lost.
    fn adopt_marked(&mut self) {
        for found in find_instances(&self.host.name) {
            self.saved.next_instance = self.saved.next_instance.max(found.instance + 1);
            let label =
                self.desired_arms().iter().find(|arm| arm.version == found.version).map(|arm| &arm.label);
            let (Some(label), Ok(held)) = (label.cloned(), Held::open(found.identity)) else { continue };
            let Found { identity, marker, instance, version, port } = found;
            self.log.line(&format!("instance {instance} found again: pid {}", identity.pid));
            let saved = SavedInstance { instance, marker, version, label, port, identity };
            self.running.push(Running::watch(saved, held, None, self.events.0.clone()));
        }
    }

    /// Checks all that was adopted at the same time, so that the proxy opens with every arm in its place.
    async fn probe_all(&mut self) {
        let deadline = Duration::from_millis(self.host.spec.health_deadline_ms);
        let path = self.host.spec.health_path.clone();
        let probes = self.running.iter().map(|running| is_healthy(running.upstream.address, &path, deadline));
        let results = join_all(probes).await;
        for (running, is_healthy) in self.running.iter_mut().zip(results) {
            running.probed(is_healthy, &self.host.spec);
        }
    }

    fn hunt_strays(&mut self) {
        let kept: HashSet<&str> = self.running.iter().map(|running| running.saved.marker.as_str()).collect();
        let before = self.strays.len();
        self.strays.find(&self.host.name, &kept);
        let found = self.strays.len() - before;
        if found > 0 {
            self.log.line(&format!("{found} processes that nobody wants are told to end"));
        }
        self.stray_hunt_due = Instant::now() + STRAY_HUNT;
    }

    fn keep_house(&mut self, now: Instant) {
        if now >= self.stray_hunt_due && !self.saved.is_lost {
            self.hunt_strays();
        }
        if now >= self.housekeeping_due {
            self.housekeeping_due = now + HOUSEKEEPING;
            self.running.iter().for_each(|running| running.upstream.prune());
            self.log.rotate();
            if let Err(error) = tidy(&self.host.files.logs()) {
                self.log.line(&format!("could not tidy the logs: {error}"));
            }
        }
    }

    fn get_to_know(&mut self) {
        let versions: Vec<(String, String)> =
            self.desired_arms().iter().map(|arm| (arm.version.clone(), arm.label.clone())).collect();
        for (version, label) in versions {
            self.learn(&version, &label);
        }
    }

    fn learn(&mut self, version: &str, label: &str) {
        if self.arms.contains_key(version) {
            return;
        }
        self.arms.insert(version.to_owned(), Arm::new(version, label));
        self.order_of_versions.push(version.to_owned());
        if self.order_of_versions.len() > MAX_KNOWN_VERSIONS {
            let is_idle = |version: &&String| {
                let is_desired = self.desired_arms().iter().any(|arm| arm.version == **version);
                let is_running = self.running.iter().any(|running| running.saved.version == **version);
                !is_desired && !is_running
            };
            if let Some(oldest) = self.order_of_versions.iter().find(is_idle).cloned() {
                self.order_of_versions.retain(|version| *version != oldest);
                self.arms.remove(&oldest);
            }
        }
    }

    fn observed(&self) -> ObservedArms {
        ObservedArms {
            epoch: self.host.epoch.clone(),
            host_pid: std::process::id(),
            listen: (self.host.spec.listen.ip(), self.saved.port.unwrap_or_default()).into(),
            revision: self.saved.desired.as_ref().map_or(0, |desired| desired.revision),
            arms: self.order_of_versions.iter().filter_map(|version| self.observed_arm(version)).collect(),
            unrouted: self.routes.unrouted(),
            traffic: (*self.routes.traffic()).clone(),
        }
    }

    fn observed_arm(&self, version: &str) -> Option<ObservedArm> {
        let arm = self.arms.get(version)?;
        let of_version = || self.running.iter().filter(|running| running.saved.version == version);
        let count =
            |is: &dyn Fn(&Running) -> bool| u32::try_from(of_version().filter(|one| is(one)).count()).ok();
        let Tallies { met, compared, mirrored } = arm.counters.tallies();
        Some(ObservedArm {
            version: version.to_owned(),
            label: arm.counters.label.clone(),
            share_ppm: self.routes.share_ppm(version),
            wanted: self
                .desired_arms()
                .iter()
                .find(|arm| arm.version == version)
                .map_or(0, |arm| arm.instances),
            healthy: count(&Running::takes_requests)?,
            draining: count(&|one: &Running| !one.stage.is_active())?,
            restarts: arm.restarts,
            instances: of_version().map(Running::observed).collect(),
            requests: met.requests,
            errors: met.errors,
            latency: met.latency,
            in_flight: arm.counters.in_flight(),
            compared: Compared {
                requests: compared.requests,
                errors: compared.errors,
                latency: compared.latency,
            },
            mirrored,
        })
    }

    fn next_look(&self) -> Instant {
        let now = Instant::now();
        let is_lively = !self.saving.is_stored()
            || self.is_ending
            || !self.strays.is_empty()
            || self.running.iter().any(|running| running.stage != Stage::Healthy)
            || self.desired_arms().iter().any(|arm| {
                let there =
                    self.running.iter().filter(|running| running.saved.version == arm.version).count();
                there != arm.instances as usize
            });
        let latest = now + if is_lively { LIVELY } else { CALM };
        self.running.iter().filter_map(Running::next_probe).fold(latest, Instant::min)
    }

    /// Nothing is desired any more once the host is ending.
    fn desired_arms(&self) -> &[DesiredArm] {
        match &self.saved.desired {
            Some(desired) if !self.is_ending => &desired.arms,
            Some(_) | None => &[],
        }
    }

    fn version_of(&self, instance: u64) -> String {
        let running = self.running.iter().find(|running| running.saved.instance == instance);
        running.map(|running| running.saved.version.clone()).unwrap_or_default()
    }

    fn with(&mut self, instance: u64, change: impl FnOnce(&mut Running)) {
        if let Some(running) = self.running.iter_mut().find(|running| running.saved.instance == instance) {
            change(running);
        }
    }
}
