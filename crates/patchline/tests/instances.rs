//! Rollouts of real processes, judged as `patchline serve` judges them, but with a clock of their own: a version that leaks and
//! one that ends again and again are taken back for that, and one that does neither is promoted.
#![allow(dead_code, reason = "the modules serve several test files, and each uses its part")]

#[path = "binary/processes.rs"]
mod processes;
#[path = "binary/project.rs"]
mod project;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchline_conductor::judging::RolloutJudge;
use patchline_model::actor::Actor;
use patchline_model::context::{Board, Context};
use patchline_model::digest::Digest;
use patchline_model::id::{JobId, PatchId, Stage};
use patchline_model::policy::Policy;
use patchline_model::service::Run;
use patchline_model::share::Share;
use patchline_model::stage::folding;
use patchline_model::stage::footing::Footing;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Arm, Canary, Desired, InstanceGuards, Observed, Step, Strategy, Version};
use patchline_model::stage::rollout::{Event, Outcome, State};
use patchline_model::stage::traffic::Traffic;
use patchline_model::stage::walk;
use patchline_model::time::{Seconds, Timestamp};
use patchline_rollout::process::target::Processes;
use patchline_rollout::target::{Site, Target};
use processes::Guard;
use project::{INSTANCES, Project, tiny_service};
use tokio::runtime::Runtime;

/// Far more than anything here takes, for a slow and busy machine.
const LONG: Duration = Duration::from_secs(100);

/// Requests of users in each look.
const REQUESTS: u32 = 12;

struct Walk {
    runtime: Runtime,
    target: Processes,
    site: Site,
    state: State,
    now: Timestamp,
    attempt: u32,
    address: String,
    begun: Instant,
}

impl Walk {
    /// The stable version runs; a version that behaves like this is to follow it.
    fn begin(folder: &Path, behaviour: &str) -> Walk {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let target =
            Processes { binary: env!("CARGO_BIN_EXE_patchline").into(), hosts: folder.join("hosts") };
        let stable = version(folder, "stable", "");
        let new = version(folder, "new", behaviour);
        let run = Project::create(&folder.join("project"), 0).run();
        let mut plan = run.plan.clone();
        let share = Share::from_fraction(0.5).expect("a share");
        let steps = vec![Step { share, bake: Seconds(200), gate: false }];
        plan.strategy = Strategy::Canary(Canary { instances: 1, steps, end: None, cohort: None });
        plan.guards.instances = InstanceGuards {
            incidents: true,
            memory_margin: Some(0.5),
            cpu_margin: Some(0.5),
            needs_memory: true,
            needs_cpu: true,
        };
        (plan.deadline, plan.start_deadline) = (Seconds(80_000), Seconds(20_000));
        let run = Run { plan: plan.clone(), ..run };
        let executables: BTreeMap<Digest, PathBuf> =
            [&stable, &new].map(|(version, path)| (version.artifact.clone(), path.clone())).into();
        let site = Site { service: "tiny".parse().expect("a name"), run, executables };
        let now = Timestamp(1_767_225_600_000);
        let started = Event::Started {
            stable: stable.0.clone(),
            new: new.0,
            plan: Box::new(plan),
            footing: Footing::default(),
            before: None,
            note: None,
        };
        let mut state = State::default();
        folding::evolve(&mut state, now, &Actor::Machine, &started);
        let begun = Instant::now();
        let mut walk = Walk { runtime, target, site, state, now, attempt: 1, address: String::new(), begun };
        let arm = Arm {
            version: stable.0,
            instances: INSTANCES,
            share: Share::ALL,
            carriers: INSTANCES,
            flags: Vec::new(),
            names: Vec::new(),
        };
        let alone = Desired { arms: vec![arm], in_place: false, traffic: Traffic::ByTurns };
        loop {
            let observed = walk.reconcile(&alone);
            if observed.meets(&alone) {
                walk.address = observed.address.expect("it listens");
                return walk;
            }
        }
    }

