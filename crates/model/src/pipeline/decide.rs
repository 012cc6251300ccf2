//! What follows from a command. Read this down and you have read the product.

use crate::actor::Actor;
use crate::agent::FIXER;
use crate::command::{Ask, Command};
use crate::context::Context;
use crate::event::{Event, Fact};
use crate::failure::{Failure, FailureKind};
use crate::id::{JobId, Stage};
use crate::job::{Due, Outcome};
use crate::patch::Patch;
use crate::pipeline::begin::begin;
use crate::pipeline::divided;
use crate::pipeline::due::{LONGEST_DEFERRAL, due};
use crate::pipeline::ending::ended;
use crate::pipeline::held::{hold, is_emergency, is_hotfix, objection};
use crate::pipeline::joint::{self, Owed};
use crate::pipeline::others;
use crate::pipeline::{afterwards, paused, recall, retry, shown, unbegun};
use crate::rejection::Rejection;
use crate::stage::detect::{Opening, Until};
use crate::stage::phase::Phase;
use crate::stage::review::End;
use crate::stage::rollout::Cause;
use crate::stage::{approve, build, detect, generate, review, rollout, triage, verify, walk};
use crate::time::Seconds;

/// Users may be meeting a bad version: a rollout is tried again at least this often.
const LONGEST_WAIT_WHILE_MOVING: Seconds = Seconds(2);

/// How long a rollout waits first when the error budget does not let it begin.
const FIRST_DEFERRAL: Seconds = Seconds(60);

/// The facts that follow from a command, or why it is refused. No facts means: nothing changes.
pub fn decide(cx: Context<'_>, patch: &Patch, command: &Command) -> Result<Vec<Event>, Rejection> {
    let Command { by, ask } = command;
    let nameless = *by != Actor::Machine && (by.name().is_empty() || by.name() == Actor::Machine.name());
    if nameless {
        return Err(Rejection::NotAPerson);
    }
    let facts = match ask {
        Ask::Detect(detect::Command::Open(opening)) => open(cx, patch, opening.clone())?,
        Ask::Detect(detect::Command::Show(reproducer)) => {
            let opening = opening(patch)?;
            refuse_ended(patch, "report")?;
            shown::decide(patch, opening, by, reproducer.clone())?
        }
        Ask::Approve(command) => approve(cx, patch, by, command.clone())?,
        Ask::Rollout(command) => steer(cx, patch, by, command.clone())?,
        Ask::Review(review::Command::Abort { reason }) => abort(patch, by, reason.clone())?,
        Ask::Review(review::Command::Retry { reason }) => {
            opening(patch)?;
            retry::decide(patch, by, reason.clone())?.into_iter().map(Fact::Review).collect()
        }
        Ask::Review(review::Command::ReviewEmergency { note, evidence }) => {
            let events = afterwards::decide(patch, by, note.clone(), evidence.clone())?;
            events.into_iter().map(Fact::Review).collect()
        }
        Ask::Report { job, answer } => report(cx, patch, *job, answer)?,
    };
    Ok(facts.into_iter().map(|fact| Event { at: cx.now, by: by.clone(), fact }).collect())
}

fn open(cx: Context<'_>, patch: &Patch, opening: Box<Opening>) -> Result<Vec<Fact>, Rejection> {
    if patch.opening.is_some() {
        return Err(Rejection::AlreadyOpen { patch: patch.id });
    }
    if let Some(membership) = &opening.terms.set {
        joint::admit(cx.board, patch.id, membership)?;
    }
    if let Some(other) = opening.terms.supersedes {
        others::admit(cx.board, patch.id, &opening, other)?;
    }
    Ok(vec![Fact::Detect(detect::Event::Opened(opening))])
}

