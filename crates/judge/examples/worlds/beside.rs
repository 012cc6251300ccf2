//! What becomes of the instances of a world beside their requests: they end, hold memory and burn processor time.

use std::collections::BTreeMap;

use patchline_judge::arms::Tick;
use patchline_judge::gauge::{GaugeSettings, Gauges, Load};
use patchline_judge::incidents::{BothIncidents, Incidents};
use patchline_judge::judge::Settings;

use crate::chance::Chance;
use crate::world::{At, Side};

#[derive(Clone, Copy)]
pub struct Beside {
    /// How often each instance ends in an hour.
    pub crashes: fn(At) -> f64,
    /// MiB, without the heap that is collected.
    pub memory: fn(At) -> f64,
    /// A heap that fills up and is collected, of so many MiB, and in how many seconds.
    pub heap: (f64, f64),
    /// Milliseconds of processor time for each request, beside 20 in each second.
    pub cpu: fn(At) -> f64,
    /// How long a fresh instance burns thrice as much.
    pub cold_seconds: f64,
}

pub const HARMLESS: Beside =
    Beside { crashes: |_| 0.5, memory: |_| 100.0, heap: (60.0, 90.0), cpu: |_| 5.0, cold_seconds: 25.0 };

/// One instance. The stable version's have run for an hour.
struct Alive {
    name: String,
    since: f64,
    phase: f64,
    cpu_seconds: f64,
}

/// The instances of both arms.
pub struct Standing {
    beside: Beside,
    arms: [Vec<Alive>; 2],
    started: u32,
}

/// What every guard beside the requests is told.
pub fn watching(settings: Settings) -> Settings {
    let gauges = [("memory", GaugeSettings::memory(0.5)), ("cpu", GaugeSettings::cpu(0.5))];
    let gauges = gauges.map(|(name, settings)| (name.to_owned(), settings)).into();
    Settings { incidents: true, gauges, ..settings }
}

impl Standing {
    pub fn new(beside: Beside, instances: (u32, u32), chance: &mut Chance) -> Standing {
        let mut standing = Standing { beside, arms: [Vec::new(), Vec::new()], started: 0 };
        let counts = [(instances.0, 0.0), (instances.1, -3600.0)];
        standing.arms =
            counts.map(|(count, since)| (0..count).map(|_| standing.fresh(since, chance)).collect());
        standing
    }

    fn fresh(&mut self, since: f64, chance: &mut Chance) -> Alive {
        self.started += 1;
        Alive { name: self.started.to_string(), since, phase: chance.unit(), cpu_seconds: 0.0 }
    }

    /// A tick of so many seconds until `now`, in which the arms served this; each tenth look is read.
    pub fn tick(&mut self, now: u32, seconds: u32, load: Load, chance: &mut Chance) -> Tick {
        let beside = self.beside;
        let mut counted = [Incidents::default(); 2];
        let mut read = [(); 2].map(|()| [BTreeMap::new(), BTreeMap::new()]);
        for (arm, side) in [Side::Canary, Side::Baseline].into_iter().enumerate() {
            let at = (side, now);
            let instances = self.arms[arm].len();
            let requests = if side == Side::Canary { load.canary } else { load.baseline } / instances as f64;
            for place in 0..instances {
                counted[arm].exposure += f64::from(seconds);
                let ends = chance.poisson((beside.crashes)(at) * f64::from(seconds) / 3600.0);
                counted[arm].count += ends;
                if ends > 0 {
                    self.arms[arm][place] = self.fresh(f64::from(now), chance);
                }
                let alive = &mut self.arms[arm][place];
                let age = f64::from(now) - alive.since;
                let cold = if age < beside.cold_seconds { 3.0 } else { 1.0 };
                let work = 0.02 * f64::from(seconds) + (beside.cpu)(at) / 1000.0 * requests;
                alive.cpu_seconds += cold * work * (0.2 * chance.normal()).exp();
                let (most, period) = beside.heap;
                let heap = most * ((age / period + alive.phase).fract());
                let warm = 1.0 - 0.7 * (-age.max(0.0) / 60.0).exp();
                let memory = ((beside.memory)(at) * warm + heap) * 1_048_576.0;
                if now.is_multiple_of(10 * seconds) {
                    read[0][arm].insert(alive.name.clone(), memory);
                    read[1][arm].insert(alive.name.clone(), alive.cpu_seconds);
                }
            }
        }
        let [memory, cpu] = read.map(|[canary, baseline]| Gauges { canary, baseline });
        let [canary, baseline] = counted;
        Tick {
            incidents: Some(BothIncidents { canary, baseline }),
            gauges: [("memory", memory), ("cpu", cpu)].map(|(name, read)| (name.to_owned(), read)).into(),
            load: Some(load),
            ..Tick::default()
        }
    }
}
