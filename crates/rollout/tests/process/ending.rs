//! Starting and ending: one host for each directory, and nothing is left behind.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use hyper::Method;
use patchline_rollout::process::client::ensure_host;
use patchline_rollout::process::failure::HostError;
use patchline_rollout::process::host;
use patchline_rollout::process::spec::{DesiredArms, HostSpec};
use rustix::process::Signal;

use crate::load::ask;
use crate::setting::{LONG, Setting, arm, arm_with, host_binary, http_client, kill, marked_processes, of};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_a_stop_however_stubborn() {
    let mut setting = Setting::with(|spec| spec.stop_deadline_ms = 500).await;
    let stubborn = arm_with("v1", 2, 1_000_000, &[("STUBBORN", "1"), ("WITH_CHILD", "1")]);
    setting.settle(&[stubborn]).await;
    assert_eq!(marked_processes(&setting.name()).len(), 4);
    let directory = setting.path().to_owned();
    setting.client.stop(LONG).await.expect("it stops");
    assert_eq!(marked_processes(&setting.name()), Vec::<u32>::new());
    assert!(!directory.join("control.sock").exists());
    // The next host has nothing to do.
    setting.start_host().await;
    let observed = setting.observed().await;
    assert!(observed.arms.iter().all(|arm| arm.wanted == 0 && arm.instances.is_empty()));
    assert_eq!(observed.revision, 1, "what was seen is still seen");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_a_crashed_instance_do_not_stay_behind() {
    let mut setting = Setting::new().await;
    let with_child = arm_with("v1", 1, 1_000_000, &[("WITH_CHILD", "1"), ("CRASH_ON", "/crash")]);
    setting.settle(&[with_child]).await;
    let before = marked_processes(&setting.name());
    ask(&http_client(), Method::POST, &setting.url("/crash").await).await;
    let only_new_ones = async {
        loop {
            let now = marked_processes(&setting.name());
            if now.len() == 2 && now.iter().all(|pid| !before.contains(pid)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, only_new_ones).await.expect("its child ends, too");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_host_in_order_and_the_next_one_goes_on() {
    let mut setting = Setting::new().await;
    let before = setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    kill(before.host_pid, Signal::TERM);
    let gone = async {
        while setting.client.observe().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("it ends");
    assert_eq!(marked_processes(&setting.name()), Vec::<u32>::new());
    setting.start_host().await;
    let after = setting.settled().await;
    assert_eq!((of(&after, "v1").healthy, after.listen), (1, before.listen));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_finished_before_its_instance_ends() {
    let mut setting = Setting::new().await;
    let slow = arm_with("slow", 1, 1_000_000, &[("DELAY_MS", "700")]);
    setting.settle(&[slow, arm("v2", 1, 0)]).await;
    let url = setting.url("/").await;
    let in_flight = tokio::spawn(async move { ask(&http_client(), Method::POST, &url).await });
    let has_begun = |observed: &_| of(observed, "slow").in_flight == 1;
    setting.client.wait_until("begin", LONG, has_begun).await.expect("the request is on its way");
    setting.apply(&[arm("v2", 1, 1_000_000)]).await;
    let answer = in_flight.await.expect("it is answered");
    assert_eq!((answer.status, answer.label.as_str()), (200, "slow"));
    let observed = setting.settled().await;
    assert_eq!((of(&observed, "slow").requests, of(&observed, "slow").errors), (1, 0));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_in_the_same_directory_is_refused() {
    let setting = Setting::new().await;
    let second = host::serve(setting.path()).await;
    assert!(matches!(second, Err(HostError::Locked { .. })), "{second:?}");
    let mut other = HostSpec::new("other-shop", "test");
    other.listen = setting.spec.listen;
    let other = ensure_host(&host_binary(), setting.path(), &other).await;
    assert!(matches!(other, Err(HostError::OtherService { .. })), "{other:?}");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_conductors_at_the_same_time_start_one_host() {
    let directory = tempfile::tempdir().expect("a directory");
    let spec = HostSpec::new("shop", "test");
    let binary = host_binary();
    let starts = (0..4).map(|_| ensure_host(&binary, directory.path(), &spec));
    let clients: Vec<_> =
        futures_util::future::join_all(starts).await.into_iter().map(|c| c.expect("it starts")).collect();
    let mut pids = Vec::new();
    for client in &clients {
        pids.push(client.observe().await.expect("it answers").host_pid);
    }
    pids.dedup();
    assert_eq!(pids.len(), 1);
    clients[0].stop(LONG).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let directory = tempfile::tempdir().expect("a directory");
    let mut spec = HostSpec::new("shop", "test");
    spec.listen = taken.local_addr().expect("it has an address");
    let started = Instant::now();
    let error = ensure_host(&host_binary(), directory.path(), &spec).await.expect_err("the port is taken");
    let text = error.to_string();
    assert!(text.contains(&spec.listen.port().to_string()), "{text}");
    assert!(text.contains("in use"), "{text}");
    assert!(started.elapsed() < LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_revision_is_refused_and_the_same_one_is_accepted_again() {
    let mut setting = Setting::new().await;
    setting.apply(&[arm("v1", 1, 1_000_000)]).await;
    setting.apply(&[arm("v2", 1, 1_000_000)]).await;
    let desired = |revision, label| DesiredArms {
        revision,
        arms: vec![arm(label, 1, 1_000_000)],
        attempt: None,
        ..DesiredArms::nothing()
    };
    let older = setting.client.apply(&desired(1, "v1")).await.expect_err("it is older");
    assert!(older.is_stale_revision(), "{older:?}");
    let other = setting.client.apply(&desired(2, "v1")).await.expect_err("it says something else");
    assert!(other.is_stale_revision(), "{other:?}");
    setting.client.apply(&desired(2, "v2")).await.expect("it says the same");
    let mut half = desired(3, "v2");
    half.arms[0].share_ppm = 500_000;
    let unfit = setting.client.apply(&half).await.expect_err("shares make no whole");
    assert!(matches!(unfit, HostError::Refused { status: 422, .. }), "{unfit:?}");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_a_very_long_name_works() {
    let directory = tempfile::tempdir().expect("a directory");
    let long = directory.path().join("x".repeat(120)).join("y".repeat(120));
    let client = ensure_host(&host_binary(), &long, &HostSpec::new("shop", "test")).await.expect("it starts");
    client.stop(LONG).await.expect("it stops");
}
