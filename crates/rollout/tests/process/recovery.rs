//! What dies comes back: instances, and the host itself, which takes over what the one before has left.

use std::process::{Child, Command, Stdio};

use hyper::Method;
use patchline_rollout::process::spec::ObservedArms;
use rustix::process::Signal;

use crate::load::{Load, ask, failures};
use crate::setting::{
    LONG, Setting, arm, arm_with, http_client, is_alive, kill, marked_processes, of, start_time,
};

fn pids(observed: &ObservedArms) -> Vec<u32> {
    let mut pids: Vec<u32> = observed.arms.iter().flat_map(|arm| &arm.instances).map(|one| one.pid).collect();
    pids.sort_unstable();
    pids
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_crashes_is_restarted_and_nobody_else_notices() {
    let mut setting = Setting::new().await;
    let before = setting.settle(&[arm_with("v1", 2, 1_000_000, &[("CRASH_ON", "/crash")])]).await;
    let url = setting.url("/").await;
    let crash = setting.url("/crash").await;
    // Only requests that may be sent twice: those in flight on the crashing instance are sent again elsewhere.
    let load = Load::start(&url, 1);
    let crashed = ask(&http_client(), Method::POST, &crash).await;
    assert_eq!(crashed.status, 502, "{crashed:?}");
    let is_back =
        |observed: &ObservedArms| of(observed, "v1").restarts == 1 && of(observed, "v1").healthy == 2;
    let after = setting.client.wait_until("restart", LONG, is_back).await.expect("it is restarted");
    let answers = load.stop().await;
    assert_eq!(failures(&answers).len(), 0, "{:?}", failures(&answers));
    // The request that crashed it, and perhaps some that met it dying and have been sent again elsewhere.
    assert!((1..=4).contains(&of(&after, "v1").errors), "the crash counts, for the version that crashed");
    assert_eq!(after.unrouted, 0);
    assert_eq!(pids(&after).iter().filter(|pid| pids(&before).contains(pid)).count(), 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_the_only_instance_to_come_back() {
    let mut setting = Setting::new().await;
    let before = setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    let (client, url) = (http_client(), setting.url("/").await);
    kill(pids(&before)[0], Signal::KILL);
    for _ in 0..20 {
        let answer = ask(&client, Method::GET, &url).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let after = setting.settled().await;
    assert_eq!((of(&after, "v1").restarts, after.unrouted), (1, 0));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unhealthy_instance_leaves_the_rotation_and_is_replaced() {
    let mut setting = Setting::with(|spec| spec.start_deadline_ms = 1_500).await;
    let sick = setting.path().join("sick");
    let arm = arm_with("v1", 1, 1_000_000, &[("SICK_WHILE", sick.to_str().expect("plain"))]);
    let before = setting.settle(&[arm]).await;
    let earlier = of(&before, "v1").restarts;
    std::fs::write(&sick, "").expect("it can be written");
    let is_out = |observed: &ObservedArms| of(observed, "v1").healthy == 0;
    setting.client.wait_until("notice", LONG, is_out).await.expect("it is noticed");
    assert_eq!(of(&setting.observed().await, "v1").share_ppm, 0);
    let is_replaced = |observed: &ObservedArms| of(observed, "v1").restarts > earlier;
    setting.client.wait_until("replace", LONG, is_replaced).await.expect("it is replaced");
    std::fs::remove_file(&sick).expect("it can be removed");
    let after = setting.settled().await;
    assert_ne!(pids(&after), pids(&before));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_host_takes_over_the_instances_of_one_that_was_killed() {
    let mut setting = Setting::new().await;
    let before = setting.settle(&[arm("v1", 2, 900_000), arm("v2", 1, 100_000)]).await;
    setting.kill_host().await;
    assert!(pids(&before).into_iter().all(is_alive), "they go on without a host");
    setting.start_host().await;
    let after = setting.observed().await;
    assert_eq!(pids(&after), pids(&before));
    assert_eq!((after.listen, after.revision), (before.listen, before.revision));
    assert_ne!((&after.epoch, after.host_pid), (&before.epoch, before.host_pid));
    assert_eq!((of(&after, "v1").healthy, of(&after, "v1").restarts), (2, 0));
    assert_eq!((of(&after, "v2").share_ppm, of(&after, "v2").requests), (100_000, 0));
    let answer = ask(&http_client(), Method::GET, &setting.url("/").await).await;
    assert_eq!(answer.status, 200);
    // An adopted instance is watched like any other.
    kill(pids(&before)[0], Signal::KILL);
    let total = |observed: &ObservedArms| observed.arms.iter().map(|arm| arm.restarts).sum::<u64>();
    setting
        .client
        .wait_until("restart", LONG, |observed| total(observed) == 1)
        .await
        .expect("it is restarted");
    assert_eq!(pids(&setting.settled().await).len(), 3);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_host_starts_what_has_gone_meanwhile() {
    let mut setting = Setting::new().await;
    let before = setting.settle(&[arm("v1", 2, 1_000_000)]).await;
    setting.kill_host().await;
    kill(pids(&before)[0], Signal::KILL);
    setting.start_host().await;
    let after = setting.settled().await;
    assert!(pids(&after).contains(&pids(&before)[1]));
    assert_eq!((pids(&after).len(), of(&after, "v1").restarts), (2, 1));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pid_that_means_another_process_now_is_left_alone_and_what_is_not_in_the_state_is_stopped() {
    let mut setting = Setting::new().await;
    let before = setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    let old = pids(&before)[0];
    let started = of(&before, "v1").instances[0].start_time;
    setting.kill_host().await;
    let mut bystander = sleeper();
    // The start times of processes count hundredths of a second, and this one must be told from the old one by it.
    while start_time(bystander.id()) == started {
        bystander.kill().expect("it can be ended");
        bystander.wait().expect("it ends");
        bystander = sleeper();
    }
    let stray = Command::new("sleep")
        .arg("100000")
        .env("PATCHLINE_INSTANCE", format!("{}#earlier-99", setting.name()))
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    let neighbour_directory = format!("{}x#earlier-99", setting.name());
    let neighbour = Command::new("sleep")
        .arg("100000")
        .env("PATCHLINE_INSTANCE", neighbour_directory)
        .spawn()
        .expect("it starts");
    let path = setting.path().join("state.json");
    let state = std::fs::read_to_string(&path).expect("there is a state");
    let recycled = state.replace(&format!("\"pid\": {old}"), &format!("\"pid\": {}", bystander.id()));
    assert_ne!(state, recycled);
    std::fs::write(&path, recycled).expect("it can be written");
    setting.start_host().await;
    let after = setting.settled().await;
    assert!(!pids(&after).contains(&bystander.id()));
    assert!(!pids(&after).contains(&old));
    let only_the_new = async {
        while marked_processes(&setting.name()) != pids(&after) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, only_the_new).await.expect("the stray and the forgotten one are stopped");
    assert!(!is_alive(stray.id()));
    assert!(is_alive(bystander.id()) && is_alive(neighbour.id()));
    for mut process in [bystander, neighbour, stray] {
        let _ = process.kill();
        process.wait().expect("it ends");
    }
    setting.stop().await;
}

fn sleeper() -> Child {
    Command::new("sleep").arg("100000").spawn().expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_is_set_aside() {
    let mut setting = Setting::new().await;
    setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    setting.kill_host().await;
    std::fs::write(setting.path().join("state.json"), "{\"boot_id\": ").expect("it can be written");
    setting.start_host().await;
    assert_eq!(setting.observed().await.revision, 0);
    let after = setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    assert_eq!(pids(&after).len(), 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_found_again_when_the_state_is_lost_and_nothing_is_ended_before_the_first_order() {
    let mut setting = Setting::new().await;
    let before = setting.settle(&[arm("v1", 2, 900_000), arm("v2", 1, 100_000)]).await;
    setting.kill_host().await;
    // Within the format, and beyond all limits: shares that make no whole.
    let path = setting.path().join("state.json");
    let state = std::fs::read_to_string(&path).expect("there is a state");
    let damaged = state.replace("\"share_ppm\": 900000", "\"share_ppm\": 900001");
    assert_ne!(state, damaged);
    std::fs::write(&path, &damaged).expect("it can be written");
    // Killed once more before it was told anything: the next one must know that it knows nothing.
    for _ in 0..2 {
        setting.start_host().await;
        assert_eq!(setting.observed().await.revision, 0);
        assert!(pids(&before).into_iter().all(is_alive), "nobody said that they are not wanted");
        let is_written = async {
            while !std::fs::read_to_string(&path).is_ok_and(|state| state.contains("\"is_lost\": true")) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, is_written).await.expect("it is written down");
        setting.kill_host().await;
    }
    let aside = std::fs::read_to_string(path.with_extension("json.damaged")).expect("it is set aside");
    assert_eq!(aside, damaged);
    setting.start_host().await;
    let after = setting.settle(&[arm("v1", 2, 1_000_000)]).await;
    let of_v1 = |observed: &ObservedArms| {
        let mut pids: Vec<u32> = of(observed, "v1").instances.iter().map(|one| one.pid).collect();
        pids.sort_unstable();
        pids
    };
    assert_eq!(of_v1(&after), of_v1(&before), "they serve on");
    let unwanted = of(&before, "v2").instances[0].pid;
    let is_gone = async {
        while is_alive(unwanted) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, is_gone).await.expect("what is not wanted ends");
    setting.stop().await;
}
