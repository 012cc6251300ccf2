//! Whole rollouts with real processes and users: nobody's request fails, whichever way it goes.

use std::collections::BTreeMap;

use patchline_model::actor::Actor;
use patchline_model::cohort::{Cohort, Field};
use patchline_model::context::{Board, Context};
use patchline_model::digest::Digest;
use patchline_model::id::{JobId, PatchId, Stage};
use patchline_model::policy::Policy;
use patchline_model::service::{Build, CommandLine, Run, Service, Tier};
use patchline_model::share::Share;
use patchline_model::stage::folding;
use patchline_model::stage::footing::Footing;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{
    Arm, BlueGreen, Desired, Exit, Flag, Guards, InstanceGuards, Observed, Order, Plan, Rolling, Shadow,
    Step, Strategy, Version, WatchedEnd,
};
use patchline_model::stage::rollout::{Event, JudgeAnswer, Judgement, Outcome, State};
use patchline_model::stage::traffic::{Mirror, Traffic};
use patchline_model::stage::walk;
use patchline_model::time::{Seconds, Timestamp};
use patchline_rollout::process::target::Processes;
use patchline_rollout::target::{Site, Target};
use tempfile::TempDir;

use crate::load::{Load, count, failures};
use crate::setting::{LONG, example, host_binary};

const INSTANCES: u32 = 3;

/// One rollout, walked as the loop walks it, with a clock of its own.
struct Walk {
    _hosts: TempDir,
    target: Processes,
    site: Site,
    state: State,
    now: Timestamp,
    attempt: u32,
    address: String,
    /// Shares of the new version as they were in force.
    shares: Vec<u32>,
}

impl Walk {
    /// The stable version runs and is healthy; the rollout has begun.
    async fn begin(strategy: Strategy) -> Walk {
        let hosts = tempfile::tempdir().expect("a directory");
        let target = Processes { binary: host_binary(), hosts: hosts.path().to_owned() };
        let version = |label: &str| Version { artifact: Digest::of(label.as_bytes()), label: label.into() };
        let (stable, new) = (version("stable"), version("new"));
        let plan = Plan {
            instances: INSTANCES,
            strategy,
            guards: Guards {
                alpha: 0.01,
                beta: 0.05,
                error_margin: 0.01,
                latency: false,
                instances: InstanceGuards::default(),
            },
            deadline: Seconds(80_000),
            start_deadline: Seconds(20_000),
            missing_limit: 1000,
            at_deadline: Exit::Rollback,
            pause: Default::default(),
            irreversible: Default::default(),
        };
        let service = service(plan.clone());
        let executables: BTreeMap<_, _> =
            [&stable, &new].map(|version| (version.artifact.clone(), example("instance"))).into();
        let run = service.run.clone().expect("it runs");
        let site = Site { service: service.name.clone(), run, executables };
        let now = Timestamp(1_767_225_600_000);
        let started = Event::Started {
            stable: stable.clone(),
            new,
            plan: Box::new(plan),
            footing: Footing::default(),
            before: None,
            note: None,
        };
        let mut state = State::default();
        folding::evolve(&mut state, now, &Actor::Machine, &started);
        let mut walk = Walk {
            _hosts: hosts,
            target,
            site,
            state,
            now,
            attempt: 1,
            address: String::new(),
            shares: Vec::new(),
        };
        let arm = Arm {
            version: stable,
            instances: INSTANCES,
            share: Share::ALL,
            carriers: INSTANCES,
            flags: Vec::new(),
            names: Vec::new(),
        };
        let alone = Desired { arms: vec![arm], in_place: false, traffic: Traffic::ByTurns };
        let up = async {
            loop {
                let observed = walk.reconcile(&alone).await;
                if observed.meets(&alone) {
                    return observed.address.expect("it listens");
                }
            }
        };
        let address = tokio::time::timeout(LONG, up).await.expect("stable comes up");
        walk.address = format!("http://{address}/");
        walk
    }

    async fn reconcile(&mut self, desired: &Desired) -> Observed {
        self.attempt += 1;
        let job = JobId { patch: PatchId(1), stage: Stage::Rollout, attempt: self.attempt };
        self.target.reconcile(job, &self.site, desired).await.expect("it can be done")
    }

