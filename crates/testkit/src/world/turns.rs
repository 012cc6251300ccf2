//! The loop in a simulated world: drivers that take turns, decide and append, die and begin anew, while time passes.

use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::context::{Board, Context};
use patchline_model::event::Event;
use patchline_model::id::{JobId, PatchId, Stage};
use patchline_model::job::Due;
use patchline_model::line;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::locks;
use patchline_model::pipeline::grounds::grounds;
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
use crate::story::Story;
use crate::target::Target;

/// Once in so many times a process dies at a given point.
pub const CRASHES_ONE_IN: u64 = 120;

/// In one of so many worlds, what is read back goes through JSON, which takes a fifth of the time.
const TEXT_ONE_IN: u64 = 4;

/// Once in so many times others write between a decision and its append.
const BETWEEN_ONE_IN: u64 = 25;

/// The same, where it goes forward as a member of a set.
const BETWEEN_MATES_ONE_IN: u64 = 2;

pub struct World {
    pub scene: Scene,
    rules: Rules,
    pub chance: Chance,
    pub ledger: Ledger,
    /// What is locked when a service is moved, by service.
    locks: Vec<Option<String>>,
    targets: Vec<Target>,
    pub drivers: Vec<Driver>,
    hands: Hands,
    pub watch: Watch,
    /// Orders that are still on their way: when, to which service.
    orders: Vec<(u64, usize, JobId, Desired)>,
    /// True milliseconds since the beginning; the clock that the loop sees is off by `drift`.
    elapsed: u64,
    pub drift: i64,
    pub is_calm: bool,
    /// Somebody is at work between another's decision and its append.
    is_between: bool,
    /// From this step on a service's target takes orders and does nothing.
    pub stuck_from: Option<u64>,
    /// This service's target tells of shares that it does not give.
    liar: Option<usize>,
    pub story: Story,
    pub events: u64,
}

