//! The release note: what was wrong, what changed, how it was proven, who allowed it, how it went, how to undo it.

use patchline_model::event::{Event, Fact};
use patchline_model::patch::Patch;
use patchline_model::stage::approve::{Answer, Decision};
use patchline_model::stage::build::{Artifact, Reproducible};
use patchline_model::stage::detect::{Finding, Subject};
use patchline_model::stage::generate::{Candidate, Move};
use patchline_model::stage::review::End;
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::stage::verify::{CheckResult, Verdict};
use patchline_model::view::story;

use crate::markdown::{code, line};
use crate::steps::{Arm, Step, steps};
use crate::times::Facts;

/// Most entries of one list; what is left out is counted.
const MOST_ENTRIES: usize = 30;

/// The note as Markdown, for the team that owns the service. `facts` is what [`crate::times::look_back`] found.
pub fn release_note(patch: &Patch, events: &[Event], facts: &Facts) -> String {
    let mut note = vec![format!("# {}", line(&patch.title())), summary(patch, facts)];
    section(&mut note, "What was wrong", wrong(patch));
    section(&mut note, "What changed", changed(patch));
    section(&mut note, "How it was proven", proven(patch));
    section(&mut note, "Who allowed it", allowed(patch));
    section(&mut note, "How the rollout went", rolled(patch, events, facts));
    section(&mut note, "How it ended", ended(patch, facts));
    section(&mut note, "How to undo it", undo(patch));
    section(&mut note, "How long it took", took(facts));
    note.join("\n\n") + "\n"
}

fn section(note: &mut Vec<String>, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        note.push(format!("## {title}"));
        note.push(bounded(lines).join("\n"));
    }
}

pub(crate) fn bounded(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST_ENTRIES);
    if more > 0 {
        lines.truncate(MOST_ENTRIES);
        lines.push(format!("- and {more} more"));
    }
    lines
}

fn summary(patch: &Patch, facts: &Facts) -> String {
    let service = patch.opening.as_ref().map(|opening| opening.service.name.to_string()).unwrap_or_default();
    let end = patch.review.end.as_ref().map_or("not ended", phrase);
    let day = patch.changed_at.date();
    format!(
        "{} · {} · **{end}** · {day} · {} from opening to end",
        patch.id,
        line(&service),
        span(facts.lead_seconds)
    )
}

fn phrase(end: &End) -> &'static str {
    match end {
        End::Promoted => "promoted",
        End::RolledBack(_) => "rolled back",
        End::HandedOver => "handed over as a proven branch",
        End::NothingToDo => "nothing to do",
        End::Abandoned(_) => "abandoned",
    }
}

pub(crate) fn wrong(patch: &Patch) -> Vec<String> {
    let mut lines: Vec<String> = patch.findings().iter().map(finding).collect();
    match patch.opening.as_ref().map(|opening| &opening.subject) {
        Some(Subject::Change { report, author, .. }) => {
            lines.push(format!("- Reported with a change by {}: {}", code(author), line(report)));
        }
        Some(Subject::Report(report)) => {
            lines.push(format!("- Reported by {}: {}", code(&report.reporter), line(&report.reason)));
        }
        Some(Subject::Scan { .. }) | None => {}
    }
    lines
}

fn finding(finding: &Finding) -> String {
    let aliases = finding.aliases.iter().take(5).map(|alias| line(alias)).collect::<Vec<_>>().join(", ");
    let aliases = if aliases.is_empty() { aliases } else { format!(" ({aliases})") };
    let mut parts = vec![format!("- **{}**{aliases}: {}", line(&finding.advisory), line(&finding.summary))];
    let at = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    let place = code(&format!("{}{at}", finding.location.path));
    parts.push(match &finding.package {
        Some(package) => format!("  - {} at {place}", code(&package.to_string())),
        None => format!("  - at {place}"),
    });
    if let Some(path) = finding.paths.first().filter(|path| path.len() > 1) {
        parts.push(format!(
            "  - reached by {}",
            path.iter().take(20).map(|step| code(step)).collect::<Vec<_>>().join(" → ")
        ));
    }
    if let Some(version) = finding.fixed.first() {
        parts.push(format!("  - fixed in {}", code(version)));
    }
    parts.join("\n")
}

fn changed(patch: &Patch) -> Vec<String> {
    let Some(candidate) = patch.candidate() else { return Vec::new() };
    let mut lines = vec![format!("- {}", line(&candidate.rationale))];
    lines.extend(candidate.moves.iter().map(moved));
    lines.push(format!("- files: {}", list(&candidate.files)));
    lines.extend(patch.forward_only().map(|bound| format!("- forward only: {}", line(&bound.reason))));
    lines.push(format!(
        "- commit {} on branch {}, by {} (fixer {})",
        code(candidate.commit.short()),
        code(&candidate.branch),
        code(&candidate.author),
        code(&candidate.fixer)
    ));
    lines.extend(
        candidate.leaves.iter().map(|(finding, why)| format!("- leaves {}: {}", code(&finding.0), line(why))),
    );
    let refused = patch.generate.refused.iter();
    lines.extend(refused.map(|(candidate, why)| {
        format!("- tried before and refused: {}: {}", line(&candidate.title), line(why))
    }));
    lines
}

