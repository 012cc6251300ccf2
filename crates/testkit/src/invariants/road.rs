//! What a plan promises of each step, reckoned here from its settings alone and not with the model's own course.

use patchline_model::digest::Digest;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Arm, Canary, Flag, Plan, Rolling, Strategy};
use patchline_model::stage::traffic::{Others, Traffic};
use patchline_model::time::Seconds;

/// One step as the plan states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The greatest share of the new version while its instances start, and after.
    pub filling: Share,
    pub share: Share,
    pub bake: Seconds,
    pub gate: bool,
}

/// Steps before the promotion.
pub fn steps(plan: &Plan) -> usize {
    let count = match &plan.strategy {
        Strategy::Canary(canary) => return canary.steps.len(),
        Strategy::Flag(flag) => return flag.steps.len(),
        Strategy::Shadow(_) => 1,
        Strategy::BlueGreen(_) => 2,
        Strategy::Rolling(rolling) if rolling.order.is_some() => return replaced(plan, rolling).len(),
        Strategy::Rolling(rolling) => plan.instances.div_ceil(rolling.batch).saturating_sub(1).max(1),
        Strategy::Hot(hot) => plan.instances.div_ceil(hot.batch) - 1,
    };
    usize::try_from(count).unwrap_or(usize::MAX)
}

pub fn promised(plan: &Plan, step: usize) -> Option<Promised> {
    let none = Share::NONE;
    match &plan.strategy {
        // The share of the step before stays while a canary grows for the next.
        Strategy::Canary(Canary { steps, .. }) => steps.get(step).map(|it| {
            let filling = step.checked_sub(1).map_or(none, |before| steps[before].share);
            Promised { filling, share: it.share, bake: it.bake, gate: it.gate }
        }),
        Strategy::Flag(Flag { steps, .. }) => steps.get(step).map(|step| Promised {
            filling: none,
            share: step.share,
            bake: step.bake,
            gate: step.gate,
        }),
        Strategy::Shadow(shadow) => {
            let bake = shadow.bake;
            (step == 0).then_some(Promised { filling: none, share: none, bake, gate: false })
        }
        Strategy::BlueGreen(blue_green) => match step {
            0 => Some(Promised { filling: none, share: none, bake: blue_green.preview, gate: false }),
            1 => {
                let share = blue_green.hold_back.rest();
                Some(Promised { filling: none, share, bake: blue_green.bake, gate: false })
            }
            _ => None,
        },
        // The share comes with each conversion, while the batch is made ready.
        Strategy::Hot(hot) => {
            let converted = (u32::try_from(step).ok()? + 1) * hot.batch;
            let share = rounded_up(converted, plan.instances);
            (step < steps(plan)).then_some(Promised { filling: share, share, bake: hot.bake, gate: false })
        }
        Strategy::Rolling(rolling) if rolling.order.is_some() => {
            let replaced = replaced(plan, rolling);
            let (new, is_partition) = *replaced.get(step)?;
            let before = step.checked_sub(1).map_or(0, |before| replaced[before].0);
            let (share, filling) = (rounded_up(new, plan.instances), rounded_up(before, whole(plan)));
            Some(Promised { filling, share, bake: rolling.bake, gate: is_partition })
        }
        Strategy::Rolling(rolling) => {
            let before = u32::try_from(step).ok()? * rolling.batch;
            let new = before + rolling.batch;
            let share = if plan.instances == 1 { rounded_up(1, 2) } else { rounded_up(new, plan.instances) };
            let filling = rounded_up(before, whole(plan));
            (step < steps(plan)).then_some(Promised { filling, share, bake: rolling.bake, gate: false })
        }
    }
}

/// Named instances that are replaced after each step, and whether a person must be asked then. What is left after the last one
/// is replaced by the promotion.
fn replaced(plan: &Plan, rolling: &Rolling) -> Vec<(u32, bool)> {
    let partition = rolling.order.as_ref().map_or(0, |order| order.partition);
    let gate = plan.instances - partition;
    let mut steps: Vec<(u32, bool)> = Vec::new();
    while steps
        .last()
        .is_none_or(|(new, _)| new + rolling.batch < plan.instances || (*new < gate && partition > 0))
    {
        let before = steps.last().map_or(0, |(new, _)| *new);
        let is_short = partition > 0 && before < gate && before + rolling.batch >= gate;
        steps.push(if is_short { (gate, true) } else { (before + rolling.batch, false) });
    }
    steps
}

