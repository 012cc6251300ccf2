//! Hot: the instances stay, and take the new version over batch by batch.
//!
//! An instance is either of the old version or of the new one, so both together are always the plan's instances, and the
//! share follows the number of those that have confirmed the new one. Before the first batch every instance must have
//! said that it serves the stable version; who can't say that can't show a conversion either. As in rolling, the last
//! batch has no station of its own: to convert it is the promotion, which needs the evidence of those before.

use crate::share::Share;
use crate::stage::plan::{Hot, Plan};
use crate::strategy::station::{Course, Station, part};

/// One station a batch, but the last. A single instance has no station: nothing would be left to compare it with.
pub fn course(plan: &Plan, hot: &Hot) -> Course {
    let instances = plan.instances;
    let batch = hot.batch.clamp(1, instances.saturating_sub(1).max(1));
    let mut share_before = Share::NONE;
    let mut stations = Vec::new();
    let mut converted = batch;
    while converted < instances {
        let share = part(converted, instances);
        stations.push(Station {
            stable: instances - converted,
            new: converted,
            share_before: std::mem::replace(&mut share_before, share),
            share,
            bake: hot.bake,
            gate: false,
            smoke: None,
            mirror: None,
        });
        converted += batch;
    }
    Course {
        instances,
        whole: instances,
        stations,
        end: None,
        cohort: None,
        flag: None,
        in_place: true,
        order: None,
    }
}
