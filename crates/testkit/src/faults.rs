//! Planted faults: each a small mistake in the loop that a world must notice, or the world is not cruel enough.

use std::sync::Arc;

use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::context::{Board, Context};
use patchline_model::event::{Event, Fact};
use patchline_model::id::Stage;
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::patch::Patch;
use patchline_model::pipeline::decide::decide;
use patchline_model::pipeline::due::due;
use patchline_model::pipeline::evolve::evolve;
use patchline_model::pipeline::held::hold;
use patchline_model::rejection::Rejection;
use patchline_model::share::Share;
use patchline_model::stage::approve::{self, Answer};
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Desired, Observed, Process};
use patchline_model::stage::rollout::{self, Cause, Gate, SmokeTest};
use patchline_model::stage::safety::NoReturn;
use patchline_model::stage::set::Standing;
use patchline_model::stage::traffic::Traffic;
use patchline_model::stage::{review, verify};
use patchline_model::time::Timestamp;
use patchline_model::view::board::waits_at_gate;

use crate::fault::Fault;

/// The three pure functions, as they are or with a fault between them and the loop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    pub fault: Option<Fault>,
}

impl Rules {
    pub fn decide(self, cx: Context<'_>, patch: &Patch, command: &Command) -> Result<Vec<Event>, Rejection> {
        let Some(fault) = self.fault else { return decide(cx, patch, command) };
        let carried = miscarry(fault, cx.board, patch);
        let cx = Context { board: &carried, ..cx };
        let (misled, wrong) = mislead(fault, cx, patch.clone(), command.clone());
        let board = misread(fault, cx.board, patch);
        let decided = decide(Context { board: &board, ..cx }, &misled, &wrong);
        distort(fault, cx, patch, command, decided)
    }

    pub fn evolve(self, patch: Patch, event: &Event) -> Patch {
        let retried = matches!(event.fact, Fact::Review(review::Event::Retried { .. }));
        if retried && self.fault == Some(Fault::RetryKeepsApprovals) {
            let approve = patch.approve.clone();
            return Patch { approve, ..evolve(patch, event) };
        }
        if self.fault == Some(Fault::EmergencyOwesNothing) && matches!(event.fact, Fact::Approve(_)) {
            let review = patch.review.clone();
            return Patch { review, ..evolve(patch, event) };
        }
        let forgets = self.fault == Some(Fault::PauseIsNotRemembered);
        if forgets && matches!(event.fact, Fact::Rollout(rollout::Event::Paused { .. })) {
            let paused = patch.rollout.paused.clone();
            let mut patch = evolve(patch, event);
            Arc::make_mut(&mut patch.rollout).paused = paused;
            return patch;
        }
        evolve(patch, event)
    }

    pub fn due(self, cx: Context<'_>, patch: &Patch) -> Due {
        let Some(fault) = self.fault else { return due(cx, patch) };
        let board = misread(fault, &miscarry(fault, cx.board, patch), patch);
        let cx = Context { board: &board, ..cx };
        if fault == Fault::DeferredIsForgotten && patch.rollout.deferred.is_some() {
            return Due::Nothing;
        }
        if fault == Fault::FailureIsNeverRetried && patch.faltering.is_some() {
            return Due::Nothing;
        }
        let owed = match fault {
            Fault::ApprovalsAreNotReconsidered => due(cx, &allow_early(patch.clone())),
            Fault::PauseBeginsAllTheSame | Fault::PauseLetsTheOldGo => {
                due(cx, &unpaused(fault, patch.clone()))
            }
            _ => due(cx, patch),
        };
        let Due::Job(mut id, mut job) = owed else { return owed };
        if fault == Fault::AttemptsAreNotCounted {
            id.attempt = 0;
        }
        if let Job::Rollout(rollout::Job::Reconcile { desired, look }) = &mut job {
            redirect(fault, patch, desired);
            *look &= fault != Fault::JudgeSleepsAtGate || !waits_at_gate(patch);
        }
        Due::Job(id, job)
    }
}

