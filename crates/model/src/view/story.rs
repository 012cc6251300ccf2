//! One patch, told in order: one line a fact, for the terminal, the pages and the release note.

use serde::{Deserialize, Serialize};

use crate::event::{Event, Fact};
use crate::id::Stage;
use crate::stage::approve::{self, Answer, Reason};
use crate::stage::build::{self, Reproducible};
use crate::stage::plan::{Process, Strategy};
use crate::stage::rollout::Cause;
use crate::stage::verify::CheckResult;
use crate::stage::{detect, generate, review, rollout, triage, verify};
use crate::time::Timestamp;

/// One told fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub at: Timestamp,
    pub stage: Stage,
    pub by: String,
    pub mood: Mood,
    pub text: String,
    /// More of the same fact, one line each.
    pub details: Vec<String>,
}

/// How the fact is to be taken; readable without colour, for the text says it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    Plain,
    Good,
    Warn,
    Bad,
}

/// The line of an event; looks of the judge are too many to be told and have a chart instead.
pub fn line(event: &Event) -> Option<Line> {
    let (mood, text, details) = match &event.fact {
        Fact::Detect(fact) => detect_line(fact),
        Fact::Triage(triage::Event::Prioritised { priorities }) => {
            let worst = priorities.first()?;
            let due = worst.due.map(|due| format!(", due {}", due.date())).unwrap_or_default();
            let text = format!("{}{due}, owner {}", worst.action.words(), worst.owner);
            (Mood::Plain, text, priority_lines(priorities))
        }
        Fact::Generate(fact) => generate_line(fact),
        Fact::Build(fact) => build_line(fact),
        Fact::Verify(fact) => verify_line(fact)?,
        Fact::Approve(fact) => approve_line(fact),
        Fact::Rollout(fact) => rollout_line(fact)?,
        Fact::Review(fact) => review_line(fact),
        Fact::Faltered { failure, retry_at, .. } => {
            let next = if retry_at.is_some() { "it will be tried again" } else { "it is given up" };
            (
                Mood::Warn,
                format!("{failure}; {next}"),
                failure.hint.iter().map(|hint| format!("hint: {hint}")).collect(),
            )
        }
    };
    Some(Line {
        at: event.at,
        stage: event.fact.stage(),
        by: event.by.name().to_owned(),
        mood,
        text,
        details,
    })
}

type Told = (Mood, String, Vec<String>);

fn detect_line(fact: &detect::Event) -> Told {
    match fact {
        detect::Event::Opened(opening) => {
            let text = match &opening.subject {
                detect::Subject::Scan { .. } => {
                    format!("{}: looking for findings at {}", opening.service.name, opening.base.short())
                }
                detect::Subject::Change { title, author, .. } => {
                    format!("{}: {author} proposes \"{title}\"", opening.service.name)
                }
                detect::Subject::Report(report) => {
                    let (name, reporter, title) = (&opening.service.name, &report.reporter, &report.title);
                    format!("{name}: {reporter} reports \"{title}\"")
                }
            };
            let replaces = opening.terms.supersedes.map(|other| format!("it replaces {other}"));
            let origin = opening.terms.origin.map(|origin| origin.to_string());
            (Mood::Plain, text, origin.into_iter().chain(replaces).collect())
        }
        detect::Event::Shown(reproducer) => {
            let text = format!(
                "something that shows {} was added; it is proven again with that",
                reproducer.advisory
            );
            (Mood::Plain, text, Vec::new())
        }
        detect::Event::Found { findings, packages, .. } => {
            let count = findings.len();
            let noun = if count == 1 { "finding" } else { "findings" };
            let text = if *packages > 0 {
                format!("{count} {noun} in {packages} packages")
            } else {
                format!("{count} {noun}")
            };
            (Mood::Warn, text, findings.iter().take(20).flat_map(finding_lines).collect())
        }
        detect::Event::NothingFound { packages, .. } => {
            (Mood::Good, format!("nothing to fix in {packages} packages"), Vec::new())
        }
    }
}

fn finding_lines(finding: &detect::Finding) -> Vec<String> {
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    let what = finding.package.as_ref().map(|package| format!(" {package}")).unwrap_or_default();
    let fixed = finding.fixed.first().map(|version| format!(", fixed in {version}")).unwrap_or_default();
    let aliases =
        if finding.aliases.is_empty() { String::new() } else { format!(" ({})", finding.aliases.join(", ")) };
    let mut lines = vec![
        format!("{}{aliases}:{what}{fixed}", finding.advisory),
        format!("{} at {}{line}", finding.summary, finding.location.path),
    ];
    lines.extend(finding.paths.first().map(|path| format!("path: {}", path.join(" → "))));
    lines
}

