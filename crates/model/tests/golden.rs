//! Events are for ever: one stored file for each variant, which must be read and written the same by every version.
//!
//! `UPDATE_GOLDEN=1 cargo test -p patchline-model --test golden` writes them. A file that is in the repository is never
//! changed by hand or by an update: an old event is brought up to date when it is read.

#[path = "fixtures/analyzed.rs"]
mod analyzed;
#[path = "fixtures/given.rs"]
mod given;
#[path = "fixtures/small.rs"]
mod small;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use patchline_model::actor::Actor;
use patchline_model::agent::{Agent, ByCommand, Endpoint, Way};
use patchline_model::digest::Digest;
use patchline_model::event::{Event, Fact};
use patchline_model::failure::Failure;
use patchline_model::hold::{Hold, Kind};
use patchline_model::id::{FindingId, PatchId, Stage};
use patchline_model::reproducer::How;
use patchline_model::service::Reproducer;
use patchline_model::share::Share;
use patchline_model::stage::approve::{self, Answer, Approval};
use patchline_model::stage::budget::{History, Window};
use patchline_model::stage::detect::{self, Location, Opening, Report, Subject, Until};
use patchline_model::stage::division::Division;
use patchline_model::stage::emergency::Emergency;
use patchline_model::stage::footing::Footing;
use patchline_model::stage::generate;
use patchline_model::stage::plan::{Counts, Plan, Process, Strategy, Usage, Version};
use patchline_model::stage::review::{self, End};
use patchline_model::stage::rollout::{self, Cause, Cursor, JudgeAnswer, Signs, Tick, Wanted};
use patchline_model::stage::terms::Terms;
use patchline_model::stage::traffic::{Apart, Met, Mirrored};
use patchline_model::stage::triage::{self, Priority};
use patchline_model::stage::verify::CheckResult;
use patchline_model::stage::{build, verify};
use patchline_model::time::{Seconds, Timestamp};
use patchline_model::triage::action::Action;
use patchline_model::triage::cvss;

