//! Re-scan: what the patch removes is gone, and nothing new came in.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::failure::Failure;
use patchline_model::gone::{Became, became};
use patchline_model::id::FindingId;
use patchline_model::stage::detect::{Finding, Source};

use crate::check::{Case, Check, Shown};
use crate::looked::{Look, look, named};
use crate::newcomers::complaints;
use crate::outcome::{Record, count, few};

/// Of what is new about packages, so much stands in the summary.
const FEW: usize = 3;

/// Compares the scans of the base and of the patch.
#[derive(Clone, Copy, Debug)]
pub struct Rescan;

#[async_trait::async_trait]
impl Check for Rescan {
    fn name(&self) -> &'static str {
        "re-scan"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let mut summary = compare(case, &mut record);
        let told = complaints(case);
        told.iter().for_each(|complaint| record.warn(&complaint.place, &complaint.why));
        for complaint in told.iter().take(FEW) {
            summary.push_str(&format!("; {}: {}", complaint.place, complaint.why));
        }
        Ok(record.shown(summary))
    }
}

/// What a finding is about: the advisory and the package.
type About<'a> = (&'a str, Option<&'a str>);

fn compare(case: &Case, record: &mut Record) -> String {
    let (base, patch) = (count(case.before.len(), "finding"), count(case.after.len(), "finding"));
    record.detail(format!("the base has {base}, the patch has {patch}"));
    record.sides(base, patch);
    let removed = case.findings.iter().filter(|finding| case.candidate.removes.contains(&finding.id));
    let became = became(&case.candidate.removes, &case.before, &case.after);
    removed.for_each(|finding| match finding.source {
        Source::Analyzer(_) => judge_by_looks(finding, case, &became, record),
        Source::Lockfile | Source::Report => judge_removed(finding, case, record),
    });
    let unknown =
        case.candidate.removes.iter().filter(|id| !case.findings.iter().any(|known| known.id == **id));
    unknown.for_each(|id| {
        record.fail(&id.to_string(), "the candidate says that it removes this, which is no finding")
    });
    let still = record.has_failed();
    let unseen = record.skipped().to_vec();

    // The base may have the same advisory for another version of the package: then one more of them is new as well.
    let (before, after) = (counted(&case.before), counted(&case.after));
    let in_base = |finding: &Finding| case.before.iter().any(|known| known.id == finding.id);
    let is_new = |finding: &&Finding| {
        let had = before.get(&about(finding)).map_or(0, BTreeSet::len);
        let has = after.get(&about(finding)).map_or(0, BTreeSet::len);
        finding.analysis().is_none() && has > had && !in_base(finding)
    };
    let new = case.after.iter().filter(is_new).map(name);
    let new: BTreeSet<String> = new.chain(became.new.iter().map(|finding| named_in_full(finding))).collect();
    new.iter().for_each(|name| record.fail(name, "the patch brings this in"));
    let new: Vec<String> = new.into_iter().collect();

    match (still, new.as_slice()) {
        (true, []) => "what the patch is to remove is still found".to_owned(),
        (true, new) => format!("what the patch is to remove is still found, and {} is new", few(new)),
        (false, []) if !unseen.is_empty() => {
            format!("nothing could look again for {}: a report from elsewhere told of it", few(&unseen))
        }
        (false, []) if record.has_warned() => {
            "nothing new is found; the scan of the base does not show everything that the patch removes"
                .to_owned()
        }
        (false, []) => "what the patch removes is gone, and nothing new is found".to_owned(),
        (false, new) => format!("the patch brings in {}", few(new)),
    }
}

/// The findings by what they are about.
fn counted(findings: &[Finding]) -> BTreeMap<About<'_>, BTreeSet<&FindingId>> {
    let mut counted: BTreeMap<About<'_>, BTreeSet<&FindingId>> = BTreeMap::new();
    findings.iter().filter(|finding| finding.analysis().is_none()).for_each(|finding| {
        counted.entry(about(finding)).or_default().insert(&finding.id);
    });
    counted
}

/// Still there is a finding that the scan of the patch repeats, also under another version of the same package,
/// unless the base had that one besides and the candidate does not claim it.
fn judge_removed(finding: &Finding, case: &Case, record: &mut Record) {
    let name = name(finding);
    let in_base = |other: &Finding| case.before.iter().any(|known| known.id == other.id);
    let repeats =
        |other: &&Finding| other.id == finding.id || about(other) == about(finding) && !in_base(other);
    let was_there = case.before.iter().any(|known| known.id == finding.id || about(known) == about(finding));
    let has_lockfile = finding.source == Source::Lockfile;
    match case.after.iter().filter(|other| other.analysis().is_none()).find(repeats) {
        Some(other) => {
            let version = other.package.as_ref().map_or_else(String::new, |package| format!(" in {package}"));
            record.fail(&name, format!("still found{version}"));
        }
        None if has_lockfile && was_there => record.pass(&name, "gone"),
        None if has_lockfile => record.warn(&name, "not found in the patch, and not in the base either"),
        None => record.detail(format!("{name}: a report; scans do not show it, its reproducer does")),
    }
}

