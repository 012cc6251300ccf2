//! Rolling: instances are replaced batch by batch, and the share follows their number.
//!
//! Of *n* instances, batch *k* brings *k·b* new ones. They are healthy before the share rises to *k·b/n*, and the old
//! instances that they replace stay until that batch has baked: they go when the next one begins. So a batch's own share
//! can be taken back at once. With `max_unavailable` *u*, so many of the old ones go before, to make room.
//! The last batch has no station of its own: to replace it is the promotion, which needs the evidence of those before.

use crate::share::Share;
use crate::stage::plan::{Plan, Rolling};
use crate::strategy::station::{Course, Station, part};

/// One station a batch, but the last.
pub fn course(plan: &Plan, rolling: &Rolling) -> Course {
    let instances = plan.instances.max(1);
    let batch = rolling.batch.clamp(1, instances.saturating_sub(1).max(1));
    let unavailable = rolling.max_unavailable.min(batch).min(instances - 1);
    let mut share_before = Share::NONE;
    let mut replaced = 0;
    let mut stations = Vec::new();
    loop {
        let new = replaced + batch;
        let stable = (instances - replaced).saturating_sub(unavailable).max(1);
        // A single instance has another one beside it: half of the requests each.
        let share = if new < instances { part(new, instances) } else { part(1, 2) };
        // In proportion to the instances that stand.
        let before =
            if replaced == 0 { Share::NONE } else { part(replaced, replaced + stable).max(share_before) };
        stations.push(Station {
            stable,
            new,
            share_before: before,
            share,
            bake: rolling.bake,
            gate: false,
            smoke: None,
            mirror: None,
        });
        (share_before, replaced) = (share, new);
        if replaced + batch >= instances {
            break;
        }
    }
    Course {
        instances,
        whole: instances - unavailable,
        stations,
        end: None,
        cohort: None,
        flag: None,
        in_place: false,
    }
}