/// The file of each variant. A new variant breaks the build here: give it a file, and an event in `samples`.
fn file(fact: &Fact) -> &'static str {
    match fact {
        Fact::Detect(detect::Event::Opened(opening)) if opening.terms.supersedes.is_some() => {
            "detect_opened_superseding"
        }
        Fact::Detect(detect::Event::Opened(opening)) if !opening.terms.is_blank() => "detect_opened_terms",
        Fact::Detect(detect::Event::Opened(opening)) if has_analyzers(opening) => "detect_opened_analyzers",
        Fact::Detect(detect::Event::Opened(opening)) if matches!(opening.subject, Subject::Report(_)) => {
            "detect_opened_report"
        }
        Fact::Detect(detect::Event::Opened(_)) => "detect_opened",
        Fact::Detect(detect::Event::Found { findings, .. })
            if findings.iter().any(|finding| finding.analysis().is_some()) =>
        {
            "detect_found_analyzer"
        }
        Fact::Detect(detect::Event::Found { .. }) => "detect_found",
        Fact::Detect(detect::Event::NothingFound { .. }) => "detect_nothing_found",
        Fact::Detect(detect::Event::Shown(_)) => "detect_shown",
        Fact::Triage(triage::Event::Prioritised { .. }) => "triage_prioritised",
        Fact::Generate(generate::Event::Proposed { .. }) => "generate_proposed",
        Fact::Generate(generate::Event::NoFix { .. }) => "generate_no_fix",
        Fact::Generate(generate::Event::Refused { .. }) => "generate_refused",
        Fact::Generate(generate::Event::Divided { .. }) => "generate_divided",
        Fact::Generate(generate::Event::Held) => "generate_held",
        Fact::Generate(generate::Event::Settled { .. }) => "generate_settled",
        Fact::Build(build::Event::Built(_)) => "build_built",
        Fact::Build(build::Event::Broken { .. }) => "build_broken",
        Fact::Build(build::Event::BaseBroken { .. }) => "build_base_broken",
        Fact::Build(build::Event::Dropped) => "build_dropped",
        Fact::Verify(verify::Event::Verified { .. }) => "verify_verified",
        Fact::Verify(verify::Event::Dropped) => "verify_dropped",
        Fact::Approve(approve::Event::Decided { .. }) => "approve_decided",
        Fact::Approve(approve::Event::Approved(approval)) if approval.emergency.is_some() => {
            "approve_approved_emergency"
        }
        Fact::Approve(approve::Event::Approved(_)) => "approve_approved",
        Fact::Approve(approve::Event::Rejected { .. }) => "approve_rejected",
        Fact::Rollout(rollout::Event::Deferred { .. }) => "rollout_deferred",
        Fact::Rollout(rollout::Event::Started { before: Some(_), .. }) => "rollout_started_known",
        Fact::Rollout(rollout::Event::Started { plan, footing, .. }) => match &plan.strategy {
            _ if footing.forward_only.is_some() => "rollout_started_forward_only",
            _ if !footing.is_blank() => "rollout_started_over",
            Strategy::Canary(canary) if canary.cohort.is_some() => "rollout_started_cohort",
            Strategy::Canary(canary) if canary.end.is_some() => "rollout_started_watched",
            Strategy::Canary(_) => "rollout_started",
            Strategy::Rolling(_) => "rollout_started_rolling",
            Strategy::Hot(_) => "rollout_started_hot",
            Strategy::BlueGreen(blue_green) if blue_green.smoke.is_some() => "rollout_started_smoking",
            Strategy::BlueGreen(_) => "rollout_started_blue_green",
            Strategy::Flag(_) => "rollout_started_flag",
            Strategy::Shadow(_) => "rollout_started_shadow",
        },
        Fact::Rollout(rollout::Event::StepPrepared { .. }) => "rollout_step_prepared",
        Fact::Rollout(rollout::Event::GateReached { .. }) => "rollout_gate_reached",
        Fact::Rollout(rollout::Event::GateOpened { .. }) => "rollout_gate_opened",
        Fact::Rollout(rollout::Event::SmokeBegun { .. }) => "rollout_smoke_begun",
        Fact::Rollout(rollout::Event::SmokePassed { .. }) => "rollout_smoke_passed",
        Fact::Rollout(rollout::Event::SmokeFailed { .. }) => "rollout_smoke_failed",
        Fact::Rollout(rollout::Event::BakeBegun) => "rollout_bake_begun",
        Fact::Rollout(rollout::Event::Confirmed { .. }) => "rollout_confirmed",
        Fact::Rollout(rollout::Event::StableReturned { .. }) => "rollout_stable_returned",
        Fact::Rollout(rollout::Event::StepEntered { .. }) => "rollout_step_entered",
        Fact::Rollout(rollout::Event::Looked { tick, .. }) if tick.apart.is_some() => {
            "rollout_looked_mirrored"
        }
        Fact::Rollout(rollout::Event::Looked { tick, .. }) if tick.signs.is_some() => "rollout_looked_signs",
        Fact::Rollout(rollout::Event::Looked { .. }) => "rollout_looked",
        Fact::Rollout(rollout::Event::Paused { .. }) => "rollout_paused",
        Fact::Rollout(rollout::Event::Resumed) => "rollout_resumed",
        Fact::Rollout(rollout::Event::Held { .. }) => "rollout_held",
        Fact::Rollout(rollout::Event::Released) => "rollout_released",
        Fact::Rollout(rollout::Event::Hurried { .. }) => "rollout_hurried",
        Fact::Rollout(rollout::Event::PromotionDecided) => "rollout_promotion_decided",
        Fact::Rollout(rollout::Event::Switched) => "rollout_switched",
        Fact::Rollout(rollout::Event::OldRetired) => "rollout_old_retired",
        Fact::Rollout(rollout::Event::Promoted) => "rollout_promoted",
        Fact::Rollout(rollout::Event::Halted { .. }) => "rollout_halted",
        Fact::Rollout(rollout::Event::Forced { .. }) => "rollout_forced",
        Fact::Rollout(rollout::Event::LossAccepted { .. }) => "rollout_loss_accepted",
        Fact::Rollout(rollout::Event::Recalled { .. }) => "rollout_recalled",
        Fact::Rollout(rollout::Event::ReturnBegun) => "rollout_return_begun",
        Fact::Rollout(rollout::Event::Kept { .. }) => "rollout_kept",
        Fact::Rollout(rollout::Event::RollbackDecided { cause: Cause::Set { .. } }) => {
            "rollout_rollback_decided_set"
        }
        Fact::Rollout(rollout::Event::RollbackDecided { cause: Cause::Replaced { .. } }) => {
            "rollout_rollback_decided_replaced"
        }
        Fact::Rollout(rollout::Event::RollbackDecided { .. }) => "rollout_rollback_decided",
        Fact::Rollout(rollout::Event::ShareTaken) => "rollout_share_taken",
        Fact::Rollout(rollout::Event::Counted { .. }) => "rollout_counted",
        Fact::Rollout(rollout::Event::RolledBack) => "rollout_rolled_back",
        Fact::Rollout(rollout::Event::Paged { .. }) => "rollout_paged",
        Fact::Review(review::Event::Ended(_)) => "review_ended",
        Fact::Review(review::Event::Reviewed(_)) => "review_reviewed",
        Fact::Review(review::Event::Retried { .. }) => "review_retried",
        Fact::Review(review::Event::EmergencyReviewed { .. }) => "review_emergency_reviewed",
        Fact::Faltered { .. } => "faltered",
    }
}