pub(crate) fn moved(step: &Move) -> String {
    let package = code(&step.package);
    match (&step.from, &step.to) {
        (Some(from), Some(to)) => format!("- {package} moves from {} to {}", code(from), code(to)),
        (None, Some(to)) => format!("- {package} {} comes in", code(to)),
        (Some(from), None) => format!("- {package} {} goes", code(from)),
        (None, None) => format!("- {package} is touched"),
    }
}

fn list(files: &[String]) -> String {
    let shown: Vec<String> = files.iter().take(20).map(|file| code(file)).collect();
    let more = files.len().saturating_sub(20);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

pub(crate) fn proven(patch: &Patch) -> Vec<String> {
    let mut lines: Vec<String> = patch.build.built.iter().map(|pair| built(&pair.patch)).collect();
    for checked in patch.verify.verdict.iter().flat_map(|verdict| &verdict.checks) {
        let result = match checked.result {
            CheckResult::Passed => "passed",
            CheckResult::Warned => "passed with a warning",
            CheckResult::Skipped => "skipped",
            CheckResult::Failed => "failed",
        };
        let sides = checked.sides.as_ref().map_or_else(String::new, |both| {
            format!(" (base: {}; patch: {})", line(&both.base), line(&both.patch))
        });
        lines.push(format!("- **{}** {result}: {}{sides}", line(&checked.check), line(&checked.summary)));
    }
    let rollback = patch.verify.verdict.as_ref().and_then(Verdict::rollback_milliseconds);
    lines.extend(rollback.map(|milliseconds| {
        format!("- the way back is expected to take {:.1} s, as rehearsed", milliseconds as f64 / 1000.0)
    }));
    lines
}

fn built(artifact: &Artifact) -> String {
    let repeat = match &artifact.reproducible {
        Reproducible::Identical => "built twice, bit for bit the same".to_owned(),
        Reproducible::Different { second } => {
            format!("not reproducible, the second build is {}", code(second.short()))
        }
        Reproducible::NotTried => "built once".to_owned(),
    };
    format!("- artifact {}: {repeat}; SBOM {}", code(artifact.digest.short()), code(artifact.sbom.short()))
}

fn allowed(patch: &Patch) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(decision) = &patch.approve.decision {
        lines.push(decided(decision));
        let reasons = decision.reasons.iter().map(|reason| {
            let mark = if reason.holds { "holds" } else { "does not hold" };
            format!("  - {} {mark}: {}", line(&reason.rule), line(&reason.text))
        });
        lines.extend(bounded(reasons.collect()));
    }
    lines.extend(patch.approve.approvals.iter().map(|approval| {
        let comment = if approval.comment.trim().is_empty() {
            String::new()
        } else {
            format!(": {}", line(&approval.comment))
        };
        format!(
            "- {} approved as {} at {}{comment}",
            code(approval.by.name()),
            line(&approval.role),
            approval.at
        )
    }));
    if let Some((by, reason)) = &patch.approve.rejected {
        lines.push(format!("- {} rejected it: {}", code(by.name()), line(reason)));
    }
    lines
}

fn decided(decision: &Decision) -> String {
    let answer = match &decision.answer {
        Answer::Allow => "allowed".to_owned(),
        Answer::Deny => "denied".to_owned(),
        Answer::Needs(roles) => format!("asked for approval by {}", line(&roles.join(" and "))),
    };
    format!(
        "- policy {} {answer} it, over dossier {}",
        code(decision.policy.short()),
        code(decision.dossier.short())
    )
}

fn rolled(patch: &Patch, events: &[Event], facts: &Facts) -> Vec<String> {
    let mut lines: Vec<String> = steps(events).iter().map(step).collect();
    let told = events.iter().filter_map(|event| match &event.fact {
        Fact::Rollout(
            rollout::Event::Paused { .. }
            | rollout::Event::Resumed
            | rollout::Event::GateReached { .. }
            | rollout::Event::GateOpened { .. }
            | rollout::Event::SmokePassed { .. }
            | rollout::Event::SmokeFailed { .. }
            | rollout::Event::BakeBegun
            | rollout::Event::Hurried { .. }
            | rollout::Event::Halted { .. }
            | rollout::Event::Forced { .. }
            | rollout::Event::LossAccepted { .. }
            | rollout::Event::Recalled { .. }
            | rollout::Event::Kept { .. }
            | rollout::Event::Paged { .. },
        ) => story::line(event)
            .map(|told| format!("- {} by {}: {}", told.at, code(&told.by), line(&told.text))),
        _ => None,
    });
    lines.extend(told);
    if let Some(cause) = &patch.rollout.cause {
        lines.push(format!("- taken back: {}", line(&story::cause_text(cause))));
    }
    if !lines.is_empty() {
        lines.push(format!(
            "- of {} user requests, {} failed in the new version and {} because traffic was moved",
            facts.requests, facts.failed_by_canary, facts.failed_by_shift
        ));
    }
    lines
}

