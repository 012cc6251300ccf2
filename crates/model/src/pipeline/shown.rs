//! What shows a finding, added to a patch that is open: it is proven again with it, and nobody's word on the proof before counts.

use crate::actor::Actor;
use crate::event::Fact;
use crate::patch::Patch;
use crate::rejection::Rejection;
use crate::service::Reproducer;
use crate::stage::detect::{self, Opening};
use crate::stage::verify;

/// What follows; asking twice is asking once. What shows a finding already is not replaced: it may be what stands in the way.
pub fn decide(
    patch: &Patch,
    opening: &Opening,
    by: &Actor,
    reproducer: Box<Reproducer>,
) -> Result<Vec<Fact>, Rejection> {
    if *by == Actor::Machine {
        return Err(Rejection::NotAPerson);
    }
    if patch.rollout.plan.is_some() {
        return Err(Rejection::NotNow { patch: patch.id, stage: patch.stage(), asked: "report".to_owned() });
    }
    let refused = |why: String| Err(Rejection::NotShown { patch: patch.id, why });
    let name = &reproducer.advisory;
    let is_it = |finding: &&detect::Finding| finding.advisory == *name || finding.aliases.contains(name);
    let Some(finding) = patch.findings().iter().find(is_it) else {
        return refused(format!("it has no finding `{name}`"));
    };
    let names: Vec<&str> = finding.aliases.iter().chain([&finding.advisory]).map(String::as_str).collect();
    match opening.service.reproducer(&names) {
        Some(known) if known.how == reproducer.how => return Ok(Vec::new()),
        Some(_) => return refused(format!("something else shows `{name}` already")),
        None => {}
    }
    let again = patch.candidate().map(|_| Fact::Verify(verify::Event::Dropped));
    Ok([Fact::Detect(detect::Event::Shown(reproducer))].into_iter().chain(again).collect())
}