/// Variants that `file` names.
const VARIANTS: usize = 79;

fn has_analyzers(opening: &Opening) -> bool {
    !opening.service.verification.analyzers.is_empty()
}

fn text(words: &str) -> String {
    words.to_owned()
}

fn samples() -> Vec<Event> {
    let facts = [paperwork(), moves()].concat();
    let by = |fact: &Fact| match fact {
        Fact::Detect(detect::Event::Opened(_))
        | Fact::Approve(_)
        | Fact::Rollout(rollout::Event::GateOpened { .. })
        | Fact::Review(review::Event::Retried { .. } | review::Event::EmergencyReviewed { .. }) => {
            Actor::person("ops@example.com")
        }
        _ => Actor::Machine,
    };
    let at = Timestamp(1_767_225_600_123);
    facts.into_iter().map(|fact| Event { at, by: by(&fact), fact }).collect()
}

fn opening(until: Until) -> Opening {
    with_one_canary(given::opening(until))
}

/// As the files have it.
fn with_one_canary(mut opening: Opening) -> Opening {
    let run = opening.service.run.as_mut().expect("it runs");
    run.plan = small::small(run.plan.clone());
    opening
}

/// A report for a service that lets two agents try.
fn reported() -> Opening {
    let mut opening = opening(Until::Verify);
    let budget = |name: &str, way: Way| Agent {
        name: name.to_owned(),
        way,
        seconds: Seconds(600),
        files: 10,
        lines: 400,
        paths: vec!["src/**".to_owned()],
    };
    let command = vec!["mend".to_owned(), "--quiet".to_owned()];
    let by_command = ByCommand { command, network: true, readable: vec!["/opt/mend".to_owned()] };
    let endpoint = Endpoint {
        url: "https://models.example/v1/chat/completions".to_owned(),
        model: "small-1".to_owned(),
        key_env: Some("SMALL_KEY".to_owned()),
        tokens: 200_000,
    };
    opening.service.agents =
        vec![budget("mender", Way::Command(by_command)), budget("small", Way::Endpoint(endpoint))];
    opening.subject = Subject::Report(Box::new(Report {
        name: "report-1a2b3c4d5e".to_owned(),
        title: "Half of four is three".to_owned(),
        reason: "it is not two".to_owned(),
        text: "Seen since yesterday.".to_owned(),
        place: Some(Location { path: "src/half.rs".to_owned(), line: Some(3) }),
        reporter: "dana".to_owned(),
    }));
    opening
}

