//! Makes the instances be what is desired: starts, adopts, checks, replaces, drains and stops them. One task owns it all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchline_model::cohort::Token;
use patchline_model::stage::traffic::Traffic;
use rustix::process::Signal;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use crate::process::action::{Action, Limits, Stage, Standing, Wanted};
use crate::process::arm::{Arm, PROBATION};
use crate::process::counters::Tally;
use crate::process::headers::told_of;
use crate::process::history::{Keeper, store, this_minute};
use crate::process::identity::{boot_id, marker};
use crate::process::in_place;
use crate::process::instance::{Health, free_port, signal_of, start};
use crate::process::links::Links;
use crate::process::log::{Log, append, instance_log, tidy};
use crate::process::observe::{Given, confirmed, observed_arm};
use crate::process::order::{Applied, Order};
use crate::process::plan::plan;
use crate::process::routes::{Route, Routes};
use crate::process::running::{Event, Running};
use crate::process::saved::{Files, Saved, SavedInstance};
use crate::process::saving::Saving;
use crate::process::spec::{DesiredArm, DesiredArms, HostSpec, ObservedArms};
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
    pub host: Host,
    pub log: Arc<Log>,
    routes: Arc<Routes>,
    pub saved: Saved,
    saving: Saving,
    order_of_versions: Vec<String>,
    pub arms: HashMap<String, Arm>,
    pub running: Vec<Running>,
    strays: Strays,
    links: Links,
    pub events: (UnboundedSender<Event>, UnboundedReceiver<Event>),
    is_ending: bool,
    housekeeping_due: Instant,
    stray_hunt_due: Instant,
    history: Keeper,
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
            links: Links::in_folder(host.files.links()),
            events: unbounded_channel(),
            is_ending: false,
            housekeeping_due: now + HOUSEKEEPING,
            stray_hunt_due: now,
            history: Keeper::default(),
            host,
        };
        supervisor.history = supervisor.read_history();
        supervisor.adopt();
        if !supervisor.saved.is_lost {
            supervisor.hunt_strays();
        }
        supervisor.look_at_links();
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
            if self.saving.is_settled(running.came_with) {
                running.probe_if_due(now, &self.host.spec, &self.events.0);
            }
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
            .map(|arm| Wanted {
                version: &arm.version,
                instances: arm.instances,
                names: &arm.names,
                may_start: may_start(arm),
                may_convert: !self.arms.get(&arm.version).is_some_and(|known| known.is_fatal),
            })
            .collect();
        let standing: Vec<Standing<'_>> = self.running.iter().map(|running| running.standing(now)).collect();
        let limits = Limits::of(&self.host.spec);
        if self.is_in_place() {
            in_place::plan(limits, &wanted, &standing)
        } else {
            plan(limits, &wanted, &standing)
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { version, name } => self.start(&version, name),
            Action::Revive { instance } => self.with(instance, |running| {
                let stage = if running.was_healthy { Stage::Healthy } else { Stage::Starting };
                running.enter(stage);
            }),
            Action::Apply { instance, version } => self.convert(instance, &version),
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

    fn start(&mut self, version: &str, name: Option<Token>) {
        let Some(arm) = self.desired_arms().iter().find(|arm| arm.version == version).cloned() else {
            return;
        };
        let instance = self.saved.next_instance;
        self.saved.next_instance += 1;
        let marker = marker(&self.host.name, &self.host.epoch, instance);
        let given: Vec<u16> = self.running.iter().map(|running| running.saved.port).collect();
        let started = free_port(&given).and_then(|port| {
            let log = append(&instance_log(&self.host.files.logs(), version))?;
            let link = self.links.point(instance, arm.artifact())?;
            start(&arm, name.as_ref(), port, &marker, &link, log).map(|started| (port, started))
        });
        match started {
            Ok((port, started)) => {
                let identity = started.held.identity;
                self.log.line(&format!(
                    "instance {instance} of {} started: pid {}, port {port}",
                    arm.label, identity.pid
                ));
                let (version, label) = (arm.version, arm.label);
                let saved = SavedInstance { instance, marker, version, label, name, port, identity };
                let mut running =
                    Running::watch(saved, started.held, Some(started.child), self.events.0.clone());
                running.linked = Some(running.saved.version.clone());
                self.saving.changed();
                running.came_with = self.saving.newest();
                self.running.push(running);
            }
            Err(error) => {
                self.log.line(&format!("could not start an instance of {}: {error}", arm.label));
                self.arms.get_mut(version).into_iter().for_each(|arm| arm.failed(Instant::now()));
            }
        }
    }

    /// The link first, in one step, and the signal then: whoever reads the link after the signal finds the new artifact.
    fn convert(&mut self, instance: u64, version: &str) {
        let arm = self.desired_arms().iter().find(|arm| arm.version == version).cloned();
        let Some(arm) = arm else { return };
        let pointed = self.links.point(instance, arm.artifact());
        let Some(running) = self.running.iter_mut().find(|running| running.saved.instance == instance) else {
            return;
        };
        // Should this fail, it is as if the instance did not confirm in time.
        running.convert(version);
        let pid = running.saved.identity.pid;
        match pointed {
            Ok(_) => {
                running.linked = Some(version.to_owned());
                running.held.signal_alone(signal_of(arm.reload_signal));
                self.log.line(&format!("instance {instance}, pid {pid}, is to take {} over", arm.label));
            }
            Err(error) => self.log.line(&format!("could not point instance {instance} elsewhere: {error}")),
        }
    }

    /// What an instance says is believed while versions are taken over in place, and of one that was told to do so.
    pub fn probed(&mut self, instance: u64, health: Health) {
        let in_place = self.is_in_place();
        let Some(running) = self.running.iter_mut().find(|running| running.saved.instance == instance) else {
            return;
        };
        running.probed(health.is_good, &self.host.spec);
        if !health.is_good {
            return;
        }
        let is_believed = in_place || running.may_differ;
        if let Some(arm) = health.serves.as_ref().and_then(|version| self.arms.get(version))
            && is_believed
        {
            let counters = &arm.counters;
            let before = running.saved.version.clone();
            running.serves(&counters.version, &counters.label);
            if before != counters.version {
                let identity = running.saved.identity;
                self.log.line(&format!(
                    "instance {instance}, pid {} started at tick {}, served {before} and serves {}",
                    identity.pid, identity.start_time, counters.version
                ));
                self.saving.changed();
            }
        }
        running.said = health.serves;
    }

    /// What the links of instances say that this process of the host has not set itself. One whose link says something
    /// else than what is written of it was told to change: what it serves is what it will say.
    fn look_at_links(&mut self) {
        let Some(desired) = &self.saved.desired else { return };
        for running in self.running.iter_mut().filter(|running| running.linked.is_none()) {
            let target = self.links.target(running.saved.instance);
            let own = |arm: &&DesiredArm| arm.version == running.saved.version;
            // Two versions may lie at one path: then the link leads nowhere else.
            let mut arms: Vec<&DesiredArm> = desired.arms.iter().collect();
            arms.sort_by_key(|arm| !own(arm));
            let pointed_at = target.and_then(|path| arms.into_iter().find(|arm| arm.artifact() == path));
            running.linked = pointed_at.map(|arm| arm.version.clone());
            running.may_differ |= running.linked.as_ref().is_some_and(|it| *it != running.saved.version);
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
            Event::Probed { instance, health } => self.probed(instance, health),
            Event::Ended { instance, status } => {
                let Some(position) =
                    self.running.iter().position(|running| running.saved.instance == instance)
                else {
                    return;
                };
                let ended = self.running.remove(position);
                let how = status.map(|status| format!(": {status}")).unwrap_or_default();
                self.log.line(&format!("instance {instance} of {} ended{how}", ended.saved.label));
                if let Some(arm) = ended.converts_to().and_then(|version| self.arms.get_mut(version)) {
                    arm.is_fatal = true;
                }
                if ended.stage.is_active() {
                    // Who dies while taking a version over dies of that one.
                    self.arms
                        .get_mut(ended.converts_to().unwrap_or(&ended.saved.version))
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
            Order::History(reply) => {
                let _ = reply.send(self.history.minutes.clone());
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
            self.look_at_links();
            self.arms.values_mut().for_each(|arm| arm.is_fatal = false);
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
        let arms = self.desired_arms();
        let (shares, carriers): (Vec<u32>, Vec<u32>) = if self.is_in_place() {
            let confirmed: Vec<u32> = arms.iter().map(|arm| confirmed(&arm.version, &self.running)).collect();
            let given: Vec<u32> = arms.iter().map(|arm| arm.share_ppm).collect();
            let total = arms.iter().map(|arm| arm.instances).sum();
            (in_place::shares(&given, &confirmed, total), confirmed)
        } else {
            arms.iter().map(|arm| (arm.share_ppm, arm.carriers.unwrap_or(arm.instances))).unzip()
        };
        let routes = arms.iter().zip(shares).zip(carriers).filter_map(|((arm, share_ppm), carriers)| {
            let counters = Arc::clone(&self.arms.get(&arm.version)?.counters);
            Some(Route {
                counters,
                share_ppm,
                carriers,
                healthy: healthy(&arm.version),
                flags: told_of(&arm.flags),
            })
        });
        let by_turns = Traffic::ByTurns;
        let traffic = self
            .saved
            .desired
            .as_ref()
            .filter(|_| !self.is_ending)
            .map_or(&by_turns, |desired| &desired.traffic);
        self.routes.set(routes.collect(), traffic);
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
            self.keep_history();
            self.log.rotate();
            self.links.keep_only(&self.running.iter().map(|running| running.saved.instance).collect());
            if let Err(error) = tidy(&self.host.files.logs()) {
                self.log.line(&format!("could not tidy the logs: {error}"));
            }
        }
    }

    fn keep_history(&mut self) {
        let (unrouted, now) = (self.routes.unrouted(), this_minute());
        let tallies = self.arms.values().map(|arm| arm.counters.tallies().met);
        let sum = |(requests, errors): (u64, u64), tally: Tally| {
            (requests.saturating_add(tally.requests), errors.saturating_add(tally.errors))
        };
        let (requests, errors) = tallies.fold((unrouted, unrouted), sum);
        self.history.take(now, requests, errors);
        if self.history.is_due(now) {
            let (path, minutes, log) =
                (self.host.files.history(), self.history.minutes.clone(), Arc::clone(&self.log));
            // Nobody waits for it: what could not be stored now is stored in the next minute.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = store(&path, &minutes) {
                    log.line(&format!("could not store the history: {error}"));
                }
            });
        }
    }

    pub fn get_to_know(&mut self) {
        let versions: Vec<(String, String)> =
            self.desired_arms().iter().map(|arm| (arm.version.clone(), arm.label.clone())).collect();
        for (version, label) in versions {
            self.learn(&version, &label);
        }
    }

    pub fn learn(&mut self, version: &str, label: &str) {
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
        let observed_arm = |version: &String| {
            let wanted = self.desired_arms().iter().find(|arm| arm.version == *version);
            let given = Given {
                wanted: wanted.map_or(0, |arm| arm.instances),
                share_ppm: self.routes.share_ppm(version),
            };
            observed_arm(self.arms.get(version)?, given, &self.running)
        };
        ObservedArms {
            epoch: self.host.epoch.clone(),
            host_pid: std::process::id(),
            listen: (self.host.spec.listen.ip(), self.saved.port.unwrap_or_default()).into(),
            revision: self.saved.desired.as_ref().map_or(0, |desired| desired.revision),
            arms: self.order_of_versions.iter().filter_map(observed_arm).collect(),
            unrouted: self.routes.unrouted(),
            traffic: (*self.routes.traffic()).clone(),
        }
    }

    fn next_look(&self) -> Instant {
        let now = Instant::now();
        let is_lively = !self.saving.is_stored()
            || self.is_ending
            || !self.strays.is_empty()
            || self.running.iter().any(|one| one.stage != Stage::Healthy || one.converts_to().is_some())
            || self.desired_arms().iter().any(|arm| {
                let there =
                    self.running.iter().filter(|running| running.saved.version == arm.version).count();
                there != arm.instances as usize
            });
        let latest = now + if is_lively { LIVELY } else { CALM };
        self.running.iter().filter_map(Running::next_probe).fold(latest, Instant::min)
    }

    fn is_in_place(&self) -> bool {
        !self.is_ending && self.saved.desired.as_ref().is_some_and(|desired| desired.in_place)
    }

    /// Nothing is desired any more once the host is ending.
    pub fn desired_arms(&self) -> &[DesiredArm] {
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
