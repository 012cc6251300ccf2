//! What holds a patch now: the line first, then a freeze, then its service's own windows,
//! and the error budget last.

use crate::context::Context;
use crate::hold::{Hold, Kind};
use crate::patch::Patch;
use crate::service::Service;
use crate::stage::budget::{History, canary_burns};
use crate::triage::action::Action;
use crate::window::shut;

/// Why this patch may neither begin nor grow now; nothing: it may. What goes back never asks.
pub fn hold(cx: Context<'_>, patch: &Patch) -> Option<Hold> {
    let service = &patch.opening.as_ref()?.service;
    if let Some(stop) = cx.board.line.stop_of(service) {
        let reason =
            format!("{} stopped the line for {} at {}: {}", stop.by, stop.scope, stop.at, stop.reason);
        return Some(Hold { kind: Kind::Stop, reason, until: None });
    }
    if let Some(freeze) = cx.board.line.freeze_of(service, cx.now, is_hotfix(patch)) {
        let (number, by, scope) = (freeze.number, &freeze.by, &freeze.scope);
        let reason = format!("freeze F-{number} by {by} holds {scope}: {}", freeze.reason);
        return Some(Hold { kind: Kind::Freeze, reason, until: Some(freeze.until) });
    }
    outside_windows(cx, patch, service).or_else(|| burns(patch, service))
}

fn outside_windows(cx: Context<'_>, patch: &Patch, service: &Service) -> Option<Hold> {
    let windows = service.run.as_ref().map_or(&[][..], |run| &run.windows);
    let shut = shut(windows, &cx.board.zones, cx.now).filter(|_| !is_hotfix(patch))?;
    let all: Vec<String> = windows.iter().map(ToString::to_string).collect();
    let reason = match shut.unknown {
        Some(zone) => format!("the rules of the time zone `{zone}` are not known here"),
        None => format!("{} moves {} alone", service.name, all.join(", and ")),
    };
    Some(Hold { kind: Kind::Window, reason, until: shut.until })
}

/// Both versions may be ill alike, so that the judge finds nothing; then it is no time to grow. Whom a person sent forward in
/// spite of the judge's word is not held by this either.
fn burns(patch: &Patch, service: &Service) -> Option<Hold> {
    if patch.rollout.forced {
        return None;
    }
    let slo = service.run.as_ref()?.slo?;
    let looks = patch.rollout.ticks.iter().map(|tick| tick.canary.as_ref());
    canary_burns(slo, looks).map(|reason| Hold { kind: Kind::Burn, reason, until: None })
}

/// Why the error budget lets a routine rollout not begin; a hotfix begins all the same, for it may be the cure.
pub fn objection(patch: &Patch, history: Option<&History>) -> Option<String> {
    let slo = patch.opening.as_ref()?.service.run.as_ref()?.slo?;
    history?.objection(slo)
}

/// A hotfix removes a finding on which triage says to act now; everything else is routine.
pub fn is_hotfix(patch: &Patch) -> bool {
    let removes = |finding| patch.candidate().is_none_or(|candidate| candidate.removes.contains(finding));
    let urgent = patch.triage.priorities.iter().filter(|priority| priority.action == Action::ActNow);
    urgent.into_iter().any(|priority| removes(&priority.finding))
}
