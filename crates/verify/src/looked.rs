//! What the service's analyzers say of a finding that the patch is to remove, from their looks at both sides.

use patchline_model::gone::Became;
use patchline_model::stage::detect::Finding;

use crate::check::Case;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Found on the base, and not on the patch.
    Gone,
    Still,
    /// On neither side.
    Never,
    /// A report from elsewhere told of it, and no analyzer that could look again.
    Nobody,
}

pub(crate) fn look(finding: &Finding, case: &Case, became: &Became<'_>) -> Look {
    let name = finding.analysis().and_then(|analysis| analysis.analyzer.as_deref());
    let can_look = name.is_some_and(|name| case.service.verification.analyzer(name).is_some());
    let was_there = case.before.iter().any(|known| known.id == finding.id);
    match (can_look, was_there) {
        (false, _) => Look::Nobody,
        (true, _) if became.still.contains(&finding.id) => Look::Still,
        (true, true) => Look::Gone,
        (true, false) => Look::Never,
    }
}

/// By which a person knows it.
pub(crate) fn named(finding: &Finding) -> String {
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("{} {}{line}", finding.advisory, finding.location.path)
}
