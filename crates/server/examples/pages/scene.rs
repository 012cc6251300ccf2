//! A ledger with plausible patches, made by appending events alone: no hand has to run.

use std::collections::BTreeMap;

use patchline_evidence::Blobs;
use patchline_judge::arms::{Arm, Latency, Tick as JudgeTick};
use patchline_judge::judge::{Decision as Word, Judge, Settings};
use patchline_ledger::store::{Append, Store};
use patchline_model::actor::Actor;
use patchline_model::context::{Board, Context};
use patchline_model::digest::{Commit, Digest};
use patchline_model::event::{Event, Fact};
use patchline_model::failure::Failure;
use patchline_model::id::{FindingId, JobId, PatchId, Stage};
use patchline_model::owner::Owners;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::policy::Policy;
use patchline_model::service::{Build, CommandLine, Run, Service, Tier};
use patchline_model::share::Share;
use patchline_model::stage::approve::{self, Answer, Approval, Decision, Reason};
use patchline_model::stage::build::{Artifact, Pair, Reproducible};
use patchline_model::stage::detect::{Finding, Location, Opening, Source, Subject, Until};
use patchline_model::stage::footing::Footing;
use patchline_model::stage::generate::{Candidate, Kind, Move};
use patchline_model::stage::plan::{
    Canary, Counts, Exit, Guards, InstanceGuards, Plan, Shadow, Step, Strategy, Version, WatchedEnd,
};
use patchline_model::stage::review::{End, Review};
use patchline_model::stage::rollout::{Cause, JudgeAnswer, Judgement, Reading, Tick};
use patchline_model::stage::terms::Terms;
use patchline_model::stage::traffic::{Apart, Met, Mirror, Mirrored};
use patchline_model::stage::verify::{CheckResult, Checked, Sides, Verdict};
use patchline_model::stage::{build, detect, generate, review, rollout, triage, verify};
use patchline_model::time::{Seconds, Timestamp};

/// Events of one patch while they are made up.
pub struct Story {
    pub at: Timestamp,
    pub events: Vec<Event>,
    pub title: String,
    blobs: Blobs,
    judge: Judge,
    saved: usize,
    chance: u64,
}

impl Story {
    pub fn new(title: &str, at: Timestamp, blobs: &Blobs) -> Self {
        let settings = Settings {
            margin: 0.02,
            latency: true,
            minimum_ticks: 3,
            minimum_requests: 100,
            ..Settings::default()
        };
        let judge = Judge::new(settings).expect("the settings are plain");
        Self {
            at,
            events: Vec::new(),
            title: title.to_owned(),
            blobs: blobs.clone(),
            judge,
            saved: 0,
            chance: 7,
        }
    }

    /// Adds a fact so many seconds after the one before.
    pub fn then(&mut self, seconds: f64, by: &Actor, fact: Fact) -> &mut Self {
        self.at = Timestamp(self.at.0 + (seconds * 1000.0) as i64);
        self.events.push(Event { at: self.at, by: by.clone(), fact });
        self
    }

    fn machine(&mut self, seconds: f64, fact: Fact) -> &mut Self {
        self.then(seconds, &Actor::Machine, fact)
    }

    fn keep(&self, text: &str) -> Digest {
        self.blobs.put(text.as_bytes()).expect("the disk takes it").parse().expect("a digest")
    }

    pub fn opened(&mut self, service: &str, tier: u8) -> &mut Self {
        let opening = Opening {
            service: service_of(service, tier),
            base: commit("base"),
            subject: Subject::Scan { only: Vec::new(), reports: Vec::new() },
            until: Until::Rollout,
            terms: Terms::default(),
        };
        self.machine(0.0, Fact::Detect(detect::Event::Opened(Box::new(opening))))
    }

    /// As `opened`, with another way of rolling out.
    pub fn opened_by(&mut self, service: &str, tier: u8, strategy: Strategy) -> &mut Self {
        self.opened(service, tier);
        if let Some(Fact::Detect(detect::Event::Opened(opening))) =
            self.events.first_mut().map(|event| &mut event.fact)
            && let Some(run) = &mut opening.service.run
        {
            run.plan.strategy = strategy;
        }
        self
    }