    /// One look, a second after the one before.
    async fn look(&mut self, answer: JudgeAnswer) {
        let desired = self.state.desired().expect("it has begun");
        let observed = self.reconcile(&desired).await;
        let new = self.state.new.clone().expect("it has begun");
        self.shares.push(observed.arm(&new.artifact).map_or(0, |arm| arm.share.ppm()));
        let judgement = Judgement {
            answer,
            reason: "the test says so".to_owned(),
            readings: Vec::new(),
            wrong_split: false,
            judge: 0,
        };
        let outcome = Outcome::Reconciled { observed, judgement: Some(judgement.into()) };
        self.now = self.now.after(Seconds(1));
        let (policy, board) = (Policy::default(), Board::default());
        let cx = Context { now: self.now, policy: &policy, board: &board };
        let events = walk::report(cx, &self.state, None, &outcome);
        for event in events.expect("it is owed") {
            folding::evolve(&mut self.state, self.now, &Actor::Machine, &event);
        }
    }

    /// Looks until the phase is there.
    async fn until(&mut self, answer: JudgeAnswer, is_there: impl Fn(&Phase) -> bool) {
        let there = async {
            while !is_there(&self.state.phase) {
                assert!(self.state.cause.is_none() || self.state.is_going_back());
                self.look(answer).await;
            }
        };
        tokio::time::timeout(LONG * 2, there).await.expect("it comes there");
    }

    async fn stop(self) {
        self.target.stop(&self.site).await.expect("it stops");
    }
}

