//! What must hold where instances have names: each name is one instance's, and they are replaced in the plan's order, which is
//! kept on the way forward and reversed on the way back.

use patchline_model::cohort::Token;
use patchline_model::digest::Digest;
use patchline_model::patch::Patch;
use patchline_model::stage::plan::{Desired, Order, Plan, Strategy};

use crate::breach::{Breach, hold};
use crate::target::Target;

fn order(plan: &Plan) -> Option<(&Order, u32)> {
    match &plan.strategy {
        Strategy::Rolling(rolling) => rolling.order.as_ref().map(|order| (order, rolling.batch)),
        Strategy::Canary(_)
        | Strategy::BlueGreen(_)
        | Strategy::Flag(_)
        | Strategy::Shadow(_)
        | Strategy::Hot(_) => None,
    }
}

pub fn has_names(plan: &Plan) -> bool {
    order(plan).is_some()
}

/// Stable instances that must be wanted on the way back, when so many of them are back: one batch more, where the others must go
/// before.
pub fn wanted_back(plan: &Plan, back: u32) -> u32 {
    order(plan).map_or(plan.instances, |(_, batch)| (back + batch).min(plan.instances))
}

/// Of what is asked for: the new version has the first names of the order, and the old one the last. So whoever was replaced
/// last goes back first.
pub fn asked(patch: &Patch, plan: &Plan, desired: &Desired) -> Result<(), Breach> {
    let Some((Order { names, .. }, _)) = order(plan) else {
        let none = desired.arms.iter().all(|arm| arm.names.is_empty());
        return hold(none, "only named instances are asked for by name", patch.id, || format!("{desired:?}"));
    };
    let is_new = |artifact: &Digest| patch.rollout.new.as_ref().is_some_and(|new| new.artifact == *artifact);
    let in_order = desired.arms.iter().all(|arm| {
        let count = (arm.instances as usize).min(names.len());
        let expected: &[Token] =
            if is_new(&arm.version.artifact) { &names[..count] } else { &names[names.len() - count..] };
        arm.names == expected
    });
    let all: usize = desired.arms.iter().map(|arm| arm.names.len()).sum();
    hold(
        in_order && all == names.len(),
        "named instances are replaced in the plan's order, and back in reverse",
        patch.id,
        || format!("{names:?}: {:?}", desired.arms.iter().map(|arm| &arm.names).collect::<Vec<_>>()),
    )
}

/// Of what really runs.
pub fn check(patch: &Patch, plan: &Plan, target: &Target) -> Result<(), Breach> {
    if !has_names(plan) {
        return Ok(());
    }
    let twice = target.processes().twice();
    hold(twice.is_none(), "never do two instances have one name", patch.id, || format!("{twice:?}"))
}
