//! What is there of one version: its instances, counted, beside what was asked for.

use crate::process::action::Stage;
use crate::process::arm::Arm;
use crate::process::counters::Tallies;
use crate::process::running::Running;
use crate::process::spec::{Compared, ObservedArm};

/// What a version is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    pub wanted: u32,
    /// The share in force.
    pub share_ppm: u32,
}

/// One version as it runs.
pub fn observed_arm(arm: &Arm, given: Given, running: &[Running]) -> Option<ObservedArm> {
    let version = &arm.counters.version;
    let of_version = || running.iter().filter(|running| running.saved.version == *version);
    let count =
        |is: &dyn Fn(&Running) -> bool| u32::try_from(of_version().filter(|one| is(one)).count()).ok();
    let Tallies { met, compared, mirrored } = arm.counters.tallies();
    Some(ObservedArm {
        version: version.clone(),
        label: arm.counters.label.clone(),
        share_ppm: given.share_ppm,
        wanted: given.wanted,
        healthy: count(&Running::takes_requests)?,
        draining: count(&|one: &Running| !one.stage.is_active())?,
        restarts: arm.restarts,
        instances: of_version().map(Running::observed).collect(),
        requests: met.requests,
        errors: met.errors,
        latency: met.latency,
        in_flight: arm.counters.in_flight(),
        compared: Compared {
            requests: compared.requests,
            errors: compared.errors,
            latency: compared.latency,
        },
        mirrored,
    })
}

/// Instances that count for a version by their own last word, ill for the moment or not.
pub fn confirmed(version: &str, running: &[Running]) -> u32 {
    let counts = |one: &&Running| {
        let has_served = matches!(one.stage, Stage::Healthy | Stage::Unhealthy);
        one.saved.version == version && has_served
    };
    u32::try_from(running.iter().filter(counts).count()).unwrap_or(u32::MAX)
}