/// One finding's reasons in full; of several, one line each.
fn priority_lines(priorities: &[triage::Priority]) -> Vec<String> {
    if let [only] = priorities {
        return only.reasons.clone();
    }
    let line = |priority: &triage::Priority| {
        let reason = priority.reasons.first().map(String::as_str).unwrap_or_default();
        format!("{}: {}: {reason}", priority.finding, priority.action.words())
    };
    priorities.iter().take(20).map(line).collect()
}

fn generate_line(fact: &generate::Event) -> Told {
    match fact {
        generate::Event::Proposed { candidate, .. } => {
            let mut details = vec![format!("branch {} at {}", candidate.branch, candidate.commit.short())];
            details.push(format!("changes {}", candidate.files.join(", ")));
            details.extend(moves_line(&candidate.moves));
            details.push(candidate.rationale.clone());
            details.extend(candidate.leaves.iter().map(|(finding, why)| format!("leaves {finding}: {why}")));
            (Mood::Good, candidate.title.clone(), details)
        }
        generate::Event::NoFix { reasons } => (Mood::Bad, "no fix could be made".to_owned(), reasons.clone()),
        generate::Event::Refused { why } => {
            (Mood::Warn, format!("the candidate is refused: {why}"), Vec::new())
        }
        generate::Event::Divided { division } => {
            let text = format!(
                "its {} steps are tried in parts, until the bad ones are alone",
                division.steps.len()
            );
            (Mood::Plain, text, Vec::new())
        }
        generate::Event::Held => {
            (Mood::Good, "this part holds; more is tried on top of it".to_owned(), Vec::new())
        }
        generate::Event::Settled { leaves } => {
            let details = leaves.iter().take(20).map(|(finding, why)| format!("leaves {finding}: {why}"));
            (Mood::Good, "what holds is kept, and the rest left by name".to_owned(), details.collect())
        }
    }
}

/// How many packages move, by the rung of the ladder that moves them.
fn moves_line(moves: &[generate::Move]) -> Option<String> {
    let words = |rung: Option<generate::Rung>| match rung {
        Some(generate::Rung::InRange) => "within range",
        Some(generate::Rung::Lift) => "lifted",
        Some(generate::Rung::Relax) => "by another range in the manifest",
        Some(generate::Rung::Override) => "by an override",
        None => "along with them",
    };
    let rungs = [
        Some(generate::Rung::InRange),
        Some(generate::Rung::Lift),
        Some(generate::Rung::Relax),
        Some(generate::Rung::Override),
        None,
    ];
    let count = |rung: Option<generate::Rung>| {
        let count = moves.iter().filter(|step| step.rung == rung).count();
        (count > 0).then(|| format!("{count} {}", words(rung)))
    };
    let counted: Vec<String> = rungs.into_iter().filter_map(count).collect();
    (!counted.is_empty()).then(|| format!("{} packages move: {}", moves.len(), counted.join(", ")))
}

fn build_line(fact: &build::Event) -> Told {
    match fact {
        build::Event::Built(pair) => {
            let artifact = &pair.patch;
            let (mood, repeat) = match &artifact.reproducible {
                Reproducible::Identical => (Mood::Good, "built twice, bit for bit the same".to_owned()),
                Reproducible::Different { second } => {
                    (Mood::Warn, format!("not reproducible: the second build is {}", second.short()))
                }
                Reproducible::NotTried => (Mood::Plain, "built once".to_owned()),
            };
            let details = vec![
                format!("SBOM {} (CycloneDX)", artifact.sbom.short()),
                format!("{} signed statements", artifact.evidence.len()),
            ];
            (
                mood,
                format!(
                    "{} is {}, {} KiB: {repeat}",
                    artifact.name,
                    artifact.digest.short(),
                    artifact.bytes / 1024
                ),
                details,
            )
        }
        build::Event::BaseBroken { why, .. } => {
            (Mood::Bad, format!("the base does not build: {why}"), Vec::new())
        }
        build::Event::Broken { why, .. } => (Mood::Bad, format!("does not build: {why}"), Vec::new()),
        build::Event::Dropped => {
            (Mood::Plain, "the build is dropped with its candidate".to_owned(), Vec::new())
        }
    }
}