/// A wrong picture of what else is under way.
fn misread(fault: Fault, board: &Board, patch: &Patch) -> Board {
    let mut board = board.clone();
    let lock = patch.opening.as_ref().and_then(|opening| opening.service.lock());
    if let (Fault::RecallIgnoresOthers, Some(lock)) = (fault, lock) {
        board.runs.insert(lock, patch.id);
    }
    let members = board.sets.values_mut().flat_map(|set| set.members.values_mut());
    match fault {
        Fault::SetBeginsEarly if patch.rollout.plan.is_none() => {
            members.for_each(|member| member.standing = Standing::Covered);
        }
        Fault::ReplacedGoesOn => board.replaced.clear(),
        Fault::HotfixWaitsItsTurn => board.hotfixes.clear(),
        Fault::SetIsForgotten => members.for_each(|member| member.returns = 0),
        Fault::SetReturnsInAnyOrder => members.for_each(|member| member.after.clear()),
        _ => {}
    }
    board
}

/// What is held, read wrongly.
fn miscarry(fault: Fault, board: &Board, patch: &Patch) -> Board {
    let mut board = board.clone();
    let is_said = patch.approve.approvals.iter().any(|approval| approval.emergency.is_some());
    let line = &mut board.line;
    match fault {
        Fault::StopIsIgnored => line.stops.clear(),
        Fault::EmergencyPassesStops if is_said => line.stops.clear(),
        Fault::FreezeHoldsNothing => line.freezes.clear(),
        Fault::FreezeIsBroughtForward => {
            line.freezes.iter_mut().for_each(|freeze| freeze.from = Timestamp(0));
        }
        // The hour at which the clocks are set is forgotten.
        Fault::WindowsGoByAnotherClock => {
            board.zones.values_mut().for_each(|offsets| offsets.0.truncate(1));
        }
        Fault::FreezeOutlastsItsEnd => {
            line.freezes.iter_mut().for_each(|freeze| freeze.until = Timestamp(i64::MAX));
        }
        _ => {}
    }
    board
}

fn redirect(fault: Fault, patch: &Patch, desired: &mut Desired) {
    let is_in_place = desired.in_place;
    match (fault, &patch.rollout.phase, &mut desired.arms[..]) {
        (Fault::StableShrinksEarly, Phase::Switching | Phase::Growing, [stable, _]) => stable.instances = 0,
        (Fault::WholeShareAtOnce, Phase::Watching { .. }, [stable, new]) => {
            let last = patch.rollout.course.as_ref().and_then(|course| course.stations.last().cloned());
            if let Some(last) = last {
                (stable.share, new.share) = (last.share.rest(), last.share);
            }
        }
        (Fault::HotStartsOneMore, Phase::Filling { .. }, [stable, _]) if is_in_place => stable.instances += 1,
        (Fault::HoldBackIsIgnored, Phase::Baking, [stable, new]) => {
            (stable.share, new.share) = (Share::NONE, Share::ALL);
        }
        (Fault::BatchRetiresStableEarly, Phase::Filling { .. }, [stable, new]) => {
            stable.instances = stable.instances.saturating_sub(new.instances);
        }
        (Fault::OldIsTakenForWhole, Phase::RollingBack, [stable, new]) if patch.rollout.was_draining => {
            (stable.share, new.share) = (Share::ALL, Share::NONE);
        }
        (Fault::RollbackRetiresStableFirst, Phase::RollingBack, [stable, _]) => {
            stable.instances = stable.instances.saturating_sub(1);
        }
        (Fault::RollbackRetiresBadFirst, Phase::RollingBack, [_, new]) if new.share > Share::NONE => {
            new.instances = 0;
        }
        (Fault::RollbackOverloadsStable, Phase::RollingBack, [stable, new]) if new.share > Share::NONE => {
            (stable.share, new.share) = (Share::ALL, Share::NONE);
            stable.carriers = 0;
        }
        // The old version keeps the first of the order, and the new one has the last.
        (Fault::OrderIsForgotten, Phase::Filling { .. } | Phase::Watching { .. }, [stable, new]) => {
            std::mem::swap(&mut stable.names, &mut new.names);
            let all: Vec<_> = stable.names.drain(..).chain(new.names.drain(..)).collect();
            let (kept, taken) = all.split_at((stable.instances as usize).min(all.len()));
            (stable.names, new.names) = (kept.to_vec(), taken.to_vec());
        }
        // Who was replaced first comes back first.
        (Fault::OrderIsNotReversed, Phase::RollingBack, [stable, new]) if !new.names.is_empty() => {
            let all: Vec<_> = new.names.drain(..).chain(stable.names.drain(..)).collect();
            let (back, kept) = all.split_at((stable.instances as usize).min(all.len()));
            (stable.names, new.names) = (back.to_vec(), kept.to_vec());
        }
        (Fault::CohortIsForgotten, Phase::Watching { .. }, _) => desired.traffic = Traffic::ByTurns,
        (Fault::FlagStartsSmall, Phase::Preparing | Phase::Watching { .. }, [_, new])
            if !new.flags.is_empty() =>
        {
            new.instances = new.instances.min(1);
            new.carriers = new.carriers.min(1);
        }
        (Fault::FlagStaysOn, Phase::RollingBack | Phase::Retiring, arms) => {
            arms.iter_mut().flat_map(|arm| &mut arm.flags).for_each(|told| told.is_on = true);
        }
        (Fault::ShadowMeetsUsers, Phase::Watching { .. }, [stable, new]) => {
            if let Traffic::Mirrored(mirror) = &desired.traffic {
                (stable.share, new.share) = (mirror.share.rest(), mirror.share);
            }
        }
        _ => {}
    }
}

