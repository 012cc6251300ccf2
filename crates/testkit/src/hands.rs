//! Fake hands: they do the job, fail, lie, answer late, twice or never, and lose the answer of what they did.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use patchline_judge::answers::{AnswerLimits, Answers};
use patchline_judge::arms::{Arm, Latency, Tick as JudgeTick};
use patchline_judge::gauge::{GaugeSettings, Gauges, Load};
use patchline_judge::incidents::{BothIncidents, Incidents};
use patchline_judge::judge::{Data, Decision as JudgeDecision, Judge, Settings, Verdict};
use patchline_model::digest::Digest;
use patchline_model::failure::Failure;
use patchline_model::id::{JobId, PatchId};
use patchline_model::job::{Job, Outcome};
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use patchline_model::stage::approve::{self, Answer, Decision, Reason};
use patchline_model::stage::budget::{History, Window};
use patchline_model::stage::build::{self, Artifact, Pair, Reproducible};
use patchline_model::stage::detect;
use patchline_model::stage::generate::{self, Candidate, Kind};
use patchline_model::stage::plan::{Counts, Desired, Observed, Plan, Strategy, Usage};
use patchline_model::stage::review::{self, Review};
use patchline_model::stage::rollout::{self, JudgeAnswer, Judgement, Reading, Tick};
use patchline_model::stage::verify::{self, CheckResult, Checked, REQUIRED, Verdict as Proof};
use patchline_model::time::Timestamp;

use crate::chance::Chance;
use crate::fault::Fault;
use crate::scene::{PEOPLE, Planned, Scene};
use crate::target::Target;

/// What a hand says to a job.
pub type Answered = Result<Outcome, Failure>;

/// What became of one asking.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// Answers with how many milliseconds later each arrives; none is silence.
    pub answers: Vec<(u64, Answered)>,
    /// An order that reaches the target so much later.
    pub late_order: Option<(u64, Desired)>,
}

/// The hands of a world, with what they remember.
pub struct Hands {
    judges: BTreeMap<PatchId, Seated>,
    fault: Option<Fault>,
}

/// The judge of one try of a patch.
struct Seated {
    started: Option<Timestamp>,
    /// Looks seen.
    seen: usize,
    judge: Box<Judge>,
    /// The look that it was asked about last.
    asked: Option<Told>,
}

/// What the judge said of a look, and the judge that has seen it. Who asks again before the look is stored, as two drivers
/// do, hears the same.
struct Told {
    tick: Tick,
    judge: Box<Judge>,
    judgement: Arc<Judgement>,
}

/// One question to the hands.
pub struct Asked<'a> {
    pub scene: &'a Scene,
    pub patch: &'a Patch,
    pub id: JobId,
    pub job: &'a Job,
    pub target: &'a mut Target,
    pub is_calm: bool,
}

/// How a hand behaves this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    Late,
    Twice,
    AnswerLost,
    Silent,
    EffectLate,
    FailsOnce,
    FailsForGood,
    Lies,
}

impl Manner {
    fn of(chance: &mut Chance) -> Self {
        match chance.below(100) {
            0..=71 => Self::Honest,
            72..=76 => Self::Late,
            77..=81 => Self::Twice,
            82..=84 => Self::AnswerLost,
            85..=86 => Self::Silent,
            87..=88 => Self::EffectLate,
            89..=94 => Self::FailsOnce,
            95 if chance.one_in(3) => Self::FailsForGood,
            _ => Self::Lies,
        }
    }
}

impl Hands {
    pub fn new(fault: Option<Fault>) -> Self {
        Self { judges: BTreeMap::new(), fault }
    }