fn verify_line(fact: &verify::Event) -> Option<Told> {
    match fact {
        verify::Event::Verified { verdict } => {
            let mood = if verdict.holds() { Mood::Good } else { Mood::Bad };
            let word = |result: CheckResult| match result {
                CheckResult::Passed => "passed",
                CheckResult::Warned => "passed, with a warning",
                CheckResult::Skipped => "skipped",
                CheckResult::Failed => "FAILED",
            };
            let mut details = Vec::new();
            for checked in &verdict.checks {
                details.push(format!("{} {}: {}", checked.check, word(checked.result), checked.summary));
                let sides = checked.sides.iter();
                details.extend(sides.map(|both| format!("  base: {}; patch: {}", both.base, both.patch)));
                details.extend(checked.details.iter().take(6).map(|detail| format!("  {detail}")));
            }
            let text = if verdict.holds() {
                "every check passed".to_owned()
            } else {
                format!("not shown to be a fix: {}", verdict.failures())
            };
            Some((mood, text, details))
        }
        verify::Event::Dropped => None,
    }
}

fn approve_line(fact: &approve::Event) -> Told {
    match fact {
        approve::Event::Decided { decision, .. } => {
            let (mood, text) = match &decision.answer {
                Answer::Allow => (Mood::Good, "allowed by policy".to_owned()),
                Answer::Deny => (Mood::Bad, "denied by policy".to_owned()),
                Answer::Needs(roles) => {
                    (Mood::Warn, format!("waits for approval by {}", roles.join(" and ")))
                }
            };
            (mood, text, gate_lines(&decision.reasons))
        }
        approve::Event::Approved(approval) => {
            if let Some(emergency) = &approval.emergency {
                let due = emergency.review_due.date();
                let text = format!("{} lets it pass in an EMERGENCY, as {}", approval.by, approval.role);
                let details = vec![emergency.reason.clone(), format!("a review of that is due {due}")];
                return (Mood::Warn, text, details);
            }
            let comment =
                if approval.comment.is_empty() { Vec::new() } else { vec![approval.comment.clone()] };
            (Mood::Good, format!("{} approves as {}", approval.by, approval.role), comment)
        }
        approve::Event::Rejected { by, reason } => (Mood::Bad, format!("{by} rejects: {reason}"), Vec::new()),
    }
}

/// The rules that hold by name, and each one that does not with its reason.
fn gate_lines(reasons: &[Reason]) -> Vec<String> {
    let holds: Vec<&str> =
        reasons.iter().filter(|reason| reason.holds).map(|reason| reason.rule.as_str()).collect();
    let mut lines = vec![format!("holds: {}", holds.join(", "))];
    lines.extend(
        reasons
            .iter()
            .filter(|reason| !reason.holds)
            .map(|reason| format!("{}: {}", reason.rule, reason.text)),
    );
    lines
}

