//! Before and after: the reproducer shows the problem on the base, and no longer on the patch.

use std::collections::BTreeMap;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::gone::{Became, became};
use patchline_model::package::{Ecosystem, Package};
use patchline_model::reproducer::How;
use patchline_model::service::Reproducer;
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::verify::CheckResult;

use crate::check::{Case, Check, Shown, Side};
use crate::compiled::traces;
use crate::looked::{Look, look, named};
use crate::outcome::{Record, count, few};
use crate::proof_test::{self, Runs};
use crate::reproduce::{Seen, Site, seen};

/// Each side is asked so often; answers that differ are none.
const TIMES: usize = 2;

const UNSHOWN: &str =
    "no reproducer: nothing shows that the patch removes it; add a `[[reproducer]]` to `patchline.toml`";

/// Runs the reproducers against both artifacts.
#[derive(Clone, Copy, Debug)]
pub struct BeforeAfter;

/// What was asked of both sides, and what each showed.
struct Asked {
    answer: Answer,
    base: &'static str,
    patch: &'static str,
}

/// What the runs of one reproducer on both sides mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Shown,
    Not(String),
}

#[async_trait::async_trait]
impl Check for BeforeAfter {
    fn name(&self) -> &'static str {
        "before-after"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let mut known: BTreeMap<&str, Asked> = BTreeMap::new();
        let (mut on_base, mut on_patch) = (Vec::new(), Vec::new());
        let mut runs = Runs::default();
        let became = became(&case.candidate.removes, &case.before, &case.after);
        for id in &case.candidate.removes {
            let Some(finding) = case.findings.iter().find(|finding| finding.id == *id) else {
                record.fail(&id.to_string(), "the candidate says that it removes this, which is no finding");
                continue;
            };
            let names: Vec<&str> =
                [&finding.advisory].into_iter().chain(&finding.aliases).map(String::as_str).collect();
            let Some(reproducer) = case.service.reproducer(&names) else {
                let sides = match &finding.source {
                    Source::Analyzer(_) => judge_by_looks(finding, case, &became, &mut record),
                    Source::Lockfile | Source::Report => judge_by_version(finding, case, &mut record)?,
                };
                let (base, patch): (Option<&str>, Option<&str>) = sides.unzip();
                on_base.extend(base);
                on_patch.extend(patch);
                continue;
            };
            if !known.contains_key(reproducer.advisory.as_str()) {
                let answer = ask(reproducer, case, &mut runs, &mut record).await?;
                known.insert(&reproducer.advisory, answer);
            }
            let asked = &known[reproducer.advisory.as_str()];
            on_base.push(asked.base);
            on_patch.push(asked.patch);
            match &asked.answer {
                Answer::Shown => record.pass(&finding.advisory, "shown on the base, gone with the patch"),
                Answer::Not(why) => record.fail(&finding.advisory, why),
            }
        }
        if !on_base.is_empty() {
            record.sides(counted(&on_base), counted(&on_patch));
        }
        if record.is_empty() && is_taken_at_their_word(case) {
            return Ok(Shown { result: CheckResult::Skipped, ..record.shown(UNSHOWN.to_owned()) });
        }
        Ok(summed_up(record))
    }
}

/// Of a person's own change it may be that nothing can show what it is for; then nothing counts as shown, and people are to
/// approve it. What a machine made is shown or refused.
fn is_taken_at_their_word(case: &Case) -> bool {
    case.candidate.fixer == "person"
}

/// Runs one reproducer on both sides. It is the patch's own on both: a reproducer may come with the patch, and only
/// the same one tells the two apart.
async fn ask(
    reproducer: &Reproducer,
    case: &Case,
    runs: &mut Runs,
    record: &mut Record,
) -> Result<Asked, Failure> {
    let (base, patch) = match &reproducer.how {
        How::Test(by) => proof_test::seen(by, TIMES, runs, case, record).await?,
        How::Command(_) | How::File(_) | How::Http(_) => {
            record.detail(format!(
                "{}: the reproducer of the patch's tree runs against the artifacts of both sides",
                reproducer.advisory
            ));
            let base = ask_side(reproducer, "base", &case.base, case, record).await?;
            (base, ask_side(reproducer, "patch", &case.patch, case, record).await?)
        }
    };
    let answer = judge(&base, &patch, matches!(reproducer.how, How::Test(_)));
    Ok(Asked { answer, base: in_short(&base, "not shown"), patch: in_short(&patch, "gone") })
}

async fn ask_side(
    reproducer: &Reproducer,
    name: &str,
    side: &Side,
    case: &Case,
    record: &mut Record,
) -> Result<Vec<Seen>, Failure> {
    let mut all = Vec::with_capacity(TIMES);
    for time in 1..=TIMES {
        let label = format!("{name}, run {time}");
        let site = Site { label: &label, artifact: &side.artifact, tree: &side.tree, side: &case.patch };
        all.push(seen(reproducer, site, case, record).await?);
    }
    Ok(all)
}

