//! Copies of requests: compared, thrown away, never shown to a user, never in a user's way, and never too many.

use hyper::Method;
use patchline_model::stage::traffic::{Mirror, Mirrored, Traffic};
use patchline_rollout::process::spec::{DesiredArm, ObservedArms};

use crate::load::{Load, ask, count, failures};
use crate::setting::{LONG, Setting, arm, arm_with, http_client, of};

fn mirrored(control_ppm: u32) -> Traffic {
    Traffic::Mirrored(Mirror {
        share: 1_000_000.try_into().expect("a share"),
        methods: vec!["GET".to_owned(), "HEAD".to_owned()],
        headers: vec!["content-type".parse().expect("a token")],
        control: control_ppm.try_into().expect("a share"),
    })
}

/// Both versions stand, users meet `v1`, and what they ask is mirrored to `v2`.
async fn shadowing(setting: &mut Setting, new: DesiredArm, control_ppm: u32) {
    setting.apply_with(&[arm("v1", 2, 1_000_000), new], mirrored(control_ppm)).await;
    setting.settled().await;
}

async fn until(setting: &Setting, what: &str, holds: impl Fn(&Mirrored) -> bool) -> ObservedArms {
    let holds = |observed: &ObservedArms| holds(&of(observed, "v2").mirrored);
    setting.client.wait_until(what, LONG, holds).await.expect("it comes to that")
}

#[tokio::test(flavor = "multi_thread")]
async fn users_never_see_a_mirror_and_its_pairs_alone_are_compared() {
    let mut setting = Setting::new().await;
    shadowing(&mut setting, arm_with("v2", 1, 0, &[("SAYS", "other")]), 0).await;
    let (client, url) = (http_client(), setting.url("/notes?secret=1").await);
    for _ in 0..20 {
        let answer = ask(&client, Method::GET, &url).await;
        assert_eq!((answer.label.as_str(), answer.trouble.as_str()), ("v1", "ok"));
    }
    // What may change something is not copied.
    assert_eq!(ask(&client, Method::POST, &url).await.label, "v1");
    let observed = until(&setting, "mirror", |mirrored| mirrored.pairs == 20).await;
    let (stable, new) = (of(&observed, "v1"), of(&observed, "v2"));
    assert_eq!((new.mirrored.body, new.mirrored.mismatches(), new.mirrored.over_limit), (20, 20, 0));
    assert_eq!(new.mirrored.example.as_deref(), Some("GET /notes: the body"), "and nothing of the query");
    assert_eq!(
        (new.requests, new.compared.requests, new.compared.errors),
        (0, 20, 0),
        "copies are no user's"
    );
    assert_eq!((stable.requests, stable.compared.requests), (21, 20));
    assert_eq!(new.compared.latency.total(), 20);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_difference_is_told_apart() {
    let mut setting = Setting::with(|spec| spec.request_deadline_ms = 30_000).await;
    shadowing(&mut setting, arm("v2", 1, 0), 0).await;
    let client = http_client();
    for _ in 0..5 {
        ask(&client, Method::GET, &setting.url("/").await).await;
    }
    let same = until(&setting, "mirror", |mirrored| mirrored.pairs == 5).await;
    assert_eq!(of(&same, "v2").mirrored.mismatches(), 0);
    let failing = arm_with("v2b", 1, 0, &[("FAIL_PERMILLE", "1000")]);
    setting.apply_with(&[arm("v1", 2, 1_000_000), failing], mirrored(0)).await;
    setting.settled().await;
    ask(&client, Method::GET, &setting.url("/").await).await;
    let holds = |observed: &ObservedArms| of(observed, "v2b").mirrored.pairs == 1;
    let observed = setting.client.wait_until("mirror", LONG, holds).await.expect("it is mirrored");
    let new = of(&observed, "v2b");
    assert_eq!((new.mirrored.class, new.compared.errors), (1, 1));
    assert_eq!(new.mirrored.example.as_deref(), Some("GET /: status 200 and 500"));
    let dying = arm_with("v2c", 1, 0, &[("CRASH_ON", "/notes")]);
    setting.apply_with(&[arm("v1", 2, 1_000_000), dying], mirrored(0)).await;
    setting.settled().await;
    let answer = ask(&client, Method::GET, &setting.url("/notes").await).await;
    assert_eq!((answer.status, answer.label.as_str()), (200, "v1"));
    let holds = |observed: &ObservedArms| of(observed, "v2c").mirrored.unanswered == 1;
    let observed = setting.client.wait_until("mirror", LONG, holds).await.expect("it is mirrored");
    assert_eq!(of(&observed, "v2c").compared.errors, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_stable_disagrees_with_itself_the_difference_is_noise() {
    let mut setting = Setting::new().await;
    shadowing(&mut setting, arm("v2", 1, 0), 1_000_000).await;
    let client = http_client();
    let number = setting.url("/number").await;
    for _ in 0..10 {
        ask(&client, Method::GET, &number).await;
    }
    let noisy = until(&setting, "mirror", |mirrored| mirrored.controlled == 10).await;
    let mirrored = &of(&noisy, "v2").mirrored;
    assert_eq!((mirrored.body, mirrored.worse, mirrored.noise), (10, 0, 0), "both differ each time");
    assert_eq!(mirrored.example, None, "noise is no example");
    assert_eq!(of(&noisy, "v1").requests, 10, "a control is no user's");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_mirror_delays_nobody_and_only_so_many_copies_are_under_way() {
    let mut setting = Setting::with(|spec| {
        spec.max_mirrors = 2;
        spec.request_deadline_ms = 600_000;
    })
    .await;
    // Slower than the whole test may take: whoever waited for it would not be answered in time.
    let slow = arm_with("v2", 1, 0, &[("DELAY_MS", "600000")]);
    shadowing(&mut setting, slow, 0).await;
    let load = Load::start(&setting.url("/").await, 4);
    let observed = until(&setting, "be full", |mirrored| mirrored.over_limit >= 100).await;
    let answers = load.stop().await;
    assert_eq!(failures(&answers).len(), 0);
    assert_eq!(count(&answers, "v1"), answers.len() as u64);
    assert_eq!((of(&observed, "v2").in_flight, of(&observed, "v2").mirrored.pairs), (2, 0));
    setting.apply(&[arm("v1", 2, 1_000_000)]).await;
    assert_eq!(ask(&http_client(), Method::GET, &setting.url("/").await).await.label, "v1");
    drop(setting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_pose_as_a_mirror_and_a_mirror_says_that_it_is_one() {
    let mut setting = Setting::new().await;
    shadowing(&mut setting, arm("v2", 1, 0), 0).await;
    let request = hyper::Request::get(setting.url("/headers").await)
        .header("x-patchline-mirror", "1")
        .body(http_body_util::Full::<hyper::body::Bytes>::default())
        .expect("a request");
    let answer = http_client().request(request).await.expect("an answer");
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("whole").to_bytes();
    assert!(!String::from_utf8_lossy(&body).contains("x-patchline-mirror"));
    // The instance gives its request's headers back, and the copy's have one more.
    let observed = until(&setting, "mirror", |mirrored| mirrored.pairs == 1).await;
    assert_eq!(of(&observed, "v2").mirrored.body, 1);
    setting.stop().await;
}
