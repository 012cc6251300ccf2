//! The text of a pull request: what was wrong, why this version, what changed in between, the risk, the proof, the way back.

use std::collections::BTreeMap;

use patchline_model::patch::Patch;
use patchline_model::stage::generate::{Candidate, Kind, Move};
use patchline_model::stage::verify::CheckResult;
use patchline_model::triage::action::Action;

use crate::markdown::{code, line};
use crate::notes::{bounded, moved, proven, wrong};
use crate::template::{Wrong, fill};

/// The text where the service has none of its own.
pub const TEMPLATE: &str = "\
{{summary}}

## What was wrong

{{wrong}}

## Why this version

{{why}}

## What changed in between

{{changelog}}

## What is left

{{left}}

## Risk

{{risk}}

## How it was proven

{{proof}}

## How to undo it

{{undo}}

{{trailers}}
";

/// Packages whose changelogs are shown.
const MOST_PACKAGES: usize = 10;

/// What one package says of itself: foreign text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub package: String,
    /// The file that says so.
    pub file: String,
    /// Versions with their lines.
    pub sections: Vec<(String, Vec<String>)>,
    pub is_cut: bool,
}

/// The text for a patch with a change. Values that are foreign are inert: they show their words and nothing else.
pub fn pull_request(
    patch: &Patch,
    candidate: &Candidate,
    told: &[Told],
    template: &str,
) -> Result<String, Wrong> {
    let service = patch.opening.as_ref().map(|opening| &opening.service);
    // The patch is theirs whose finding is the most urgent.
    let of_finding = patch.triage.priorities.first().map(|priority| &priority.owner);
    let owner = of_finding.or(service.map(|service| &service.owner));
    let owner = owner.map(|owner| line(owner)).unwrap_or_default();
    let service = service.map(|service| line(service.name.as_str())).unwrap_or_default();
    let count = candidate.removes.len();
    let noun = if count == 1 { "finding" } else { "findings" };
    let state = if patch.verify.verdict.as_ref().is_some_and(|verdict| verdict.holds()) {
        "built and proven"
    } else {
        "not proven yet"
    };
    let summary = format!("{} removes {count} {noun} from {service}; it is {state}.", patch.id);
    let values = [
        ("title", line(&candidate.title)),
        ("patch", patch.id.to_string()),
        ("service", service),
        ("owner", owner),
        ("branch", code(&candidate.branch)),
        ("summary", summary),
        ("wrong", removed(patch, candidate)),
        ("why", why(candidate)),
        ("changelog", changelog(told)),
        ("left", left(candidate)),
        ("risk", risk(patch, candidate)),
        ("proof", listed(proven(patch))),
        ("undo", undo(patch)),
        ("trailers", trailers(patch, candidate)),
    ];
    fill(template, &values)
}

fn listed(lines: Vec<String>) -> String {
    bounded(lines).join("\n")
}

fn removed(patch: &Patch, candidate: &Candidate) -> String {
    let mut removed = patch.clone();
    let findings = patch.findings().iter().filter(|finding| candidate.removes.contains(&finding.id)).cloned();
    removed.detect = patchline_model::stage::detect::State::Found(findings.collect()).into();
    listed(wrong(&removed))
}

fn why(candidate: &Candidate) -> String {
    let chosen = candidate.moves.iter().filter(|step| step.rung.is_some()).map(moved);
    listed([format!("- {}", line(&candidate.rationale))].into_iter().chain(chosen).collect())
}

fn changelog(told: &[Told]) -> String {
    let mut text: Vec<String> = Vec::new();
    for Told { package, file, sections, is_cut } in told.iter().take(MOST_PACKAGES) {
        text.push(format!("### {}, by its {}\n", code(package), code(file)));
        for (version, lines) in sections {
            text.push(format!("- {}", code(version)));
            text.extend(lines.iter().map(|told| format!("  - {}", line(told))));
        }
        text.extend(is_cut.then(|| "- and more".to_owned()));
        text.push(String::new());
    }
    text.join("\n").trim_end().to_owned()
}