    pub fn found(&mut self, advisory: &str, package: &str, summary: &str, vector: &str) -> &mut Self {
        let findings = vec![finding(advisory, package, summary, vector)];
        let Fact::Detect(detect::Event::Opened(opening)) = &self.events[0].fact else { return self };
        let (policy, board) = (Policy::default(), Board::default());
        let cx = Context { now: self.at, policy: &policy, board: &board };
        let priorities = triage::prioritise(cx, &opening.service, &findings, &Owners::new());
        let evidence = self.keep("{\"_type\": \"https://in-toto.io/Statement/v1\", \"subject\": []}");
        self.machine(1.8, Fact::Detect(detect::Event::Found { findings, packages: 143, evidence }));
        self.machine(0.0, Fact::Triage(triage::Event::Prioritised { priorities }))
    }

    pub fn proposed(&mut self) -> &mut Self {
        let diff = self.keep(DIFF);
        let evidence = self.keep("{\"predicate\": {\"fixer\": \"cargo\"}}");
        let candidate = Candidate {
            number: 1,
            fixer: "cargo".to_owned(),
            kind: Kind::Dependency,
            title: self.title.clone(),
            rationale:
                "The lowest version without the finding; nothing else moves. See https://example.com/changes."
                    .to_owned(),
            author: "Patchline <patchline@localhost>".to_owned(),
            branch: "patchline/yaml-rust-0.4.1".to_owned(),
            base: commit("base"),
            commit: commit(&self.title),
            diff,
            files: vec!["Cargo.lock".to_owned(), "Cargo.toml".to_owned()],
            moves: vec![Move {
                package: "yaml-rust".to_owned(),
                from: Some("0.4.0".to_owned()),
                to: Some("0.4.1".to_owned()),
                rung: None,
            }],
            removes: vec![FindingId("f-1".to_owned())],
            leaves: Vec::new(),
        };
        let candidate = Box::new(candidate);
        self.machine(6.4, Fact::Generate(generate::Event::Proposed { candidate, evidence }))
    }

    pub fn built(&mut self) -> &mut Self {
        let artifact = |name: &str, reproducible: Reproducible| Artifact {
            digest: Digest::of(name.as_bytes()),
            name: "notebook".to_owned(),
            bytes: 4_812_344,
            reproducible,
            sbom: self.keep("{\"bomFormat\": \"CycloneDX\", \"components\": []}"),
            evidence: vec![self.keep("{\"predicateType\": \"https://slsa.dev/provenance/v1\"}")],
        };
        let pair = Pair {
            patch: artifact(&self.title, Reproducible::Identical),
            base: artifact("base", Reproducible::NotTried),
        };
        self.machine(41.2, Fact::Build(build::Event::Built(Box::new(pair))))
    }

    pub fn verified(&mut self) -> &mut Self {
        let both = |base: &str, patch: &str| Sides { base: base.to_owned(), patch: patch.to_owned() };
        let sides = BTreeMap::from([
            ("before-after", both("shown", "gone")),
            ("suite", both("61 passed", "61 passed")),
            ("re-scan", both("1 finding", "0 findings")),
        ]);
        let check = |check: &str, result, summary: &str, milliseconds| Checked {
            check: check.to_owned(),
            result,
            summary: summary.to_owned(),
            details: vec![
                "$ target/release/reproduce notebook".to_owned(),
                "before: exit code 1 after 0.41 s: stack overflow in 3 of 3 runs".to_owned(),
                "after: exit code 0 after 0.03 s in 3 of 3 runs".to_owned(),
            ],
            sides: sides.get(check).cloned(),
            rollback_milliseconds: None,
            irreversible: None,
            evidence: self.keep(&format!("{{\"check\": \"{check}\"}}")),
            milliseconds,
        };
        let checks = vec![
            check("before-after", CheckResult::Passed, "The reproducer fails before and passes after.", 1320),
            check("suite", CheckResult::Passed, "61 tests pass, as many as before.", 24_810),
            check("re-scan", CheckResult::Passed, "The finding is gone and none is new.", 640),
            check("lint", CheckResult::Warned, "One new warning in `src/store.rs`.", 3110),
            check("performance", CheckResult::Skipped, "No benchmark is configured.", 0),
        ];
        self.machine(30.1, Fact::Verify(verify::Event::Verified { verdict: Verdict { checks } }))
    }