impl World {
    pub fn new(seed: u64, fault: Option<Fault>, story: Story) -> Self {
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
            ledger: Ledger::new(fault, seed.is_multiple_of(TEXT_ONE_IN), scene.zones.clone()),
            locks: scene.services.iter().map(|place| place.service.lock()).collect(),
            watch: Watch::new(&scene),
            hands: Hands::new(fault),
            orders: Vec::new(),
            elapsed: 0,
            drift: 0,
            is_calm: false,
            is_between: false,
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

    pub fn ids(&self) -> Vec<PatchId> {
        self.scene.patches.iter().map(|planned| planned.id).collect()
    }

    pub fn state_of(&self, id: PatchId) -> String {
        let patch = self.watch.patch(id);
        format!("it stands in {}, {:?}, {:?}", patch.stage(), patch.rollout.phase, patch.faltering)
    }

    /// The other patch that moves this one's service now.
    pub fn holder(&self, id: PatchId) -> Option<PatchId> {
        let lock = self.locks[self.scene.planned(id).service].as_ref()?;
        self.ledger.board().held_by_other(lock, id)
    }

    /// Somebody holds something, or lets it go: acknowledged when this returns.
    pub fn press_line(&mut self) {
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

    pub fn lift_every_stop(&mut self) {
        let by = Actor::person(crate::scene::PEOPLE[2]);
        for stop in self.ledger.board().line.stops.clone() {
            self.hold_line(&by, line::Command::Start { scope: stop.scope, reason: String::new() });
        }
    }

    pub fn any_driver(&mut self) -> usize {
        usize::try_from(self.chance.below(self.drivers.len() as u64)).unwrap_or(0)
    }

    /// Time passes: traffic is served, late orders arrive, targets move on, and the watch looks.
    pub fn pass(&mut self, span: u64, is_stuck: bool) -> Result<(), Breach> {
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

    pub fn open(&mut self, id: PatchId) -> Result<(), Breach> {
        let is_under_way = |other: PatchId| self.watch.board.under_way.contains_key(&other);
        let opening = Box::new(self.scene.opening(id, is_under_way));
        let by = Actor::person(crate::scene::PEOPLE[3]);
        let driver = self.any_driver();
        self.submit(driver, id, Command { by, ask: Ask::Detect(detect::Command::Open(opening)) })
    }

    /// One turn of a driver: hear what was answered, then see what is owed.
    pub fn turn(&mut self, driver: usize) -> Result<(), Breach> {
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
    pub fn submit(&mut self, driver: usize, id: PatchId, command: Command) -> Result<(), Breach> {
        for _ in 0..3 {
            if !self.drivers[driver].known.contains_key(&id) {
                self.catch_up(driver, id);
            }
            let Some(patch) = self.drivers[driver].known.get(&id) else { return Ok(()) };
            let cx = Context { now: self.now(), policy: &self.scene.policy, board: &self.watch.board };
            let line = cx.board.line.version;
            let events = match self.rules.decide(cx, patch, &command) {
                Ok(events) if !events.is_empty() => events,
                Ok(_) => return Ok(()),
                Err(rejection) => {
                    self.story.add(|| format!("{:>7} ms  {id} refuses: {rejection}", self.elapsed));
                    let may = people::may_refuse(patch, &command, &rejection);
                    hold(may, "a person can steer what moves, in every state", id, || rejection.to_string())?;
                    let held = matches!(rejection, Rejection::Held { .. }) && people::takes_back(&command);
                    return hold(!held, "nothing that is held delays a rollback", id, || {
                        rejection.to_string()
                    });
                }
            };
            let (version, moves) = (patch.version, locks(patch, &events));
            let grounds = grounds(&self.watch.board, patch, &events);
            if self.dies() {
                return self.crash(driver);
            }
            let mates = grounds.others.iter().map(|(mate, _)| *mate).collect();
            let decided_on = self.another_is_faster(driver, id, mates)?;
            if !self.drivers[driver].known.contains_key(&id) {
                // It died of what it did meanwhile.
                return Ok(());
            }
            if self.ledger.append(id, version, &events, moves, &grounds).is_err() {
                if self.rules.fault == Some(Fault::ActsOnWhatWasNotAppended) {
                    self.take_in(driver, id, &events);
                    return Ok(());
                }
                self.catch_up(driver, id);
                continue;
            }
            self.story.events(self.elapsed, driver, id, &events);
            self.appended(id, &command, &events, decided_on.as_ref())?;
            if self.dies() {
                self.lose(id, events.len());
                return self.crash(driver);
            }
            self.take_in(driver, id, &events);
            if decided_on.is_none() && line == self.watch.board.line.version {
                self.ask_again(driver, id, &command)?;
            }
            let patch = &self.drivers[driver].known[&id];
            let differs = patch.version.is_multiple_of(8) && patch != self.watch.patch(id);
            return hold(!differs, "a patch in memory is the patch that is stored", id, || self.state_of(id));
        }
        Ok(())
    }

    /// What a person asked for is asked for once more: nothing may follow.
    fn ask_again(&self, driver: usize, id: PatchId, command: &Command) -> Result<(), Breach> {
        if matches!(command.ask, Ask::Report { .. }) {
            return Ok(());
        }
        let cx = Context { now: self.now(), policy: &self.scene.policy, board: &self.watch.board };
        let again = self.rules.decide(cx, &self.drivers[driver].known[&id], command).unwrap_or_default();
        hold(again.is_empty(), "asking twice is asking once", id, || format!("{command:?}: {again:?}"))
    }

    /// Between a decision and its append, others write: the line is held, another driver has a whole turn, somebody presses
    /// a button on another patch, rather often on one of those that the decision rests on. Answers the board as it was,
    /// where it may have changed.
    fn another_is_faster(
        &mut self,
        driver: usize,
        id: PatchId,
        mates: Vec<PatchId>,
    ) -> Result<Option<Board>, Breach> {
        if self.is_calm || self.is_between {
            return Ok(None);
        }
        let presses = self.chance.one_in(60);
        let seen = presses.then(|| self.watch.board.clone());
        if presses {
            self.press_line();
        }
        if !self.chance.one_in(if mates.is_empty() { BETWEEN_ONE_IN } else { BETWEEN_MATES_ONE_IN }) {
            return Ok(None);
        }
        self.is_between = true;
        let decided_on = seen.unwrap_or_else(|| self.watch.board.clone());
        let others: Vec<PatchId> = self.ids().into_iter().filter(|other| *other != id).collect();
        let others = if mates.is_empty() { others } else { mates };
        if !others.is_empty() && self.chance.one_in(2) {
            let other = *self.chance.pick(&others);
            let command = match self.chance.one_in(4) {
                true => people::press(&mut self.chance, self.watch.patch(other)),
                false => people::take_back(),
            };
            let by = self.any_driver();
            self.submit(by, other, command)?;
        }
        if self.drivers.len() > 1 {
            self.turn(1 - driver)?;
        }
        self.is_between = false;
        Ok(Some(decided_on))
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

    fn appended(
        &mut self,
        id: PatchId,
        command: &Command,
        events: &[Event],
        decided_on: Option<&Board>,
    ) -> Result<(), Breach> {
        self.events += events.len() as u64;
        self.watch.appended(Appended {
            scene: &self.scene,
            target: &self.targets[self.scene.planned(id).service],
            patch: id,
            command,
            events,
            stored: self.ledger.version(id),
            elapsed: self.elapsed,
            decided_on,
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
    pub fn crash(&mut self, driver: usize) -> Result<(), Breach> {
        let elapsed = self.elapsed;
        self.story.add(|| format!("{elapsed:>7} ms  driver {driver} dies"));
        self.drivers[driver].crash();
        for id in self.ids() {
            replays(self.watch.patch(id), self.ledger.read_back(id))?;
        }
        Ok(())
    }
}
