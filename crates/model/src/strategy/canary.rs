//! Canary: growing shares beside the stable version.

use crate::share::Share;
use crate::stage::phase::Phase;
use crate::stage::plan::{Arm, Canary, Desired, Plan, Version};

/// Which version holds which share in this phase. Capacity comes before weight: an arm gets its instances a phase
/// before it gets the share that needs them, and the stable version keeps all of its instances until the end. `reached`
/// is the step that was entered last: its share stays in force while the new version grows.
pub fn desired(
    plan: &Plan,
    canary: &Canary,
    stable: &Version,
    new: &Version,
    phase: &Phase,
    reached: usize,
) -> Desired {
    let share_of = |step: usize| canary.steps.get(step).map_or(Share::NONE, |step| step.share);
    let both = |instances: u32, share: Share| Desired {
        arms: vec![
            Arm { version: stable.clone(), instances: plan.instances, share: share.rest() },
            Arm { version: new.clone(), instances, share },
        ],
    };
    let only = |version: &Version| Desired {
        arms: vec![Arm { version: version.clone(), instances: plan.instances, share: Share::ALL }],
    };
    match phase {
        Phase::Idle | Phase::Retiring | Phase::RolledBack => only(stable),
        Phase::Preparing | Phase::RollingBack => both(canary.instances, Share::NONE),
        Phase::Watching { step } => both(canary.instances, share_of(*step)),
        Phase::Growing => both(plan.instances.max(canary.instances), share_of(reached)),
        Phase::Switching => both(plan.instances.max(canary.instances), Share::ALL),
        Phase::Finishing | Phase::Promoted => only(new),
    }
}

/// Whether this is the last watched step.
pub fn is_last(canary: &Canary, step: usize) -> bool {
    step + 1 >= canary.steps.len()
}
