//! `explain`: why a patch may or may not move, on which evidence that rests, and what the judge saw.

use std::path::PathBuf;

use patchline_conductor::projection::Known;
use patchline_conductor::replay::{Likeness, Replay, Wrong, replay};
use patchline_model::stage::approve::{Answer, Decision};
use patchline_model::stage::plan::Strategy;
use patchline_model::stage::verify::Verdict;
use patchline_model::view::board::{Card, card_under};
use patchline_model::view::story::cause_text;
use serde_json::json;

use crate::cli::{ExplainArguments, Format};
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::wire;

pub async fn run(arguments: ExplainArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
    let known = conductor.patch(arguments.patch).await?;
    let known =
        known.ok_or_else(|| Trouble::new(Exit::Refused, format!("{} does not exist", arguments.patch)))?;
    let hold = conductor.around(&known.patch).await?.hold;
    let card = card_under(&known.patch, hold);
    let replayed = replay(known.patch.id, &known.events)?;
    match arguments.format {
        Format::Json => {
            let patch = &known.patch;
            let value = json!({
                "card": card, "priorities": patch.triage.priorities, "decision": patch.approve.decision,
                "approvals": patch.approve.approvals, "verdict": patch.verify.verdict, "judgement": patch.rollout.judgement, "replay": replayed,
                "emergency": patch.review.afterwards, "cause": patch.rollout.cause, "totals": patch.rollout.totals, "mirrored": patch.rollout.mirrored,
            });
            say(&value.to_string());
        }
        Format::Table => explain(&known, &card, replayed.as_ref()),
    }
    match replayed.and_then(|replayed| replayed.wrong) {
        Some(wrong) => {
            let Wrong { event, at, .. } = wrong;
            let text = format!(
                "the judge's word at {at} (event {event}) does not follow from the looks in the ledger"
            );
            Err(Trouble::new(Exit::Found, text)
                .hint("keep the data folder as it is, and compare it with a copy from before"))
        }
        None => Ok(Exit::Done),
    }
}

fn explain(known: &Known, card: &Card, replayed: Option<&Replay>) {
    let patch = &known.patch;
    say(&format!("{}  {}", patch.id, patch.title()));
    if let Some(origin) = patch.opening.as_ref().and_then(|opening| opening.terms.origin) {
        say(&format!("{origin}"));
    }
    say(&format!("stage {}: {}", patch.stage(), card.doing));
    if let Some(hold) = &card.hold {
        say(&format!("held: {hold}"));
    }
    if let Some(owed) = &patch.review.afterwards {
        say(&format!("EMERGENCY: {} let it pass at {}: {}", owed.by, owed.at, owed.reason));
        say(&format!(
            "  the review of that is due {}; `patchline review {}` closes it",
            owed.due.date(),
            patch.id
        ));
    }
    for priority in &patch.triage.priorities {
        say(&format!("\npriority of {}: {}", priority.finding, priority.action.words()));
        for reason in &priority.reasons {
            say(&format!("  - {reason}"));
        }
    }
    if let Some(milliseconds) = patch.verify.verdict.as_ref().and_then(Verdict::rollback_milliseconds) {
        say(&format!("\nrollback: expected to take {:.1} s, as rehearsed", milliseconds as f64 / 1000.0));
    }
    match &patch.approve.decision {
        None if patch.has_ended() => say("\nno decision: it ended before the policy was asked"),
        None => say("\nno decision yet: the policy is asked once the patch is verified"),
        Some(decision) => decide(decision),
    }
    for approval in &patch.approve.approvals {
        say(&format!("  {} approved as {} at {}", approval.by, approval.role, approval.at));
    }
    if let Some(replayed) = replayed {
        judged(known, replayed);
    }
}

fn decide(decision: &Decision) {
    let answer = match &decision.answer {
        Answer::Allow => "allow".to_owned(),
        Answer::Deny => "deny".to_owned(),
        Answer::Needs(roles) => format!("needs {}", roles.join(" and ")),
    };
    say(&format!("\ndecision: {answer}"));
    say(&format!("  policy {}, dossier {}", decision.policy.short(), decision.dossier.short()));
    for reason in &decision.reasons {
        let mark = if reason.holds { "holds        " } else { "does not hold" };
        say(&format!("  {mark}  {}: {}", reason.rule, reason.text));
        for evidence in &reason.evidence {
            say(&format!("                 evidence {evidence}"));
        }
    }
}

/// The judge's last word, and what becomes of all its words when the looks in the ledger are judged again.
fn judged(known: &Known, replayed: &Replay) {
    let rollout = &known.patch.rollout;
    let (Some(plan), Some(judgement)) = (&rollout.plan, &rollout.judgement) else { return };
    say(&format!("\njudge, after {} looks: {}", rollout.ticks.len(), judgement.reason));
    if judgement.wrong_split {
        say(
            "  the split is not what was asked for: the target is at fault, and nothing is concluded of its requests",
        );
    }
    for reading in &judgement.readings {
        let (evidence, threshold) = (reading.log_evidence, reading.threshold);
        say(&format!(
            "  {:<10} evidence {evidence:>8.3} of {threshold:.3} needed (natural logarithms)",
            reading.guard
        ));
    }
    say(&format!("  {}", replayed_words(replayed)));
    if let Some(cause) = &rollout.cause {
        say(&format!("taken back: {}", cause_text(cause)));
    }
    if let Strategy::Shadow(_) = &plan.strategy {
        let mirrored = &rollout.mirrored;
        let example = mirrored.example.as_ref().map(|text| format!(", as in {text}")).unwrap_or_default();
        say(&format!(
            "copies: {} answered beside stable, {} otherwise{example}; {} not sent, too many at once",
            mirrored.pairs,
            mirrored.mismatches(),
            mirrored.over_limit
        ));
    }
    let totals = &rollout.totals;
    say(&format!(
        "users: {} requests to the new version, {} failed; {} to the stable one, {} failed; {} lost by shifting",
        totals.canary_requests,
        totals.canary_errors,
        totals.stable_requests,
        totals.stable_errors,
        totals.unrouted
    ));
}

fn replayed_words(replayed: &Replay) -> String {
    let Replay { result, judge, judgement, words, changed, wrong } = replayed;
    match (result, wrong) {
        (Likeness::Differs, Some(Wrong { event, at, recorded, again })) => format!(
            "replayed from the ledger: DIFFERENT at {at} (event {event}): recorded is \"{}\", and its looks give \"{}\"",
            recorded.reason, again.reason
        ),
        (Likeness::JudgeChanged, _) => format!(
            "the judge has changed since (it is version {judge} now): of {words} words it would say {changed} otherwise; the last one would be: {}",
            judgement.reason
        ),
        (Likeness::Same | Likeness::Differs, _) => {
            format!("replayed from the ledger: the same, all {words} words")
        }
    }
}