    pub fn carry_out(&mut self, chance: &mut Chance, asked: Asked<'_>) -> Errand {
        let manner = if asked.is_calm { Manner::Honest } else { Manner::of(chance) };
        // No hand is needed to hear a set, so none can fail at it; its answer may be late, doubled or lost.
        let needs_hand = *asked.job != Job::Rollout(rollout::Job::Follow);
        let manner = match manner {
            Manner::Late | Manner::Twice | Manner::AnswerLost => manner,
            _ if needs_hand => manner,
            _ => Manner::Honest,
        };
        let delay = if asked.is_calm { 0 } else { chance.below(400) };
        let answers = match manner {
            Manner::FailsOnce => vec![(delay, Err(Failure::transient("the network was down")))],
            Manner::FailsForGood => vec![(delay, Err(Failure::permanent("the tool is missing")))],
            Manner::Silent => Vec::new(),
            Manner::EffectLate => {
                let late_order = match asked.job {
                    Job::Rollout(rollout::Job::Reconcile { desired, .. }) => {
                        Some((chance.between(500, 15_000), desired.clone()))
                    }
                    _ => None,
                };
                return Errand { answers: Vec::new(), late_order };
            }
            Manner::Honest | Manner::Late | Manner::Twice | Manner::AnswerLost | Manner::Lies => {
                let answer = self.answer(chance, asked, manner == Manner::Lies);
                match manner {
                    Manner::Late => vec![(chance.between(1_000, 15_000), answer)],
                    Manner::Twice => vec![(delay, answer.clone()), (chance.between(0, 5_000), answer)],
                    Manner::AnswerLost => Vec::new(),
                    _ => vec![(delay, answer)],
                }
            }
        };
        Errand { answers, late_order: None }
    }

    fn answer(&mut self, chance: &mut Chance, asked: Asked<'_>, lies: bool) -> Answered {
        if lies && chance.one_in(4) {
            // An answer of another stage.
            return Ok(match asked.job {
                Job::Review(_) => Outcome::Verify(verdict(CheckResult::Passed)),
                _ => look_back(),
            });
        }
        let planned = asked.scene.planned(asked.id.patch);
        match asked.job {
            Job::Detect(_) => Ok(Outcome::Detect(detect::Outcome {
                findings: planned.findings.clone(),
                owners: Default::default(),
                packages: 12,
                evidence: paper("scan"),
            })),
            Job::Generate(generate::Job::Propose { number }) => {
                Ok(Outcome::Generate(propose(planned, *number, asked.patch, lies)))
            }
            Job::Build(_) => Ok(Outcome::Build(built(planned, number(asked.patch)))),
            Job::Verify(_) if lies => Ok(Outcome::Verify(half_a_verdict())),
            Job::Verify(_) => {
                let proven = number(asked.patch) > planned.unbuildable + planned.unproven;
                let result = if proven { CheckResult::Passed } else { CheckResult::Failed };
                Ok(Outcome::Verify(verdict(result)))
            }
            Job::Approve(_) => Ok(Outcome::Approve(gate(planned, asked.patch, lies))),
            Job::Rollout(rollout::Job::Begin) => {
                asked.target.begins(asked.id);
                let stable = asked.target.stable();
                let claimed = if lies { asked.patch.new_version().unwrap_or(stable) } else { stable };
                let history = history(chance, asked.is_calm).map(Box::new);
                Ok(Outcome::Rollout(rollout::Outcome::Begun { stable: claimed, history }))
            }
            Job::Rollout(rollout::Job::Reconcile { desired, look }) => self.reconcile(
                chance,
                asked.patch,
                asked.id,
                desired,
                *look,
                lies,
                asked.target,
                asked.is_calm,
            ),
            Job::Rollout(rollout::Job::Smoke { .. }) => {
                let failed = planned.smokes.then(|| "the smoke test failed: it smokes".to_owned());
                Ok(Outcome::Rollout(rollout::Outcome::Smoked { failed, evidence: paper("smoke") }))
            }
            Job::Rollout(rollout::Job::Follow) => Ok(Outcome::Rollout(rollout::Outcome::Followed)),
            Job::Rollout(rollout::Job::Recall) => {
                asked.target.begins(asked.id);
                let runs = asked.target.stable().artifact;
                let is_gone = !asked.is_calm && chance.one_in(6);
                let lacking = is_gone.then(|| "its artifact is gone".to_owned());
                Ok(Outcome::Rollout(rollout::Outcome::Recallable { runs, lacking }))
            }
            Job::Review(_) => Ok(look_back()),
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "a question to the target is as wide as this; it has one caller"
    )]
    fn reconcile(
        &mut self,
        chance: &mut Chance,
        patch: &Patch,
        id: JobId,
        desired: &Desired,
        look: bool,
        lies: bool,
        target: &mut Target,
        is_calm: bool,
    ) -> Answered {
        if !target.order(id, desired) {
            return Err(Failure::transient("the target has newer orders"));
        }
        target.advance(chance, is_calm);
        let is_blind = lies || (!is_calm && chance.one_in(15));
        let blind = desired.arms.last().filter(|_| is_blind).map(|arm| arm.version.artifact.clone());
        let observed = target.observe(blind.as_ref());
        let judgement = match (lies, look) {
            (true, _) => Some(promote_blindly()),
            (false, true) => self.judge(patch, &observed),
            (false, false) => None,
        };
        Ok(Outcome::Rollout(rollout::Outcome::Reconciled { observed, judgement }))
    }