    pub fn decided(&mut self, answer: Answer) -> &mut Self {
        let considered = self
            .events
            .iter()
            .filter(|event| matches!(event.fact, Fact::Approve(approve::Event::Approved(_))))
            .count();
        let reason = |rule: &str, holds, text: &str| Reason {
            rule: rule.to_owned(),
            holds,
            text: text.to_owned(),
            evidence: vec![self.keep(&format!("{{\"rule\": \"{rule}\"}}"))],
        };
        let decision = Decision {
            reasons: vec![
                reason("checks", true, "Every required check passed."),
                reason("reproducible", true, "Two builds gave the same bytes."),
                reason(
                    "low-risk",
                    answer == Answer::Allow,
                    "A dependency moves by a patch version, in a tier 1 service.",
                ),
            ],
            answer,
            policy: Digest::of(b"policy"),
            dossier: self.keep("{\"dossier\": 1}"),
            evidence: self.keep("{\"decision\": 1}"),
        };
        self.machine(0.3, Fact::Approve(approve::Event::Decided { decision, considered }))
    }

    pub fn approved(&mut self, by: &str, role: &str) -> &mut Self {
        let approval = Approval {
            by: Actor::person(by),
            role: role.to_owned(),
            dossier: self.keep("{\"dossier\": 1}"),
            comment: "Read the change log; fine.".to_owned(),
            at: self.at,
            emergency: None,
        };
        self.then(94.0, &Actor::person(by), Fact::Approve(approve::Event::Approved(approval)))
    }

    pub fn started(&mut self) -> &mut Self {
        let Fact::Detect(detect::Event::Opened(opening)) = &self.events[0].fact else { return self };
        let plan = opening.service.run.as_ref().expect("the service runs").plan.clone();
        let version = |name: &str| Version {
            artifact: Digest::of(name.as_bytes()),
            label: format!("{} ({name})", commit(name).short()).into(),
        };
        let (stable, new) = (version("base"), version(&self.title.clone()));
        self.machine(
            0.4,
            Fact::Rollout(rollout::Event::Started {
                stable,
                new,
                plan: Box::new(plan),
                footing: Footing::default(),
                before: None,
                note: None,
            }),
        )
    }

    pub fn step(&mut self, step: usize) -> &mut Self {
        self.machine(0.01, Fact::Rollout(rollout::Event::StepEntered { step }))
    }

    pub fn rollout(&mut self, seconds: f64, fact: rollout::Event) -> &mut Self {
        self.machine(seconds, Fact::Rollout(fact))
    }

    /// So many looks, one a second: requests a second, the canary's share, and each arm's error rate.
    pub fn looks(&mut self, count: usize, rps: f64, share: f64, stable: f64, canary: f64) -> &mut Self {
        for _ in 0..count {
            let stable = self.counts(rps * (1.0 - share), stable);
            let canary = self.counts(rps * share, canary);
            self.look(Tick { canary: Some(canary), stable: Some(stable), ..Tick::default() });
        }
        self
    }

    pub fn look(&mut self, tick: Tick) -> &mut Self {
        let arm = |counts: &Counts| Arm {
            requests: counts.requests,
            errors: counts.errors,
            latency: Latency { buckets: counts.latency.clone() },
        };
        let verdict = self.judge.observe(&JudgeTick {
            canary: tick.canary.as_ref().map(arm),
            baseline: tick.stable.as_ref().map(arm),
            ..JudgeTick::default()
        });
        let readings = verdict.guards.into_iter().chain([verdict.promotion]).map(|reading| Reading {
            guard: reading.name,
            log_evidence: reading.log_evidence,
            threshold: reading.threshold,
        });
        let judgement = Judgement {
            answer: match verdict.decision {
                Word::Continue => JudgeAnswer::Continue,
                Word::Promote => JudgeAnswer::Promote,
                Word::Rollback => JudgeAnswer::Rollback,
                Word::Inconclusive => JudgeAnswer::Inconclusive,
            },
            reason: verdict.reason,
            readings: readings.collect(),
            wrong_split: false,
            judge: 0,
        };
        self.rollout(
            1.01,
            rollout::Event::Looked { tick: tick.into(), cursor: None, judgement: judgement.into() },
        )
    }

