//! A world in which a rollout is judged: traffic, errors and durations of several instances, second by second.

use patchline_judge::arms::{Arm, Tick};
use patchline_judge::gauge::Load;
use patchline_judge::judge::{Decision, Judge, Settings};

use crate::beside::{Beside, Standing, watching};
use crate::chance::Chance;

/// Which arm, and how many seconds since the rollout began.
pub type At = (Side, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Canary,
    Baseline,
}

#[derive(Clone, Copy)]
pub struct World {
    pub name: &'static str,
    /// Whether the canary is to be taken back.
    pub ill: bool,
    pub seconds: u32,
    pub tick: u32,
    /// Seconds of the baseline before the rollout that the judge is told.
    pub history: u32,
    pub requests_per_second: fn(u32) -> f64,
    pub share: fn(u32) -> f64,
    pub error_rate: fn(At) -> f64,
    /// Only the first canary instance fails more often than the baseline.
    pub in_one_instance: bool,
    /// Mean number of errors that come together.
    pub cluster: f64,
    /// Seconds in which there is no data.
    pub gap: (u32, u32),
    pub instances: (u32, u32),
    pub latency: Option<Durations>,
    /// Where the instances are watched, too.
    pub beside: Option<Beside>,
}

#[derive(Clone, Copy)]
pub struct Durations {
    /// Milliseconds.
    pub median: fn(At) -> f64,
    /// Standard deviation of the logs.
    pub spread: f64,
    /// The share of requests that take longer, and by how many milliseconds.
    pub tail: fn(At) -> (f64, f64),
    /// Standard deviation of the log of each instance's own level, which changes within some five seconds.
    pub wander: f64,
    /// Mean seconds between pauses of an instance, and how long they are; zero means none.
    pub pauses: (f64, f64),
    /// Whether they come at a fixed interval.
    pub periodic: bool,
}

pub const DURATIONS: Durations = Durations {
    median: |_| 50.0,
    spread: 0.5,
    tail: |_| (0.0, 0.0),
    wander: 0.0,
    pauses: (0.0, 0.0),
    periodic: false,
};

pub const CLEAN: World = World {
    name: "clean",
    ill: false,
    seconds: 1800,
    tick: 10,
    history: 600,
    requests_per_second: |_| 50.0,
    share: |_| 0.05,
    error_rate: |_| 0.001,
    in_one_instance: false,
    cluster: 1.0,
    gap: (0, 0),
    instances: (1, 3),
    latency: None,
    beside: None,
};

/// How a rollout went; it goes on after a promotion.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    pub rolled_back: Option<u32>,
    pub promoted: Option<u32>,
    pub canary_requests: u64,
}

/// One copy of a version.
struct Instance {
    level: f64,
    pause: (f64, f64),
}

pub fn run(world: &World, seed: u64) -> End {
    let settings = Settings {
        latency: world.latency.is_some(),
        tick_seconds: f64::from(world.tick),
        ..Settings::default()
    };
    let settings = if world.beside.is_some() { watching(settings) } else { settings };
    let mut judge = Judge::new(settings).expect("good settings");
    let mut drawn = Drawn::new(world, seed);
    judge.history(&drawn.history);
    let mut end = End::default();
    while let Some(Look { tick, ends, canary_requests }) = drawn.look() {
        end.canary_requests += canary_requests;
        match judge.observe(&tick).decision {
            Decision::Rollback => {
                end.rolled_back = Some(ends);
                return end;
            }
            Decision::Promote => {
                end.promoted.get_or_insert(ends);
            }
            Decision::Continue | Decision::Inconclusive => {}
        }
    }
    end
}

/// A world as it comes about, look by look.
pub struct Drawn<'a> {
    world: &'a World,
    chance: Chance,
    standing: Option<Standing>,
    arms: [Vec<Instance>; 2],
    begins: u32,
    /// The baseline before the rollout.
    pub history: Vec<Option<Arm>>,
}

/// What one tick brings.
pub struct Look {
    pub tick: Tick,
    /// Seconds since the rollout began, at the end of it.
    pub ends: u32,
    /// They are served, seen or not.
    pub canary_requests: u64,
}