/// Where the fault does not know of the pause.
fn unpaused(fault: Fault, mut patch: Patch) -> Patch {
    let forgets = match fault {
        Fault::PauseBeginsAllTheSame => Phase::Idle,
        _ => Phase::Finishing,
    };
    if patch.rollout.phase == forgets {
        let rollout = Arc::make_mut(&mut patch.rollout);
        (rollout.paused, rollout.paused_since) = (None, None);
    }
    patch
}

fn allow_early(mut patch: Patch) -> Patch {
    let state = Arc::make_mut(&mut patch.approve);
    if let Some(decision) = state.decision.as_mut().filter(|_| !state.approvals.is_empty()) {
        decision.answer = Answer::Allow;
        state.considered = state.approvals.len();
    }
    patch
}

/// The name under which the machine slips past the question for a person.
const STAND_IN: &str = "stand-in";

/// Wrong inputs.
fn mislead(fault: Fault, cx: Context<'_>, mut patch: Patch, mut command: Command) -> (Patch, Command) {
    let is_at_gate = waits_at_gate(&patch);
    let rollout = Arc::make_mut(&mut patch.rollout);
    match (fault, &mut command.ask) {
        (Fault::LateAnswersCount, Ask::Report { job, .. }) => match due(cx, &patch) {
            Due::Job(owed, _) if owed.stage == job.stage => *job = owed,
            _ => {}
        },
        (Fault::AttemptsAreNotCounted, Ask::Report { job, .. }) => {
            job.attempt = patch.attempts.get(&job.stage).copied().unwrap_or(0);
        }
        (Fault::CursorIsStale, Ask::Report { .. }) => {
            if let Some(cursor) = &mut rollout.cursor {
                cursor.canary = cursor.canary.take().map(|_| Default::default());
            }
        }
        (
            Fault::MissingIsReadAsZero,
            Ask::Report {
                answer: Ok(Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. })), ..
            },
        ) => fill_in(&patch, observed),
        (Fault::ApprovalsAreNotReconsidered, Ask::Report { .. }) => patch = allow_early(patch),
        (Fault::AuthorApproves, Ask::Approve(_)) => {
            if let Some(candidate) = &mut Arc::make_mut(&mut patch.generate).candidate {
                candidate.author = "somebody else".to_owned();
            }
        }
        (Fault::MachineApproves, Ask::Approve(_)) if command.by == Actor::Machine => {
            command.by = Actor::person(STAND_IN);
        }
        (Fault::StaleDossierIsAccepted, Ask::Approve(approve::Command::Approve { dossier, .. })) => {
            if let Some(decision) = &patch.approve.decision {
                *dossier = decision.dossier.clone();
            }
        }
        (Fault::PauseIsIgnored, Ask::Report { .. }) => rollout.paused = None,
        (Fault::PromotedIsTriedAgain, Ask::Review(review::Command::Retry { .. })) => {
            if let Some(end) = &mut Arc::make_mut(&mut patch.review).end {
                *end = review::End::RolledBack(String::new());
            }
        }
        (Fault::EndedPatchMoves, Ask::Rollout(_) | Ask::Review(_)) => {
            Arc::make_mut(&mut patch.review).end = None
        }
        (Fault::GateIsSkipped, Ask::Report { .. }) => rollout.gate = Gate::Opened,
        (Fault::SmokeIsSkipped, Ask::Report { .. }) if rollout.smoke == SmokeTest::Ahead => {
            rollout.smoke = SmokeTest::Passed;
        }
        (
            Fault::SmokeIsIgnored,
            Ask::Report { answer: Ok(Outcome::Rollout(rollout::Outcome::Smoked { failed, .. })), .. },
        ) => *failed = None,
        (
            Fault::WrongSplitIsIgnored,
            Ask::Report {
                answer: Ok(Outcome::Rollout(rollout::Outcome::Reconciled { judgement: Some(said), .. })),
                ..
            },
        ) => Arc::make_mut(said).wrong_split = false,
        (
            Fault::RecallIsBlind,
            Ask::Report {
                answer: Ok(Outcome::Rollout(rollout::Outcome::Recallable { runs, lacking })), ..
            },
        ) => {
            let ours = patch.rollout.new.as_ref().map(|new| new.artifact.clone());
            (*runs, *lacking) = (ours.unwrap_or_else(|| runs.clone()), None);
        }
        (Fault::HaltIsSkipped, Ask::Report { .. }) => rollout.footing.forward_only = None,
        (Fault::HaltGoesOn, Ask::Report { .. }) => {
            if let Phase::Halted { from } = &rollout.phase {
                rollout.phase = (**from).clone();
            }
        }
        (Fault::LossIsNotAsked, Ask::Rollout(asked)) => {
            if let rollout::Command::Rollback { reason } = asked {
                *asked = rollout::Command::RollbackWithLoss { reason: std::mem::take(reason) };
            }
        }
        (Fault::NoReturnIsLate, _) => {
            if let Some(bound) = &mut rollout.footing.forward_only {
                bound.from = NoReturn::Share;
            }
        }
        (Fault::GateOutlastsDeadline, Ask::Report { .. }) if is_at_gate => {
            rollout.started = None;
        }
        (Fault::LastBakeIsSkipped, Ask::Report { .. }) if rollout.phase == Phase::Baking => {
            rollout.since = Timestamp(i64::MIN / 2);
        }
        (
            Fault::CapacityIsAssumed,
            Ask::Report {
                answer: Ok(Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. })), ..
            },
        ) => assume(&patch, observed),
        (
            Fault::StrangersPass | Fault::SilenceIsConsent,
            Ask::Report {
                answer: Ok(Outcome::Rollout(rollout::Outcome::Reconciled { observed, .. })), ..
            },
        ) => {
            let said = observed.arms.iter_mut().flat_map(|arm| &mut arm.processes);
            let known = patch.rollout.processes.first().map(|(process, _)| *process);
            match (fault, known) {
                (Fault::StrangersPass, Some(known)) => {
                    let is_known =
                        |process: &Process| patch.rollout.processes.iter().any(|(known, _)| known == process);
                    said.filter(|process| !is_known(process)).for_each(|process| *process = known);
                }
                (Fault::SilenceIsConsent, None) => speak_for(observed),
                _ => {}
            }
        }
        (Fault::WindowsHoldNothing, _) => {
            if let Some(run) =
                patch.opening.as_mut().and_then(|opening| Arc::make_mut(opening).service.run.as_mut())
            {
                run.windows.clear();
            }
        }
        (
            Fault::BudgetIsIgnored,
            Ask::Report { answer: Ok(Outcome::Rollout(rollout::Outcome::Begun { history, .. })), .. },
        ) => *history = None,
        (Fault::CanaryBurnIsIgnored, _) if rollout.plan.is_some() => {
            if let Some(run) =
                patch.opening.as_mut().and_then(|opening| Arc::make_mut(opening).service.run.as_mut())
            {
                run.slo = None;
            }
        }
        (Fault::StoppedTimeCounts, Ask::Report { .. }) => {
            rollout.stood_still_millis = 0;
            rollout.still_since = rollout.still_since.map(|_| cx.now);
        }
        (Fault::PausedTimeCounts, Ask::Report { .. }) => {
            let paused = rollout.unbaked_millis;
            rollout.stood_still_millis = rollout.stood_still_millis.saturating_sub(paused);
        }
        (Fault::PauseBeginsAllTheSame | Fault::PauseLetsTheOldGo, Ask::Report { .. }) => {
            patch = unpaused(fault, patch);
        }
        (Fault::DrainingIsPastAll, Ask::Rollout(_)) if rollout.phase == Phase::Finishing => {
            rollout.phase = Phase::Promoted;
        }
        (Fault::PausedTimeBakes, Ask::Report { .. }) => rollout.unbaked_millis = 0,
        (Fault::PauseHasNoEnd, Ask::Report { .. }) => {
            rollout.paused_since = rollout.paused_since.map(|_| cx.now);
        }
        (Fault::BakeIsSkipped, Ask::Report { .. }) => rollout.since = Timestamp(i64::MIN / 2),
        _ => {}
    }
    (patch, command)
}

