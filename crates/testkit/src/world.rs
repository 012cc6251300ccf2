//! One simulated world: a seed, a fake clock, and the whole loop from opening to the last look back.
//!
//! First everything goes wrong at random. Then the hands become honest and nobody presses a button: every patch must
//! close, or stand where it may rightly wait for a person. Then a person looks after what waits: every patch must close.

use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::context::Context;
use patchline_model::event::Event;
use patchline_model::id::{JobId, PatchId, Stage};
use patchline_model::job::Due;
use patchline_model::line;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::{locks, rests_on_the_line};
use patchline_model::rejection::Rejection;
use patchline_model::service::Service;
use patchline_model::stage::detect;
use patchline_model::stage::plan::Desired;
use patchline_model::time::Timestamp;

use crate::breach::{Breach, hold};
use crate::chance::Chance;
use crate::driver::Driver;
use crate::fault::Fault;
use crate::faults::Rules;
use crate::hands::{Asked, Hands};
use crate::invariants::{Appended, Watch, replays};
use crate::ledger::Ledger;
use crate::people;
use crate::scene::{BEGINNING, Scene};
use crate::target::Target;

/// Steps of one second after the random part; every deadline of a plan passes meanwhile, and every wait before it: a window
/// that opens again, a freeze that ends, a budget that is asked again.
const CALM_STEPS: u64 = 900;

/// Once in so many times a process dies at a given point.
const CRASHES_ONE_IN: u64 = 120;

pub struct World {
    scene: Scene,
    rules: Rules,
    chance: Chance,
    ledger: Ledger,
    /// What is locked when a service is moved, by service.
    locks: Vec<Option<String>>,
    targets: Vec<Target>,
    drivers: Vec<Driver>,
    hands: Hands,
    watch: Watch,
    /// Orders that are still on their way: when, to which service.
    orders: Vec<(u64, usize, JobId, Desired)>,
    /// True milliseconds since the beginning; the clock that the loop sees is off by `drift`.
    elapsed: u64,
    drift: i64,
    is_calm: bool,
    /// From this step on a service's target takes orders and does nothing.
    stuck_from: Option<u64>,
    /// This service's target tells of shares that it does not give.
    liar: Option<usize>,
    story: Story,
    events: u64,
}

/// How a world went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub seed: u64,
    pub breach: Option<Breach>,
    pub events: u64,
    /// One word for each patch: how it ended.
    pub ends: Vec<String>,
    /// Strategy and end of each rollout, as in `rolling promoted`.
    pub walks: Vec<String>,
    /// What happened, in order; empty where nobody asked for it.
    pub story: Vec<String>,
}

/// Runs the world of this seed to its end, and keeps no story: to write one down takes longer than to live it.
pub fn run(seed: u64, fault: Option<Fault>) -> Told {
    told(World::new(seed, fault, Story::Untold))
}

/// The same world once more, with its story.
pub fn tell(seed: u64, fault: Option<Fault>) -> Told {
    told(World::new(seed, fault, Story::Told(Vec::new())))
}

fn told(mut world: World) -> Told {
    let breach = world.live().err();
    let end = |patch: &Patch| patch.review.end.as_ref().map_or("open", |end| end.word()).to_owned();
    let ends = world.watch.patches().map(end).collect();
    let walk =
        |patch: &Patch| Some(format!("{} {}", patch.rollout.plan.as_ref()?.strategy.word(), end(patch)));
    let walks = world.watch.patches().filter_map(walk).collect();
    let story = match world.story {
        Story::Untold => Vec::new(),
        Story::Told(lines) => lines,
    };
    Told { seed: world.scene.seed, breach, events: world.events, ends, walks, story }
}

/// What happened, if anybody asked.
enum Story {
    Untold,
    Told(Vec<String>),
}

impl Story {
    fn add(&mut self, line: impl FnOnce() -> String) {
        if let Story::Told(lines) = self {
            lines.push(line());
        }
    }
}

