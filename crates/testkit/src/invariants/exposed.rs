//! What must hold of what the judge is told of instances: crashes are held against all that were wanted, and nobody is held
//! against anybody while cold.

use patchline_judge::incidents::IncidentGuard;
use patchline_model::stage::rollout::{JudgeAnswer, Judgement, Tick};

use crate::breach::{Breach, hold};
use crate::invariants::seen::Seen;
use crate::invariants::watched::weighed;

/// Requests of each version with which no look waits for more.
const ENOUGH: u64 = 40;

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
    says(is_fair, "no gauge says anything of instances that are still cold")?;
    astray(seen, tick, judgement)
}

/// Of users who came otherwise than planned one thing is concluded all the same: that more of the new version's requests fail.
fn astray(seen: Seen<'_>, tick: &Tick, judgement: &Judgement) -> Result<(), Breach> {
    let errors = |said: &Judgement| said.readings.iter().find(|reading| reading.guard == "errors").cloned();
    // A judge that lies has no numbers to show.
    let Some(now) = errors(judgement) else { return Ok(()) };
    let is_proven = judgement.wrong_split && now.log_evidence >= now.threshold;
    let is_said = !is_proven || judgement.answer == JudgeAnswer::Rollback;
    hold(is_said, "errors that are proven take back, however wrong the split is", seen.patch(), || {
        format!("{now:?}")
    })?;
    let last = seen.before.rollout.judgement.as_deref();
    let last = last.filter(|said| said.wrong_split && said.answer != JudgeAnswer::Rollback);
    let (Some(last), Some(canary), Some(stable)) = (last.and_then(errors), &tick.canary, &tick.stable) else {
        return Ok(());
    };
    let is_plain = canary.requests.min(stable.requests) >= ENOUGH && canary.errors > 0;
    let is_weighed = !is_plain || now.log_evidence != last.log_evidence;
    hold(is_weighed, "errors are weighed however wrong the split is", seen.patch(), || {
        format!("{tick:?} after {last:?}")
    })
}
