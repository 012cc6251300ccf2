//! An instance under supervision: what it is, where it stands, and the two tasks that watch it.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::mpsc::UnboundedSender;

use crate::process::action::{Converting, Stage, Standing};
use crate::process::identity::Held;
use crate::process::instance::{Health, check_health};
use crate::process::saved::SavedInstance;
use crate::process::spec::{HostSpec, InstanceState, ObservedInstance};
use crate::process::upstream::Upstream;

/// How often an instance is checked that is not healthy yet.
const EAGER: Duration = Duration::from_millis(50);

/// What the tasks that watch an instance report. At most two each are under way, so the channel stays short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// With how it ended, where that can be known: an adopted instance is nobody's child here.
    Ended {
        instance: u64,
        status: Option<ExitStatus>,
    },
    Probed {
        instance: u64,
        health: Health,
    },
}

#[derive(Debug)]
pub struct Running {
    pub saved: SavedInstance,
    pub upstream: Arc<Upstream>,
    pub held: Arc<Held>,
    pub stage: Stage,
    pub since: Instant,
    pub was_healthy: bool,
    /// The change of the state that it came with. It is not asked how it is before that is on disk: the next host must know
    /// of everyone who serves.
    pub came_with: u64,
    /// What it said last that it serves.
    pub said: Option<String>,
    /// The version that its link points at, as far as this host knows.
    pub linked: Option<String>,
    /// It may serve another version than it was started as: what it says is believed.
    pub may_differ: bool,
    converting: Option<(String, Instant)>,
    failed_probes: u32,
    is_probing: bool,
    next_probe: Instant,
}

impl Running {
    /// Takes an instance under supervision. `child` is absent for one that an earlier host started.
    pub fn watch(
        saved: SavedInstance,
        held: Held,
        child: Option<Child>,
        events: UnboundedSender<Event>,
    ) -> Running {
        let held = Arc::new(held);
        tokio::spawn(report_end(saved.instance, Arc::clone(&held), child, events));
        Running {
            upstream: Upstream::new(saved.instance, saved.port),
            saved,
            held,
            stage: Stage::Starting,
            since: Instant::now(),
            was_healthy: false,
            came_with: 0,
            said: None,
            linked: None,
            may_differ: false,
            converting: None,
            failed_probes: 0,
            is_probing: false,
            next_probe: Instant::now(),
        }
    }

    pub fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            self.stage = stage;
            self.since = Instant::now();
            self.next_probe = self.since;
        }
        match stage {
            Stage::Healthy => self.was_healthy = true,
            Stage::Starting | Stage::Unhealthy => self.was_healthy = false,
            Stage::Draining | Stage::Stopping { .. } => {}
        }
    }

    /// May be sent requests.
    pub fn takes_requests(&self) -> bool {
        self.stage == Stage::Healthy && !self.upstream.is_suspect()
    }

    /// The proxy could not reach it: out of the rotation and checked at once.
    pub fn look_at_suspicion(&mut self) {
        if self.stage == Stage::Healthy && self.upstream.is_suspect() {
            self.enter(Stage::Unhealthy);
        }
    }

    /// When the next check is due, if it is checked at all now.
    pub fn next_probe(&self) -> Option<Instant> {
        (self.stage.is_active() && !self.is_probing).then_some(self.next_probe)
    }

    pub fn probe_if_due(&mut self, now: Instant, spec: &HostSpec, events: &UnboundedSender<Event>) {
        if self.next_probe().is_none_or(|due| due > now) {
            return;
        }
        self.is_probing = true;
        let (instance, address, path) =
            (self.saved.instance, self.upstream.address, spec.health_path.clone());
        let deadline = Duration::from_millis(spec.health_deadline_ms);
        let events = events.clone();
        tokio::spawn(async move {
            let health = check_health(address, &path, deadline).await;
            // Nobody listens any more when the host is ending.
            let _ = events.send(Event::Probed { instance, health });
        });
    }

    /// It has been told to take a version over; it serves what it served until it says otherwise.
    pub fn convert(&mut self, version: &str) {
        self.converting = Some((version.to_owned(), Instant::now()));
        self.may_differ = true;
        self.next_probe = Instant::now();
    }

    pub fn converts_to(&self) -> Option<&str> {
        self.converting.as_ref().map(|(version, _)| version.as_str())
    }

    /// It has said that it serves this version: from here on it counts for it.
    pub fn serves(&mut self, version: &str, label: &str) {
        if self.converts_to() == Some(version) {
            self.converting = None;
        }
        (self.saved.version, self.saved.label) = (version.to_owned(), label.to_owned());
    }

    pub fn probed(&mut self, is_healthy: bool, spec: &HostSpec) {
        self.is_probing = false;
        let interval = Duration::from_millis(spec.health_interval_ms);
        if is_healthy {
            self.failed_probes = 0;
            self.upstream.clear_suspicion();
            if matches!(self.stage, Stage::Starting | Stage::Unhealthy) {
                self.enter(Stage::Healthy);
            }
        } else {
            self.failed_probes = self.failed_probes.saturating_add(1);
            if self.stage == Stage::Healthy && self.failed_probes >= spec.unhealthy_after {
                self.enter(Stage::Unhealthy);
            }
        }
        let pause = if self.stage == Stage::Healthy && self.converting.is_none() {
            interval
        } else {
            interval.min(EAGER)
        };
        self.next_probe = Instant::now() + pause;
    }

    pub fn standing(&self, now: Instant) -> Standing<'_> {
        Standing {
            instance: self.saved.instance,
            version: &self.saved.version,
            name: self.saved.name.as_ref(),
            stage: self.stage,
            in_stage: now.saturating_duration_since(self.since),
            in_flight: self.upstream.in_flight(),
            converting: self
                .converting
                .as_ref()
                .map(|(to, since)| Converting { to, since: now.saturating_duration_since(*since) }),
            linked: self.linked.as_deref(),
        }
    }

    pub fn observed(&self) -> ObservedInstance {
        let state = match self.stage {
            Stage::Starting => InstanceState::Starting,
            Stage::Healthy if self.takes_requests() => InstanceState::Healthy,
            Stage::Healthy | Stage::Unhealthy => InstanceState::Unhealthy,
            Stage::Draining => InstanceState::Draining,
            Stage::Stopping { .. } => InstanceState::Stopping,
        };
        ObservedInstance {
            pid: self.saved.identity.pid,
            start_time: self.saved.identity.start_time,
            port: self.saved.port,
            state,
            serves: self.said.clone(),
            name: self.saved.name.clone(),
            used: self.saved.identity.used(),
        }
    }
}

async fn report_end(instance: u64, held: Arc<Held>, child: Option<Child>, events: UnboundedSender<Event>) {
    let status = match child {
        Some(mut child) => child.wait().await.ok(),
        None => {
            held.ended().await;
            None
        }
    };
    // Nobody listens any more when the host is ending.
    let _ = events.send(Event::Ended { instance, status });
}
