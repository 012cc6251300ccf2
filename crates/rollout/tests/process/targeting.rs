//! The target's contract: what was set is read back, what cannot run is refused, what was stopped is gone.

use std::collections::BTreeMap;

use patchline_model::digest::Digest;
use patchline_model::failure::FailureKind;
use patchline_model::id::{JobId, PatchId, Stage};
use patchline_model::service::Run;
use patchline_model::share::Share;
use patchline_model::stage::plan::{
    Arm, Canary, Desired, Exit, Guards, InstanceGuards, Observed, Plan, Strategy, Version,
};
use patchline_model::stage::traffic::Traffic;
use patchline_model::time::Seconds;
use patchline_rollout::process::client::HostClient;
use patchline_rollout::process::target::Processes;
use patchline_rollout::target::{Site, Target};
use rustix::process::Signal;

use crate::setting::{LONG, example, host_binary, kill, marked_processes};

fn site(versions: &[&Version]) -> Site {
    let plan = Plan {
        instances: 1,
        strategy: Strategy::Canary(Canary { instances: 1, steps: Vec::new(), end: None, cohort: None }),
        guards: Guards {
            alpha: 0.01,
            beta: 0.05,
            error_margin: 0.01,
            latency: true,
            instances: InstanceGuards::default(),
        },
        deadline: Seconds(600),
        start_deadline: Seconds(30),
        missing_limit: 5,
        at_deadline: Exit::Rollback,
        pause: Default::default(),
        irreversible: Default::default(),
    };
    let run = Run {
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
    };
    let executables: BTreeMap<_, _> =
        versions.iter().map(|version| (version.artifact.clone(), example("instance"))).collect();
    Site { service: "shop".parse().expect("a name"), run, executables }
}

fn version(label: &str) -> Version {
    Version { artifact: Digest::of(label.as_bytes()), label: format!("{label} (größer 0.4.1)").into() }
}

fn arm(version: &Version, share: u32) -> Arm {
    Arm {
        version: version.clone(),
        instances: 1,
        share: Share::try_from(share).expect("a share"),
        carriers: 1,
        flags: Vec::new(),
        names: Vec::new(),
    }
}

