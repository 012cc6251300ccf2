//! Canary: growing shares beside the stable version, which stays whole.
//!
//! The new version has the plan's instances, and more where a step's share takes more to carry: it has them before it has the
//! share. A cohort's share is counted as if everybody were of the cohort, for how many are is not known beforehand.

use crate::share::Share;
use crate::stage::plan::{Canary, Plan};
use crate::strategy::station::{Course, Station, carriers};

/// One station a step; no station has fewer of the new version's instances than the one before it.
pub fn course(plan: &Plan, canary: &Canary) -> Course {
    let (mut share_before, mut new) = (Share::NONE, canary.instances);
    let stations = canary.steps.iter().map(|step| {
        let before = std::mem::replace(&mut share_before, step.share);
        new = new.max(carriers(step.share, plan.instances));
        Station {
            stable: plan.instances,
            new,
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