/// There on the base and gone on the patch, each time, is the only answer that shows anything.
fn judge(base: &[Seen], patch: &[Seen], test: bool) -> Answer {
    let steady = |all: &[Seen]| all.first().cloned().filter(|first| all.iter().all(|seen| seen == first));
    let unsteady = |name: &str, all: &[Seen]| {
        let words: Vec<&str> = all.iter().map(words).collect();
        Answer::Not(format!("the reproducer is not deterministic on the {name}: {}", words.join(", then ")))
    };
    let (base, patch) = match (steady(base), steady(patch)) {
        (Some(base), Some(patch)) => (base, patch),
        (None, _) => return unsteady("base", base),
        (Some(_), None) => return unsteady("patch", patch),
    };
    let stopped = |name: &str, why: &str| {
        Answer::Not(format!("the reproducer itself could not run on the {name}: {why}"))
    };
    match (base, patch) {
        (Seen::Present, Seen::Absent) => Answer::Shown,
        (Seen::Absent, Seen::Absent | Seen::Present) if test => {
            Answer::Not("the test passes on the base, so it proves nothing".to_owned())
        }
        (Seen::Absent, Seen::Absent | Seen::Present) => {
            Answer::Not("the reproducer does not show the problem on the base".to_owned())
        }
        (Seen::Present, Seen::Present) => Answer::Not("the problem is still there with the patch".to_owned()),
        (Seen::Present | Seen::Absent, Seen::Neither(why)) => stopped("patch", &why),
        (Seen::Neither(why), _) => stopped("base", &why),
    }
}