fn rollout_line(fact: &rollout::Event) -> Option<Told> {
    use rollout::Event;
    let plain = |mood: Mood, text: String| Some((mood, text, Vec::new()));
    match fact {
        Event::Deferred { reason, until } => {
            plain(Mood::Warn, format!("may not begin: {reason}; asked again at {until}"))
        }
        Event::Started { stable, new, plan, note, .. } => {
            let (new, stable) = (new.artifact.short(), stable.artifact.short());
            let text = match &plan.strategy {
                Strategy::Canary(canary) => match &canary.cohort {
                    None => format!("canary of {new} beside {stable} starts"),
                    Some(cohort) => format!("canary of {new} beside {stable} starts, for {cohort}"),
                },
                Strategy::Flag(flag) => {
                    format!("{new} starts beside {stable}; flag {} turns on for {}", flag.flag, flag.cohort)
                }
                Strategy::Shadow(shadow) => {
                    let share = shadow.mirror.share;
                    format!("{new} starts in the shadow of {stable}: {share} of the requests are mirrored")
                }
                Strategy::Rolling(_) => format!("{new} replaces {stable} batch by batch"),
                Strategy::Hot(_) => format!("the instances take {new} over from {stable}, batch by batch"),
                Strategy::BlueGreen(_) => format!("{new} starts beside {stable}, which stays whole"),
            };
            Some((Mood::Plain, text, note.iter().cloned().collect()))
        }
        Event::StepPrepared { step } => {
            plain(Mood::Plain, format!("step {}: more instances of the new version are asked for", step + 1))
        }
        Event::StepEntered { step } => {
            plain(Mood::Plain, format!("step {}: the new version takes its share", step + 1))
        }
        Event::GateReached { step } => {
            plain(Mood::Warn, format!("step {} has baked; its gate waits for a person to `resume`", step + 1))
        }
        Event::GateOpened { step } => {
            plain(Mood::Plain, format!("a person opens the gate of step {}", step + 1))
        }
        Event::Looked { .. } | Event::Counted { .. } => None,
        Event::Paused { reason, .. } => plain(Mood::Warn, paused(reason)),
        Event::Resumed => plain(Mood::Plain, "resumed".to_owned()),
        Event::Held { hold } => plain(Mood::Warn, format!("held where it is: {hold}")),
        Event::Released => plain(Mood::Plain, "nothing holds it any more; it goes on".to_owned()),
        Event::Hurried { reason } => plain(Mood::Warn, format!("a person promotes: {reason}")),
        Event::PromotionDecided => {
            plain(Mood::Good, "promotion is decided; the new version gets full capacity".to_owned())
        }
        Event::SmokeBegun { address, .. } => {
            plain(Mood::Plain, format!("the smoke test tries the new instance at {address}"))
        }
        Event::SmokePassed { .. } => plain(Mood::Good, "the smoke test passed".to_owned()),
        Event::SmokeFailed { reason, .. } => plain(Mood::Bad, reason.clone()),
        Event::BakeBegun => plain(
            Mood::Plain,
            "the new version takes all but the hold-back and is watched once more".to_owned(),
        ),
        Event::Switched => plain(Mood::Plain, "the new version takes all of the traffic".to_owned()),
        Event::OldRetired => plain(Mood::Plain, "the old version drains".to_owned()),
        Event::Promoted => plain(Mood::Good, "promoted: every instance runs the new version".to_owned()),
        Event::Recalled { cause } => {
            plain(Mood::Bad, format!("to be taken back after its promotion: {}", cause_text(cause)))
        }
        Event::ReturnBegun => plain(Mood::Plain, "the old version's instances start again".to_owned()),
        Event::Kept { reason, .. } => plain(Mood::Warn, format!("it stays: {reason}")),
        Event::Halted { cause } => plain(
            Mood::Bad,
            format!("halted, for it can't be taken back without loss: {}", cause_text(cause)),
        ),
        Event::Forced { reason, .. } => {
            plain(Mood::Warn, format!("a person sends it forward in spite of that: {reason}"))
        }
        Event::LossAccepted { reason } => {
            plain(Mood::Warn, format!("a person accepts what its way back loses: {reason}"))
        }
        Event::RollbackDecided { cause } => plain(Mood::Bad, format!("rollback: {}", cause_text(cause))),
        Event::StableReturned { instances } => {
            plain(Mood::Plain, format!("{instances} stable instances are healthy again"))
        }
        Event::Confirmed { artifact, before, processes } => {
            let line = |process: &Process| match before {
                Some(before) => {
                    format!("{process} served {} and now serves {}", before.short(), artifact.short())
                }
                None => format!("{process} serves {}", artifact.short()),
            };
            let text = format!("{} instances confirm {}", processes.len(), artifact.short());
            Some((Mood::Plain, text, processes.iter().map(line).collect()))
        }
        Event::ShareTaken => plain(Mood::Good, "the bad version has no share any more".to_owned()),
        Event::RolledBack => {
            plain(Mood::Good, "rolled back: every instance runs the stable version".to_owned())
        }
        Event::Paged { reason } => plain(Mood::Bad, format!("a person is needed: {reason}")),
    }
}

/// Why a version is taken back, in words.
pub fn cause_text(cause: &Cause) -> String {
    cause.text()
}

/// That a rollout is paused, and why where that was said.
pub fn paused(reason: &str) -> String {
    match reason.trim() {
        "" => "paused".to_owned(),
        reason => format!("paused: {reason}"),
    }
}

fn review_line(fact: &review::Event) -> Told {
    match fact {
        review::Event::Ended(end) => match end {
            review::End::Promoted => (Mood::Good, "ended: promoted".to_owned(), Vec::new()),
            review::End::RolledBack(why) => (Mood::Warn, format!("ended: rolled back: {why}"), Vec::new()),
            review::End::HandedOver => {
                (Mood::Good, "ended: a proven branch is handed over".to_owned(), Vec::new())
            }
            review::End::NothingToDo => (Mood::Good, "ended: nothing needs a fix".to_owned(), Vec::new()),
            review::End::Abandoned(why) => (Mood::Bad, format!("ended: abandoned: {why}"), Vec::new()),
        },
        review::Event::Retried { reason } => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            (Mood::Warn, format!("tried again, from the gate on{why}"), Vec::new())
        }
        review::Event::EmergencyReviewed { note, .. } => {
            (Mood::Plain, "the emergency was reviewed".to_owned(), vec![note.clone()])
        }
        review::Event::Reviewed(review) => {
            let mut details = vec![format!(
                "requests {}, failed by the new version {}, failed by shifting {}",
                review.requests, review.failed_by_canary, review.failed_by_shift
            )];
            details
                .extend(review.rollback_seconds.map(|seconds| format!("time to roll back {seconds:.2} s")));
            (Mood::Plain, format!("lead time {:.1} s", review.lead_seconds), details)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::paused;

    #[test]
    fn a_pause_without_a_reason_ends_without_a_colon() {
        assert_eq!(paused(" "), "paused");
        assert_eq!(paused("the database burns"), "paused: the database burns");
    }
}
