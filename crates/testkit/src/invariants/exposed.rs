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
    let looks = || before.ticks.iter().map(AsRef::as_ref).chain([tick]);
    let crashes = weighed(looks());
    let is_weighed = reading("incidents").is_none_or(|log| (log - crashes).abs() < 1e-6);
    says(is_weighed, "who ends is held against all that were wanted, not against who is left")?;
    let is_silent = |name: &str| reading(name).is_none_or(|log| log.abs() < 1e-6);
    let is_fair = is_warm(looks()) || (is_silent("memory") && is_silent("cpu"));
    says(is_fair, "no gauge says anything of instances that are still cold")
}

/// The evidence of crashes, by the number of instances that were wanted.
fn weighed<'a>(looks: impl Iterator<Item = &'a Tick>) -> f64 {
    let mut guard = IncidentGuard::default();
    for look in looks {
        let wanted = look.signs.as_ref().and_then(|signs| signs.wanted);
        if let (Some(wanted), Some(canary), Some(stable)) = (wanted, &look.canary, &look.stable) {
            let of = |count, instances| Incidents { count, exposure: f64::from(instances) };
            guard.compare(of(canary.restarts, wanted.canary), of(stable.restarts, wanted.stable));
        }
    }
    guard.log()
}

/// Whether an instance of each version had been seen for as long as a warm-up lasts, at some look.
fn is_warm<'a>(looks: impl Iterator<Item = &'a Tick>) -> bool {
    let warm_up = GaugeSettings::memory(0.5).warm_up_seconds;
    let mut first: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    let mut warm = [false; 2];
    for (at, look) in looks.enumerate() {
        let Some(signs) = &look.signs else { continue };
        let mut see = |of_canary: bool, used: &'a [Usage]| {
            for one in used {
                let since = *first.entry((of_canary, &one.instance)).or_insert(at);
                warm[usize::from(of_canary)] |= (at - since) as f64 >= warm_up;
            }
        };
        see(true, &signs.canary_usage);
        see(false, &signs.stable_usage);
    }
    warm == [true; 2]
}
