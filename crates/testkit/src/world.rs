//! One simulated world: a seed, a fake clock, and the whole loop from opening to the last look back.
//!
//! First everything goes wrong at random. Then the hands become honest and nobody presses a button: every patch must
//! close, or stand where it may rightly wait for a person. Then a person looks after what waits: every patch must close.

pub mod turns;

use patchline_model::id::PatchId;
use patchline_model::patch::Patch;

use crate::breach::{Breach, hold};
use crate::fault::Fault;
use crate::invariants::replays;
use crate::people;
use crate::story::Story;
use crate::world::turns::{CRASHES_ONE_IN, World};

/// Steps of one second after the random part; every deadline of a plan passes meanwhile, and every wait before it: a window
/// that opens again, a freeze that ends, a budget that is asked again.
const CALM_STEPS: u64 = 900;

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
    let story = world.story.lines();
    Told { seed: world.scene.seed, breach, events: world.events, ends, walks, story }
}

impl World {
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

    /// Closed, waiting for a person, or waiting for a patch that waits for one.
    fn may_stand_still(&self, id: PatchId) -> bool {
        let (patch, holder) = (self.watch.patch(id), self.holder(id));
        let waits_for = |holder: PatchId| people::waits_for_person(self.watch.patch(holder));
        self.is_done(id)
            || people::waits_for_person(patch)
            || (patch.rollout.plan.is_none() && holder.is_some_and(waits_for))
            || self.waits_with_its_set(id, 0)
            || self.waits_with_its_pair(id)
    }

    /// Who takes its place, or whose place it takes, waits for a person.
    fn waits_with_its_pair(&self, id: PatchId) -> bool {
        let waits = |other: PatchId| people::waits_for_person(self.watch.patch(other));
        let newer = self.watch.board.replaced.get(&id);
        newer.is_some_and(|newer| waits(newer.by)) || self.scene.planned(id).supersedes.is_some_and(waits)
    }

    /// A member of its set, or who holds such a member's service, waits for a person.
    fn waits_with_its_set(&self, id: PatchId, depth: u32) -> bool {
        let waits = |other: PatchId| {
            people::waits_for_person(self.watch.patch(other))
                || self.waits_with_its_pair(other)
                || (depth < 3 && self.waits_with_its_set(other, depth + 1))
        };
        let scene = &self.scene;
        let mates = scene.patches.iter().filter(|other| scene.planned(id).in_set && other.in_set);
        mates.filter(|other| other.id != id).any(|other| {
            people::waits_for_person(self.watch.patch(other.id))
                || self.waits_with_its_pair(other.id)
                || self.holder(other.id).is_some_and(waits)
        }) || self.holder(id).is_some_and(waits)
    }

    /// Closed, and its set asks nothing more of it.
    fn is_done(&self, id: PatchId) -> bool {
        let patch = self.watch.patch(id);
        let called = self.watch.board.sets.values().any(|set| set.is_called_back(id));
        patch.is_closed() && !called
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
}
