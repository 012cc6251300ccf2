//! The list of all checks. Another check is one file and one line here.

use crate::api_compatibility::ApiCompatibility;
use crate::before_after::BeforeAfter;
use crate::changes::Changes;
use crate::check::Check;
use crate::diff_coverage::DiffCoverage;
use crate::hunks::Hunks;
use crate::migration_lint::MigrationLint;
use crate::performance::Performance;
use crate::rehearsal::Rehearsal;
use crate::rescan::Rescan;
use crate::suite::Suite;

/// All checks, in the order in which they run: the first needs the artifacts as they were built.
pub fn checks() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(BeforeAfter),
        Box::new(Suite),
        Box::new(Rescan),
        Box::new(Changes),
        Box::new(Hunks),
        Box::new(DiffCoverage),
        Box::new(Performance),
        Box::new(MigrationLint),
        Box::new(ApiCompatibility),
        Box::new(Rehearsal),
    ]
}

#[cfg(test)]
mod tests {
    use patchline_model::stage::verify::REQUIRED;

    use super::checks;

    #[test]
    fn what_the_model_requires_is_here_and_comes_first() {
        let names: Vec<&str> = checks().iter().map(|check| check.name()).collect();
        assert_eq!(names[..REQUIRED.len()], REQUIRED);
    }
}
