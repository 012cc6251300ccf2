//! The way that a plan's strategy takes: one line a strategy.

use crate::stage::plan::{Plan, Strategy};
use crate::strategy::station::Course;
use crate::strategy::{blue_green, canary, flag, hot, rolling, shadow};

/// Where the plan leads, station by station.
pub fn course(plan: &Plan) -> Course {
    match &plan.strategy {
        Strategy::Canary(canary) => canary::course(plan, canary),
        Strategy::Rolling(rolling) => rolling::course(plan, rolling),
        Strategy::Hot(hot) => hot::course(plan, hot),
        Strategy::BlueGreen(blue_green) => blue_green::course(plan, blue_green),
        Strategy::Flag(flag) => flag::course(plan, flag),
        Strategy::Shadow(shadow) => shadow::course(plan, shadow),
    }
}