fn paperwork() -> Vec<Fact> {
    let evidence = Digest::of(b"evidence");
    let priority = Priority {
        finding: given::finding().id,
        action: Action::ActNow,
        due: Some(Timestamp(1_767_484_800_123)),
        owner: text("team-notes"),
        score: cvss::score(&given::finding().severity[0]),
        reasons: vec![text("A fix is published: 0.4.1.")],
    };
    let approval = Approval {
        by: Actor::person("bob@example.com"),
        role: text("owner"),
        dossier: given::dossier(),
        comment: text("looks right"),
        at: Timestamp(1_767_225_600_123),
        emergency: None,
    };
    let emergency = Emergency {
        reason: text("it is exploited"),
        until: Timestamp(1_767_312_000_123),
        review_due: Timestamp(1_767_484_800_123),
    };
    let urgent = Approval { comment: String::new(), emergency: Some(emergency), ..approval.clone() };
    vec![
        Fact::Detect(detect::Event::Opened(Box::new(opening(Until::Rollout)))),
        Fact::Detect(detect::Event::Opened(Box::new(reported()))),
        Fact::Detect(detect::Event::Opened(Box::new(Opening {
            terms: given::terms(),
            ..opening(Until::Rollout)
        }))),
        Fact::Detect(detect::Event::Opened(Box::new(Opening {
            terms: Terms { supersedes: Some(PatchId(3)), ..Terms::default() },
            ..opening(Until::Rollout)
        }))),
        Fact::Detect(detect::Event::Found {
            findings: vec![given::finding()],
            packages: 41,
            evidence: evidence.clone(),
        }),
        Fact::Detect(detect::Event::Opened(Box::new(with_one_canary(analyzed::analyzed_opening())))),
        Fact::Detect(detect::Event::Found {
            findings: vec![analyzed::analyzed_finding()],
            packages: 0,
            evidence: evidence.clone(),
        }),
        Fact::Detect(detect::Event::NothingFound { packages: 41, evidence: evidence.clone() }),
        Fact::Detect(detect::Event::Shown(Box::new(Reproducer {
            advisory: text("RUSTSEC-2018-0006"),
            how: How::Command(vec![text("sh"), text("show.sh"), text("{artifact}")]),
        }))),
        Fact::Triage(triage::Event::Prioritised { priorities: vec![priority] }),
        Fact::Generate(generate::Event::Proposed { candidate: Box::new(given::candidate(1)), evidence }),
        Fact::Generate(generate::Event::NoFix { reasons: vec![text("no fixed version is published")] }),
        Fact::Generate(generate::Event::Refused { why: text("suite: 1 of 12 tests fails") }),
        Fact::Generate(generate::Event::Divided {
            division: Division {
                steps: vec![vec![given::finding().id], vec![FindingId(text("other@Cargo.lock"))]],
                why: text("suite: 1 of 12 tests fails"),
                tries: Vec::new(),
            },
        }),
        Fact::Generate(generate::Event::Held),
        Fact::Generate(generate::Event::Settled {
            leaves: vec![(given::finding().id, text("its step breaks a check: suite: 1 of 12 tests fails"))],
        }),
        Fact::Build(build::Event::Built(Box::new(given::both()))),
        Fact::Build(build::Event::Broken { why: text("a type does not fit"), log: Digest::of(b"log") }),
        Fact::Build(build::Event::BaseBroken { why: text("a type does not fit"), log: Digest::of(b"log") }),
        Fact::Build(build::Event::Dropped),
        Fact::Verify(verify::Event::Verified { verdict: three_checks() }),
        Fact::Verify(verify::Event::Dropped),
        Fact::Approve(approve::Event::Decided {
            decision: given::decided(Answer::Needs(vec![text("owner")])),
            considered: 1,
        }),
        Fact::Approve(approve::Event::Approved(approval)),
        Fact::Approve(approve::Event::Approved(urgent)),
        Fact::Approve(approve::Event::Rejected {
            by: Actor::person("bob@example.com"),
            reason: text("not on a Friday"),
        }),
        Fact::Review(review::Event::Ended(End::RolledBack(text("the canary fails more often")))),
        Fact::Review(review::Event::Reviewed(Box::new(given::review()))),
        Fact::Review(review::Event::Retried { reason: text("the database was full") }),
        Fact::Review(review::Event::EmergencyReviewed {
            note: text("it was right to do so"),
            evidence: Some(Digest::of(b"reviewed")),
        }),
        Fact::Faltered {
            job: given::job(Stage::Build, 1),
            failure: Failure::transient("the disk is full").with_hint("make room"),
            retry_at: Some(Timestamp(1_767_225_602_123)),
        },
    ]
}