    fn reconcile(&mut self, desired: &Desired) -> Observed {
        assert!(self.begun.elapsed() < LONG, "{:?} {:?}", self.state.phase, self.state.judgement);
        self.attempt += 1;
        let job = JobId { patch: PatchId(1), stage: Stage::Rollout, attempt: self.attempt };
        let reconciled = self.runtime.block_on(self.target.reconcile(job, &self.site, desired));
        reconciled.expect("it can be done")
    }

    /// One look, a second after the one before by the clock of this test.
    fn look(&mut self) {
        let desired = self.state.desired().expect("it has begun");
        let observed = self.reconcile(&desired);
        let plan = self.state.plan.as_ref().expect("it has a plan");
        let mut judge = RolloutJudge::new(plan).expect("it can be judged");
        for tick in &self.state.ticks {
            judge.look(tick);
        }
        let judgement = judge.look(&self.state.tick(&observed).0);
        self.now = self.now.after(Seconds(1));
        let (policy, board) = (Policy::default(), Board::default());
        let cx = Context { now: self.now, policy: &policy, board: &board };
        let outcome = Outcome::Reconciled { observed, judgement: Some(Arc::new(judgement)) };
        for event in walk::report(cx, &self.state, None, &outcome).expect("it is owed") {
            folding::evolve(&mut self.state, self.now, &Actor::Machine, &event);
        }
    }

    /// Looks until the phase is there, with users or without.
    fn until(&mut self, users: bool, is_there: impl Fn(&Phase) -> bool) {
        while !is_there(&self.state.phase) {
            if users {
                (0..REQUESTS).for_each(|_| ask(&self.address));
            }
            self.look();
        }
    }

    fn stop(self) -> State {
        self.runtime.block_on(self.target.stop(&self.site)).expect("it stops");
        self.state
    }
}

/// A program that behaves so.
fn version(folder: &Path, label: &str, behaviour: &str) -> (Version, PathBuf) {
    let path = folder.join(label);
    let mut bytes = fs::read(tiny_service()).expect("the service can be read");
    bytes.extend_from_slice(format!("\nbehaviour {behaviour} .\n").as_bytes());
    fs::copy(tiny_service(), &path).expect("it can be copied, with its permissions");
    fs::write(&path, &bytes).expect("it can be written");
    (Version { artifact: Digest::of(&bytes), label: label.into() }, path)
}

/// One request, which is answered.
fn ask(address: &str) {
    let mut stream = TcpStream::connect(address).expect("the proxy listens");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: tiny\r\nconnection: close\r\n\r\n").expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The whole way of a version that behaves like this, and what became of it.
fn check(behaviour: &str, users: bool, end: &Phase, words: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let _guard = Guard(folder.path().to_owned());
    let mut walk = Walk::begin(folder.path(), behaviour);
    walk.until(users, |phase| matches!(phase, Phase::Promoted | Phase::RolledBack));
    let state = walk.stop();
    let told = format!("{:?}, {:?} after {} looks", state.cause, state.judgement, state.ticks.len());
    assert_eq!(state.phase, *end, "{told}");
    let cause = state.cause.as_ref().map(|cause| cause.text()).unwrap_or_default();
    assert!(words.iter().all(|word| cause.contains(word)), "{told}");
}

#[test]
fn a_version_that_leaks_is_taken_back_for_its_memory() {
    check("leak_kib=1024", true, &Phase::RolledBack, &["memory is beyond the margin of 50 %", "MiB"]);
}

#[test]
fn a_version_whose_instances_end_now_and_then_is_taken_back_for_that() {
    check("lives_ms=300", false, &Phase::RolledBack, &["instances of the canary end more often"]);
}

#[test]
fn a_version_that_does_neither_is_promoted() {
    check("fixed=it", true, &Phase::Promoted, &[]);
}
