//! Users with keys: the same user always meets the same version, shares only add users, and who takes no part is not compared.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use patchline_model::cohort::{Bucket, Cohort, Condition, Field, Token};
use patchline_model::stage::traffic::{FlagValue, Others, Traffic};
use patchline_rollout::process::spec::ObservedArms;

use crate::load::Client;
use crate::setting::{LONG, Setting, arm, arm_with, http_client, of};

const USERS: u32 = 60;

fn token(text: &str) -> Token {
    text.parse().expect("a token")
}

fn by_session(only: Option<Condition>) -> Traffic {
    let cohort = Cohort { by: Field::Cookie(token("session")), only };
    Traffic::ByKey { cohort, others: Others::Stable }
}

/// Which version answers, and what it says.
async fn answer(client: &Client, url: &str, headers: &[(&str, &str)]) -> (String, String) {
    let request =
        headers.iter().fold(Request::get(url), |request, (name, value)| request.header(*name, *value));
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let answer = client.request(request).await.expect("an answer");
    let label = answer.headers().get("x-patchline-version").and_then(|label| label.to_str().ok());
    let label = label.unwrap_or_default().to_owned();
    let body = answer.into_body().collect().await.expect("whole").to_bytes();
    (label, String::from_utf8_lossy(&body).into_owned())
}

async fn of_users(client: &Client, url: &str) -> Vec<bool> {
    let mut on_new = Vec::new();
    for user in 0..USERS {
        let cookie = format!("theme=dark; session=user-{user}");
        on_new.push(answer(client, url, &[("cookie", &cookie)]).await.0 == "v2");
    }
    on_new
}

fn within(share_ppm: u32) -> Vec<bool> {
    let share = share_ppm.try_into().expect("a share");
    (0..USERS).map(|user| Bucket::of("shop", format!("user-{user}").as_bytes()).is_within(share)).collect()
}

fn sums(observed: &ObservedArms) -> (u64, u64) {
    observed
        .arms
        .iter()
        .fold((0, 0), |(met, compared), arm| (met + arm.requests, compared + arm.compared.requests))
}

