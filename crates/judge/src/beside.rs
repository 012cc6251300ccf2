//! The guards beside requests: incidents and gauges, where they are watched. They share a part of `alpha` of their own, and where
//! none is watched, none of it is kept for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arms::{Arm, Tick};
use crate::evidence::log_mean;
use crate::gauge::{GaugeGuard, GaugeSettings, Gauges, Load};
use crate::incidents::IncidentGuard;

/// The part of the mean that these guards have together. It costs the other guards a tenth of a nat, some two requests of a
/// hundred; what these guards find comes with many nats in time.
const PART: f64 = 0.1;

/// Guards on incidents and on gauges, by the gauges' names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BesideGuard {
    incidents: Option<IncidentGuard>,
    gauges: BTreeMap<String, GaugeGuard>,
}

impl BesideGuard {
    pub fn new(incidents: bool, gauges: &BTreeMap<String, GaugeSettings>, tick_seconds: f64) -> BesideGuard {
        BesideGuard {
            incidents: incidents.then(IncidentGuard::default),
            gauges: gauges
                .iter()
                .map(|(name, settings)| (name.clone(), GaugeGuard::new(*settings, tick_seconds)))
                .collect(),
        }
    }

    /// Takes in a tick. What is not in it is missing; a gauge that is not watched is left aside.
    pub fn observe(&mut self, tick: &Tick) {
        if let (Some(guard), Some(both)) = (&mut self.incidents, &tick.incidents) {
            guard.compare(both.canary, both.baseline);
        }
        // A guard counts looks, so it must see those too in which there is nothing.
        let nothing = Gauges::default();
        let compared = |arm: &Option<Arm>| arm.as_ref().map_or(0.0, |arm| arm.requests as f64);
        let of_arms = Load { canary: compared(&tick.canary), baseline: compared(&tick.baseline) };
        let load = tick.load.unwrap_or(of_arms);
        for (name, guard) in &mut self.gauges {
            guard.observe(tick.gauges.get(name).unwrap_or(&nothing), load);
        }
    }

    /// The part of the mean that they have: none if nothing is watched.
    pub fn part(&self) -> f64 {
        if self.incidents.is_none() && self.gauges.is_empty() { 0.0 } else { PART }
    }

    /// The log of the mean of their evidence, which is an e-value whatever their dependence; zero if nothing is watched.
    pub fn log(&self) -> f64 {
        let logs: Vec<f64> = self.readings().map(|(_, log)| log).collect();
        if logs.is_empty() { 0.0 } else { log_mean(&logs) }
    }

    /// The log of each guard's evidence by its name.
    pub fn readings(&self) -> impl Iterator<Item = (&str, f64)> {
        let incidents = self.incidents.iter().map(|guard| ("incidents", guard.log()));
        incidents.chain(self.gauges.iter().map(|(name, guard)| (name.as_str(), guard.log())))
    }

    /// What the guard that says most has to say, with the log of its evidence.
    pub fn strongest(&self) -> Option<(String, f64)> {
        let incidents = self.incidents.iter().map(|guard| (guard.reason(), guard.log()));
        let gauges = self.gauges.iter().map(|(name, guard)| (guard.reason(name), guard.log()));
        incidents.chain(gauges).max_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// A gauge that was beyond the margin in the newest block.
    pub fn beyond_margin(&self) -> Option<&str> {
        self.gauges.iter().find(|(_, guard)| guard.is_beyond()).map(|(name, _)| name.as_str())
    }

    /// A gauge that was asked for, and of which there are no readings of both arms yet.
    pub fn awaited(&self) -> Option<&str> {
        self.gauges.iter().find(|(_, guard)| guard.is_awaited()).map(|(name, _)| name.as_str())
    }

    /// A gauge whose limit an instance of the canary was beyond.
    pub fn over_limit(&self) -> Option<&str> {
        self.gauges.iter().find(|(_, guard)| guard.is_over_limit()).map(|(name, _)| name.as_str())
    }
}