fn fill_in(patch: &Patch, observed: &mut Observed) {
    let cursor = patch.rollout.cursor.clone().unwrap_or_default();
    for arm in observed.arms.iter_mut().filter(|arm| arm.counts.is_none()) {
        let is_new = patch.rollout.new.as_ref().is_some_and(|new| new.artifact == arm.artifact);
        arm.counts = if is_new { cursor.canary.clone() } else { cursor.stable.clone() };
    }
}

/// Takes each instance that is there for one that has said what it serves.
fn speak_for(observed: &mut Observed) {
    for arm in &mut observed.arms {
        let said = arm.processes.len();
        let silent = (said..arm.instances as usize).zip(900_000..);
        arm.processes.extend(silent.map(|(_, pid)| Process { pid, started: 1 }));
    }
}

/// Takes what is wanted for what is there.
fn assume(patch: &Patch, observed: &mut Observed) {
    let Some(desired) = patch.rollout.desired() else { return };
    for there in &mut observed.arms {
        let wanted = desired.arms.iter().find(|arm| arm.version.artifact == there.artifact);
        there.instances = wanted.map_or(0, |arm| arm.instances);
        there.healthy = there.instances;
        there.share = wanted.map_or(Share::NONE, |arm| arm.share);
    }
}

fn asks_back(command: &Command) -> bool {
    matches!(&command.ask, Ask::Rollout(rollout::Command::Rollback { .. }))
}