fn service(plan: Plan) -> Service {
    let words = |text: &str| CommandLine(vec![text.to_owned()]);
    Service {
        name: "shop".parse().expect("a name"),
        owner: "team-shop".to_owned(),
        tier: Tier::try_from(3).expect("a tier"),
        repository: String::new(),
        folder: String::new(),
        build: Build { prepare: None, command: words("make"), artifact: "shop".to_owned() },
        test: None,
        agents: Vec::new(),
        reproducers: Vec::new(),
        verification: Default::default(),
        run: Some(Run {
            environment: "test".parse().expect("a name"),
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

fn rolling(max_unavailable: u32) -> Strategy {
    Strategy::Rolling(Rolling { batch: 1, max_unavailable, bake: Seconds(2), order: None })
}

/// Each instance has a name, and the last of these is the first to be replaced.
fn ordered() -> Strategy {
    let names = ["third", "second", "first"].map(|text| text.parse().expect("a name")).to_vec();
    let order = Some(Order { names, partition: 0 });
    Strategy::Rolling(Rolling { batch: 1, max_unavailable: 0, bake: Seconds(2), order })
}

/// What the processes that run now were told: their names with the version of each, in the order of the names.
fn named(observed: &Observed, walk: &Walk) -> Vec<(String, bool)> {
    let new = walk.state.new.as_ref().expect("it has begun").artifact.clone();
    let mut told: Vec<(String, bool)> = observed
        .arms
        .iter()
        .flat_map(|arm| arm.names.iter().map(|name| (name.to_string(), arm.artifact == new)))
        .collect();
    told.sort();
    told
}

fn blue_green() -> Strategy {
    let hold_back = Share::from_fraction(0.05).expect("a share");
    Strategy::BlueGreen(BlueGreen { preview: Seconds(2), bake: Seconds(2), hold_back, smoke: None })
}

/// Half of the users with a session would have the flag on; these have none, and meet the new version at the end.
fn flag() -> Strategy {
    let token = |text: &str| text.parse().expect("a token");
    let steps =
        vec![Step { share: Share::from_fraction(0.5).expect("a share"), bake: Seconds(2), gate: false }];
    let cohort = Cohort { by: Field::Cookie(token("session")), only: None };
    Strategy::Flag(Flag { flag: token("new-way"), cohort, steps, end: None })
}

fn shadow() -> Strategy {
    let share = |fraction| Share::from_fraction(fraction).expect("a share");
    let mirror = Mirror {
        share: share(0.5),
        methods: vec!["GET".to_owned()],
        headers: Vec::new(),
        control: share(0.5),
    };
    let end = WatchedEnd { bake: Seconds(2), hold_back: share(0.1) };
    let most_mismatches = share(0.01);
    Strategy::Shadow(Shadow { instances: 1, mirror, bake: Seconds(2), most_mismatches, end })
}

/// Forward to the end; no user's request fails, and the shares that were in force only grow.
async fn promoted(strategy: Strategy) {
    let mut walk = Walk::begin(strategy).await;
    let load = Load::start(&walk.address, 4);
    walk.until(JudgeAnswer::Promote, |phase| *phase == Phase::Promoted).await;
    let answers = load.stop().await;
    assert!(failures(&answers).is_empty(), "{:?}", failures(&answers));
    assert!(count(&answers, "new") > 0 && count(&answers, "stable") > 0);
    assert!(walk.shares.is_sorted(), "{:?}", walk.shares);
    assert_eq!(walk.shares.last(), Some(&1_000_000));
    walk.stop().await;
}

/// Forward to the last step and back; no user's request fails, and at the end nobody meets the new version.
async fn taken_back(strategy: Strategy) {
    let mut walk = Walk::begin(strategy).await;
    let load = Load::start(&walk.address, 4);
    let last = walk.state.course.as_ref().expect("it has begun").stations.len() - 1;
    walk.until(JudgeAnswer::Continue, |phase| *phase == Phase::Watching { step: last }).await;
    walk.look(JudgeAnswer::Continue).await;
    walk.until(JudgeAnswer::Rollback, |phase| *phase == Phase::RolledBack).await;
    let answers = load.stop().await;
    assert!(failures(&answers).is_empty(), "{:?}", failures(&answers));
    assert!(count(&answers, "new") > 0);
    let after = Load::start(&walk.address, 1);
    walk.look(JudgeAnswer::Continue).await;
    assert_eq!(count(&after.stop().await, "new"), 0);
    walk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_replacement_fails_no_request_on_its_way_to_the_end() {
    promoted(rolling(0)).await;
    promoted(rolling(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_replacement_fails_no_request_on_its_way_back() {
    taken_back(rolling(0)).await;
    taken_back(rolling(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_with_names_are_replaced_in_order_and_fail_no_request_either_way() {
    promoted(ordered()).await;
    taken_back(ordered()).await;
    let mut walk = Walk::begin(ordered()).await;
    let load = Load::start(&walk.address, 2);
    walk.until(JudgeAnswer::Continue, |phase| *phase == Phase::Watching { step: 0 }).await;
    let desired = walk.state.desired().expect("it has begun");
    let observed = walk.reconcile(&desired).await;
    let expected = [("first", false), ("second", false), ("third", true)];
    assert_eq!(named(&observed, &walk), expected.map(|(name, is_new)| (name.to_owned(), is_new)));
    walk.until(JudgeAnswer::Continue, |phase| *phase == Phase::Watching { step: 1 }).await;
    walk.until(JudgeAnswer::Rollback, |phase| *phase == Phase::RolledBack).await;
    load.stop().await;
    let alone = walk.state.desired().expect("it has begun");
    let observed = walk.reconcile(&alone).await;
    assert_eq!(named(&observed, &walk), ["first", "second", "third"].map(|name| (name.to_owned(), false)));
    walk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_fails_no_request_on_its_way_to_the_end() {
    promoted(blue_green()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_fails_no_request_on_its_way_back() {
    taken_back(blue_green()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_fails_no_request_on_its_way_to_the_end() {
    promoted(flag()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_fails_no_request_on_its_way_to_the_end_and_meets_nobody_before() {
    promoted(shadow()).await;
    let mut walk = Walk::begin(shadow()).await;
    let load = Load::start(&walk.address, 4);
    walk.until(JudgeAnswer::Continue, |phase| *phase == Phase::Watching { step: 0 }).await;
    let mirrored = async {
        while walk.state.mirrored.pairs == 0 {
            walk.look(JudgeAnswer::Continue).await;
        }
    };
    tokio::time::timeout(LONG, mirrored).await.expect("copies are compared");
    walk.until(JudgeAnswer::Rollback, |phase| *phase == Phase::RolledBack).await;
    let answers = load.stop().await;
    assert!(failures(&answers).is_empty(), "{:?}", failures(&answers));
    assert_eq!(count(&answers, "stable"), answers.len() as u64, "users met stable alone");
    assert!(walk.state.mirrored.pairs > 0, "{:?}", walk.state.mirrored);
    assert_eq!(walk.state.mirrored.mismatches(), 0, "{:?}", walk.state.mirrored);
    assert_eq!(walk.state.totals.canary_requests, 0);
    walk.stop().await;
}
