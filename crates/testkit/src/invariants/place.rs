//! What must hold where instances are converted in place: of the processes as they really are, and of their record.

use std::collections::BTreeSet;

use patchline_model::digest::Digest;
use patchline_model::patch::Patch;
use patchline_model::stage::plan::{Plan, Process, Strategy};

use crate::breach::{Breach, hold};
use crate::invariants::road;
use crate::invariants::seen::Seen;
use crate::target::Target;

/// Of a rollout under way, whatever was observed of it.
pub fn check(patch: &Patch, plan: &Plan, target: &Target) -> Result<(), Breach> {
    let (Some(stable), Some(new)) = (&patch.rollout.stable, &patch.rollout.new) else { return Ok(()) };
    if !matches!(plan.strategy, Strategy::Hot(_)) {
        return Ok(());
    }
    let says = |holds: bool, invariant: &'static str| {
        hold(holds, invariant, patch.id, || format!("{:?} in {:?}", target.processes(), patch.rollout.phase))
    };
    let serving = |artifact: &Digest| target.processes().serving(artifact);
    let all = serving(&stable.artifact) + serving(&new.artifact);
    says(all >= plan.instances, "in place, no instance is missing")?;
    let share = target.arm(&new.artifact).map(|arm| arm.share).unwrap_or_default();
    let carried = road::carry(plan, serving(&new.artifact), share);
    says(carried, "no share above the instances that serve the version")
}

/// Every stable instance has said so itself.
pub fn all_said(seen: Seen<'_>) -> bool {
    let state = &seen.before.rollout;
    let (Some(stable), Some(plan)) = (&state.stable, &state.plan) else { return false };
    let arm = seen.observed().and_then(|observed| observed.arm(&stable.artifact));
    arm.is_some_and(|arm| arm.processes.len() >= plan.instances as usize)
}

/// What is recorded is what the instances said.
pub fn is_its_word(seen: Seen<'_>, artifact: &Digest, processes: &[Process]) -> bool {
    let arm = seen.observed().and_then(|observed| observed.arm(artifact));
    arm.is_some_and(|arm| processes.iter().all(|process| arm.processes.contains(process)))
}

/// At the end of a conversion each process is one that was there before it, and serves the new version.
pub fn stayed(seen: Seen<'_>) -> Result<(), Breach> {
    let state = &seen.before.rollout;
    let (Some(plan), Some(new)) = (&state.plan, &state.new) else { return Ok(()) };
    // Whom a person sent forward in spite of a stranger ends with strangers.
    if !matches!(plan.strategy, Strategy::Hot(_)) || state.forced {
        return Ok(());
    }
    let observed = seen.observed().and_then(|observed| observed.arm(&new.artifact));
    let there: BTreeSet<Process> =
        observed.map(|arm| arm.processes.iter().copied().collect()).unwrap_or_default();
    let before: BTreeSet<Process> = state.processes.iter().map(|(process, _)| *process).collect();
    let invariant = "a conversion ends with the same processes as it began";
    hold(there == before && there.len() >= plan.instances as usize, invariant, seen.patch(), || {
        format!("{there:?} instead of {before:?}")
    })
}
