//! What the looks of a rollout say of its instances, counted look by look: the evidence of crashes, and who is warm.

use std::collections::BTreeMap;

use patchline_judge::gauge::GaugeSettings;
use patchline_judge::incidents::{IncidentGuard, Incidents};
use patchline_model::stage::plan::Usage;
use patchline_model::stage::rollout::Tick;

/// What the looks of a rollout until now say of its instances. It is kept, since to count all of them again at each look takes
/// longer than all the rest of a world.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    pub crashes: IncidentGuard,
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
    pub fn is_warm(&self, tick: &Tick) -> bool {
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
pub fn weighed(guard: &mut IncidentGuard, tick: &Tick) -> f64 {
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