/// Still there is what the analyzer that found it finds again. Where none can look, a reproducer may show it.
fn judge_by_looks(finding: &Finding, case: &Case, became: &Became<'_>, record: &mut Record) {
    let name = named(finding);
    let names: Vec<&str> =
        [&finding.advisory].into_iter().chain(&finding.aliases).map(String::as_str).collect();
    match look(finding, case, became) {
        Look::Gone => record.pass(&name, "gone"),
        Look::Still => record.fail(&name, "still found"),
        Look::Never => record.warn(&name, "not found in the patch, and not in the base either"),
        Look::Nobody if case.service.reproducer(&names).is_some() => {
            record.detail(format!("{name}: no analyzer can look again, its reproducer shows it"));
        }
        Look::Nobody => record.skip(&name, "no analyzer of the service can look again"),
    }
}

/// With what it says, for a person who has never seen it.
fn named_in_full(finding: &Finding) -> String {
    format!("{}: {}", named(finding), finding.summary)
}

fn about(finding: &Finding) -> About<'_> {
    (&finding.advisory, finding.package.as_ref().map(|package| package.name.as_str()))
}

fn name(finding: &Finding) -> String {
    match &finding.package {
        Some(package) => format!("{} {}", finding.advisory, package.name),
        None => finding.advisory.clone(),
    }
}

#[cfg(test)]
mod tests {
    use patchline_model::stage::detect::Finding;
    use patchline_model::stage::verify::{CheckResult, Sides};

    use super::compare;
    use crate::outcome::{Record, count};
    use crate::sample::{analyzed, case, finding, lint, report};

    #[test]
    fn what_analyzers_find_is_looked_for_again_or_nothing_is_shown() {
        let own = |rule: &str, line: u32| analyzed(rule, line, Some("lint"));
        let (one, two) = ([own("R-1", 3)], [own("R-1", 3), own("R-2", 5)]);
        check(&one, &two, &two[1..], CheckResult::Passed, "gone, and nothing new");
        check(&one, &two, &two, CheckResult::Failed, "still found");
        check(&one, &two, &[own("R-2", 5), own("R-1", 4)], CheckResult::Failed, "still found");
        let more = [own("R-2", 5), own("R-2", 6)];
        check(&one, &two, &more, CheckResult::Failed, "brings in `R-2 app.py:6");
        check(&one, &[], &[], CheckResult::Warned, "does not show everything");
        let foreign = [analyzed("R-1", 3, None)];
        check(&foreign, &[], &[], CheckResult::Skipped, "nothing could look again for `R-1 app.py:3`");
        check(&foreign, &[], &[own("R-2", 5)], CheckResult::Failed, "brings in");
    }

    #[track_caller]
    fn check(removes: &[Finding], before: &[Finding], after: &[Finding], result: CheckResult, words: &str) {
        let mut case = case();
        case.findings = removes.to_vec();
        case.candidate.removes = removes.iter().map(|finding| finding.id.clone()).collect();
        case.before = before.to_vec();
        case.service.verification.analyzers = vec![lint()];
        case.after = after.to_vec();
        let mut record = Record::default();
        let summary = compare(&case, &mut record);
        let shown = record.shown(summary);
        assert_eq!(shown.result, result, "{shown:?}");
        let number = |findings: &[Finding]| count(findings.len(), "finding");
        let sides = Sides { base: number(before), patch: number(after) };
        assert_eq!(shown.sides, Some(sides));
        assert!(shown.summary.contains(words), "{}", shown.summary);
    }

    #[test]
    fn gone_and_nothing_new_is_what_passes() {
        let (yaml, time) = (finding("R-1", "yaml", "1.0.0"), finding("R-2", "time", "1.0.0"));
        let both = [yaml.clone(), time.clone()];
        check(&both[..1], &both, &both[1..], CheckResult::Passed, "gone, and nothing new");
        check(&both, &both, &both[1..], CheckResult::Failed, "still found");
        let newer = finding("R-1", "yaml", "1.1.0");
        check(&both[..1], &both[..1], &[newer], CheckResult::Failed, "still found");
    }

    #[test]
    fn a_new_finding_is_named() {
        let (yaml, time) = (finding("R-1", "yaml", "1.0.0"), finding("R-2", "time", "1.0.0"));
        let before = [yaml];
        check(&before, &before, &[time], CheckResult::Failed, "brings in `R-2 time`");
        let other_package = finding("R-1", "yaml-two", "1.0.0");
        check(&before, &before, &[other_package], CheckResult::Failed, "`R-1 yaml-two`");
    }

    #[test]
    fn one_more_version_with_the_same_problem_is_new() {
        let (yaml, old) = (finding("R-1", "yaml", "1.0.0"), finding("R-2", "time", "0.1.43"));
        let older = finding("R-2", "time", "0.2.1");
        let before = [yaml.clone(), old.clone()];
        let removes = [yaml];
        check(&removes, &before, &[old, older.clone()], CheckResult::Failed, "brings in `R-2 time`");
        check(&removes, &before, &[older], CheckResult::Passed, "nothing new");
    }

    #[test]
    fn a_second_version_that_the_candidate_leaves_is_no_obstacle() {
        let (old, new) = (finding("R-1", "yaml", "1.0.0"), finding("R-1", "yaml", "2.0.0"));
        check(
            std::slice::from_ref(&old),
            &[old.clone(), new.clone()],
            &[new],
            CheckResult::Passed,
            "nothing new",
        );
    }

    #[test]
    fn what_scans_do_not_show_is_not_counted_as_shown() {
        check(&[report("tags")], &[], &[], CheckResult::Passed, "nothing new");
        let yaml = [finding("R-1", "yaml", "1.0.0")];
        check(&yaml, &[], &[], CheckResult::Warned, "does not show everything");
    }
}