    /// So many looks at a shadow: pairs in each, and how many of their bodies differ.
    pub fn shadows(&mut self, count: usize, pairs: u64, differ: u64) -> &mut Self {
        let met = |requests| Some(Met { requests, errors: 0 });
        for _ in 0..count {
            let (stable, canary) = (self.counts(pairs as f64, 0.002), self.counts(pairs as f64, 0.002));
            let mirrored = Mirrored {
                pairs,
                body: differ,
                controlled: pairs / 10,
                worse: differ / 10,
                example: (differ > 0).then(|| "GET /notes: the body".to_owned()),
                ..Mirrored::default()
            };
            self.look(Tick {
                canary: Some(canary),
                stable: Some(stable),
                apart: Apart { canary: met(0), stable: met(2 * pairs), mirrored: Some(mirrored) }.kept(),
                signs: None,
            });
        }
        self
    }

    pub fn taken_back(&mut self) -> &mut Self {
        let reason = match self.events.last().map(|event| &event.fact) {
            Some(Fact::Rollout(rollout::Event::Looked { judgement, .. })) => judgement.reason.clone(),
            _ => "the canary is worse".to_owned(),
        };
        self.rollout(0.0, rollout::Event::RollbackDecided { cause: Cause::Judge { reason: reason.clone() } });
        self.rollout(0.21, rollout::Event::ShareTaken);
        self.rollout(2.4, rollout::Event::RolledBack);
        self.ended(End::RolledBack(reason))
    }

    pub fn promoted(&mut self) -> &mut Self {
        self.rollout(0.0, rollout::Event::PromotionDecided);
        self.looks(3, 820.0, 0.5, 0.002, 0.002);
        self.rollout(0.2, rollout::Event::Switched);
        self.rollout(1.1, rollout::Event::OldRetired);
        self.rollout(3.0, rollout::Event::Promoted);
        self.ended(End::Promoted)
    }

    pub fn ended(&mut self, end: End) -> &mut Self {
        let review = Review {
            lead_seconds: 214.6,
            stages: Vec::new(),
            rollback_seconds: matches!(end, End::RolledBack(_)).then_some(0.21),
            failed_by_canary: 37,
            failed_by_shift: 0,
            requests: 61_204,
            note: self.keep("# Release note\n\nyaml-rust moves to 0.4.1.\n"),
            evidence: self.keep("{\"review\": 1}"),
        };
        self.machine(0.0, Fact::Review(review::Event::Ended(end)));
        self.machine(0.6, Fact::Review(review::Event::Reviewed(Box::new(review))))
    }

    pub fn faltered(&mut self, stage: Stage, message: &str) -> &mut Self {
        let job = JobId { patch: PatchId(0), stage, attempt: 0 };
        let retry_at = Some(self.at.after(Seconds(30)));
        self.machine(8.0, Fact::Faltered { job, failure: Failure::transient(message), retry_at })
    }

    /// Writes everything that is not yet in the ledger.
    pub async fn save(&mut self, store: &dyn Store, id: PatchId) {
        // Whoever looks at the pages may have pressed a button meanwhile.
        let expected = store.read(id, 0).await.expect("the ledger can be read").len() as u64;
        let events = self.events[self.saved..].to_vec();
        self.saved = self.events.len();
        let append = Append {
            patch: id,
            expected,
            events,
            fence: None,
            takes: None,
            gives: None,
            grounds: Default::default(),
        };
        store.append(append).await.expect("nobody else writes just now");
    }

    fn counts(&mut self, requests: f64, error_rate: f64) -> Counts {
        let requests = (requests * (0.9 + 0.2 * self.draw())).round() as u64;
        let errors = (0..requests).filter(|_| self.draw() < error_rate).count() as u64;
        Counts {
            requests,
            errors,
            latency: [56, 58, 60, 62, 64, 68].map(|bucket| (bucket, requests / 6)).to_vec(),
            restarts: 0,
        }
    }

