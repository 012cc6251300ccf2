//! Two patches as their events tell of them: one that was promoted, one that was taken back.

use std::sync::Arc;

use patchline_model::actor::Actor;
use patchline_model::digest::{Commit, Digest};
use patchline_model::event::{Event, Fact};
use patchline_model::failure::Failure;
use patchline_model::id::{FindingId, JobId, PatchId, Stage};
use patchline_model::package::{Ecosystem, Package};
use patchline_model::service::{Build, CommandLine, Service, Tier};
use patchline_model::share::Share;
use patchline_model::stage::approve::{Answer, Approval, Decision, Reason};
use patchline_model::stage::build::{Artifact, Pair, Reproducible};
use patchline_model::stage::detect::{Finding, Location, Opening, Source, Subject, Until};
use patchline_model::stage::footing::Footing;
use patchline_model::stage::generate::{Candidate, Kind, Move};
use patchline_model::stage::plan::{
    Canary, Counts, Exit, Guards, InstanceGuards, Plan, Step, Strategy, Version,
};
use patchline_model::stage::review::End;
use patchline_model::stage::rollout::{Cause, Cursor, JudgeAnswer, Judgement, Reading, Tick};
use patchline_model::stage::terms::Terms;
use patchline_model::stage::verify::{CheckResult, Checked, Verdict};
use patchline_model::stage::{approve, build, detect, generate, review, rollout, verify};
use patchline_model::time::{Seconds, Timestamp};

/// 2026-11-21T12:00:00Z.
const NOON: i64 = 1_795_262_400_000;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn commit(digit: &str) -> Commit {
    digit.repeat(40).parse().expect("40 hex digits are a commit")
}

fn at(millis: i64, fact: Fact) -> Event {
    Event { at: Timestamp(NOON + millis), by: Actor::Machine, fact }
}

fn opening() -> Opening {
    let command = |word: &str| CommandLine(vec![word.to_owned()]);
    let service = Service {
        name: "notebook".parse().expect("it is a name"),
        owner: "team-notes".to_owned(),
        tier: Tier::try_from(2).expect("2 is a tier"),
        repository: "/srv/notebook".to_owned(),
        folder: String::new(),
        build: Build { prepare: None, command: command("make"), artifact: "notebook".to_owned() },
        test: None,
        agents: Vec::new(),
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    };
    Opening {
        service,
        base: commit("1"),
        subject: Subject::Scan { only: Vec::new(), reports: Vec::new() },
        until: Until::Rollout,
        terms: Terms::default(),
    }
}

fn found() -> Finding {
    Finding {
        id: FindingId("RUSTSEC-2018-0006/yaml-rust".to_owned()),
        source: Source::Lockfile,
        advisory: "RUSTSEC-2018-0006".to_owned(),
        aliases: vec!["CVE-2018-20993".to_owned()],
        summary: "uncontrolled recursion leads to abort".to_owned(),
        package: Some(Package {
            ecosystem: Ecosystem::crates_io(),
            name: "yaml-rust".to_owned(),
            version: "0.4.0".to_owned(),
        }),
        location: Location { path: "Cargo.lock".to_owned(), line: Some(12) },
        paths: vec![vec!["notebook 0.1.0".to_owned(), "yaml-rust 0.4.0".to_owned()]],
        fixed: vec!["0.4.1".to_owned()],
        severity: Vec::new(),
        informational: None,
    }
}

fn candidate() -> Candidate {
    Candidate {
        number: 1,
        fixer: "cargo".to_owned(),
        kind: Kind::Dependency,
        title: "move yaml-rust to 0.4.1".to_owned(),
        rationale: "0.4.1 is the lowest version without the problem".to_owned(),
        author: "patchline".to_owned(),
        branch: "patchline/P-7".to_owned(),
        base: commit("1"),
        commit: commit("2"),
        diff: digest("diff"),
        files: vec!["Cargo.lock".to_owned()],
        moves: vec![Move {
            package: "yaml-rust".to_owned(),
            from: Some("0.4.0".to_owned()),
            to: Some("0.4.1".to_owned()),
            rung: None,
        }],
        removes: vec![FindingId("RUSTSEC-2018-0006/yaml-rust".to_owned())],
        leaves: Vec::new(),
    }
}

fn artifact(name: &str) -> Artifact {
    Artifact {
        digest: digest(name),
        name: "notebook".to_owned(),
        bytes: 1_000_000,
        reproducible: Reproducible::Identical,
        sbom: digest("sbom"),
        evidence: vec![digest("provenance")],
    }
}

