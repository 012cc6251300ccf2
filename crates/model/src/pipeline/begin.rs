//! How a rollout begins: over which version, by which plan, and on what footing.

use crate::context::Context;
use crate::patch::Patch;
use crate::pipeline::joint;
use crate::rejection::Rejection;
use crate::stage::budget::History;
use crate::stage::detect::Opening;
use crate::stage::footing::Footing;
use crate::stage::plan::Version;
use crate::stage::rollout::Event;
use crate::strategy::course::course;

/// As much history as the longest window takes.
const WHOLE_HISTORY_MINUTES: u64 = 3 * 24 * 60;

/// What follows when it is known which version runs.
pub fn begin(
    cx: Context<'_>,
    patch: &Patch,
    opening: &Opening,
    new: &Version,
    stable: Version,
    before: Option<Box<History>>,
) -> Result<Vec<Event>, Rejection> {
    let service = &opening.service;
    let run = service.run.as_ref();
    let run = run.ok_or_else(|| Rejection::Nonsense(format!("{} has no [run] section", service.name)))?;
    let lock = service.lock().unwrap_or_default();
    if let Some(holder) = cx.board.kept_by_other(&lock, patch.id) {
        return Err(Rejection::Locked { patch: holder });
    }
    if stable.artifact == new.artifact {
        return Err(Rejection::Nonsense("the patch's artifact runs already".to_owned()));
    }
    if course(&run.plan).stations.is_empty() {
        return Err(Rejection::Nonsense(
            "the plan leaves nothing to compare the new version with".to_owned(),
        ));
    }
    let footing = Footing {
        over: cx.board.runs.get(&lock).copied(),
        seen: joint::seen(cx.board, patch),
        forward_only: patch.forward_only(),
    };
    let note = run.slo.and_then(|slo| match &before {
        None => Some("the error budget is unknown: the target has no history".to_owned()),
        Some(history) if history.minutes < WHOLE_HISTORY_MINUTES => {
            Some(format!("of the error budget {} minutes of history are known", history.minutes))
        }
        Some(history) => history.objection(slo),
    });
    let plan = Box::new(run.plan.clone());
    Ok(vec![Event::Started { stable, new: new.clone(), plan, footing, before, note }])
}