    /// Asks the real judge: everything that was seen, and this look.
    fn judge(&mut self, patch: &Patch, observed: &Observed) -> Option<Arc<Judgement>> {
        let plan = patch.rollout.plan.as_ref()?;
        let ticks = &patch.rollout.ticks;
        let started = patch.rollout.started;
        let known = self.judges.remove(&patch.id);
        let known = known.filter(|seated| seated.started == started && seated.seen <= ticks.len());
        let mut seated = match known {
            Some(seated) => seated,
            None => Seated {
                started,
                seen: 0,
                judge: Box::new(Judge::new(settings(plan, self.fault)).ok()?),
                asked: None,
            },
        };
        let is_stored = |told: &mut Told| ticks.get(seated.seen).is_some_and(|stored| **stored == told.tick);
        if let Some(told) = seated.asked.take_if(is_stored) {
            (seated.judge, seated.seen) = (told.judge, seated.seen + 1);
        }
        for tick in &ticks[seated.seen..] {
            seated.asked = None;
            look(&mut seated.judge, tick, self.fault);
        }
        seated.seen = ticks.len();
        let (tick, _) = patch.rollout.tick(observed);
        let known = seated.asked.take_if(|told| told.tick == tick);
        let told = known.unwrap_or_else(|| {
            let mut judge = seated.judge.clone();
            let judgement = Arc::new(judgement(look(&mut judge, &tick, self.fault)));
            Told { tick, judge, judgement }
        });
        let judgement = Arc::clone(&told.judgement);
        seated.asked = Some(told);
        self.judges.insert(patch.id, seated);
        Some(judgement)
    }
}

/// The judge's verdict as a hand reports it.
fn judgement(verdict: Verdict) -> Judgement {
    let readings = verdict.guards.into_iter().chain([verdict.promotion]).map(|reading| Reading {
        guard: reading.name,
        log_evidence: reading.log_evidence,
        threshold: reading.threshold,
    });
    Judgement {
        answer: match verdict.decision {
            JudgeDecision::Continue => JudgeAnswer::Continue,
            JudgeDecision::Promote => JudgeAnswer::Promote,
            JudgeDecision::Rollback => JudgeAnswer::Rollback,
            JudgeDecision::Inconclusive => JudgeAnswer::Inconclusive,
        },
        reason: verdict.reason,
        readings: readings.collect(),
        wrong_split: verdict.data == Data::WrongSplit,
        judge: 0,
    }
}

fn look(judge: &mut Judge, tick: &Tick, fault: Option<Fault>) -> Verdict {
    if let Some(mirrored) = tick.mirrored() {
        let worse = mirrored.mismatches();
        judge.compare(&Answers { pairs: mirrored.pairs, worse, noise: 0, example: mirrored.example.clone() });
    }
    let mut told = judged(tick, fault);
    if fault == Some(Fault::ErrorsAstrayAreLeftOut) && judge.conclude().data == Data::WrongSplit {
        told.canary.iter_mut().chain(&mut told.baseline).for_each(|arm| arm.errors = 0);
    }
    judge.observe(&told)
}

/// What a target may have counted: nothing, good days, a bad hour, or too little left for what the plan may cost. In calm
/// times all is well.
fn history(chance: &mut Chance, is_calm: bool) -> Option<History> {
    let (kind, hour) = if is_calm { (0, 0) } else { (chance.below(4), chance.below(2) * 40) };
    let window = |seconds: u64| {
        let bad = if seconds <= 3_600 { hour } else { 0 };
        Window { seconds, requests: seconds * 10, errors: seconds * 10 * bad / 1000 }
    };
    let windows = [300, 1_800, 3_600, 21_600, 259_200].map(window).to_vec();
    let exposure = if kind == 3 { 1e9 } else { 5.0 };
    let known = History { minutes: 4_320, windows, intervals: vec![(600, 0); 60], exposure: Some(exposure) };
    (kind != 1).then_some(known)
}