fn check(name: &str, summary: &str) -> Checked {
    Checked {
        check: name.to_owned(),
        result: CheckResult::Passed,
        summary: summary.to_owned(),
        details: Vec::new(),
        sides: None,
        rollback_milliseconds: None,
        irreversible: None,
        evidence: digest(name),
        milliseconds: 5,
    }
}

fn decision(answer: Answer) -> Decision {
    let reason = Reason {
        rule: "suite".to_owned(),
        holds: true,
        text: "The check `suite` passed: 14 tests passed.".to_owned(),
        evidence: Vec::new(),
    };
    Decision {
        answer,
        reasons: vec![reason],
        policy: digest("policy"),
        dossier: digest("dossier"),
        evidence: digest("decision"),
    }
}

fn plan() -> Plan {
    let step = |fraction| Step {
        share: Share::from_fraction(fraction).expect("it is a share"),
        bake: Seconds(5),
        gate: false,
    };
    Plan {
        instances: 2,
        strategy: Strategy::Canary(Canary {
            instances: 1,
            steps: vec![step(0.05), step(0.5)],
            end: None,
            cohort: None,
        }),
        guards: Guards {
            alpha: 0.01,
            beta: 0.05,
            error_margin: 0.01,
            latency: true,
            instances: InstanceGuards::default(),
        },
        deadline: Seconds(600),
        start_deadline: Seconds(10),
        missing_limit: 5,
        at_deadline: Exit::Rollback,
        pause: Default::default(),
        irreversible: Default::default(),
    }
}

fn tick(canary: (u64, u64), stable: (u64, u64)) -> Tick {
    let counts = |(requests, errors)| Some(Counts { requests, errors, ..Counts::default() });
    Tick { canary: counts(canary), stable: counts(stable), ..Tick::default() }
}

fn cursor(unrouted: u64) -> Cursor {
    Cursor { epoch: "1".to_owned(), unrouted, ..Cursor::default() }
}

fn looked(canary: (u64, u64), stable: (u64, u64), answer: JudgeAnswer, evidence: f64) -> rollout::Event {
    let readings = vec![Reading { guard: "errors".to_owned(), log_evidence: evidence, threshold: 4.6 }];
    let reason = match answer {
        JudgeAnswer::Rollback => "the new version fails more requests".to_owned(),
        JudgeAnswer::Promote => "the new version is not worse".to_owned(),
        JudgeAnswer::Continue | JudgeAnswer::Inconclusive => "not enough evidence yet".to_owned(),
    };
    let judgement = Judgement { answer, reason, readings, wrong_split: false, judge: 0 };
    rollout::Event::Looked {
        tick: tick(canary, stable).into(),
        cursor: Some(cursor(0)),
        judgement: judgement.into(),
    }
}

/// From the finding to the approval by Bob.
fn before_the_rollout() -> Vec<Event> {
    let job = JobId { patch: PatchId(7), stage: Stage::Generate, attempt: 0 };
    let failure = Failure::transient("the advisory index is being updated");
    let pair = Pair { patch: artifact("patch"), base: artifact("base") };
    let checks = vec![
        check("before-after", "the reproducer failed before and passes after"),
        check("suite", "14 tests passed"),
        check("re-scan", "the finding is gone and nothing came in"),
    ];
    let approval = Approval {
        by: Actor::person("Bob <bob@example.com>"),
        role: "owner".to_owned(),
        dossier: digest("dossier"),
        comment: "read the diff".to_owned(),
        at: Timestamp(NOON + 41_000),
        emergency: None,
    };
    let decided = |answer, considered| {
        Fact::Approve(approve::Event::Decided { decision: decision(answer), considered })
    };
    let proposed =
        generate::Event::Proposed { candidate: Box::new(candidate()), evidence: digest("generation") };
    vec![
        at(0, Fact::Detect(detect::Event::Opened(Box::new(opening())))),
        at(
            2_000,
            Fact::Detect(detect::Event::Found {
                findings: vec![found()],
                packages: 8,
                evidence: digest("scan"),
            }),
        ),
        at(3_000, Fact::Faltered { job, failure, retry_at: Some(Timestamp(NOON + 4_000)) }),
        at(6_000, Fact::Generate(proposed)),
        at(26_000, Fact::Build(build::Event::Built(Box::new(pair)))),
        at(36_000, Fact::Verify(verify::Event::Verified { verdict: Verdict { checks } })),
        at(36_500, decided(Answer::Needs(vec!["owner".to_owned()]), 0)),
        at(41_000, Fact::Approve(approve::Event::Approved(approval))),
        at(41_500, decided(Answer::Allow, 1)),
    ]
}