fn left(candidate: &Candidate) -> String {
    listed(candidate.leaves.iter().map(|(id, why)| format!("- {}: {}", code(&id.0), line(why))).collect())
}

fn risk(patch: &Patch, candidate: &Candidate) -> String {
    let mut lines = Vec::new();
    let of_patch = patch.triage.priorities.iter().filter(|one| candidate.removes.contains(&one.finding));
    if let Some(first) = of_patch.max_by_key(|priority| priority.action) {
        let due = first.due.map(|due| format!(", due {}", due.date())).unwrap_or_default();
        let hotfix = if first.action == Action::ActNow { ": a hotfix" } else { "" };
        lines.push(format!("- without it: **{}**{due}{hotfix}", first.action.words()));
        lines.extend(first.reasons.iter().take(3).map(|reason| format!("  - {}", line(reason))));
    }
    let (moves, along) =
        (candidate.moves.len(), candidate.moves.iter().filter(|step| step.rung.is_none()).count());
    let kind = match candidate.kind {
        Kind::Dependency => {
            format!("- with it: packages that move: {moves}, of which along with others: {along}")
        }
        Kind::Code | Kind::Config | Kind::Schema | Kind::Image | Kind::OsPackage | Kind::Flag => {
            format!("- with it: files that change: {}", candidate.files.len())
        }
    };
    lines.push(kind);
    let major: Vec<String> = candidate
        .moves
        .iter()
        .filter(|step| is_major(step))
        .take(10)
        .map(|step| code(&step.package))
        .collect();
    if !major.is_empty() {
        lines.push(format!("- to another leading number: {}", major.join(", ")));
    }
    lines.extend(patch.forward_only().map(|bound| format!("- forward only: {}", line(&bound.reason))));
    let checks = patch.verify.verdict.iter().flat_map(|verdict| &verdict.checks);
    let mut unsure: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for checked in checks {
        match checked.result {
            CheckResult::Warned => {
                unsure.entry("passed with a warning").or_default().push(line(&checked.check))
            }
            CheckResult::Skipped => unsure.entry("skipped").or_default().push(line(&checked.check)),
            CheckResult::Passed | CheckResult::Failed => {}
        }
    }
    lines.extend(unsure.into_iter().map(|(word, checks)| format!("- {word}: {}", checks.join(", "))));
    listed(lines)
}

/// Whether the number by which a package says what breaks has moved.
fn is_major(step: &Move) -> bool {
    let leading = |version: &Option<String>| {
        let version = version.as_deref()?.trim_start_matches('v');
        let mut numbers = version.split(['.', '-', '+']);
        let first = numbers.next()?;
        Some((first.to_owned(), if first == "0" { numbers.next().map(str::to_owned) } else { None }))
    };
    let (from, to) = (leading(&step.from), leading(&step.to));
    from.is_some() && to.is_some() && from != to
}

fn undo(patch: &Patch) -> String {
    let (id, revert) = (patch.id, code(&format!("patchline revert {} --reason TEXT", patch.id)));
    let mut lines = vec![
        "- Before the merge: close this, and nothing has happened.".to_owned(),
        format!("- After the merge: {revert} takes the change out as a patch with a proof of its own."),
    ];
    if patch.goes_to_rollout() {
        lines.push(format!("- Where it runs: {}.", code(&format!("patchline rollback {id}"))));
    }
    lines.join("\n")
}

fn trailers(patch: &Patch, candidate: &Candidate) -> String {
    let removed = patch.findings().iter().filter(|finding| candidate.removes.contains(&finding.id));
    let mut fixes: Vec<String> =
        removed.map(|finding| format!("Fixes: {}", line(&finding.advisory))).collect();
    fixes.sort();
    fixes.dedup();
    [format!("Patchline-Patch: {}", patch.id)]
        .into_iter()
        .chain(bounded(fixes))
        .collect::<Vec<_>>()
        .join("\n")
}