/// Waits until every answer is counted.
async fn counted(setting: &Setting, met: u64) -> ObservedArms {
    let is_counted = |observed: &ObservedArms| sums(observed).0 == met;
    setting.client.wait_until("count", LONG, is_counted).await.expect("all are counted")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_user_always_meets_the_same_version_and_a_growing_share_only_adds_users() {
    let mut setting = Setting::new().await;
    setting.settle(&[arm("v1", 2, 1_000_000), arm("v2", 1, 0)]).await;
    let (client, url) = (http_client(), setting.url("/").await);
    let mut before = vec![false; USERS as usize];
    for share in [100_000, 400_000, 900_000] {
        setting.apply_with(&[arm("v1", 2, 1_000_000 - share), arm("v2", 1, share)], by_session(None)).await;
        let observed = setting.observed().await;
        assert_eq!((of(&observed, "v2").share_ppm, &observed.traffic), (share, &by_session(None)));
        let now = of_users(&client, &url).await;
        assert_eq!(now, within(share), "the place of each user is known beforehand");
        assert_eq!(now, of_users(&client, &url).await, "and stays");
        assert!(before.iter().zip(&now).all(|(before, now)| *now || !before), "nobody is sent back");
        before = now;
    }
    assert!(before.contains(&true) && before.contains(&false));
    setting.apply_with(&[arm("v1", 2, 1_000_000), arm("v2", 1, 0)], by_session(None)).await;
    assert!(!of_users(&client, &url).await.contains(&true), "taken back is taken back from everybody");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_part_stays_with_stable_and_is_counted_as_a_user_alone() {
    let mut setting = Setting::new().await;
    setting.settle(&[arm("v1", 1, 1_000_000), arm("v2", 1, 0)]).await;
    let only = Condition { field: Field::Header(token("x-beta")), values: vec!["1".to_owned()] };
    setting.apply_with(&[arm("v1", 1, 1), arm("v2", 1, 999_999)], by_session(Some(only))).await;
    let (client, url) = (http_client(), setting.url("/").await);
    let session = ("cookie", "session=ann");
    for headers in [&[session][..], &[("x-beta", "1")], &[session, ("x-beta", "0")], &[]] {
        assert_eq!(answer(&client, &url, headers).await.0, "v1", "{headers:?}");
    }
    let observed = counted(&setting, 4).await;
    assert_eq!(sums(&observed), (4, 0), "nobody is compared");
    assert_eq!(answer(&client, &url, &[session, ("x-beta", "1")]).await.0, "v2");
    let observed = counted(&setting, 5).await;
    assert_eq!((of(&observed, "v2").compared.requests, of(&observed, "v2").requests), (1, 1));
    assert_eq!(of(&observed, "v1").compared.requests, 0);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_version_is_ill_is_served_by_stable_and_not_compared() {
    let mut setting = Setting::with(|spec| spec.start_deadline_ms = 60_000).await;
    let sick = setting.path().join("sick");
    let new = || arm_with("v2", 1, 999_999, &[("SICK_WHILE", sick.to_str().expect("plain"))]);
    setting.apply_with(&[arm("v1", 1, 1), new()], by_session(None)).await;
    setting.settled().await;
    let (client, url) = (http_client(), setting.url("/").await);
    let cookie = [("cookie", "session=ann")];
    assert_eq!(answer(&client, &url, &cookie).await.0, "v2");
    std::fs::write(&sick, "").expect("it can be written");
    let is_ill = |observed: &ObservedArms| of(observed, "v2").healthy == 0;
    setting.client.wait_until("be ill", LONG, is_ill).await.expect("it is noticed");
    assert_eq!(answer(&client, &url, &cookie).await.0, "v1");
    let observed = counted(&setting, 2).await;
    assert_eq!((of(&observed, "v1").requests, of(&observed, "v1").compared.requests), (1, 0));
    assert_eq!(of(&observed, "v2").share_ppm, 0, "nothing is carried by nobody");
    std::fs::remove_file(&sick).expect("it can be removed");
    setting.settled().await;
    assert_eq!(answer(&client, &url, &cookie).await.0, "v2", "and comes back");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_told_of_the_flag_by_the_proxy_and_by_nobody_else() {
    let mut setting = Setting::new().await;
    let told = |arm, is_on| {
        let flags = vec![FlagValue { flag: token("new-parser"), is_on }];
        patchline_rollout::process::spec::DesiredArm { flags, ..arm }
    };
    let lie = [("x-patchline-flag", "new-parser=on"), ("x-patchline-flag", "admin=on")];
    setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    let (client, url) = (http_client(), setting.url("/headers").await);
    let (_, seen) = answer(&client, &url, &lie).await;
    assert!(!seen.contains("x-patchline-flag"), "{seen}");
    let arms = [told(arm("v1", 1, 500_000), false), told(arm("v2", 1, 500_000), true)];
    setting.apply_with(&arms, by_session(None)).await;
    setting.settled().await;
    let mut both = [0, 0];
    for user in 0..USERS {
        let cookie = format!("session=user-{user}");
        let headers = [lie[0], lie[1], ("cookie", cookie.as_str())];
        let (label, seen) = answer(&client, &url, &headers).await;
        let (word, version) = if label == "v2" { ("on", 1) } else { ("off", 0) };
        assert!(seen.contains(&format!("\"x-patchline-flag\": \"new-parser={word}\"")), "{label} {seen}");
        assert!(!seen.contains("admin"), "{seen}");
        both[version] += 1;
    }
    assert!(both.iter().all(|count| *count > 0), "{both:?}");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cohort_without_two_versions_is_refused() {
    let setting = Setting::new().await;
    let desired = patchline_rollout::process::spec::DesiredArms {
        revision: 1,
        arms: vec![arm("v1", 1, 1_000_000)],
        in_place: false,
        attempt: None,
        traffic: by_session(None),
    };
    let refused = setting.client.apply(&desired).await.expect_err("one arm");
    assert!(refused.to_string().contains("a stable arm and a new one"), "{refused}");
    setting.stop().await;
}