/// What one side showed in all of its runs. `absent` is what the absence of the problem means there.
fn in_short(runs: &[Seen], absent: &'static str) -> &'static str {
    match runs {
        [first, rest @ ..] if rest.iter().any(|seen| seen != first) => "not deterministic",
        [Seen::Present, ..] => "shown",
        [Seen::Absent, ..] => absent,
        [Seen::Neither(_), ..] | [] => "could not run",
    }
}

/// One word where all findings have the same, else how many have which.
fn counted(words: &[&'static str]) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    words.iter().for_each(|word| *numbers.entry(word).or_default() += 1);
    match numbers.first_key_value() {
        Some((word, _)) if numbers.len() == 1 => (*word).to_owned(),
        Some(_) | None => {
            numbers.iter().map(|(word, number)| format!("{number} {word}")).collect::<Vec<_>>().join(", ")
        }
    }
}

fn words(seen: &Seen) -> &str {
    match seen {
        Seen::Present => "there",
        Seen::Absent => "gone",
        Seen::Neither(why) => why,
    }
}

/// What both sides showed of one finding; none where nothing was looked at.
type Both = Option<(&'static str, &'static str)>;

/// What an analyzer finds it shows itself: there on the base, gone with the patch.
fn judge_by_looks(finding: &Finding, case: &Case, became: &Became<'_>, record: &mut Record) -> Both {
    let (name, tool) = (named(finding), finding.analysis().map_or("", |analysis| analysis.tool.as_str()));
    match look(finding, case, became) {
        Look::Gone => {
            record.pass(&name, format!("{tool} finds it on the base, and not with the patch"));
            Some(("found", "not found"))
        }
        Look::Still => {
            record.fail(&name, format!("no reproducer, and {tool} finds it with the patch as well"));
            Some(("found", "found"))
        }
        Look::Never => {
            record.fail(&name, format!("no reproducer, and {tool} does not find it on the base"));
            Some(("not found", "not found"))
        }
        Look::Nobody => {
            record.skip(
                &name,
                "no reproducer, and no analyzer of the service that could look again: add an `[[analyzer]]` or a \
                 `[[reproducer]]` to `patchline.toml`",
            );
            None
        }
    }
}

/// Without a reproducer a vulnerable package is shown to be gone by its absence, from what is found and from what was
/// built; a report is not shown at all.
fn judge_by_version(finding: &Finding, case: &Case, record: &mut Record) -> Result<Both, Failure> {
    let package = |finding: &Finding| finding.package.as_ref().map(|package| package.name.clone());
    let (Source::Lockfile, Some(vulnerable)) = (&finding.source, &finding.package) else {
        match is_taken_at_their_word(case) {
            true => record.detail(format!("{}: {UNSHOWN}", finding.advisory)),
            false => record.fail(&finding.advisory, UNSHOWN),
        }
        return Ok(None);
    };
    let same = |other: &&Finding| other.advisory == finding.advisory && package(other) == package(finding);
    let in_base = |other: &Finding| case.before.iter().any(|known| known.id == other.id);
    let still = case.after.iter().filter(same).find(|other| other.id == finding.id || !in_base(other));
    if let Some(other) = still.and_then(|other| other.package.as_ref()) {
        record.fail(&finding.advisory, format!("no reproducer, and {other} is still vulnerable"));
        return Ok(Some(("locked", "locked")));
    }
    Ok(Some(match in_artifacts(vulnerable, case)? {
        InArtifacts::Still(trace) => {
            let why = format!("no reproducer, and {vulnerable} is gone from the lockfile only: {trace}");
            record.fail(&finding.advisory, why);
            ("built in", "built in")
        }
        InArtifacts::Gone(trace) => {
            let why = format!(
                "no reproducer; {vulnerable} was {trace} on the base, and is in nothing that the patch builds"
            );
            record.pass(&finding.advisory, why);
            ("built in", "gone")
        }
        InArtifacts::Unknown => {
            let why = format!("no reproducer: shown only by the version being gone ({vulnerable})");
            record.warn(&finding.advisory, why);
            ("locked", "gone")
        }
    }))
}

/// Whether a version is in what was built.
enum InArtifacts {
    /// Built into the base, as this says, and not into the patch.
    Gone(String),
    Still(String),
    Unknown,
}

/// Only what cargo builds leaves traces that are known.
fn in_artifacts(vulnerable: &Package, case: &Case) -> Result<InArtifacts, Failure> {
    if vulnerable.ecosystem != Ecosystem::crates_io() {
        return Ok(InArtifacts::Unknown);
    }
    let look = |side: &Side| {
        let found = traces(side, &case.service.folder, &vulnerable.name, &vulnerable.version);
        found.map_err(|error| {
            let text = format!("could not look for {vulnerable} in what was built: {error}");
            Failure::transient(text).of(FailureClass::Storage)
        })
    };
    let (base, patch) = (look(&case.base)?, look(&case.patch)?);
    Ok(match (base.found, patch.found) {
        (_, Some(trace)) => InArtifacts::Still(trace),
        // The traces must be of a kind that the patch's build leaves as well.
        (Some(trace), None) if patch.lists > 0 => InArtifacts::Gone(trace),
        (Some(_) | None, None) => InArtifacts::Unknown,
    })
}

fn summed_up(record: Record) -> Shown {
    if record.is_empty() {
        let mut record = record;
        record.fail("removes", "the candidate names no finding that it removes");
        return record.shown("the candidate names no finding that it removes".to_owned());
    }
    let (passed, warned, failed) = record.names();
    if let (skipped @ [_, ..], []) = (record.skipped(), failed) {
        let summary = format!("neither a reproducer nor an analyzer can show that {} is gone", few(skipped));
        return record.shown(summary);
    }
    let summary = match (passed.len(), warned, failed) {
        (number, [], []) => {
            format!("{} shown on the base and gone with the patch", count(number, "finding"))
        }
        (0, warned, []) => {
            format!("no reproducer for {}: shown only by the version being gone", few(warned))
        }
        (number, warned, []) => format!(
            "{} shown on the base and gone with the patch; no reproducer for {}: shown only by the version being gone",
            count(number, "finding"),
            few(warned)
        ),
        (_, _, failed) => match record.why_failed() {
            Some(why) if failed.len() == 1 => why.to_owned(),
            Some(_) | None => format!("the patch is not shown to remove {}", few(failed)),
        },
    };
    record.shown(summary)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Seen, counted, in_short, judge};

    #[track_caller]
    fn check(base: [Seen; 2], patch: [Seen; 2], words: &str) {
        match judge(&base, &patch, false) {
            Answer::Shown => assert_eq!(words, "shown"),
            Answer::Not(why) => assert!(why.contains(words), "{why}"),
        }
    }

    #[test]
    fn only_present_before_and_absent_after_shows_anything() {
        let both = |seen: &Seen| [seen.clone(), seen.clone()];
        let (absent, present) = (both(&Seen::Absent), both(&Seen::Present));
        let neither = both(&Seen::Neither("exit code 2".to_owned()));
        check(present.clone(), absent.clone(), "shown");
        check(absent.clone(), absent.clone(), "does not show the problem on the base");
        check(absent.clone(), present.clone(), "does not show the problem on the base");
        check(present.clone(), present.clone(), "still there");
        check(neither.clone(), absent.clone(), "could not run on the base: exit code 2");
        check(absent.clone(), neither.clone(), "could not run on the patch: exit code 2");
        check([Seen::Present, Seen::Absent], absent, "not deterministic on the base: there, then gone");
        check(present, [Seen::Absent, Seen::Present], "not deterministic on the patch");
    }
    #[test]
    fn each_side_has_a_few_words() {
        let neither = Seen::Neither("exit code 2".to_owned());
        for (runs, words) in [
            (vec![Seen::Present, Seen::Present], "shown"),
            (vec![Seen::Absent, Seen::Absent], "gone"),
            (vec![Seen::Absent, Seen::Present], "not deterministic"),
            (vec![neither.clone(), neither], "could not run"),
        ] {
            assert_eq!(in_short(&runs, "gone"), words);
        }
        assert_eq!(counted(&["shown", "shown"]), "shown");
        assert_eq!(counted(&["gone", "shown", "gone"]), "2 gone, 1 shown");
    }
}