/// A rollback by the judge's word.
fn is_judges(event: &Event) -> bool {
    match &event.fact {
        Fact::Rollout(rollout::Event::RollbackDecided { cause }) => matches!(cause, Cause::Judge { .. }),
        _ => false,
    }
}

/// How the model speaks of an answer without sense.
const NONSENSE: &str = "makes no sense";

type Decided = Result<Vec<Event>, Rejection>;

/// Wrong outputs.
fn distort(fault: Fault, cx: Context<'_>, patch: &Patch, command: &Command, decided: Decided) -> Decided {
    let event = |fact: Fact| Event { at: cx.now, by: command.by.clone(), fact };
    let phase = &patch.rollout.phase;
    match (fault, decided) {
        (Fault::PromotesWithoutData, Ok(mut events)) => {
            let blind = |event: &Event| match &event.fact {
                Fact::Rollout(rollout::Event::Looked { tick, judgement, .. }) => {
                    tick.canary.is_none() && judgement.answer == rollout::JudgeAnswer::Promote
                }
                _ => false,
            };
            if matches!(phase, Phase::Watching { .. }) && events.len() == 1 && events.iter().any(blind) {
                events.push(event(Fact::Rollout(rollout::Event::PromotionDecided)));
            }
            Ok(events)
        }
        (Fault::CursorIsLeftOut, Ok(mut events)) => {
            for event in &mut events {
                if let Fact::Rollout(rollout::Event::Looked { cursor, .. }) = &mut event.fact {
                    *cursor = None;
                }
            }
            Ok(events)
        }
        (Fault::MachineApproves, Ok(mut events)) => {
            for event in events.iter_mut().filter(|event| event.by.name() == STAND_IN) {
                event.by = Actor::Machine;
                if let Fact::Approve(approve::Event::Approved(approval)) = &mut event.fact {
                    approval.by = Actor::Machine;
                }
            }
            Ok(events)
        }
        (Fault::JudgeIsIgnored, Ok(mut events)) => {
            events.retain(|event| !is_judges(event));
            Ok(events)
        }
        (Fault::StopSilencesTheJudge, Ok(mut events)) => {
            events.retain(|event| hold(cx, patch).is_none() || !is_judges(event));
            Ok(events)
        }
        (Fault::WrongSplitSilencesTheJudge, Ok(mut events)) => {
            let is_wrong = |event: &Event| match &event.fact {
                Fact::Rollout(rollout::Event::Looked { judgement, .. }) => judgement.wrong_split,
                _ => false,
            };
            if events.iter().any(is_wrong) {
                events.retain(|event| !is_judges(event));
            }
            Ok(events)
        }
        (Fault::EndedIsAskedInVain, Ok(_)) if patch.has_ended() && asks_back(command) => {
            Err(Rejection::Ended { patch: patch.id, asked: "rollback".to_owned() })
        }
        (Fault::StopRefusesRollbacks, Ok(events)) => match hold(cx, patch) {
            Some(hold) if matches!(&command.ask, Ask::Rollout(rollout::Command::Rollback { .. })) => {
                Err(Rejection::Held { patch: patch.id, asked: "roll back".to_owned(), hold })
            }
            Some(_) | None => Ok(events),
        },
        (Fault::RollbackIsGivenUp, Ok(mut events)) => {
            let tries = patch.faltering.as_ref().map_or(0, |faltering| faltering.tries);
            let goes_back = matches!(phase, Phase::RollingBack | Phase::Retiring);
            if let Some(Event { fact: Fact::Faltered { retry_at, .. }, .. }) = events.first_mut()
                && goes_back
                && tries >= 1
            {
                *retry_at = None;
                let end = review::End::Abandoned("it failed too often".to_owned());
                events.push(event(Fact::Review(review::Event::Ended(end))));
            }
            Ok(events)
        }
        (Fault::RollbackTurnsForward, Err(Rejection::NotNow { asked, .. }))
            if asked == "promote" && *phase == Phase::RollingBack =>
        {
            Ok(vec![event(Fact::Rollout(rollout::Event::StepEntered { step: 0 }))])
        }
        (Fault::HalfVerdictCounts, decided) => match &command.ask {
            Ask::Report { answer: Ok(Outcome::Verify(outcome)), job } if job.stage == Stage::Verify => {
                let verdict = outcome.verdict.clone();
                let still = matches!(due(cx, patch), Due::Job(owed, _) if owed == *job);
                if still && verdict.checks.len() < verify::REQUIRED.len() {
                    return Ok(vec![event(Fact::Verify(verify::Event::Verified { verdict }))]);
                }
                decided
            }
            _ => decided,
        },
        (Fault::FailedChecksPass, Ok(mut events)) => {
            let is_verdict =
                |event: &Event| matches!(event.fact, Fact::Verify(verify::Event::Verified { .. }));
            if events.iter().any(is_verdict) {
                events.truncate(1);
            }
            Ok(events)
        }
        (Fault::CopiesAreUsers, Ok(mut events)) => {
            for event in &mut events {
                if let Fact::Rollout(rollout::Event::Looked { tick, .. }) = &mut event.fact {
                    Arc::make_mut(tick).apart.iter_mut().for_each(|apart| apart.canary = None);
                }
            }
            Ok(events)
        }
        (Fault::OnlyHealthyInstancesCount, Ok(mut events)) => {
            for event in &mut events {
                if let Fact::Rollout(rollout::Event::Looked { tick, .. }) = &mut event.fact
                    && let Some(signs) = &mut Arc::make_mut(tick).signs
                {
                    let (canary, stable) = (signs.canary_instances, signs.stable_instances);
                    signs.wanted = Some(rollout::Wanted { canary, stable });
                }
            }
            Ok(events)
        }
        (Fault::StuckMemberIsGivenUp, Ok(events)) => match &command.ask {
            Ask::Report {
                answer: Ok(Outcome::Rollout(rollout::Outcome::Recallable { lacking: Some(_), .. })),
                ..
            } => {
                let kept = rollout::Event::Kept { reason: "it can't".to_owned(), seen: u32::MAX };
                let end = review::Event::Ended(review::End::Promoted);
                Ok(vec![event(Fact::Rollout(kept)), event(Fact::Review(end))])
            }
            _ => Ok(events),
        },
        (Fault::ResumeDoesOneThing, Ok(mut events)) => {
            let ends = |event: &Event| matches!(event.fact, Fact::Rollout(rollout::Event::Resumed));
            let asked = matches!(&command.ask, Ask::Rollout(rollout::Command::Resume));
            if asked && events.iter().any(ends) {
                events.truncate(1);
            }
            Ok(events)
        }
        (Fault::NobodyIsPaged, Ok(mut events)) => {
            events.retain(|event| !matches!(event.fact, Fact::Rollout(rollout::Event::Paged { .. })));
            Ok(events)
        }
        (Fault::LastRequestsAreLost, Ok(mut events)) if *phase == Phase::RollingBack => {
            events.retain(|event| !matches!(event.fact, Fact::Rollout(rollout::Event::Counted { .. })));
            Ok(events)
        }
        (Fault::NonsenseIsOnlyRefused, Ok(mut events)) => {
            events.retain(|event| match &event.fact {
                Fact::Faltered { failure, .. } => !failure.message.contains(NONSENSE),
                Fact::Review(review::Event::Ended(review::End::Abandoned(why))) => !why.contains(NONSENSE),
                _ => true,
            });
            Ok(events)
        }
        (_, decided) => decided,
    }
}