fn step(step: &Step) -> String {
    let mut text = format!(
        "- step {}: {} of the traffic for {}; new version {}, stable version {}",
        step.number,
        step.share,
        span(step.seconds),
        arm(step.canary),
        arm(step.stable)
    );
    if step.missing > 0 {
        text.push_str(&format!("; {} without data", count(step.missing, "look")));
    }
    if let Some(judgement) = &step.judgement {
        let answer = match judgement.answer {
            JudgeAnswer::Continue => "continue",
            JudgeAnswer::Promote => "promote",
            JudgeAnswer::Rollback => "roll back",
            JudgeAnswer::Inconclusive => "inconclusive",
        };
        text.push_str(&format!("\n  - verdict: {answer}: {}", line(&judgement.reason)));
        for reading in judgement.readings.iter().take(8) {
            let (evidence, threshold) = (reading.log_evidence, reading.threshold);
            text.push_str(&format!(
                "\n  - {}: evidence {evidence:.2} nats, threshold {threshold:.2}",
                line(&reading.guard)
            ));
        }
    }
    text
}

fn arm(arm: Arm) -> String {
    format!("{} with {}", count(arm.requests, "request"), count(arm.errors, "error"))
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn ended(patch: &Patch, facts: &Facts) -> Vec<String> {
    let Some(end) = &patch.review.end else { return Vec::new() };
    let mut lines = vec![match end {
        End::Promoted => "- Every instance runs the new version.".to_owned(),
        End::RolledBack(why) => format!("- Every instance runs the stable version again: {}", line(why)),
        End::HandedOver => "- The proven branch is handed over; nothing was rolled out.".to_owned(),
        End::NothingToDo => "- Nothing needed a fix.".to_owned(),
        End::Abandoned(why) => format!("- It was given up before it moved anything: {}", line(why)),
    }];
    if let Some(seconds) = facts.rollback_seconds {
        lines.push(format!("- The bad version lost its share {} after the decision.", span(seconds)));
    }
    lines
}

fn undo(patch: &Patch) -> Vec<String> {
    match (&patch.review.end, patch.candidate()) {
        (Some(End::Promoted), Some(candidate)) => promoted_undo(patch, candidate),
        (Some(End::HandedOver), Some(candidate)) => {
            let branch = code(&candidate.branch);
            vec![format!("- Nothing runs it. Do not merge {branch}, or delete it.")]
        }
        (Some(End::RolledBack(_) | End::Abandoned(_)), Some(candidate)) => {
            vec![format!(
                "- Nothing is left to undo; branch {} is kept to learn from.",
                code(&candidate.branch)
            )]
        }
        (_, _) => Vec::new(),
    }
}

fn promoted_undo(patch: &Patch, candidate: &Candidate) -> Vec<String> {
    let revert = code(&format!("git revert {}", candidate.commit));
    let id = patch.id;
    let mut lines = vec![
        format!(
            "- {}, as long as no other patch was promoted over it.",
            code(&format!("patchline rollback {id}"))
        ),
        format!(
            "- Later: {revert}, and hand that commit to Patchline as a change: it walks the same stages."
        ),
    ];
    if let Some(stable) = &patch.rollout.stable {
        let digest = code(stable.artifact.as_str());
        lines.push(format!("- The version before is {}, artifact {digest}.", line(&stable.label)));
    }
    lines
}

fn took(facts: &Facts) -> Vec<String> {
    let mut lines: Vec<String> = facts
        .stages
        .iter()
        .map(|(stage, seconds)| format!("- {}: {}", line(stage), span(*seconds)))
        .collect();
    if facts.falters > 0 {
        lines.push(format!("- {} failed on the way", count(facts.falters, "attempt")));
    }
    lines
}

/// Seconds for people: two units at most.
fn span(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    // Longer than any rollout, and far below what the type holds.
    let whole = seconds.min(1e12).round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {} s", whole % 60),
        (0, _) => format!("{hours} h {minutes} min"),
        (_, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_said_in_two_units_at_most() {
        let said = [0.0, 59.94, 60.0, 200.4, 3_599.9, 7_260.0, 90_000.0, f64::INFINITY].map(span);
        assert_eq!(
            said,
            [
                "0.0 s",
                "59.9 s",
                "1 min 0 s",
                "3 min 20 s",
                "1 h 0 min",
                "2 h 1 min",
                "1 d 1 h",
                "11574074 d 1 h"
            ]
        );
    }
}