fn settings(plan: &Plan, fault: Option<Fault>) -> Settings {
    let guards = &plan.guards;
    let of = |name: &str, margin: Option<f64>, settings: fn(f64) -> GaugeSettings| {
        let settings = settings(margin?);
        let is_cold = fault == Some(Fault::ColdStartsAreJudged);
        let warm_up_seconds = if is_cold { 0.0 } else { settings.warm_up_seconds };
        Some((name.to_owned(), GaugeSettings { warm_up_seconds, ..settings }))
    };
    let memory = of("memory", guards.instances.memory_margin, GaugeSettings::memory);
    let cpu = of("cpu", guards.instances.cpu_margin, GaugeSettings::cpu);
    let answers = match &plan.strategy {
        Strategy::Shadow(shadow) => {
            let most = shadow.most_mismatches.fraction();
            Some(AnswerLimits { most, margin: guards.error_margin, controlled: false })
        }
        Strategy::Canary(_)
        | Strategy::Rolling(_)
        | Strategy::BlueGreen(_)
        | Strategy::Hot(_)
        | Strategy::Flag(_) => None,
    };
    Settings {
        answers,
        alpha: guards.alpha,
        beta: guards.beta,
        margin: guards.error_margin,
        latency: guards.latency,
        incidents: guards.instances.incidents,
        gauges: memory.into_iter().chain(cpu).collect(),
        ..Settings::default()
    }
}

fn judged(tick: &Tick, fault: Option<Fault>) -> JudgeTick {
    let arm = |counts: &Counts| Arm {
        requests: counts.requests,
        errors: counts.errors,
        latency: Latency { buckets: counts.latency.clone() },
    };
    let signs = tick.signs.as_deref();
    let wanted = signs.and_then(|signs| signs.wanted).map(|wanted| (wanted.canary, wanted.stable));
    let healthy = signs.map(|signs| (signs.canary_instances, signs.stable_instances));
    let forgets = fault == Some(Fault::CrashedInstancesLoseTheirTime);
    let exposed = if forgets { healthy } else { wanted };
    let of = |counts: &Option<Counts>, instances: u32| {
        Some(Incidents { count: counts.as_ref()?.restarts, exposure: f64::from(instances) })
    };
    let incidents = exposed.and_then(|(canary, stable)| {
        Some(BothIncidents { canary: of(&tick.canary, canary)?, baseline: of(&tick.stable, stable)? })
    });
    let gauge = |value: fn(&Usage) -> f64| {
        let read = |arm: &[Usage]| arm.iter().map(|used| (used.instance.clone(), value(used))).collect();
        let signs = signs?;
        Some(Gauges { canary: read(&signs.canary_usage), baseline: read(&signs.stable_usage) })
    };
    let memory = gauge(|used| used.memory_bytes as f64).map(|read| ("memory".to_owned(), read));
    let cpu = gauge(|used| used.cpu_millis as f64 / 1000.0).map(|read| ("cpu".to_owned(), read));
    JudgeTick {
        canary: tick.canary.as_ref().map(arm),
        baseline: tick.stable.as_ref().map(arm),
        planned_share: tick.planned_share().map(Share::fraction),
        canary_instances: healthy.map(|(canary, _)| canary),
        incidents,
        gauges: memory.into_iter().chain(cpu).collect(),
        load: tick.served().map(|(canary, stable)| Load { canary: canary as f64, baseline: stable as f64 }),
    }
}

fn promote_blindly() -> Arc<Judgement> {
    Arc::new(Judgement {
        answer: JudgeAnswer::Promote,
        reason: "it looks fine".to_owned(),
        readings: Vec::new(),
        wrong_split: false,
        judge: 0,
    })
}

/// What a hand leaves as evidence, by its name. Each thread reckons it once, for to hash it takes longer than the answer.
fn paper(name: &'static str) -> Digest {
    thread_local! {
        static PAPERS: RefCell<BTreeMap<&'static str, Digest>> = const { RefCell::new(BTreeMap::new()) };
    }
    let known = |papers: &mut BTreeMap<_, _>| {
        Digest::clone(papers.entry(name).or_insert_with(|| Digest::of(name.as_bytes())))
    };
    PAPERS.with_borrow_mut(known)
}

fn number(patch: &Patch) -> u32 {
    patch.candidate().map_or(0, |candidate| candidate.number)
}

