//! Flag: the new version stands whole before the first user meets it, then growing parts of a cohort have the flag on.
//!
//! Who has it on is served by the new version and who has it off by the stable one, so turning it off waits for nothing.

use crate::share::Share;
use crate::stage::plan::{Flag, Plan};
use crate::strategy::station::{Course, Station};

/// One station a step, each with every instance of both versions.
pub fn course(plan: &Plan, flag: &Flag) -> Course {
    let mut share_before = Share::NONE;
    let stations = flag.steps.iter().map(|step| Station {
        stable: plan.instances,
        new: plan.instances,
        share_before: std::mem::replace(&mut share_before, step.share),
        share: step.share,
        bake: step.bake,
        gate: step.gate,
        smoke: None,
        mirror: None,
    });
    Course {
        instances: plan.instances,
        whole: plan.instances,
        stations: stations.collect(),
        end: flag.end.clone(),
        cohort: Some(flag.cohort.clone()),
        flag: Some(flag.flag.clone()),
        in_place: false,
    }
}