impl World {
    fn new(seed: u64, fault: Option<Fault>, story: Story) -> Self {
        let scene = Scene::new(seed);
        let mut chance = Chance::of(seed, &[2]);
        let targets = scene.services.iter().map(|place| {
            let instances = place.service.run.as_ref().map_or(1, |run| run.plan.instances);
            Target::new(place.stable.clone(), instances, place.error_rate, place.requests_per_second, fault)
        });
        let mut targets: Vec<Target> = targets.collect();
        for planned in scene.patches.iter().filter(|planned| planned.builds_the_same.is_none()) {
            for number in 1..=planned.candidates {
                targets[planned.service].teach(
                    &planned.artifact(number),
                    planned.error_rate,
                    planned.differs,
                    planned.crashes,
                );
            }
        }
        let stuck_from = chance.one_in(10).then(|| chance.between(20, 80));
        let liar = chance.one_in(8).then(|| chance.below(targets.len() as u64)).map(|which| which as usize);
        let drivers = (0..1 + u8::from(scene.has_two_drivers)).map(|_| Driver::default()).collect();
        Self {
            rules: Rules { fault },
            ledger: Ledger::new(fault, scene.zones.clone()),
            locks: scene.services.iter().map(|place| place.service.lock()).collect(),
            watch: Watch::new(&scene),
            hands: Hands::new(fault),
            orders: Vec::new(),
            elapsed: 0,
            drift: 0,
            is_calm: false,
            story,
            events: 0,
            targets,
            drivers,
            stuck_from,
            liar,
            chance,
            scene,
        }
    }

    fn live(&mut self) -> Result<(), Breach> {
        for step in 0..self.scene.steps {
            self.cruel_step(step)?;
        }
        self.is_calm = true;
        self.drift = 0;
        self.lift_every_stop();
        self.calm_steps(false)?;
        for id in self.ids() {
            hold(
                self.may_stand_still(id),
                "with honest hands a patch closes or waits for a person",
                id,
                || self.state_of(id),
            )?;
        }
        self.calm_steps(true)?;
        for id in self.ids() {
            let closed = self.watch.patch(id).is_closed();
            hold(closed, "somebody who looks after a patch brings it to its end", id, || self.state_of(id))?;
            replays(self.watch.patch(id), self.ledger.read_back(id))?;
        }
        self.watch.nothing_is_left(&self.scene)
    }

    fn ids(&self) -> Vec<PatchId> {
        self.scene.patches.iter().map(|planned| planned.id).collect()
    }

    fn state_of(&self, id: PatchId) -> String {
        let patch = self.watch.patch(id);
        format!("it stands in {}, {:?}, {:?}", patch.stage(), patch.rollout.phase, patch.faltering)
    }

    /// Closed, waiting for a person, or waiting for a patch that waits for one.
    fn may_stand_still(&self, id: PatchId) -> bool {
        let (patch, holder) = (self.watch.patch(id), self.holder(id));
        let waits_for = |holder: PatchId| people::waits_for_person(self.watch.patch(holder));
        self.is_done(id)
            || people::waits_for_person(patch)
            || (patch.rollout.plan.is_none() && holder.is_some_and(waits_for))
            || self.waits_with_its_set(id, 0)
    }

    /// A member of its set, or who holds such a member's service, waits for a person.
    fn waits_with_its_set(&self, id: PatchId, depth: u32) -> bool {
        let waits = |other: PatchId| {
            people::waits_for_person(self.watch.patch(other))
                || (depth < 3 && self.waits_with_its_set(other, depth + 1))
        };
        let scene = &self.scene;
        let mates = scene.patches.iter().filter(|other| scene.planned(id).in_set && other.in_set);
        mates.filter(|other| other.id != id).any(|other| {
            people::waits_for_person(self.watch.patch(other.id)) || self.holder(other.id).is_some_and(waits)
        }) || self.holder(id).is_some_and(waits)
    }

    /// Closed, and its set asks nothing more of it.
    fn is_done(&self, id: PatchId) -> bool {
        let patch = self.watch.patch(id);
        let called = self.watch.board.sets.values().any(|set| set.is_called_back(id));
        patch.is_closed() && !called
    }