fn moves() -> Vec<Fact> {
    let counts =
        |requests: u64| Counts { requests, errors: 2, latency: vec![(17, 30), (18, 9)], restarts: 0 };
    let tick = Tick { canary: Some(counts(5)), ..Tick::default() };
    let cursor = Cursor {
        epoch: text("1"),
        canary: Some(counts(105)),
        stable: Some(counts(2000)),
        unrouted: 1,
        ..Cursor::default()
    };
    let met = |requests: u64| Some(Met { requests, errors: 0 });
    let mirrored = Some(Mirrored {
        pairs: 40,
        body: 3,
        controlled: 4,
        worse: 1,
        over_limit: 2,
        example: Some(text("GET /notes: the body")),
        ..Mirrored::default()
    });
    let apart = |stable| Apart { canary: met(0), stable: met(stable), mirrored: mirrored.clone() }.kept();
    let shadowed = Tick { stable: Some(counts(5)), apart: apart(80), ..tick.clone() };
    let seen = Cursor { apart: apart(9000), ..cursor.clone() };
    let new = Version { artifact: Digest::of(b"new"), label: "1111111111 (yaml-rust 0.4.1)".into() };
    let reason = text("because");
    let started = |plan: Plan| rollout::Event::Started {
        stable: given::stable(),
        new: new.clone(),
        plan: Box::new(small::small(plan)),
        footing: Footing::default(),
        before: None,
        note: None,
    };
    let events = vec![
        started(given::plan()),
        rollout::Event::Started {
            stable: given::stable(),
            new: new.clone(),
            plan: Box::new(small::small(given::plan())),
            before: Some(Box::new(History {
                minutes: 61,
                windows: vec![Window { seconds: 3_600, requests: 3_000, errors: 2 }],
                intervals: vec![(50, 0), (51, 1)],
                exposure: Some(12.5),
            })),
            note: Some(text("of the error budget 61 minutes of history are known")),
            footing: Footing::default(),
        },
        rollout::Event::Deferred { reason: reason.clone(), until: Timestamp(1_767_225_660_123) },
        started(given::watched_plan()),
        started(given::rolling_plan()),
        started(given::hot_plan()),
        started(given::blue_green_plan()),
        started(given::smoking_plan()),
        started(given::cohort_plan()),
        started(given::flag_plan()),
        started(given::shadow_plan()),
        rollout::Event::Looked {
            tick: shadowed.into(),
            cursor: Some(seen),
            judgement: given::judged(JudgeAnswer::Continue).into(),
        },
        rollout::Event::Started {
            stable: given::stable(),
            new: new.clone(),
            plan: Box::new(small::small(given::plan())),
            footing: Footing { over: Some(PatchId(5)), ..Footing::default() },
            before: None,
            note: None,
        },
        rollout::Event::Started {
            stable: given::stable(),
            new: new.clone(),
            plan: Box::new(Plan { irreversible: given::irreversible(), ..small::small(given::plan()) }),
            footing: Footing {
                over: None,
                seen: 0,
                forward_only: given::irreversible().forward_only(Some("it drops a column"), "", &[]),
            },
            before: None,
            note: None,
        },
        rollout::Event::Halted { cause: Cause::Judge { reason: reason.clone() } },
        rollout::Event::Forced { reason: reason.clone(), seen: 0 },
        rollout::Event::LossAccepted { reason: reason.clone() },
        rollout::Event::Recalled {
            cause: Cause::Person { by: Actor::person("ops@example.com"), reason: reason.clone() },
        },
        rollout::Event::ReturnBegun,
        rollout::Event::Kept { reason: reason.clone(), seen: 0 },
        rollout::Event::SmokeBegun { step: 0, address: text("127.0.0.1:4711") },
        rollout::Event::SmokePassed { evidence: Digest::of(b"evidence") },
        rollout::Event::SmokeFailed { reason: reason.clone(), evidence: Digest::of(b"evidence") },
        rollout::Event::StepPrepared { step: 1 },
        rollout::Event::GateReached { step: 1 },
        rollout::Event::GateOpened { step: 1 },
        rollout::Event::BakeBegun,
        rollout::Event::Confirmed {
            artifact: Digest::of(b"new"),
            before: Some(Digest::of(b"base")),
            processes: vec![Process { pid: 4711, started: 81_234 }],
        },
        rollout::Event::StableReturned { instances: 2 },
        rollout::Event::StepEntered { step: 1 },
        rollout::Event::Looked {
            tick: tick.clone().into(),
            cursor: Some(cursor.clone()),
            judgement: given::judged(JudgeAnswer::Continue).into(),
        },
        rollout::Event::Looked {
            tick: Arc::new(Tick {
                stable: Some(Counts { restarts: 1, ..counts(60) }),
                signs: Some(Box::new(signs())),
                ..tick.clone()
            }),
            cursor: None,
            judgement: given::judged(JudgeAnswer::Continue).into(),
        },
        rollout::Event::Paused { reason: reason.clone(), by_machine: true },
        rollout::Event::Resumed,
        rollout::Event::Held {
            hold: Hold {
                kind: Kind::Freeze,
                reason: reason.clone(),
                until: Some(Timestamp(1_767_312_000_000)),
            },
        },
        rollout::Event::Released,
        rollout::Event::Hurried { reason: reason.clone() },
        rollout::Event::PromotionDecided,
        rollout::Event::Switched,
        rollout::Event::OldRetired,
        rollout::Event::Promoted,
        rollout::Event::RollbackDecided {
            cause: Cause::Person { by: Actor::person("ops@example.com"), reason: reason.clone() },
        },
        rollout::Event::RollbackDecided {
            cause: Cause::Set { name: given::service().name, patch: PatchId(9) },
        },
        rollout::Event::RollbackDecided { cause: Cause::Replaced { patch: PatchId(9) } },
        rollout::Event::ShareTaken,
        rollout::Event::Counted { tick: tick.into(), cursor },
        rollout::Event::RolledBack,
        rollout::Event::Paged { reason },
    ];
    events.into_iter().map(Fact::Rollout).collect()
}

