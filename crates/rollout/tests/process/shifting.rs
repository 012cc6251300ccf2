//! Weights shift and versions are swapped: nobody notices, shares are exact, and taking share away is at once.

use std::time::Instant;

use hyper::Method;

use crate::load::{Load, ask, count, failures};
use crate::setting::{LONG, Setting, arm, arm_with, http_client, of};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_weights_shift_and_versions_are_swapped_and_drained() {
    let mut setting = Setting::new().await;
    setting.settle(&[arm("v1", 2, 1_000_000)]).await;
    let load = Load::start(&setting.url("/").await, 8);
    let traffic = |label: &'static str, at_least: u64| {
        let client = setting.client.clone();
        async move {
            let enough = |observed: &_| of(observed, label).requests >= at_least;
            client.wait_until("get traffic", LONG, enough).await.expect("traffic comes");
        }
    };
    traffic("v1", 200).await;
    setting.settle(&[arm("v1", 2, 1_000_000), arm("v2", 2, 0)]).await;
    for share in [50_000, 500_000, 1_000_000] {
        let before = of(&setting.observed().await, "v2").requests;
        setting.apply(&[arm("v1", 2, 1_000_000 - share), arm("v2", 2, share)]).await;
        assert_eq!(of(&setting.observed().await, "v2").share_ppm, share);
        let client = setting.client.clone();
        let enough = |observed: &_| of(observed, "v2").requests >= before + 50;
        client.wait_until("get traffic", LONG, enough).await.expect("traffic comes");
    }
    setting.settle(&[arm("v2", 2, 1_000_000)]).await;
    setting.settle(&[arm("v2", 1, 1_000_000)]).await;
    setting.settle(&[arm("v2", 1, 1_000_000), arm("v3", 1, 0)]).await;
    setting.settle(&[arm("v3", 1, 1_000_000)]).await;
    let answers = load.stop().await;
    let observed = setting
        .client
        .wait_until("finish", LONG, |observed| observed.arms.iter().all(|arm| arm.in_flight == 0))
        .await
        .expect("all requests end");

    assert_eq!(failures(&answers).len(), 0, "{:?}", failures(&answers));
    assert_eq!(observed.unrouted, 0);
    for label in ["v1", "v2", "v3"] {
        let arm = of(&observed, label);
        assert_eq!((arm.requests, arm.errors, arm.restarts), (count(&answers, label), 0, 0), "{label}");
        assert_eq!(arm.latency.total(), arm.requests);
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_are_exact() {
    let mut setting = Setting::new().await;
    setting.settle(&[arm("v1", 2, 1_000_000), arm("v2", 1, 0)]).await;
    setting.apply(&[arm("v1", 2, 863_000), arm("v2", 1, 137_000)]).await;
    let (client, url) = (http_client(), setting.url("/").await);
    let mut canary = 0;
    for sent in 1..=1_000u64 {
        canary += u64::from(ask(&client, Method::GET, &url).await.label == "v2");
        assert!((canary * 1_000).abs_diff(sent * 137) < 1_000, "{canary} of {sent}");
    }
    assert_eq!(canary, 137);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rollback_is_accepted_no_request_goes_to_the_bad_version() {
    let mut setting = Setting::new().await;
    let bad = |share| arm_with("bad", 1, share, &[("FAIL_PERMILLE", "500")]);
    setting.settle(&[arm("good", 2, 1_000_000), bad(0)]).await;
    setting.apply(&[arm("good", 2, 500_000), bad(500_000)]).await;
    let load = Load::start(&setting.url("/").await, 8);
    let is_seen = |observed: &_| of(observed, "bad").errors >= 20;
    setting.client.wait_until("see errors", LONG, is_seen).await.expect("errors come");
    let asked = Instant::now();
    setting.apply(&[arm("good", 2, 1_000_000)]).await;
    let accepted = Instant::now();
    let observed = setting.observed().await;
    assert_eq!((of(&observed, "bad").share_ppm, of(&observed, "good").share_ppm), (0, 1_000_000));
    let enough = of(&observed, "good").requests + 300;
    let goes_on = |observed: &_| of(observed, "good").requests >= enough;
    setting.client.wait_until("go on", LONG, goes_on).await.expect("the good version serves");
    let answers = load.stop().await;

    assert!(accepted - asked < LONG, "{:?}", accepted - asked);
    let after: Vec<_> = answers.iter().filter(|answer| answer.sent > accepted).cloned().collect();
    assert!(after.len() >= 100);
    assert_eq!(count(&after, "bad"), 0);
    assert_eq!(failures(&after).len(), 0, "{:?}", failures(&after));
    assert_eq!(failures(&answers).iter().filter(|answer| answer.label != "bad").count(), 0);
    let observed = setting.settled().await;
    assert_eq!(of(&observed, "bad").requests, count(&answers, "bad"), "its counts stay");
    assert_eq!(of(&observed, "bad").errors, failures(&answers).len() as u64);
    println!("rollback accepted in {:?}", accepted - asked);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_waits_for_capacity() {
    let mut setting = Setting::new().await;
    let sick = setting.path().join("sick");
    std::fs::write(&sick, "").expect("it can be written");
    let slow_starter = arm_with("v2", 1, 500_000, &[("SICK_WHILE", sick.to_str().expect("plain"))]);
    setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    setting.apply(&[arm("v1", 1, 500_000), slow_starter]).await;
    let (client, url) = (http_client(), setting.url("/").await);
    for _ in 0..50 {
        assert_eq!(ask(&client, Method::GET, &url).await.label, "v1");
    }
    assert_eq!(of(&setting.observed().await, "v1").share_ppm, 1_000_000);
    std::fs::remove_file(&sick).expect("it can be removed");
    let observed = setting.settled().await;
    assert_eq!((of(&observed, "v1").share_ppm, of(&observed, "v2").share_ppm), (500_000, 500_000));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_stable_instance_is_healthy_the_canary_keeps_its_share_and_the_others_wait() {
    let mut setting = Setting::with(|spec| {
        spec.hold_deadline_ms = 500;
        spec.start_deadline_ms = 60_000;
    })
    .await;
    let sick = setting.path().join("sick");
    let stable = arm_with("stable", 2, 900_000, &[("SICK_WHILE", sick.to_str().expect("plain"))]);
    setting.settle(&[stable, arm("canary", 1, 100_000)]).await;
    std::fs::write(&sick, "").expect("it can be written");
    let is_ill = |observed: &_| of(observed, "stable").healthy == 0;
    setting.client.wait_until("be ill", LONG, is_ill).await.expect("it is noticed");
    let observed = setting.observed().await;
    assert_eq!((of(&observed, "stable").share_ppm, of(&observed, "canary").share_ppm), (0, 100_000));
    let (client, url) = (http_client(), setting.url("/").await);
    let asked = futures_util::future::join_all((0..40).map(|_| ask(&client, Method::POST, &url)));
    let answers = asked.await;
    let canary = count(&answers, "canary");
    assert!((3..=5).contains(&canary), "{canary} of 40, and 4 are its share");
    assert!(answers.iter().all(|answer| answer.label == "canary" || answer.status == 503));
    assert_eq!(setting.observed().await.unrouted, observed.unrouted + 40 - canary);
    std::fs::remove_file(&sick).expect("it can be removed");
    setting.settled().await;
    assert_eq!(ask(&client, Method::POST, &url).await.status, 200);
    setting.stop().await;
}