    /// From 0 to 1, the same each time.
    fn draw(&mut self) -> f64 {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) as f64 / (1_u64 << 31) as f64
    }
}

pub fn commit(text: &str) -> Commit {
    Digest::of(text.as_bytes()).hex()[..40].parse().expect("forty hex digits")
}

/// Half of the requests are mirrored, a tenth of the copies with a control.
pub fn shadow() -> Strategy {
    let share = |fraction| Share::from_fraction(fraction).expect("a share");
    let mirror = Mirror {
        share: share(0.5),
        methods: vec!["GET".to_owned()],
        headers: vec!["content-type".parse().expect("a token")],
        control: share(0.1),
    };
    Strategy::Shadow(Shadow {
        instances: 1,
        mirror,
        bake: Seconds(60),
        most_mismatches: share(0.01),
        end: WatchedEnd { bake: Seconds(60), hold_back: share(0.05) },
    })
}

pub fn service_of(name: &str, tier: u8) -> Service {
    let words = |text: &str| CommandLine(vec![text.to_owned()]);
    let step = |fraction, seconds| Step {
        share: Share::from_fraction(fraction).expect("a share"),
        bake: Seconds(seconds),
        gate: false,
    };
    let plan = Plan {
        instances: 3,
        strategy: Strategy::Canary(Canary {
            instances: 1,
            steps: vec![step(0.05, 30), step(0.25, 30), step(0.5, 30)],
            end: None,
            cohort: None,
        }),
        guards: Guards {
            alpha: 0.01,
            beta: 0.05,
            error_margin: 0.02,
            latency: true,
            instances: InstanceGuards::default(),
        },
        deadline: Seconds(3600),
        start_deadline: Seconds(60),
        missing_limit: 10,
        at_deadline: Exit::Rollback,
        pause: Default::default(),
        irreversible: Default::default(),
    };
    Service {
        name: name.parse().expect("a plain name"),
        owner: format!("team-{name}"),
        tier: Tier::try_from(tier).expect("a tier"),
        repository: format!("/repositories/{name}"),
        folder: String::new(),
        build: Build { prepare: None, command: words("make"), artifact: name.to_owned() },
        test: Some(words("test")),
        agents: Vec::new(),
        reproducers: Vec::new(),
        verification: Default::default(),
        run: Some(Run {
            environment: "production".parse().expect("a plain name"),
            target: "process".to_owned(),
            program: None,
            reload_signal: Default::default(),
            arguments: Vec::new(),
            health: "/healthz".to_owned(),
            port: 0,
            plan,
            windows: Vec::new(),
            slo: None,
        }),
    }
}

fn finding(advisory: &str, package: &str, summary: &str, vector: &str) -> Finding {
    Finding {
        id: FindingId("f-1".to_owned()),
        source: Source::Lockfile,
        advisory: advisory.to_owned(),
        aliases: vec!["CVE-2018-20993".to_owned()],
        summary: summary.to_owned(),
        package: Some(Package {
            ecosystem: Ecosystem::crates_io(),
            name: package.to_owned(),
            version: "0.4.0".to_owned(),
        }),
        location: Location { path: "Cargo.lock".to_owned(), line: Some(412) },
        paths: vec![vec!["notebook 0.1.0".to_owned(), "config 0.9.1".to_owned(), format!("{package} 0.4.0")]],
        fixed: vec!["0.4.1".to_owned()],
        severity: vec![vector.to_owned()],
        informational: None,
    }
}

pub const HIGH: &str = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";
pub const MEDIUM: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:L/A:N";

const DIFF: &str = "diff --git a/Cargo.lock b/Cargo.lock
index 3d1c9c2..8a0b7de 100644
--- a/Cargo.lock
+++ b/Cargo.lock
@@ -409,9 +409,9 @@ dependencies = [
 
 [[package]]
 name = \"yaml-rust\"
-version = \"0.4.0\"
+version = \"0.4.1\"
-checksum = \"57ab38ee1a4a266ed033496cf9af1828d8d6e6c1cfa5f643a2809effcae4d628\"
+checksum = \"95acf0db5515d07da9965ec0e0ba6cc2d825e2caeb7303b66ca441729801254e\"
 dependencies = [
  \"linked-hash-map\",
 ]
";