/// Instances that carry all of the traffic.
pub fn whole(plan: &Plan) -> u32 {
    match &plan.strategy {
        Strategy::Rolling(rolling) if rolling.order.is_some() => plan.instances - rolling.batch,
        Strategy::Rolling(rolling) => plan.instances - rolling.max_unavailable,
        Strategy::Canary(_)
        | Strategy::BlueGreen(_)
        | Strategy::Flag(_)
        | Strategy::Shadow(_)
        | Strategy::Hot(_) => plan.instances,
    }
}

/// Whether so many instances carry this share; a part per million for each is rounding.
pub fn carry(plan: &Plan, instances: u32, share: Share) -> bool {
    let whole = u64::from(whole(plan));
    u64::from(share.ppm()) * whole <= u64::from(instances) * 1_000_000 + 2 * whole
}

/// Whether the plan sizes the new version by its share from the first step on.
pub fn sizes_the_new(plan: &Plan) -> bool {
    match &plan.strategy {
        // Where instances are converted, the target sees to it, and the watch at what it does.
        Strategy::Shadow(_) | Strategy::Hot(_) => false,
        Strategy::Canary(_) | Strategy::Rolling(_) | Strategy::BlueGreen(_) | Strategy::Flag(_) => true,
    }
}

pub fn is_flag(plan: &Plan) -> bool {
    matches!(plan.strategy, Strategy::Flag(_))
}

/// Whether requests are told apart as the plan says in this phase.
pub fn is_led(plan: &Plan, phase: &Phase, traffic: &Traffic) -> bool {
    let cohort = match &plan.strategy {
        Strategy::Canary(canary) => canary.cohort.as_ref(),
        Strategy::Flag(flag) => Some(&flag.cohort),
        Strategy::Rolling(_) | Strategy::BlueGreen(_) | Strategy::Hot(_) | Strategy::Shadow(_) => None,
    };
    let mirror = match &plan.strategy {
        Strategy::Shadow(shadow) => Some(&shadow.mirror),
        Strategy::Canary(_)
        | Strategy::Rolling(_)
        | Strategy::BlueGreen(_)
        | Strategy::Hot(_)
        | Strategy::Flag(_) => None,
    };
    match (phase, traffic) {
        (Phase::Watching { .. } | Phase::Growing, Traffic::ByKey { cohort: asked, others }) => {
            cohort == Some(asked) && *others == Others::Stable
        }
        (Phase::Watching { .. }, Traffic::Mirrored(asked)) => mirror == Some(asked),
        (Phase::Watching { .. }, Traffic::ByTurns) => cohort.is_none() && mirror.is_none(),
        (Phase::Growing, Traffic::ByTurns) => cohort.is_none(),
        (_, Traffic::ByKey { cohort: asked, .. }) => cohort.is_some_and(|cohort| cohort.by == asked.by),
        (_, Traffic::Mirrored(_)) => false,
        (_, Traffic::ByTurns) => true,
    }
}

/// Whether an arm is told of the plan's flag that it is on in the new version and off in the other.
pub fn is_told(plan: &Plan, arm: &Arm, new: &Digest) -> bool {
    let Strategy::Flag(flag) = &plan.strategy else { return arm.flags.is_empty() };
    let is_on = arm.version.artifact == *new;
    matches!(&arm.flags[..], [told] if told.flag == flag.flag && told.is_on == is_on)
}

fn rounded_up(part: u32, whole: u32) -> Share {
    let ppm = (u64::from(part) * 1_000_000).div_ceil(u64::from(whole.max(1))).min(1_000_000);
    Share::try_from(u32::try_from(ppm).unwrap_or(1_000_000)).unwrap_or(Share::ALL)
}

/// What the old version keeps in the last bake, where the plan has one.
pub fn hold_back(plan: &Plan) -> Option<Share> {
    match &plan.strategy {
        Strategy::Canary(canary) => canary.end.as_ref().map(|end| end.hold_back),
        Strategy::Flag(flag) => flag.end.as_ref().map(|end| end.hold_back),
        Strategy::Shadow(shadow) => Some(shadow.end.hold_back),
        Strategy::Rolling(_) | Strategy::BlueGreen(_) | Strategy::Hot(_) => None,
    }
}