    /// The other patch that moves this one's service now.
    fn holder(&self, id: PatchId) -> Option<PatchId> {
        let lock = self.locks[self.scene.planned(id).service].as_ref()?;
        self.ledger.board().held_by_other(lock, id)
    }

    fn cruel_step(&mut self, step: u64) -> Result<(), Breach> {
        let span = self.chance.between(100, 1_300);
        if self.chance.one_in(50) {
            self.drift = self.chance.between(0, 10_000).cast_signed() - 5_000;
        }
        self.pass(span, self.stuck_from.is_some_and(|from| step >= from))?;
        for index in 0..self.scene.patches.len() {
            let (id, opens_at) = (self.scene.patches[index].id, self.scene.patches[index].opens_at_step);
            if opens_at == step || (step > opens_at && self.chance.one_in(60)) {
                self.open(id)?;
            }
        }
        if self.chance.one_in(25) {
            self.press_line();
        }
        if self.chance.one_in(6) {
            let ids = self.ids();
            let id = *self.chance.pick(&ids);
            let command = people::press(&mut self.chance, self.watch.patch(id));
            let driver = self.any_driver();
            self.submit(driver, id, command)?;
        }
        for driver in 0..self.drivers.len() {
            if self.drivers.len() == 1 || !self.chance.one_in(3) {
                self.turn(driver)?;
            }
            if self.chance.one_in(CRASHES_ONE_IN) {
                self.crash(driver)?;
            }
        }
        Ok(())
    }

    fn calm_steps(&mut self, somebody_looks: bool) -> Result<(), Breach> {
        for step in 0..CALM_STEPS {
            let done = |id: &PatchId| {
                let done = self.is_done(*id);
                done || (!somebody_looks && step % 20 == 19 && self.may_stand_still(*id))
            };
            if self.ids().iter().all(done) {
                return Ok(());
            }
            self.pass(1_000, false)?;
            for id in self.ids() {
                if self.watch.patch(id).version == 0 {
                    self.open(id)?;
                }
                let asks =
                    people::look_after(self.watch.patch(id)).filter(|_| somebody_looks && step % 10 == 0);
                if let Some(command) = asks {
                    self.submit(0, id, command)?;
                }
            }
            for driver in 0..self.drivers.len() {
                self.turn(driver)?;
            }
        }
        Ok(())
    }

    /// Somebody holds something, or lets it go: acknowledged when this returns.
    fn press_line(&mut self) {
        let services: Vec<Service> = self.scene.services.iter().map(|place| place.service.clone()).collect();
        let (line, now) = (&self.ledger.board().line, self.now());
        let (by, command) = people::press_line(&mut self.chance, &services, line, now);
        self.hold_line(&by, command);
    }

    fn hold_line(&mut self, by: &Actor, command: line::Command) {
        match line::decide(&self.ledger.board().line, self.now(), by, command) {
            Ok(events) => {
                for event in &events {
                    self.story.add(|| format!("{:>7} ms  {event}", self.elapsed));
                }
                self.ledger.append_line(&events);
                self.watch.held(&events);
                self.watch.read(self.ledger.board());
            }
            Err(rejection) => {
                self.story.add(|| format!("{:>7} ms  the line refuses: {rejection}", self.elapsed));
            }
        }
    }

    fn lift_every_stop(&mut self) {
        let by = Actor::person(crate::scene::PEOPLE[2]);
        for stop in self.ledger.board().line.stops.clone() {
            self.hold_line(&by, line::Command::Start { scope: stop.scope, reason: String::new() });
        }
    }

    fn any_driver(&mut self) -> usize {
        usize::try_from(self.chance.below(self.drivers.len() as u64)).unwrap_or(0)
    }