fn approve(
    cx: Context<'_>,
    patch: &Patch,
    by: &Actor,
    command: approve::Command,
) -> Result<Vec<Fact>, Rejection> {
    opening(patch)?;
    let asked = match command {
        approve::Command::Approve { .. } | approve::Command::Emergency { .. } => "approve",
        approve::Command::Reject { .. } => "reject",
    };
    refuse_ended(patch, asked)?;
    let is_emergency = matches!(command, approve::Command::Emergency { .. });
    if is_emergency {
        afterwards::refuse_another(cx.board, patch)?;
    }
    let candidate = match (patch.stage(), patch.candidate()) {
        (Stage::Approve, Some(candidate)) => candidate,
        // Allowed, and held before it has begun.
        (Stage::Rollout, Some(candidate)) if is_emergency && patch.rollout.plan.is_none() => candidate,
        (stage, _) => return Err(Rejection::NotNow { patch: patch.id, stage, asked: asked.to_owned() }),
    };
    let events = approve::decide(cx, patch.id, by, candidate, &patch.approve, command)?;
    let rejected = events.iter().find_map(|event| match event {
        approve::Event::Rejected { by, reason } => Some(format!("rejected by {by}: {reason}")),
        approve::Event::Decided { .. } | approve::Event::Approved(_) => None,
    });
    Ok(events.into_iter().map(Fact::Approve).chain(rejected.map(|why| ended(End::Abandoned(why)))).collect())
}

fn steer(
    cx: Context<'_>,
    patch: &Patch,
    by: &Actor,
    command: rollout::Command,
) -> Result<Vec<Fact>, Rejection> {
    opening(patch)?;
    let asked = match command {
        rollout::Command::Pause { .. } => "pause",
        rollout::Command::Resume => "resume",
        rollout::Command::Promote { .. } => "promote",
        rollout::Command::Rollback { .. } | rollout::Command::RollbackWithLoss { .. } => "rollback",
    };
    if patch.review.end == Some(End::Promoted)
        && let Some(events) = recall::decide(cx.board, patch, by, &command)?
    {
        return Ok(events.into_iter().map(Fact::Rollout).collect());
    }
    if patch.review.end.as_ref().is_some_and(|end| is_so(end, &command)) {
        return Ok(Vec::new());
    }
    refuse_ended(patch, asked)?;
    if patch.rollout.plan.is_none() {
        return unbegun::decide(cx, patch, by, asked, command);
    }
    let held = hold(cx, patch);
    Ok(with_end(cx, patch, walk::decide(patch.id, by, &patch.rollout, held.as_ref(), command)?))
}

/// It has ended as this asks for.
fn is_so(end: &End, command: &rollout::Command) -> bool {
    match command {
        rollout::Command::Promote { .. } => *end == End::Promoted,
        rollout::Command::Rollback { .. } | rollout::Command::RollbackWithLoss { .. } => {
            matches!(end, End::RolledBack(_) | End::Abandoned(_))
        }
        rollout::Command::Pause { .. } | rollout::Command::Resume => false,
    }
}

/// Giving up: before a rollout it ends at once; during one, the version is taken back first.
fn abort(patch: &Patch, by: &Actor, reason: String) -> Result<Vec<Fact>, Rejection> {
    opening(patch)?;
    let command = rollout::Command::Rollback { reason: reason.clone() };
    if patch.review.end.as_ref().is_some_and(|end| is_so(end, &command)) {
        return Ok(Vec::new());
    }
    refuse_ended(patch, "abort")?;
    if patch.rollout.plan.is_none() {
        return Ok(vec![unbegun::given_up("aborted", by, &reason)]);
    }
    Ok(walk::decide(patch.id, by, &patch.rollout, None, command)?.into_iter().map(Fact::Rollout).collect())
}

/// An answer counts only if exactly this job is owed now: late, doubled and invented answers change nothing.
fn report(
    cx: Context<'_>,
    patch: &Patch,
    job: JobId,
    answer: &Result<Outcome, Failure>,
) -> Result<Vec<Fact>, Rejection> {
    let opening = opening(patch)?;
    match due(cx, patch) {
        Due::Job(owed, _) if owed == job => {}
        Due::Job(..) | Due::Wake(_) | Due::Nothing => return Err(Rejection::NotOwed { job }),
    }
    match answer {
        Ok(outcome) => match answered(cx, patch, opening, job, outcome) {
            // A failed try: were it refused alone, the same question would be asked for ever.
            Err(refused @ (Rejection::Nonsense(_) | Rejection::WrongStage { .. })) => {
                Ok(failed(cx, patch, job, Failure::transient(refused.to_string())))
            }
            decided => decided,
        },
        Err(failure) => Ok(failed(cx, patch, job, failure.clone())),
    }
}

