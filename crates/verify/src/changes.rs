//! Diff: what a patch must not do, seen without running anything.

use patchline_model::failure::Failure;

use crate::check::{Case, Check, Shown};
use crate::complaint::{Complaint, Given};
use crate::diff::Diff;
use crate::outcome::{Record, count};
use crate::rules::{churn, packages, place, scripts, secrets, suppressions, tests};

/// Complaints that stand in the summary.
const FEW: usize = 3;

/// Reads the diff by the rules.
#[derive(Clone, Copy, Debug)]
pub struct Changes;

const RULES: [fn(Given<'_>) -> Vec<Complaint>; 7] = [
    place::complaints,
    tests::complaints,
    suppressions::complaints,
    secrets::complaints,
    scripts::complaints,
    packages::complaints,
    churn::complaints,
];

#[async_trait::async_trait]
impl Check for Changes {
    fn name(&self) -> &'static str {
        "diff"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let diff = match Diff::read(&case.diff) {
            Ok(diff) => diff,
            Err(why) => {
                record.fail("diff", &why);
                return Ok(record.shown(format!("the diff can't be judged: {why}")));
            }
        };
        let given = Given { case, diff: &diff };
        let complaints: Vec<Complaint> = RULES.iter().flat_map(|rule| rule(given)).collect();
        for complaint in &complaints {
            match complaint.refused {
                true => record.fail(&complaint.place, &complaint.why),
                false => record.warn(&complaint.place, &complaint.why),
            }
        }
        let (refused, told): (Vec<_>, Vec<_>) = complaints.iter().partition(|complaint| complaint.refused);
        let sentences = |list: &[&Complaint]| {
            let few =
                list.iter().take(FEW).map(|complaint| format!("{}: {}", complaint.place, complaint.why));
            let more = list.len().saturating_sub(FEW);
            let rest = (more > 0).then(|| format!("and {more} more"));
            few.chain(rest).collect::<Vec<_>>().join("; ")
        };
        let summary = match (refused.as_slice(), told.as_slice()) {
            ([], []) => {
                diff.files.iter().for_each(|file| record.pass(file.path(), "nothing to complain of"));
                format!("{} changed, nothing that a patch must not do", count(diff.files.len(), "file"))
            }
            ([], told) => sentences(told),
            (refused, _) => sentences(refused),
        };
        Ok(record.shown(summary))
    }
}
