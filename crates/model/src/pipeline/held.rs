//! What holds a patch now: the line first, then a freeze, then its service's own windows,
//! and the error budget last.

use crate::context::Context;
use crate::hold::{Hold, Kind};
use crate::line::{Freeze, Stop};
use crate::patch::Patch;
use crate::service::Service;
use crate::stage::approve;
use crate::stage::budget::{History, canary_burns};
use crate::triage::action::Action;
use crate::window::{Shut, Window, is_shut, shut};

/// What keeps a patch where it is.
enum Bar<'a> {
    Stop(&'a Stop),
    Freeze(&'a Freeze),
    Windows(&'a [Window]),
    Burn(String),
}

/// Why this patch may neither begin nor grow now; nothing: it may. What goes back never asks.
pub fn hold(cx: Context<'_>, patch: &Patch) -> Option<Hold> {
    let service = &patch.opening.as_ref()?.service;
    let hold = match bar(cx, patch, service)? {
        Bar::Stop(Stop { by, scope, at, reason }) => {
            let reason = format!("{by} stopped the line for {scope} at {at}: {reason}");
            Hold { kind: Kind::Stop, reason, until: None }
        }
        Bar::Freeze(Freeze { number, by, scope, reason, until, .. }) => {
            let reason = format!("freeze F-{number} by {by} holds {scope}: {reason}");
            Hold { kind: Kind::Freeze, reason, until: Some(*until) }
        }
        Bar::Windows(windows) => outside(service, windows, shut(windows, &cx.board.zones, cx.now)?),
        Bar::Burn(reason) => Hold { kind: Kind::Burn, reason, until: None },
    };
    Some(hold)
}

/// Whether anything holds it, without the words for it.
pub fn is_held(cx: Context<'_>, patch: &Patch) -> bool {
    patch.opening.as_ref().is_some_and(|opening| bar(cx, patch, &opening.service).is_some())
}

fn bar<'a>(cx: Context<'a>, patch: &Patch, service: &'a Service) -> Option<Bar<'a>> {
    let line = &cx.board.line;
    if let Some(stop) = line.stop_of(service) {
        return Some(Bar::Stop(stop));
    }
    // An emergency passes what was planned, and not what somebody has stopped just now.
    if is_emergency(cx, patch) {
        return burn(patch, service).map(Bar::Burn);
    }
    let is_hotfix = is_hotfix(patch);
    if let Some(freeze) = line.freeze_of(service, cx.now, is_hotfix) {
        return Some(Bar::Freeze(freeze));
    }
    let windows = service.run.as_ref().map_or(&[][..], |run| &run.windows);
    if !is_hotfix && is_shut(windows, &cx.board.zones, cx.now) {
        return Some(Bar::Windows(windows));
    }
    burn(patch, service).map(Bar::Burn)
}

fn outside(service: &Service, windows: &[Window], shut: Shut) -> Hold {
    let all: Vec<String> = windows.iter().map(ToString::to_string).collect();
    let reason = match shut.unknown {
        Some(zone) => format!("the rules of the time zone `{zone}` are not known here"),
        None => format!("{} moves {} alone", service.name, all.join(", and ")),
    };
    Hold { kind: Kind::Window, reason, until: shut.until }
}

/// Both versions may be ill alike, so that the judge finds nothing; then it is no time to grow. Whom a person sent forward in
/// spite of the judge's word is not held by this either.
fn burn(patch: &Patch, service: &Service) -> Option<String> {
    if patch.rollout.forced {
        return None;
    }
    let slo = service.run.as_ref()?.slo?;
    canary_burns(slo, patch.rollout.ticks.iter().map(|tick| tick.canary.as_ref()))
}

/// Why the error budget lets a routine rollout not begin; a hotfix begins all the same, for it may be the cure.
pub fn objection(patch: &Patch, history: Option<&History>) -> Option<String> {
    let slo = patch.opening.as_ref()?.service.run.as_ref()?.slo?;
    history?.objection(slo)
}

/// A person let it pass in an emergency, and the policy agrees.
pub fn is_emergency(cx: Context<'_>, patch: &Patch) -> bool {
    approve::emergency(&patch.approve, cx.now).is_some()
}

/// A hotfix removes a finding on which triage says to act now; everything else is routine.
pub fn is_hotfix(patch: &Patch) -> bool {
    let removes = |finding| patch.candidate().is_none_or(|candidate| candidate.removes.contains(finding));
    let urgent = patch.triage.priorities.iter().filter(|priority| priority.action == Action::ActNow);
    urgent.into_iter().any(|priority| removes(&priority.finding))
}