fn answered(
    cx: Context<'_>,
    patch: &Patch,
    opening: &Opening,
    job: JobId,
    outcome: &Outcome,
) -> Result<Vec<Fact>, Rejection> {
    match (job.stage, outcome) {
        (Stage::Detect, Outcome::Detect(outcome)) => found(cx, patch, opening, outcome.clone()),
        (Stage::Generate, Outcome::Generate(outcome)) => {
            let (findings, state) = (patch.findings(), &patch.generate);
            proposed(patch, generate::report(&opening.base, findings, state, outcome.clone())?)
        }
        (Stage::Build, Outcome::Build(outcome)) => Ok(built(cx, patch, build::report(outcome.clone()))),
        (Stage::Verify, Outcome::Verify(outcome)) => {
            Ok(verified(cx, patch, opening, verify::report(outcome.clone())?))
        }
        (Stage::Approve, Outcome::Approve(outcome)) => {
            Ok(gated(approve::report(&patch.approve, outcome.clone())?))
        }
        (Stage::Rollout, Outcome::Rollout(outcome)) => rolled(cx, patch, opening, job, outcome),
        (Stage::Review, Outcome::Review(outcome)) => {
            Ok(review::report(outcome.clone()).into_iter().map(Fact::Review).collect())
        }
        (_, _) => Err(Rejection::WrongStage { job }),
    }
}

fn found(
    cx: Context<'_>,
    patch: &Patch,
    opening: &Opening,
    outcome: detect::Outcome,
) -> Result<Vec<Fact>, Rejection> {
    let priorities = triage::prioritise(cx, &opening.service, &outcome.findings, &outcome.owners);
    let events = detect::report(&patch.detect, outcome)?;
    let follows = if priorities.is_empty() {
        ended(End::NothingToDo)
    } else {
        Fact::Triage(triage::Event::Prioritised { priorities })
    };
    Ok(events.into_iter().map(Fact::Detect).chain([follows]).collect())
}

fn proposed(patch: &Patch, events: Vec<generate::Event>) -> Result<Vec<Fact>, Rejection> {
    let none = events.iter().find_map(|event| match event {
        generate::Event::NoFix { reasons } => Some(reasons.join("; ")),
        _ => None,
    });
    Ok(match (none, &patch.generate.division) {
        (None, _) => events.into_iter().map(Fact::Generate).collect(),
        (Some(why), Some(division)) => divided::refused(patch, division, why),
        (Some(why), None) => {
            let end = ended(End::Abandoned(format!("no fix: {why}")));
            events.into_iter().map(Fact::Generate).chain([end]).collect()
        }
    })
}

fn built(cx: Context<'_>, patch: &Patch, events: Vec<build::Event>) -> Vec<Fact> {
    let follows = events.iter().find_map(|event| match event {
        build::Event::Broken { why, .. } => {
            Some(refuse_candidate(cx, patch, format!("it does not build: {why}")))
        }
        build::Event::BaseBroken { why, .. } => {
            let why = format!("the base does not build, so no patch can be held against it: {why}");
            Some(vec![ended(End::Abandoned(why))])
        }
        build::Event::Built(_) | build::Event::Dropped => None,
    });
    events.into_iter().map(Fact::Build).chain(follows.into_iter().flatten()).collect()
}

fn verified(cx: Context<'_>, patch: &Patch, opening: &Opening, events: Vec<verify::Event>) -> Vec<Fact> {
    let failures = events.iter().find_map(|event| match event {
        verify::Event::Verified { verdict } if !verdict.holds() => Some(verdict.failures()),
        verify::Event::Verified { .. } | verify::Event::Dropped => None,
    });
    let facts: Vec<Fact> = events.into_iter().map(Fact::Verify).collect();
    let follows = match failures {
        Some(why) => refuse_candidate(cx, patch, why),
        None => {
            let (told, is_whole) = divided::held(patch);
            let ends = is_whole && (opening.until == Until::Verify || opening.service.run.is_none());
            told.into_iter().chain(ends.then(|| ended(End::HandedOver))).collect()
        }
    };
    facts.into_iter().chain(follows).collect()
}

