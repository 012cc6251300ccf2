//! What must hold of what the judge is told of instances: crashes are held against all that were wanted, and nobody is held
//! against anybody while cold.

use std::collections::BTreeMap;

use patchline_judge::gauge::GaugeSettings;
use patchline_judge::incidents::{IncidentGuard, Incidents};
use patchline_model::stage::plan::Usage;
use patchline_model::stage::rollout::{Judgement, Tick};

use crate::breach::{Breach, hold};
use crate::invariants::seen::Seen;

/// Checks one look.
pub fn check(seen: Seen<'_>, tick: &Tick, judgement: &Judgement) -> Result<(), Breach> {
    let before = &seen.before.rollout;
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, seen.patch(), || format!("{:?} {:?}", tick.signs, judgement.readings))
    };
    let asked = before.desired().map(|desired| {
        let of = |version: &Option<patchline_model::stage::plan::Version>| {
            let arms = desired.arms.iter();
            let ours = |artifact| version.as_ref().is_some_and(|version| version.artifact == artifact);
            arms.filter(|arm| ours(arm.version.artifact.clone())).map(|arm| arm.instances).sum::<u32>()
        };
        (of(&before.new), of(&before.stable))
    });
    let told = tick.signs.as_ref().and_then(|signs| signs.wanted);
    let told = told.map(|wanted| (wanted.canary, wanted.stable));
    says(told == asked, "a look tells how many instances were asked for")?;
    let reading = |name: &str| {
        let reading = judgement.readings.iter().find(|reading| reading.guard == name);
        reading.map(|reading| reading.log_evidence)
    };
    let mut guard = seen.watched.map_or_else(IncidentGuard::default, |watched| watched.crashes.clone());
    let crashes = weighed(&mut guard, tick);
    let is_weighed = reading("incidents").is_none_or(|log| (log - crashes).abs() < 1e-6);
    says(is_weighed, "who ends is held against all that were wanted, not against who is left")?;
    let is_silent = |name: &str| reading(name).is_none_or(|log| log.abs() < 1e-6);
    let is_warm = || seen.watched.is_some_and(|watched| watched.is_warm(tick));
    let is_fair = (is_silent("memory") && is_silent("cpu")) || is_warm();
    says(is_fair, "no gauge says anything of instances that are still cold")
}

/// What the looks of a rollout until now say of its instances. It is kept, since to count all of them again at each look takes
/// longer than all the rest of a world.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    crashes: IncidentGuard,
    looks: usize,
    /// At which look each instance was seen first, of the new version and of the old one.
    first: [BTreeMap<String, usize>; 2],
    warm: [bool; 2],
}

impl Watched {
    /// Takes a look in.
    pub fn takes(&mut self, tick: &Tick) {
        self.warm = self.warm_after(tick);
        weighed(&mut self.crashes, tick);
        for (first, used) in self.first.iter_mut().zip(used(tick)) {
            for one in used {
                first.entry(one.instance.clone()).or_insert(self.looks);
            }
        }
        self.looks += 1;
    }

    /// Whether an instance of each version had been seen for as long as a warm-up lasts, at this look or before.
    fn is_warm(&self, tick: &Tick) -> bool {
        self.warm_after(tick) == [true; 2]
    }

    fn warm_after(&self, tick: &Tick) -> [bool; 2] {
        let warm_up = GaugeSettings::memory(0.5).warm_up_seconds;
        let mut warm = self.warm;
        for ((warm, first), used) in warm.iter_mut().zip(&self.first).zip(used(tick)) {
            let since = |one: &Usage| first.get(&one.instance).map(|first| (self.looks - first) as f64);
            *warm |= used.iter().filter_map(since).any(|since| since >= warm_up);
        }
        warm
    }
}

/// The evidence of crashes after this look, by the number of instances that were wanted.
fn weighed(guard: &mut IncidentGuard, tick: &Tick) -> f64 {
    let wanted = tick.signs.as_ref().and_then(|signs| signs.wanted);
    if let (Some(wanted), Some(canary), Some(stable)) = (wanted, &tick.canary, &tick.stable) {
        let of = |count, instances| Incidents { count, exposure: f64::from(instances) };
        guard.compare(of(canary.restarts, wanted.canary), of(stable.restarts, wanted.stable));
    }
    guard.log()
}

/// What the instances of the new version and those of the old one use, as far as this look tells.
fn used(tick: &Tick) -> [&[Usage]; 2] {
    tick.signs.as_ref().map_or([&[]; 2], |signs| [&signs.canary_usage, &signs.stable_usage])
}
