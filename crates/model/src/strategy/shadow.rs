//! Shadow: users meet the stable version alone, and the new one answers copies of their requests that are compared and thrown
//! away; then the watched end, because a copy proves nothing about what writes.

use crate::share::Share;
use crate::stage::plan::{Plan, Shadow};
use crate::strategy::station::{Course, Station};

/// One station without a share.
pub fn course(plan: &Plan, shadow: &Shadow) -> Course {
    let station = Station {
        stable: plan.instances,
        new: shadow.instances,
        share_before: Share::NONE,
        share: Share::NONE,
        bake: shadow.bake,
        gate: false,
        smoke: None,
        mirror: Some(shadow.mirror.clone()),
    };
    Course {
        instances: plan.instances,
        whole: plan.instances,
        stations: vec![station],
        end: Some(shadow.end.clone()),
        cohort: None,
        flag: None,
        in_place: false,
        order: None,
    }
}