impl<'a> Drawn<'a> {
    pub fn new(world: &'a World, seed: u64) -> Drawn<'a> {
        let mut chance = Chance::new(seed);
        let standing = world.beside.map(|beside| Standing::new(beside, world.instances, &mut chance));
        let mut arms = [Side::Canary, Side::Baseline].map(|side| instances(world, side, &mut chance));
        let before = |_| {
            let mut arm = Arm::default();
            for _ in 0..world.tick {
                second(world, (Side::Baseline, 0), &mut arms[1], &mut chance, &mut arm);
            }
            Some(Arm { latency: Default::default(), ..arm })
        };
        let history = (0..world.history / world.tick).map(before).collect();
        Drawn { world, chance, standing, arms, begins: 0, history }
    }

    /// The next tick, until the time is up.
    pub fn look(&mut self) -> Option<Look> {
        let Drawn { world, chance, standing, arms, begins, .. } = self;
        let (from, ends) = (*begins, *begins + world.tick);
        if from >= world.seconds {
            return None;
        }
        *begins = ends;
        let (mut canary, mut baseline) = (Arm::default(), Arm::default());
        for now in from..ends {
            second(world, (Side::Canary, now), &mut arms[0], chance, &mut canary);
            second(world, (Side::Baseline, now), &mut arms[1], chance, &mut baseline);
        }
        let canary_requests = canary.requests;
        let load = Load { canary: canary_requests as f64, baseline: baseline.requests as f64 };
        let beside = standing.as_mut().map(|standing| standing.tick(from, world.tick, load, chance));
        let missing = (world.gap.0..world.gap.1).contains(&from);
        let (canary, baseline) = ((!missing).then_some(canary), (!missing).then_some(baseline));
        let tick = Tick { canary, baseline, ..beside.unwrap_or_default() };
        Some(Look { tick, ends, canary_requests })
    }
}

fn instances(world: &World, side: Side, chance: &mut Chance) -> Vec<Instance> {
    let count = match side {
        Side::Canary => world.instances.0,
        Side::Baseline => world.instances.1,
    };
    let wander = world.latency.map_or(0.0, |latency| latency.wander);
    (0..count)
        .map(|_| Instance { level: wander * chance.normal(), pause: (f64::NEG_INFINITY, f64::NEG_INFINITY) })
        .collect()
}

/// A second of one arm.
fn second(world: &World, at: At, instances: &mut [Instance], chance: &mut Chance, arm: &mut Arm) {
    let (side, now) = at;
    let share = (world.share)(now);
    let share = if side == Side::Canary { share } else { 1.0 - share };
    let mean = (world.requests_per_second)(now) * share / instances.len() as f64;
    for (number, instance) in instances.iter_mut().enumerate() {
        let well = world.in_one_instance && number > 0;
        let rate = (world.error_rate)(if well { (Side::Baseline, now) } else { at });
        let clusters = chance.poisson(mean * rate / world.cluster);
        let errors: u64 = (0..clusters).map(|_| chance.geometric(world.cluster)).sum();
        let requests = errors + chance.poisson(mean * (1.0 - rate));
        arm.requests += requests;
        arm.errors += errors;
        if let Some(latency) = &world.latency {
            answers(latency, at, instance, requests, chance, arm);
        }
    }
}

fn answers(
    latency: &Durations,
    at: At,
    instance: &mut Instance,
    requests: u64,
    chance: &mut Chance,
    arm: &mut Arm,
) {
    const KEPT: f64 = 0.82;
    instance.level = KEPT * instance.level + latency.wander * (1.0 - KEPT * KEPT).sqrt() * chance.normal();
    let now = f64::from(at.1);
    let (median, tail) = ((latency.median)(at), (latency.tail)(at));
    for _ in 0..requests {
        let arrives = now + chance.unit();
        let mut millis = median * (instance.level + latency.spread * chance.normal()).exp();
        if tail.0 > 0.0 && chance.unit() < tail.0 {
            millis += tail.1;
        }
        millis += 1000.0 * instance.waits(latency, arrives, chance);
        arm.latency.record_micros((1000.0 * millis) as u64);
    }
}

impl Instance {
    /// For how many seconds a request waits for the end of a pause.
    fn waits(&mut self, latency: &Durations, arrives: f64, chance: &mut Chance) -> f64 {
        let (between, longest) = latency.pauses;
        if between <= 0.0 {
            return 0.0;
        }
        if self.pause.1.is_infinite() {
            let begins = arrives + between * chance.unit();
            self.pause = (begins, begins);
        }
        while self.pause.1 < arrives - 1.0 {
            let begins = if latency.periodic {
                self.pause.0 + between
            } else {
                self.pause.1 + chance.waiting(between)
            };
            self.pause = (begins, begins + longest * (0.05 + 0.95 * chance.unit()));
        }
        if arrives >= self.pause.0 && arrives < self.pause.1 { self.pause.1 - arrives } else { 0.0 }
    }
}
