//! Rolling: instances are replaced batch by batch, and the share follows their number.
//!
//! Of *n* instances, batch *k* brings *k·b* new ones. They are healthy before the share rises to *k·b/n*, and the old
//! instances that they replace stay until that batch has baked: they go when the next one begins. So a batch's own share
//! can be taken back at once. With `max_unavailable` *u*, so many of the old ones go before, to make room.
//! The last batch has no station of its own: to replace it is the promotion, which needs the evidence of those before.
//!
//! Where instances have names, two never have the same one: a batch's old instances go, then the new ones come, in the plan's
//! order, and the way back is the same way backwards. Before a partition a person is asked.

use crate::share::Share;
use crate::stage::plan::{Plan, Rolling};
use crate::strategy::station::{Course, Ordered, Station, part};

/// One station a batch, but the last.
pub fn course(plan: &Plan, rolling: &Rolling) -> Course {
    let instances = plan.instances.max(1);
    let batch = rolling.batch.clamp(1, instances.saturating_sub(1).max(1));
    let order = rolling.order.as_ref();
    let unavailable = if order.is_some() { batch } else { rolling.max_unavailable };
    let unavailable = unavailable.min(batch).min(instances - 1);
    let before_partition = order.map_or(0, |order| instances.saturating_sub(order.partition));
    let mut share_before = Share::NONE;
    let mut replaced = 0;
    let mut stations = Vec::new();
    loop {
        let is_before = replaced < before_partition && before_partition < instances;
        let new = if is_before { (replaced + batch).min(before_partition) } else { replaced + batch };
        let stable = match order {
            Some(_) => instances - new,
            None => (instances - replaced).saturating_sub(unavailable).max(1),
        };
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
            gate: is_before && new == before_partition,
            smoke: None,
            mirror: None,
        });
        (share_before, replaced) = (share, new);
        let is_partitioned = replaced < before_partition && before_partition < instances;
        if replaced + batch >= instances && !is_partitioned {
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
        order: order.map(|order| Ordered { names: order.names.clone(), batch }),
    }
}
