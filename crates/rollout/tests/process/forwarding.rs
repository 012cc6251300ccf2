//! What the proxy passes on, what it adds, and what it refuses.

use std::time::Duration;

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use patchline_rollout::process::spec::ObservedArms;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::load::ask;
use crate::setting::{LONG, Setting, arm, arm_with, http_client, of};

/// What `/much` of the example gives.
const MUCH: usize = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_length_stream_through_unless_too_long() {
    let mut setting = Setting::with(|spec| spec.max_body_bytes = 8 << 20).await;
    setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    let url = setting.url("/echo").await;
    for length in [0, 1, 64 * 1024, 64 * 1024 + 1, 5 << 20] {
        let sent = Bytes::from((0..length).map(|n| (n % 251) as u8).collect::<Vec<u8>>());
        let request = Request::post(&url).body(Full::from(sent.clone())).expect("a request");
        let answer = http_client().request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert!(answer.into_body().collect().await.expect("whole").to_bytes() == sent, "{length} bytes");
    }
    // Of unknown length: in parts, and more than is allowed.
    let part = || Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; 1 << 20])));
    let in_parts =
        |parts: usize| StreamBody::new(futures_util::stream::iter((0..parts).map(move |_| part())));
    let streaming = Client::builder(TokioExecutor::new()).build_http();
    for path in ["/echo", "/take"] {
        let request = Request::post(setting.url(path).await).body(in_parts(3)).expect("a request");
        let answer = streaming.request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.expect("whole").to_bytes();
        assert!(if path == "/echo" { body.len() == 3 << 20 } else { body == (3 << 20).to_string() });
    }
    // A body of unknown length stays with a method that mostly has none.
    let request = Request::get(setting.url("/take").await).header("transfer-encoding", "chunked");
    let request = request.body(in_parts(2)).expect("a request");
    let answer = streaming.request(request).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(body, (2 << 20).to_string());
    // Too long is known only when an answer may have begun, and while the client is still sending: it sees the refusal, an
    // answer that is cut off, or a closed connection, but never a whole answer.
    for path in ["/echo", "/take"] {
        let request = Request::post(setting.url(path).await).body(in_parts(9)).expect("a request");
        if let Ok(answer) = streaming.request(request).await {
            assert!(answer.status() == 413 || answer.into_body().collect().await.is_err());
        }
    }
    // Refused before it has been sent: whether the client sees the answer or a closed connection is up to it.
    let too_long = Request::post(&url).body(Full::from(vec![0; 9 << 20])).expect("a request");
    assert!(http_client().request(too_long).await.map_or(413, |answer| answer.status().as_u16()) == 413);
    let observed = setting.observed().await;
    assert_eq!(
        (of(&observed, "v1").errors, observed.unrouted),
        (0, 0),
        "the client's fault is not the version's"
    );
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_hop_stay_and_those_of_the_proxy_are_added() {
    let mut setting = Setting::new().await;
    setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    let request = Request::get(setting.url("/headers").await)
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("x-end", "2")
        .header("x-forwarded-for", "10.1.1.1")
        .body(Full::<Bytes>::default())
        .expect("a request");
    let answer = http_client().request(request).await.expect("an answer");
    assert_eq!(answer.headers()["x-patchline-version"], "v1");
    let seen = answer.into_body().collect().await.expect("whole").to_bytes();
    let seen = String::from_utf8_lossy(&seen);
    assert!(
        seen.contains("10.1.1.1, 127.0.0.1") && seen.contains("x-end") && !seen.contains("x-hop"),
        "{seen}"
    );
    let head = Request::head(setting.url("/length").await).body(Full::<Bytes>::default()).expect("a request");
    let answer = http_client().request(head).await.expect("an answer");
    assert_eq!(answer.headers()["content-length"], "12");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_gets_a_clean_environment() {
    let mut setting = Setting::new().await;
    let observed = setting.settle(&[arm_with("v1", 1, 1_000_000, &[("COLOUR", "blue")])]).await;
    let answer = ask(&http_client(), Method::GET, &setting.url("/env").await).await;
    let port = of(&observed, "v1").instances[0].port;
    let expected = [
        ("COLOUR", "blue".to_owned()),
        ("PATCHLINE_VERSION", "sha256:v1".to_owned()),
        ("PATH", "/usr/bin:/bin".to_owned()),
        ("PORT", port.to_string()),
    ];
    for (name, value) in expected {
        assert!(answer.trouble.contains(&format!("({name:?}, {value:?})")), "{name} in {}", answer.trouble);
    }
    assert_eq!(answer.trouble.matches("(\"").count(), 6, "its artifact and its marker: {}", answer.trouble);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_gives_up_on_a_hanging_version_is_its_error_and_one_who_changes_their_mind_is_not() {
    let mut setting = Setting::new().await;
    setting.settle(&[arm_with("v1", 1, 1_000_000, &[])]).await;
    let url = setting.url("/late").await;
    for (patience, counts) in [(Duration::from_millis(500), (1, 0)), (Duration::from_secs(4), (2, 1))] {
        let leaves = timeout(patience, ask(&http_client(), Method::GET, &url)).await;
        assert!(leaves.is_err(), "nobody answers");
        let is_counted = |observed: &ObservedArms| of(observed, "v1").requests == counts.0;
        let seen = setting.client.wait_until("count it", LONG, is_counted).await.expect("it is counted");
        assert_eq!(of(&seen, "v1").errors, counts.1);
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_an_instance_count_for_its_version() {
    let mut setting = Setting::with(|spec| spec.request_deadline_ms = 5_000).await;
    setting.settle(&[arm_with("v1", 1, 1_000_000, &[("CRASH_ON", "/crash")])]).await;
    let check = |path: &'static str, status: u16, errors: u64| {
        let (client, setting) = (http_client(), &setting);
        async move {
            let answer = ask(&client, Method::GET, &setting.url(path).await).await;
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            let is_counted = |observed: &ObservedArms| of(observed, "v1").errors == errors;
            setting.client.wait_until("count it", LONG, is_counted).await.expect("it is counted");
        }
    };
    check("/", 200, 0).await;
    check("/late", 504, 1).await;
    check("/broken", 0, 2).await;
    // The first crash and that of its successor, which gets the request again.
    check("/crash", 502, 4).await;
    assert_eq!(setting.observed().await.unrouted, 0);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_instance_the_proxy_answers_and_counts_it_for_nobody() {
    let setting = Setting::with(|spec| spec.hold_deadline_ms = 50).await;
    let answer = ask(&http_client(), Method::GET, &setting.url("/").await).await;
    assert_eq!((answer.status, answer.label.as_str()), (503, ""));
    assert_eq!(setting.observed().await.unrouted, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_slow_with_its_headers_is_cut_off() {
    let mut setting = Setting::with(|spec| spec.header_deadline_ms = 300).await;
    setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    let mut stream = TcpStream::connect(setting.observed().await.listen).await.expect("it connects");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.expect("it can be written");
    let mut rest = Vec::new();
    timeout(LONG, stream.read_to_end(&mut rest)).await.expect("it is cut off").expect("in order");
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answer_gives_its_place_back() {
    let mut setting = Setting::with(|spec| {
        (spec.max_connections, spec.write_deadline_ms) = (1, 300);
    })
    .await;
    setting.settle(&[arm("v1", 1, 1_000_000)]).await;
    let mut deaf = TcpStream::connect(setting.observed().await.listen).await.expect("it connects");
    deaf.write_all(b"GET /much HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("it can be written");
    let mut first = [0; 1];
    deaf.read_exact(&mut first).await.expect("the answer begins");
    // The only place is taken; the answer is far longer than what buffers hold.
    let (client, url) = (http_client(), setting.url("/").await);
    let answer = timeout(LONG, ask(&client, Method::GET, &url)).await.expect("the place is free again");
    assert_eq!(answer.status, 200);
    assert_eq!(of(&setting.observed().await, "v1").errors, 0, "the client's fault is not the version's");
    let mut rest = Vec::new();
    let is_whole = deaf.read_to_end(&mut rest).await.is_ok_and(|read| read > MUCH);
    assert!(!is_whole, "it was cut off");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_time_are_bounded() {
    let mut setting = Setting::with(|spec| spec.max_requests = 2).await;
    setting.settle(&[arm_with("v1", 1, 1_000_000, &[("DELAY_MS", "1500")])]).await;
    let (client, url) = (http_client(), setting.url("/").await);
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move { ask(&client, Method::GET, &url).await })
        })
        .collect();
    let is_full = |observed: &ObservedArms| of(observed, "v1").in_flight == 2;
    setting.client.wait_until("be full", LONG, is_full).await.expect("both are in flight");
    assert_eq!(ask(&client, Method::GET, &url).await.status, 503);
    for request in waiting {
        assert_eq!(request.await.expect("it ends").status, 200);
    }
    assert_eq!(setting.observed().await.unrouted, 1);
    setting.stop().await;
}