    /// Time passes: traffic is served, late orders arrive, targets move on, and the watch looks.
    fn pass(&mut self, span: u64, is_stuck: bool) -> Result<(), Breach> {
        self.elapsed += span;
        let now = self.elapsed;
        let (due, later) = std::mem::take(&mut self.orders).into_iter().partition(|(at, ..)| *at <= now);
        self.orders = later;
        let due: Vec<_> = due;
        for (_, service, id, desired) in due {
            self.targets[service].order(id, &desired);
        }
        for service in 0..self.targets.len() {
            let target = &mut self.targets[service];
            target.serve(&mut self.chance, span);
            target.is_stuck = is_stuck;
            target.lies = !self.is_calm && self.liar == Some(service);
            target.advance(&mut self.chance, self.is_calm);
            if !self.is_calm && self.chance.one_in(80) {
                target.lose_counters();
            }
            self.watch.looked_at(&self.scene, service, &self.targets[service], now)?;
        }
        Ok(())
    }

    fn open(&mut self, id: PatchId) -> Result<(), Breach> {
        let opening = Box::new(self.scene.opening(id));
        let by = Actor::person(crate::scene::PEOPLE[3]);
        let driver = self.any_driver();
        self.submit(driver, id, Command { by, ask: Ask::Detect(detect::Command::Open(opening)) })
    }

    /// One turn of a driver: hear what was answered, then see what is owed.
    fn turn(&mut self, driver: usize) -> Result<(), Breach> {
        let held: Vec<PatchId> = self.ids().into_iter().filter(|id| self.holder(*id).is_some()).collect();
        for id in held {
            self.drivers[driver].forget(id, Stage::Rollout);
        }
        for (job, answer) in self.drivers[driver].arrived(self.elapsed) {
            self.submit(driver, job.patch, Command::report(job, answer))?;
        }
        for id in self.ids() {
            if self.is_calm || !self.chance.one_in(3) {
                self.catch_up(driver, id);
            }
            self.dispatch(driver, id)?;
        }
        Ok(())
    }