fn started() -> Vec<Event> {
    let version = |name: &str, label: &str| Version { artifact: digest(name), label: label.into() };
    let started = rollout::Event::Started {
        stable: version("base", "1111111111"),
        new: version("patch", "2222222222 (move yaml-rust to 0.4.1)"),
        plan: Box::new(plan()),
        footing: Footing::default(),
        before: None,
        note: None,
    };
    let first = rollout::Event::Counted { tick: Tick::default().into(), cursor: cursor(0) };
    vec![
        at(42_500, Fact::Rollout(started)),
        at(44_000, Fact::Rollout(first)),
        at(44_000, Fact::Rollout(rollout::Event::StepEntered { step: 0 })),
    ]
}

/// All eight stages, 71.5 seconds.
pub fn promoted() -> Vec<Event> {
    let rollout = [
        (49_000, looked((50, 0), (950, 2), JudgeAnswer::Continue, -1.5)),
        (49_000, rollout::Event::StepEntered { step: 1 }),
        (56_000, looked((50, 1), (50, 0), JudgeAnswer::Promote, 5.25)),
        (56_000, rollout::Event::PromotionDecided),
        (60_000, rollout::Event::Switched),
        (64_000, rollout::Event::Counted { tick: tick((10, 0), (0, 0)).into(), cursor: cursor(0) }),
        (64_000, rollout::Event::OldRetired),
        (71_500, rollout::Event::Promoted),
    ];
    let mut events = before_the_rollout();
    events.extend(started());
    events.extend(rollout.into_iter().map(|(millis, event)| at(millis, Fact::Rollout(event))));
    events.push(at(71_500, Fact::Review(review::Event::Ended(End::Promoted))));
    events
}

/// The judge takes it back in the first step.
pub fn rolled_back() -> Vec<Event> {
    let cause = Cause::Judge { reason: "the new version fails more requests".to_owned() };
    let rollout = [
        (46_000, looked((40, 12), (760, 0), JudgeAnswer::Rollback, 9.75)),
        (46_000, rollout::Event::RollbackDecided { cause }),
        (46_750, rollout::Event::ShareTaken),
        (49_000, rollout::Event::Counted { tick: tick((2, 1), (100, 0)).into(), cursor: cursor(2) }),
        (49_000, rollout::Event::RolledBack),
    ];
    let mut events = before_the_rollout();
    events.extend(started());
    events.extend(rollout.into_iter().map(|(millis, event)| at(millis, Fact::Rollout(event))));
    let why = "the new version fails more requests".to_owned();
    events.push(at(49_000, Fact::Review(review::Event::Ended(End::RolledBack(why)))));
    events
}

/// Puts this text wherever text comes from outside.
pub fn poison(events: &mut [Event], text: &str) {
    for event in events {
        match &mut event.fact {
            Fact::Detect(detect::Event::Found { findings, .. }) => {
                for finding in findings {
                    finding.advisory = text.to_owned();
                    finding.aliases = vec![text.to_owned()];
                    finding.summary = text.to_owned();
                    finding.paths = vec![vec![text.to_owned(); 2]];
                    finding.fixed = vec![text.to_owned()];
                    finding.location.path = text.to_owned();
                }
            }
            Fact::Generate(generate::Event::Proposed { candidate, .. }) => {
                candidate.title = text.to_owned();
                candidate.rationale = text.to_owned();
                candidate.files = vec![text.to_owned()];
                candidate.leaves = vec![(FindingId(text.to_owned()), text.to_owned())];
                candidate.moves[0].package = text.to_owned();
            }
            Fact::Verify(verify::Event::Verified { verdict }) => {
                verdict.checks.iter_mut().for_each(|check| check.summary = text.to_owned());
            }
            Fact::Approve(approve::Event::Approved(approval)) => approval.comment = text.to_owned(),
            Fact::Rollout(rollout::Event::Looked { judgement, .. }) => {
                Arc::make_mut(judgement).reason = text.to_owned();
            }
            _ => {}
        }
    }
}
