//! Blue/green: the new version stands whole beside the old one, without a share and tried by a smoke test, then takes all but the hold-back at once.
//!
//! The old version stays whole until the bake is over and the evidence, or a person, promotes; so the way back is as
//! quick as the switch.

use crate::share::Share;
use crate::stage::plan::{BlueGreen, Plan};
use crate::strategy::station::{Course, Station};

/// The preview, then the bake.
pub fn course(plan: &Plan, blue_green: &BlueGreen) -> Course {
    let station = |share, bake, smoke| Station {
        stable: plan.instances,
        new: plan.instances,
        share_before: Share::NONE,
        share,
        bake,
        gate: false,
        smoke,
        mirror: None,
    };
    Course {
        instances: plan.instances,
        whole: plan.instances,
        stations: vec![
            station(Share::NONE, blue_green.preview, blue_green.smoke.clone()),
            station(blue_green.hold_back.rest(), blue_green.bake, None),
        ],
        end: None,
        cohort: None,
        flag: None,
        in_place: false,
        order: None,
    }
}