    fn dispatch(&mut self, driver: usize, id: PatchId) -> Result<(), Breach> {
        let Some(patch) = self.drivers[driver].known.get(&id) else { return Ok(()) };
        let cx = Context { now: self.now(), policy: &self.scene.policy, board: &self.watch.board };
        let Due::Job(job_id, job) = self.rules.due(cx, patch) else { return Ok(()) };
        if self.drivers[driver].waits_for(job_id, self.elapsed) {
            return Ok(());
        }
        let service = self.scene.planned(id).service;
        self.watch.dispatched(job_id, &job, &self.targets[service])?;
        let asked = Asked {
            scene: &self.scene,
            patch,
            id: job_id,
            job: &job,
            target: &mut self.targets[service],
            is_calm: self.is_calm,
        };
        let mut errand = self.hands.carry_out(&mut self.chance, asked);
        if let Some((delay, desired)) = errand.late_order.take() {
            self.orders.push((self.elapsed + delay, service, job_id, desired));
        }
        self.drivers[driver].asked(job_id, self.elapsed, errand);
        self.watch.looked_at(&self.scene, service, &self.targets[service], self.elapsed)?;
        if !self.is_calm && self.chance.one_in(CRASHES_ONE_IN) {
            self.crash(driver)?;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp(BEGINNING + self.elapsed.cast_signed() + self.drift)
    }

    /// Decide, append, evolve; whoever was faster wins, and the other reads again.
    fn submit(&mut self, driver: usize, id: PatchId, command: Command) -> Result<(), Breach> {
        for _ in 0..3 {
            if !self.drivers[driver].known.contains_key(&id) {
                self.catch_up(driver, id);
            }
            let Some(patch) = self.drivers[driver].known.get(&id) else { return Ok(()) };
            let cx = Context { now: self.now(), policy: &self.scene.policy, board: &self.watch.board };
            let events = match self.rules.decide(cx, patch, command.clone()) {
                Ok(events) if !events.is_empty() => events,
                Ok(_) => return Ok(()),
                Err(rejection) => {
                    self.tell_rejection(id, &rejection);
                    let held = matches!(rejection, Rejection::Held { .. }) && people::takes_back(&command);
                    return hold(!held, "nothing that is held delays a rollback", id, || {
                        rejection.to_string()
                    });
                }
            };
            let (version, moves) = (patch.version, locks(patch, &events));
            if self.dies() {
                return self.crash(driver);
            }
            // Another process is faster.
            let line = rests_on_the_line(&events).then_some(self.ledger.board().line.version);
            if !self.is_calm && self.chance.one_in(60) {
                self.press_line();
            }
            if self.ledger.append(id, version, &events, moves, line).is_err() {
                if self.rules.fault == Some(Fault::ActsOnWhatWasNotAppended) {
                    self.take_in(driver, id, &events);
                    return Ok(());
                }
                self.catch_up(driver, id);
                continue;
            }
            self.tell(driver, id, &events);
            self.appended(id, &command, &events)?;
            if self.dies() {
                self.lose(id, events.len());
                return self.crash(driver);
            }
            self.take_in(driver, id, &events);
            let patch = &self.drivers[driver].known[&id];
            let differs = patch.version.is_multiple_of(8) && patch != self.watch.patch(id);
            return hold(!differs, "a patch in memory is the patch that is stored", id, || self.state_of(id));
        }
        Ok(())
    }

    fn take_in(&mut self, driver: usize, id: PatchId, events: &[Event]) {
        let known = &mut self.drivers[driver].known;
        let patch = known.remove(&id).unwrap_or_else(|| Patch::new(id));
        known.insert(id, events.iter().fold(patch, |patch, event| self.rules.evolve(patch, event)));
    }

    fn dies(&mut self) -> bool {
        !self.is_calm && self.chance.one_in(CRASHES_ONE_IN)
    }

    /// For planted faults: what a careless store loses when the process dies.
    fn lose(&mut self, id: PatchId, appended: usize) {
        let lost = match self.rules.fault {
            Some(Fault::CrashLosesNewestEvent) => 1,
            Some(Fault::CrashTearsAnAppend) => appended - 1,
            _ => 0,
        };
        for _ in 0..lost {
            self.ledger.lose_newest(id);
        }
    }

    fn appended(&mut self, id: PatchId, command: &Command, events: &[Event]) -> Result<(), Breach> {
        self.events += events.len() as u64;
        self.watch.appended(Appended {
            scene: &self.scene,
            target: &self.targets[self.scene.planned(id).service],
            patch: id,
            command,
            events,
            stored: self.ledger.version(id),
            elapsed: self.elapsed,
        })?;
        self.watch.read(self.ledger.board());
        Ok(())
    }

    /// Reads what others have stored meanwhile.
    fn catch_up(&mut self, driver: usize, id: PatchId) {
        let known = &mut self.drivers[driver].known;
        let version = known.entry(id).or_insert_with(|| Patch::new(id)).version;
        let from = usize::try_from(version).unwrap_or(usize::MAX);
        let newer = self.ledger.events(id).get(from..).unwrap_or(&[]);
        if newer.is_empty() {
            return;
        }
        if let Some(patch) = known.remove(&id) {
            known.insert(id, newer.iter().fold(patch, |patch, event| self.rules.evolve(patch, event)));
        }
    }

    /// The process dies and another begins, from what is stored and nothing else.
    fn crash(&mut self, driver: usize) -> Result<(), Breach> {
        let elapsed = self.elapsed;
        self.story.add(|| format!("{elapsed:>7} ms  driver {driver} dies"));
        self.drivers[driver].crash();
        for id in self.ids() {
            replays(self.watch.patch(id), self.ledger.read_back(id))?;
        }
        Ok(())
    }

    fn tell(&mut self, driver: usize, id: PatchId, events: &[Event]) {
        let elapsed = self.elapsed;
        for event in events {
            self.story.add(|| {
                let fact = format!("{:?}", event.fact);
                let short: String = fact.chars().take(300).collect();
                format!("{elapsed:>7} ms  {id} by {} (driver {driver}): {short}", event.by)
            });
        }
    }

    fn tell_rejection(&mut self, id: PatchId, rejection: &Rejection) {
        let elapsed = self.elapsed;
        self.story.add(|| format!("{elapsed:>7} ms  {id} refuses: {rejection}"));
    }
}