/// What was shown to be no fix is dropped, and the next candidate is asked for, as long as the policy allows: of several steps
/// those that hold, of a single one another version.
fn refuse_candidate(cx: Context<'_>, patch: &Patch, why: String) -> Vec<Fact> {
    if let Some(division) = &patch.generate.division {
        return divided::refused(patch, division, why);
    }
    if let Some(facts) = divided::divide(patch, &why) {
        return facts;
    }
    let tried = patch.generate.refused.len().saturating_add(1);
    let fixer = patch.candidate().map_or("", |candidate| candidate.fixer.as_str());
    let usual = usize::try_from(cx.policy.candidates).unwrap_or(usize::MAX);
    // Each agent is asked once, and then whoever asks them says that all were.
    let agents = patch.opening.as_ref().map_or(0, |opening| opening.service.agents.len());
    let most = if fixer.starts_with(FIXER) { usual.max(agents.saturating_add(1)) } else { usual };
    if fixer == "person" || tried >= most {
        return vec![ended(End::Abandoned(why))];
    }
    vec![
        Fact::Generate(generate::Event::Refused { why }),
        Fact::Build(build::Event::Dropped),
        Fact::Verify(verify::Event::Dropped),
    ]
}

fn gated(events: Vec<approve::Event>) -> Vec<Fact> {
    let denied = events.iter().find_map(|event| match event {
        approve::Event::Decided { decision, .. } if decision.answer == approve::Answer::Deny => {
            let broken =
                decision.reasons.iter().filter(|reason| !reason.holds).map(|reason| reason.text.as_str());
            Some(format!("denied by policy: {}", broken.collect::<Vec<_>>().join("; ")))
        }
        approve::Event::Decided { .. } | approve::Event::Approved(_) | approve::Event::Rejected { .. } => {
            None
        }
    });
    events.into_iter().map(Fact::Approve).chain(denied.map(|why| ended(End::Abandoned(why)))).collect()
}

fn rolled(
    cx: Context<'_>,
    patch: &Patch,
    opening: &Opening,
    job: JobId,
    outcome: &rollout::Outcome,
) -> Result<Vec<Fact>, Rejection> {
    let owed = others::owed(cx.board, patch);
    if let (rollout::Outcome::Followed, Some(Owed::Replaced { by })) = (outcome, &owed) {
        return Ok(vec![ended(End::Abandoned(format!("{by} replaces it")))]);
    }
    if let (rollout::Outcome::Followed, Some(Owed::Waits { .. }) | None) = (outcome, &owed)
        && let Some(facts) = paused::over(cx, patch)
    {
        return Ok(facts);
    }
    let Some(new) = patch.new_version() else {
        return Err(Rejection::Nonsense("there is no artifact to roll out".to_owned()));
    };
    let held = hold(cx, patch);
    let events = match (outcome, owed) {
        (rollout::Outcome::Followed, Some(Owed::GivesUp { why })) => {
            return Ok(vec![ended(End::Abandoned(why))]);
        }
        (rollout::Outcome::Followed, Some(Owed::Returns { cause })) => joint::returns(cx.board, patch, cause),
        (rollout::Outcome::Followed, Some(Owed::Stays { why })) => {
            vec![rollout::Event::Kept { reason: why, seen: 0 }]
        }
        // Meanwhile the set wants something else, or nothing; who is called back hears that first.
        (rollout::Outcome::Followed, Some(Owed::Waits { .. }) | None)
        | (
            rollout::Outcome::Reconciled { .. } | rollout::Outcome::Smoked { .. },
            Some(Owed::Returns { .. } | Owed::Replaced { .. }),
        )
        | (rollout::Outcome::Followed, Some(Owed::Replaced { .. }))
        | (rollout::Outcome::Begun { .. } | rollout::Outcome::Recallable { .. }, Some(_)) => {
            return Err(Rejection::NotOwed { job });
        }
        (rollout::Outcome::Begun { stable, history }, None) if patch.rollout.plan.is_none() => {
            if !is_hotfix(patch)
                && !is_emergency(cx, patch)
                && let Some(reason) = objection(patch, history.as_deref())
            {
                return Ok(vec![Fact::Rollout(deferred(cx, patch, reason))]);
            }
            if let Some(hold) = held {
                return Err(Rejection::Held { patch: patch.id, asked: "begin".to_owned(), hold });
            }
            begin(cx, patch, opening, &new, stable.clone(), history.clone())?
        }
        (rollout::Outcome::Recallable { runs, lacking: Some(why) }, None)
            if *runs == new.artifact && joint::is_member(patch) =>
        {
            return Ok(failed(cx, patch, job, Failure::permanent(joint::no_version_before(why))));
        }
        (outcome, _) => walk::report(cx, &patch.rollout, held.as_ref(), outcome)?,
    };
    Ok(with_end(cx, patch, events))
}