fn signs() -> Signs {
    let usage = |instance: &str| Usage { instance: text(instance), memory_bytes: 4096, cpu_millis: 70 };
    Signs {
        share: Some(Share::from_fraction(0.25).expect("it lies between 0 and 1")),
        canary_instances: 1,
        stable_instances: 2,
        wanted: Some(Wanted { canary: 1, stable: 3 }),
        canary_usage: vec![usage("4711-99")],
        stable_usage: vec![usage("4712-99"), usage("4713-99")],
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The checks of the first versions, the last with a warning.
fn three_checks() -> verify::Verdict {
    let mut verdict = given::checks(CheckResult::Passed);
    verdict.checks.truncate(3);
    verdict.checks[2].result = CheckResult::Warned;
    verdict
}

#[test]
fn every_variant_is_written_and_read_as_it_always_was() {
    for event in samples() {
        let path = folder().join(format!("{}.json", file(&event.fact)));
        let written = format!("{}\n", serde_json::to_string_pretty(&event).expect("events are JSON"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &written).expect("the folder can be written");
        }
        let stored = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(written, stored, "{} is written otherwise now", path.display());
        assert_eq!(
            serde_json::from_str::<Event>(&stored).unwrap(),
            event,
            "{} is read otherwise",
            path.display()
        );
    }
}

#[test]
fn every_variant_has_its_file_and_every_file_its_variant() {
    let variants: BTreeSet<String> =
        samples().iter().map(|event| format!("{}.json", file(&event.fact))).collect();
    assert_eq!(variants.len(), VARIANTS);
    let files: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, variants);
}
