//! Canary: growing shares beside the stable version, which stays whole.

use crate::share::Share;
use crate::stage::plan::{Canary, Plan};
use crate::strategy::station::{Course, Station};

/// One station a step; the canary's instances are the same in all of them.
pub fn course(plan: &Plan, canary: &Canary) -> Course {
    let mut share_before = Share::NONE;
    let stations = canary.steps.iter().map(|step| {
        let before = std::mem::replace(&mut share_before, step.share);
        Station {
            stable: plan.instances,
            new: canary.instances,
            share_before: before,
            share: step.share,
            bake: step.bake,
            gate: step.gate,
            smoke: None,
            mirror: None,
        }
    });
    Course {
        instances: plan.instances,
        whole: plan.instances,
        stations: stations.collect(),
        end: canary.end.clone(),
        cohort: canary.cohort.clone(),
        flag: None,
        in_place: false,
        order: None,
    }
}