fn propose(planned: &Planned, number: u32, patch: &Patch, lies: bool) -> generate::Outcome {
    if number > planned.candidates {
        return generate::Outcome::NoFix { reasons: vec!["no fixer has an idea".to_owned()] };
    }
    let refused = patch.generate.refused.last().map(|(candidate, _)| candidate.commit.clone());
    let mut removes: Vec<_> = planned.findings.iter().map(|finding| finding.id.clone()).collect();
    if lies && refused.is_none() {
        removes.clear();
    }
    let candidate = Candidate {
        number,
        fixer: "dependency".to_owned(),
        kind: Kind::Dependency,
        title: format!("fix {number} of {}", planned.id),
        rationale: "the smallest change".to_owned(),
        author: PEOPLE[0].to_owned(),
        branch: format!("patchline/{}", planned.id),
        base: planned.base.clone(),
        commit: refused.filter(|_| lies).unwrap_or_else(|| planned.commit(number)),
        diff: paper("diff"),
        files: vec!["Cargo.lock".to_owned()],
        moves: Vec::new(),
        removes,
        leaves: Vec::new(),
    };
    generate::Outcome::Proposed { candidate: Box::new(candidate), evidence: paper("proposal") }
}

fn built(planned: &Planned, number: u32) -> build::Outcome {
    if number <= planned.unbuildable {
        return build::Outcome::Broken { why: "a type does not fit".to_owned(), log: paper("log") };
    }
    let artifact = |digest: Digest, reproducible: Reproducible| Artifact {
        digest,
        name: "app".to_owned(),
        bytes: 4096,
        reproducible,
        sbom: paper("sbom"),
        evidence: Vec::new(),
    };
    build::Outcome::Built(Box::new(Pair {
        patch: artifact(planned.artifact(number), Reproducible::Identical),
        base: artifact(paper("base"), Reproducible::NotTried),
    }))
}

fn checked(check: &str, result: CheckResult) -> Checked {
    Checked {
        check: check.to_owned(),
        result,
        summary: "as seen".to_owned(),
        details: Vec::new(),
        sides: None,
        rollback_milliseconds: None,
        irreversible: None,
        evidence: paper("check"),
        milliseconds: 5,
    }
}

/// All required checks; the last one with this result.
fn verdict(last: CheckResult) -> verify::Outcome {
    let mut checks: Vec<_> = REQUIRED.iter().map(|name| checked(name, CheckResult::Passed)).collect();
    if let Some(check) = checks.last_mut() {
        check.result = last;
    }
    verify::Outcome { verdict: Proof { checks } }
}

fn half_a_verdict() -> verify::Outcome {
    verify::Outcome { verdict: Proof { checks: vec![checked(REQUIRED[1], CheckResult::Passed)] } }
}

/// The policy of this world: deny, or ask for roles, each of which an approval must fill.
fn gate(planned: &Planned, patch: &Patch, lies: bool) -> approve::Outcome {
    let state = &patch.approve;
    let filled = |role: &&String| state.approvals.iter().any(|approval| approval.role == **role);
    let lacking: Vec<String> = planned.needs.iter().filter(|role| !filled(role)).cloned().collect();
    let is_urgent = state.approvals.iter().any(|approval| approval.emergency.is_some());
    let answer = match (planned.denied, lacking.is_empty() || is_urgent) {
        (true, _) => Answer::Deny,
        (false, true) => Answer::Allow,
        (false, false) => Answer::Needs(lacking),
    };
    let reason = Reason {
        rule: "roles".to_owned(),
        holds: answer == Answer::Allow,
        text: "the roles that the policy asks for".to_owned(),
        evidence: Vec::new(),
    };
    let urgent = is_urgent.then(|| Reason {
        rule: "emergency".to_owned(),
        holds: answer == Answer::Allow,
        text: "it can't wait".to_owned(),
        evidence: Vec::new(),
    });
    let decision = Decision {
        answer,
        reasons: [reason].into_iter().chain(urgent).collect(),
        policy: paper("policy"),
        dossier: planned.dossier(number(patch)),
        evidence: paper("decision"),
    };
    approve::Outcome { decision, considered: state.approvals.len() + usize::from(lies) }
}

fn look_back() -> Outcome {
    Outcome::Review(review::Outcome {
        review: Review {
            lead_seconds: 1.5,
            stages: Vec::new(),
            rollback_seconds: None,
            failed_by_canary: 0,
            failed_by_shift: 0,
            requests: 0,
            note: paper("note"),
            evidence: paper("review"),
        },
    })
}
