//! What verification refused before, so that the next candidate is another one.

use std::collections::BTreeSet;

use patchline_model::stage::generate::{Candidate, Rung};

#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// Crates whose range is not widened again: the build or its tests did not stand the step.
    pub(crate) relaxed: BTreeSet<String>,
    /// Versions that were chosen in candidates which widened no range, and are not chosen again.
    pub(crate) versions: BTreeSet<(String, String)>,
}

impl Refused {
    pub(crate) fn of(candidates: &[Candidate]) -> Self {
        let mut refused = Self::default();
        for candidate in candidates {
            let widened = candidate.moves.iter().filter(|step| step.rung == Some(Rung::Relax));
            let widened: BTreeSet<String> = widened.map(|step| step.package.clone()).collect();
            if widened.is_empty() {
                let chosen = candidate.moves.iter().filter(|step| step.rung.is_some());
                let chosen = chosen.filter_map(|step| Some((step.package.clone(), step.to.clone()?)));
                refused.versions.extend(chosen);
            }
            refused.relaxed.extend(widened);
        }
        refused
    }

    /// A sentence about what is left out.
    pub(crate) fn told(&self) -> Option<String> {
        let names: Vec<&str> = self.relaxed.iter().map(String::as_str).collect();
        let versions: Vec<String> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let mut parts = Vec::new();
        if !names.is_empty() {
            parts.push(format!("another range for {}", names.join(", ")));
        }
        parts.extend((!versions.is_empty()).then(|| versions.join(", ")));
        (!parts.is_empty()).then(|| format!("Not again, for it was refused: {}.", parts.join("; ")))
    }
}
