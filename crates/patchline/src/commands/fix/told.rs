//! What `fix` tells: one JSON object for programs, a few lines for people.

use std::collections::BTreeMap;
use std::path::Path;

use patchline_conductor::projection::Known;
use patchline_generate::Proposal;
use patchline_model::id::FindingId;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::division::Division;
use patchline_model::stage::generate::{Candidate, Move};
use patchline_model::stage::review::End;
use patchline_model::stage::verify::Checked;
use serde_json::{Value, json};

/// Packages that are named though they only move along, and findings that are left.
const MOST_ALONG: usize = 20;
const MOST_LEFT: usize = 20;

/// The patch as it stands in the ledger.
pub fn of_patch(known: &Known, diff: &str, report: Option<&Path>) -> Value {
    let patch = &known.patch;
    let candidate = patch.candidate();
    let checks = patch.verify.verdict.iter().flat_map(|verdict| &verdict.checks);
    let refused = patch.generate.refused.iter();
    let broken = patch.generate.division.as_ref().map(Division::leaves).unwrap_or_default();
    json!({
        "id": patch.id.to_string(),
        "title": patch.title(),
        "outcome": patch.review.end.as_ref().map(End::word),
        "findings": patch.findings(),
        "changes": changes(candidate),
        "branch": candidate.map(|candidate| &candidate.branch),
        "commit": candidate.map(|candidate| &candidate.commit),
        "diff": candidate.map(|candidate| diff_size(candidate, diff)),
        "candidates": patch.generate.proposed,
        "refused": refused.map(|(candidate, why)| json!({ "branch": candidate.branch, "why": why })).collect::<Vec<_>>(),
        "checks": checks.map(check).collect::<Vec<_>>(),
        "unfixable": unfixable(patch.findings(), candidate, patch.generate.no_fix.as_deref(), &broken),
        "report": report,
    })
}

/// The patch for a person, once its story was told.
pub fn lines_of(known: &Known, diff: &str, report: Option<&Path>) -> Vec<String> {
    let handed_over = known.patch.review.end == Some(End::HandedOver);
    let Some(candidate) = known.patch.candidate().filter(|_| handed_over) else { return Vec::new() };
    let id = known.patch.id;
    let mut lines = vec![
        String::new(),
        format!("branch  {}", candidate.branch),
        format!("diff    {}", size(candidate, diff)),
        format!("look    git diff {}..{}", candidate.base.short(), candidate.branch),
        format!("text    patchline pr {id}"),
    ];
    lines.extend(report.map(|report| format!("report  {}", report.display())));
    let left = candidate.leaves.iter().take(MOST_LEFT);
    lines.extend(left.map(|(finding, why)| format!("left    {finding}: {why}")));
    lines
}

/// What would be proposed; without a number, a branch and checks, since there is no patch.
pub fn of_proposal(findings: &[Finding], proposal: &Proposal) -> Value {
    let (candidate, diff, reasons) = match proposal {
        Proposal::Candidate { candidate, diff, .. } => (Some(&**candidate), diff.as_str(), None),
        Proposal::NoFix { reasons, .. } => (None, "", Some(reasons.as_slice())),
    };
    json!({
        "id": null,
        "title": candidate.map(|candidate| &candidate.title),
        "findings": findings,
        "changes": changes(candidate),
        "branch": null,
        "diff": candidate.map(|candidate| diff_size(candidate, diff)),
        "checks": [],
        "unfixable": unfixable(findings, candidate, reasons, &[]),
    })
}

/// As in `2 files, 3 lines added, 3 removed`.
pub fn size(candidate: &Candidate, diff: &str) -> String {
    let (added, removed) = counted(diff);
    let files = candidate.files.len();
    let noun = if files == 1 { "file" } else { "files" };
    format!("{files} {noun}, {added} lines added, {removed} removed")
}

/// A rehearsal for a person.
pub fn lines(findings: &[Finding], candidate: &Candidate, diff: &str) -> Vec<String> {
    let mut lines = vec![
        candidate.title.clone(),
        format!(
            "  removes {} of {} findings; {}",
            candidate.removes.len(),
            findings.len(),
            size(candidate, diff)
        ),
    ];
    let (chosen, along): (Vec<&Move>, Vec<&Move>) =
        candidate.moves.iter().partition(|step| step.rung.is_some());
    lines.extend(chosen.into_iter().map(|step| format!("  {}", moved(step))));
    lines.extend(along.iter().take(MOST_ALONG).map(|step| format!("  {}, along with them", moved(step))));
    let more = along.len().saturating_sub(MOST_ALONG);
    lines.extend((more > 0).then(|| format!("  and {more} more along with them")));
    lines.extend(candidate.leaves.iter().map(|(id, why)| format!("  leaves {id}: {why}")));
    lines
}

fn moved(step: &Move) -> String {
    let text = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    let rung = step.rung.and_then(|rung| serde_json::to_value(rung).ok());
    let rung = rung.as_ref().and_then(Value::as_str).map(|rung| format!(" ({})", rung.replace('_', " ")));
    format!("{} {} → {}{}", step.package, text(&step.from), text(&step.to), rung.unwrap_or_default())
}

fn changes(candidate: Option<&Candidate>) -> Vec<Value> {
    let moves = candidate.into_iter().flat_map(|candidate| &candidate.moves);
    moves
        .map(|step| json!({ "package": step.package, "from": step.from, "to": step.to, "rung": step.rung }))
        .collect()
}

fn diff_size(candidate: &Candidate, diff: &str) -> Value {
    let (added, removed) = counted(diff);
    json!({ "files": candidate.files.len(), "lines": added + removed, "added": added, "removed": removed })
}

fn counted(diff: &str) -> (usize, usize) {
    let is = |sign: char, head: &str| {
        diff.lines().filter(|line| line.starts_with(sign) && !line.starts_with(head)).count()
    };
    (is('+', "+++ "), is('-', "--- "))
}

fn check(checked: &Checked) -> Value {
    let (base, patch) = checked.sides.as_ref().map(|sides| (&sides.base, &sides.patch)).unzip();
    json!({
        "name": checked.check, "base": base, "patch": patch, "verdict": checked.result, "summary": checked.summary, "details": checked.details,
        "milliseconds": checked.milliseconds,
    })
}

/// By finding, with every reason; `broken` are those whose steps were tried apart.
fn unfixable(
    findings: &[Finding],
    candidate: Option<&Candidate>,
    reasons: Option<&[String]>,
    broken: &[(FindingId, String)],
) -> Vec<Value> {
    let mut whys: BTreeMap<&FindingId, Vec<&str>> = BTreeMap::new();
    for (id, why) in candidate.into_iter().flat_map(|candidate| &candidate.leaves) {
        whys.entry(id).or_default().extend(why.split("; "));
    }
    if candidate.is_none() {
        broken.iter().for_each(|(id, why)| whys.entry(id).or_default().push(why));
    }
    if let (None, Some(reasons)) = (candidate, reasons) {
        for finding in findings {
            whys.entry(&finding.id).or_default().extend(reasons.iter().map(String::as_str));
        }
    }
    whys.into_iter().map(|(id, why)| json!({ "id": id, "why": why })).collect()
}