/// The facts of a rollout, and the patch's end where one of them is the rollout's.
fn with_end(cx: Context<'_>, patch: &Patch, mut events: Vec<rollout::Event>) -> Vec<Fact> {
    for event in &mut events {
        if let rollout::Event::Kept { seen, .. } | rollout::Event::Forced { seen, .. } = event {
            *seen = joint::seen(cx.board, patch);
        }
    }
    let was_promoted = patch.rollout.phase.is_alone();
    let end = events.iter().find_map(|event| match event {
        rollout::Event::Promoted | rollout::Event::Kept { .. } => Some(End::Promoted),
        rollout::Event::Forced { .. } if was_promoted => Some(End::Promoted),
        rollout::Event::RolledBack => Some(End::RolledBack(why_back(patch.rollout.cause.as_ref()))),
        _ => None,
    });
    events.into_iter().map(Fact::Rollout).chain(end.map(ended)).collect()
}

/// The budget is asked again, less often the longer it burns.
fn deferred(cx: Context<'_>, patch: &Patch, reason: String) -> rollout::Event {
    let times = patch.rollout.deferred.as_ref().map_or(0, |(_, _, times)| *times).min(4);
    let until = cx.now.after(Seconds(FIRST_DEFERRAL.0 << times).min(LONGEST_DEFERRAL));
    rollout::Event::Deferred { reason, until }
}

fn why_back(cause: Option<&Cause>) -> String {
    match cause {
        Some(Cause::Person { by, reason }) => format!("{by}: {reason}"),
        Some(cause) => cause.text(),
        None => "no cause was recorded".to_owned(),
    }
}

/// The hand failed: try again later, or give the stage up. A rollout that moves users is never simply given up.
fn failed(cx: Context<'_>, patch: &Patch, job: JobId, failure: Failure) -> Vec<Fact> {
    let before = patch.faltering.as_ref().filter(|faltering| faltering.stage == job.stage);
    let tries = before.map_or(0, |faltering| faltering.tries).saturating_add(1);
    let moving = job.stage == Stage::Rollout && patch.rollout.phase != Phase::Idle;
    let last = failure.kind == FailureKind::Permanent || tries >= cx.policy.tries;
    let given_up = last && !moving && job.stage != Stage::Review;
    let wait = cx.policy.wait_after(tries);
    // A recall that can't begin moves nobody, and a person knows of it.
    let is_known = patch.rollout.phase == Phase::Recalling && patch.rollout.paged;
    let wait = if moving && !is_known { wait.min(LONGEST_WAIT_WHILE_MOVING) } else { wait };
    let retry_at = (!given_up).then(|| cx.now.after(wait));
    let follows: Vec<Fact> = match (given_up, moving) {
        (true, _) => vec![ended(End::Abandoned(format!("{} failed: {}", job.stage, failure.message)))],
        (false, true) => {
            let follows = walk::failed(cx, &patch.rollout, &failure, tries);
            joint::told_of_set(patch, &failure, follows).into_iter().map(Fact::Rollout).collect()
        }
        (false, false) => Vec::new(),
    };
    [Fact::Faltered { job, failure, retry_at }].into_iter().chain(follows).collect()
}

fn opening(patch: &Patch) -> Result<&Opening, Rejection> {
    patch.opening.as_deref().ok_or(Rejection::NotOpen { patch: patch.id })
}

fn refuse_ended(patch: &Patch, asked: &str) -> Result<(), Rejection> {
    if patch.has_ended() {
        return Err(Rejection::Ended { patch: patch.id, asked: asked.to_owned() });
    }
    Ok(())
}
