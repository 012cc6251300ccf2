//! Flag: the new version stands whole before the first user meets it, then growing parts of a cohort have the flag on.
//!
//! Who has it on is served by the new version and who has it off by the stable one, so turning it off waits for nothing.

use crate::stage::plan::{Canary, Flag, Plan};
use crate::strategy::canary;
use crate::strategy::station::Course;

/// A canary of as many instances as the stable version has.
pub fn course(plan: &Plan, flag: &Flag) -> Course {
    let whole = Canary {
        instances: plan.instances,
        steps: flag.steps.clone(),
        end: flag.end.clone(),
        cohort: Some(flag.cohort.clone()),
    };
    Course { flag: Some(flag.flag.clone()), ..canary::course(plan, &whole) }
}