fn job() -> JobId {
    JobId { patch: PatchId(1), stage: Stage::Rollout, attempt: 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_is_made_to_match_and_read_back() {
    let hosts = tempfile::tempdir().expect("a directory");
    let target = Processes { binary: host_binary(), hosts: hosts.path().to_owned() };
    let (stable, canary) = (version("stable"), version("canary"));
    let site = site(&[&stable, &canary]);
    assert_eq!(target.observe(&site).await, Ok(None));
    assert!(!target.directory(&site).exists(), "to look is not to touch");
    target.stop(&site).await.expect("there is nothing to stop");

    let desired = Desired {
        arms: vec![arm(&stable, 900_000), arm(&canary, 100_000)],
        in_place: false,
        traffic: Traffic::ByTurns,
    };
    let matched = async {
        loop {
            let observed = target.reconcile(job(), &site, &desired).await.expect("it can be done");
            if observed.meets(&desired) {
                return observed;
            }
        }
    };
    let observed = tokio::time::timeout(LONG, matched).await.expect("it matches");
    assert!(observed.address.is_some());
    assert_eq!(target.observe(&site).await, Ok(Some(observed.clone())));
    assert_eq!(target.reconcile(job(), &site, &desired).await, Ok(observed), "asking twice is asking once");

    let rolled_back =
        Desired { arms: vec![arm(&stable, 1_000_000)], in_place: false, traffic: Traffic::ByTurns };
    let at_once = target.reconcile(job(), &site, &rolled_back).await.expect("it can be done");
    assert!(at_once.arm(&canary.artifact).is_none_or(|arm| arm.share == Share::NONE), "{at_once:?}");
    let alone = async {
        loop {
            let observed = target.reconcile(job(), &site, &rolled_back).await.expect("it can be done");
            if observed.meets(&rolled_back) {
                return observed;
            }
        }
    };
    let after = tokio::time::timeout(LONG, alone).await.expect("the canary ends");

    // A host that was killed: a look brings another one, and that one takes the same instances over.
    let name =
        std::fs::canonicalize(target.directory(&site)).expect("it exists").to_string_lossy().into_owned();
    let host_pid = host_pid(&target, &site).await;
    let before = marked_processes(&name);
    kill(host_pid, Signal::KILL);
    let replaced = async {
        loop {
            let looked = target.observe(&site).await;
            let epoch = looked.ok().flatten().map(|observed| observed.epoch);
            if epoch.is_some_and(|epoch| epoch != after.epoch) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, replaced).await.expect("another host comes");
    assert!(!before.is_empty());
    assert_eq!(marked_processes(&name), before, "the instances are the same processes");
    target.stop(&site).await.expect("it stops");
    assert_eq!(marked_processes(&name), Vec::<u32>::new());
    assert_eq!(target.observe(&site).await, Ok(None));
}

/// A machine that is shut down tells the host to end, and its instances end with it. They are still wanted.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_wanted_before_a_shutdown_comes_back_with_a_look() {
    let hosts = tempfile::tempdir().expect("a directory");
    let target = Processes { binary: host_binary(), hosts: hosts.path().to_owned() };
    let stable = version("stable");
    let site = site(&[&stable]);
    let desired = Desired { arms: vec![arm(&stable, 1_000_000)], in_place: false, traffic: Traffic::ByTurns };
    let matches = |observed: &Option<Observed>| observed.as_ref().is_some_and(|there| there.meets(&desired));
    let ready = async { while !matches(&target.reconcile(job(), &site, &desired).await.ok()) {} };
    tokio::time::timeout(LONG, ready).await.expect("it starts");
    let name =
        std::fs::canonicalize(target.directory(&site)).expect("it exists").to_string_lossy().into_owned();
    kill(host_pid(&target, &site).await, Signal::TERM);
    let gone = async {
        while !marked_processes(&name).is_empty()
            || HostClient::connect(&target.directory(&site)).await.is_ok()
        {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("everything ends");

    let back = async { while !matches(&target.observe(&site).await.ok().flatten()) {} };
    tokio::time::timeout(LONG, back).await.expect("it comes back");
    target.stop(&site).await.expect("it stops");
    assert_eq!(target.observe(&site).await, Ok(None), "what was stopped is not wanted any more");
}

async fn host_pid(target: &Processes, site: &Site) -> u32 {
    let client = HostClient::connect(&target.directory(site)).await;
    client.expect("it is there").observe().await.expect("it answers").host_pid
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conductor_that_slept_can_not_give_a_share_back() {
    let hosts = tempfile::tempdir().expect("a directory");
    let target = Processes { binary: host_binary(), hosts: hosts.path().to_owned() };
    let (stable, canary) = (version("stable"), version("canary"));
    let site = site(&[&stable, &canary]);
    let at = |attempt| JobId { attempt, ..job() };
    let watching = Desired {
        arms: vec![arm(&stable, 750_000), arm(&canary, 250_000)],
        in_place: false,
        traffic: Traffic::ByTurns,
    };
    let back = Desired {
        arms: vec![arm(&stable, 1_000_000), arm(&canary, 0)],
        in_place: false,
        traffic: Traffic::ByTurns,
    };
    target.reconcile(at(7), &site, &watching).await.expect("it can be done");
    let taken = target.reconcile(at(9), &site, &back).await.expect("it can be done");
    target.reconcile(at(8), &site, &watching).await.expect_err("it was overtaken");
    let there = target.observe(&site).await.expect("it can be asked").expect("it runs");
    let share = |observed: &Observed| observed.arm(&canary.artifact).map(|arm| arm.share);
    assert_eq!((share(&taken), share(&there)), (Some(Share::NONE), Some(Share::NONE)));
    // It sleeps through another patch's rollout, and through a kill of the host: its last order is as old as the others.
    let of_another = JobId { patch: PatchId(2), ..at(1) };
    let alone = Desired { arms: vec![arm(&stable, 1_000_000)], in_place: false, traffic: Traffic::ByTurns };
    target.reconcile(of_another, &site, &alone).await.expect("it can be done");
    kill(host_pid(&target, &site).await, Signal::KILL);
    target.reconcile(at(9), &site, &back).await.expect_err("another patch has followed");
    // The patch is tried again.
    target.reconcile(at(10), &site, &back).await.expect("it can be done");
    target.reconcile(of_another, &site, &alone).await.expect_err("it has ended as well");
    target.stop(&site).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_without_an_executable_is_refused_before_anything_moves() {
    let hosts = tempfile::tempdir().expect("a directory");
    let target = Processes { binary: host_binary(), hosts: hosts.path().to_owned() };
    let stable = version("stable");
    let desired = Desired { arms: vec![arm(&stable, 1_000_000)], in_place: false, traffic: Traffic::ByTurns };
    let failure = target.reconcile(job(), &site(&[]), &desired).await.expect_err("it cannot run");
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert!(!target.directory(&site(&[])).exists());
}
