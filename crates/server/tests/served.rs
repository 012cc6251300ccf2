//! The server over a real ledger and a real socket: pages, API, refusals, live streams.

#![allow(clippy::unwrap_used)] // Clippy does not see that these helpers are tests.

#[path = "served/client.rs"]
mod client;
#[allow(dead_code)] // The example tells more stories than the tests.
#[path = "../examples/pages/scene.rs"]
mod scene;

use std::time::Duration;

use client::{DEADLINE, Served, read_until};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use patchline_conductor::clock;
use patchline_model::stage::approve::Answer;
use scene::{HIGH, Story};
use serde_json::{Value, json};

const EVIL: &str = "<script>alert(1)</script>";

type Headers<'a> = &'a [(&'a str, &'a str)];

fn asking(served: &Served) -> Story {
    let mut story = Story::new("Move yaml-rust 0.4.0 to 0.4.1", clock::now(), &served.blobs);
    story.opened("notebook", 1).found("RUSTSEC-2018-0006", "yaml-rust", EVIL, HIGH);
    story.proposed().built().verified().decided(Answer::Needs(vec!["owner".to_owned()]));
    story
}

fn rolling(served: &Served) -> Story {
    let mut story = Story::new("Move smallvec", clock::now(), &served.blobs);
    story.opened("archive", 2).found("RUSTSEC-2019-0009", "smallvec", "Double free", HIGH);
    story
        .proposed()
        .built()
        .verified()
        .decided(Answer::Allow)
        .started()
        .step(0)
        .looks(9, 300.0, 0.05, 0.01, 0.01);
    story
}

#[tokio::test]
async fn a_shadow_shows_its_copies_and_that_no_user_met_it() {
    let served = Served::start().await;
    let mut story = Story::new("Move time", clock::now(), &served.blobs);
    story.opened_by("painter", 3, scene::shadow()).found("RUSTSEC-2020-0071", "time", "Segfault", HIGH);
    story.proposed().built().verified().decided(Answer::Allow).started().step(0).shadows(10, 100, 3);
    let id = served.tell(&mut story).await;
    let page = served.get(&format!("/patches/{id}")).await.text;
    for part in [
        "50 % mirrored",
        "pairs compared",
        "1\u{202f}000",
        "30 another body",
        "GET /notes: the body",
        "nobody while",
    ] {
        assert!(page.contains(part), "`{part}` is missing");
    }
    served.stop().await;
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[tokio::test]
async fn foreign_text_is_escaped_on_every_page() {
    let served = Served::start().await;
    let mut story = Story::new(EVIL, clock::now(), &served.blobs);
    story.opened("notebook", 1).found(EVIL, EVIL, EVIL, HIGH).proposed().built().verified();
    story.decided(Answer::Allow).started().step(0).looks(3, 100.0, 0.05, 0.0, 0.0).taken_back();
    let id = served.tell(&mut story).await;
    for path in ["/".to_owned(), format!("/patches/{id}")] {
        let page = served.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.text.contains(EVIL), "{path} carries foreign tags");
        assert!(page.text.contains("&lt;script&gt;"), "{path} shows the text");
        assert!(
            !page.text.contains(" style=") && !page.text.contains(" onclick="),
            "{path} has nothing inline"
        );
        assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_story_shows_every_part() {
    let served = Served::start().await;
    let id = served.tell(&mut rolling(&served)).await;
    let page = served.get(&format!("/patches/{id}")).await.text;
    for part in [
        "RUSTSEC-2019-0009",
        "+version = ",
        "CycloneDX",
        "before-after",
        "holds",
        "Share of the traffic",
        "Roll back",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let forms = page.matches("<form").count();
    assert_eq!(forms, 1, "one form at a time");
    served.stop().await;
}

#[tokio::test]
async fn strangers_are_refused() {
    let served = Served::start().await;
    let id = served.tell(&mut asking(&served)).await;
    let path = format!("/api/v1/patches/{id}/abort");
    let (host, near) = (served.host(), format!("http://{}", served.host()));
    let body = json!({ "by": "Ann", "reason": "x" }).to_string();
    let json = ("content-type", "application/json");
    let refused: [(&str, &str, Headers<'_>, StatusCode); 7] = [
        ("GET", "/", &[("host", "evil.example")], StatusCode::FORBIDDEN),
        ("GET", "/api/v1/patches", &[("host", "127.0.0.1.evil.example")], StatusCode::FORBIDDEN),
        ("POST", &path, &[("host", "evil.example"), json], StatusCode::FORBIDDEN),
        ("POST", &path, &[("origin", "http://evil.example"), json], StatusCode::FORBIDDEN),
        ("POST", &path, &[("origin", "null"), json], StatusCode::FORBIDDEN),
        ("POST", &path, &[("sec-fetch-site", "cross-site"), json], StatusCode::FORBIDDEN),
        ("POST", &path, &[("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ];
    for (method, path, headers, then) in refused {
        let answer = served.send(method, path, headers, &body).await;
        assert_eq!(answer.status, then, "{method} {path} {headers:?}");
    }
    let events = served.store.read(id, 0).await.unwrap().len();
    let done = served.send("POST", &path, &[("host", &host), ("origin", &near), json], &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert!(served.store.read(id, 0).await.unwrap().len() > events, "the page's own request does something");
    served.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let served = Served::start().await;
    let digest = format!("/api/v1/blobs/sha256:{}", "a".repeat(64));
    for (path, then) in [
        ("/nothing", StatusCode::NOT_FOUND),
        ("/patches/P-9", StatusCode::NOT_FOUND),
        ("/patches/<script>", StatusCode::NOT_FOUND),
        ("/api/v1/patches/P-9", StatusCode::NOT_FOUND),
        ("/api/v1/patches/P-9/stream", StatusCode::NOT_FOUND),
        ("/api/v1/nothing", StatusCode::NOT_FOUND),
        (&digest, StatusCode::NOT_FOUND),
        ("/api/v1/blobs/sha256:..%2F..%2Findex.json", StatusCode::BAD_REQUEST),
        ("/api/v1/patches/P-9/events?after=x", StatusCode::BAD_REQUEST),
    ] {
        // The client does not send what is no address.
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let answer = served.get(&path).await;
        assert_eq!(answer.status, then, "{path}: {}", answer.text);
        assert!(!answer.text.contains("<script>"));
        if path.starts_with("/api/") {
            assert!(json_of(&answer.text)["error"].is_string(), "{path}: {}", answer.text);
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn the_domains_refusal_is_a_conflict_with_its_words() {
    let served = Served::start().await;
    let id = served.tell(&mut asking(&served)).await;
    let dossier = format!("sha256:{}", "0".repeat(64));
    let cases = [
        ("promote", json!({ "by": "Ann" }), StatusCode::CONFLICT, "is not approved yet"),
        (
            "approve",
            json!({ "by": "Ann", "role": "owner", "dossier": dossier }),
            StatusCode::CONFLICT,
            "has changed since",
        ),
        (
            "approve",
            json!({ "by": "patchline@localhost", "role": "owner", "dossier": dossier }),
            StatusCode::CONFLICT,
            "another person must",
        ),
        (
            "approve",
            json!({ "by": "Ann", "role": "owner", "dossier": "x" }),
            StatusCode::BAD_REQUEST,
            "dossier",
        ),
        ("abort", json!({ "by": "" }), StatusCode::BAD_REQUEST, "`by` is empty"),
        ("abort", json!({ "by": "Ann", "force": true }), StatusCode::BAD_REQUEST, "unknown field"),
        ("explode", json!({ "by": "Ann" }), StatusCode::NOT_FOUND, "no such action"),
    ];
    for (action, body, status, words) in cases {
        let answer = served.post(&format!("/api/v1/patches/{id}/{action}"), &body.to_string()).await;
        assert_eq!(answer.status, status, "{action} {body}: {}", answer.text);
        assert!(json_of(&answer.text)["error"].as_str().unwrap().contains(words), "{}", answer.text);
    }
    let long = json!({ "by": "Ann", "reason": "x".repeat(70_000) }).to_string();
    let answer = served.post(&format!("/api/v1/patches/{id}/abort"), &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    served.stop().await;
}

#[tokio::test]
async fn an_approval_over_what_was_shown_is_kept() {
    let served = Served::start().await;
    let id = served.tell(&mut asking(&served)).await;
    let facts = json_of(&served.get(&format!("/api/v1/patches/{id}")).await.text);
    assert_eq!(facts["card"]["waits_for_person"], true);
    let body =
        json!({ "by": "Bob", "role": "owner", "dossier": facts["decision"]["dossier"], "comment": "fine" });
    let answer = served.post(&format!("/api/v1/patches/{id}/approve"), &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(json_of(&answer.text)["events"][0]["by"], json!({ "kind": "person", "name": "Bob" }));
    let again = served.post(&format!("/api/v1/patches/{id}/approve"), &body.to_string()).await;
    assert_eq!(json_of(&again.text)["events"], json!([]), "asking twice is asking once");
    served.stop().await;
}

#[tokio::test]
async fn an_emergency_is_reviewed_by_somebody_else_through_the_same_door() {
    let served = Served::start().await;
    let id = served.tell(&mut asking(&served)).await;
    let shown = json_of(&served.get(&format!("/api/v1/patches/{id}")).await.text);
    let dossier = shown["decision"]["dossier"].clone();
    let word =
        json!({ "by": "Bob", "role": "owner", "dossier": dossier, "emergency": true, "reason": "it burns" });
    let offers = async || served.get(&format!("/patches/{id}")).await.text.contains("value=\"review\"");
    assert!(!offers().await, "nothing is owed yet");
    let answer = served.post(&format!("/api/v1/patches/{id}/approve"), &word.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(offers().await, "the page has a button for the review that is owed");
    let review = |by: &str, reason: &str| {
        let body = json!({ "by": by, "reason": reason }).to_string();
        let path = format!("/api/v1/patches/{id}/review");
        async { served.post(&{ path }, &{ body }).await }
    };
    for (by, reason, status) in
        [("Cem", "", StatusCode::BAD_REQUEST), ("Bob", "I was right", StatusCode::CONFLICT)]
    {
        let refused = review(by, reason).await;
        assert_eq!(refused.status, status, "{by}: {}", refused.text);
    }
    let seen = review("Cem", "the log shows the attack").await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    let event = json_of(&seen.text)["events"][0].to_string();
    assert!(event.contains("emergency_reviewed") && event.contains("sha256:"), "{event}");
    assert!(!offers().await, "and none once it is done");
    let again = review("Cem", "once more").await;
    assert!(again.status.is_client_error(), "nothing is owed any more: {}", again.text);
    served.stop().await;
}

#[tokio::test]
async fn facts_and_events_are_whole() {
    let served = Served::start().await;
    let mut story = rolling(&served);
    let id = served.tell(&mut story).await;
    let facts = json_of(&served.get(&format!("/api/v1/patches/{id}")).await.text);
    assert_eq!(facts["rollout"]["phase"], "watching");
    assert_eq!(facts["rollout"]["step"], 1);
    assert_eq!(facts["rollout"]["share"], 0.05);
    assert_eq!(facts["rollout"]["looks"], 9);
    let all = json_of(&served.get(&format!("/api/v1/patches/{id}/events")).await.text);
    assert_eq!(all["events"].as_array().unwrap().len(), story.events.len());
    let page = json_of(&served.get(&format!("/api/v1/patches/{id}/events?after=2&limit=3")).await.text);
    let versions: Vec<u64> =
        page["events"].as_array().unwrap().iter().filter_map(|event| event["version"].as_u64()).collect();
    assert_eq!((versions, page["next"].as_u64()), (vec![3, 4, 5], Some(5)));
    let cards = json_of(&served.get("/api/v1/patches").await.text);
    assert_eq!(cards[0]["stage"], "rollout");
    served.stop().await;
}

#[tokio::test]
async fn evidence_is_served_as_it_is_and_never_as_a_page() {
    let served = Served::start().await;
    for (bytes, kind) in [
        (EVIL.as_bytes(), "text/plain; charset=utf-8"),
        (b"{\"a\": 1}".as_slice(), "application/json"),
        (b"\x7fELF\0".as_slice(), "application/octet-stream"),
    ] {
        let digest = served.blobs.put(bytes).unwrap();
        let answer = served.get(&format!("/api/v1/blobs/{digest}")).await;
        assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (StatusCode::OK, kind));
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.text, String::from_utf8_lossy(bytes));
    }
    served.stop().await;
}

#[tokio::test]
async fn a_stream_begins_at_once_tells_changes_and_ends_with_the_patch() {
    let served = Served::start().await;
    let mut story = rolling(&served);
    let id = served.tell(&mut story).await;
    let watching = served.conductor.clone();
    let watch = tokio::spawn(async move { watching.watch_ledger().await });
    let mut stream =
        served.open("GET", &format!("/api/v1/patches/{id}/stream?fragments=true"), &[], "").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = read_until(&mut stream, |text| text.contains("\n\n")).await;
    assert!(first.starts_with("event: update\n"), "{first}");
    let update = json_of(first.split("data: ").nth(1).unwrap().trim());
    assert_eq!(update["rollout"]["phase"], "watching");
    assert_eq!(update["ticks"].as_array().unwrap().len(), 9);
    assert!(update["fragments"]["rollout"].as_str().unwrap().contains("<svg"));
    story.looks(1, 300.0, 0.05, 0.01, 0.01);
    story.save(served.store.as_ref(), id).await;
    let second = read_until(&mut stream, |text| text.contains("\n\n")).await;
    let update = json_of(second.split("data: ").nth(1).unwrap().trim());
    assert_eq!(update["ticks"].as_array().unwrap().len(), 1, "only what is new");
    assert!(update["fragments"].get("change").is_none(), "only what has changed");
    story.taken_back();
    story.save(served.store.as_ref(), id).await;
    let rest =
        tokio::time::timeout(DEADLINE, stream.into_body().collect()).await.unwrap().unwrap().to_bytes();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("\"outcome\":\"rolled_back\"") && rest.contains("event: end"), "{rest}");
    watch.abort();
    served.stop().await;
}

#[tokio::test]
async fn the_boards_stream_tells_of_new_patches() {
    let served = Served::start().await;
    let mut stream = served.open("GET", "/api/v1/stream", &[], "").await;
    let first = read_until(&mut stream, |text| text.contains("\n\n")).await;
    assert!(first.contains("\"cards\":[]"), "{first}");
    let watching = served.conductor.clone();
    let watch = tokio::spawn(async move { watching.watch_ledger().await });
    served.tell(&mut asking(&served)).await;
    let second = read_until(&mut stream, |text| text.contains("P-1") || text.contains("yaml-rust")).await;
    assert!(second.contains("\"stage\":\"approve\""), "{second}");
    watch.abort();
    served.stop().await;
}

#[tokio::test]
async fn live_streams_are_limited_and_a_closed_one_makes_room() {
    let served = Served::start().await;
    let mut open = Vec::new();
    for _ in 0..patchline_server::state::MOST_STREAMS {
        let stream = served.open("GET", "/api/v1/stream", &[], "").await;
        assert_eq!(stream.status(), StatusCode::OK);
        open.push(stream);
    }
    let refused = served.get("/api/v1/stream").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(open);
    let until = tokio::time::Instant::now() + DEADLINE;
    while served.open("GET", "/api/v1/stream", &[], "").await.status() != StatusCode::OK {
        assert!(tokio::time::Instant::now() < until, "closed streams make room");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    served.stop().await;
}

#[tokio::test]
async fn the_server_stops_with_streams_open() {
    let served = Served::start().await;
    let mut stream = served.open("GET", "/api/v1/stream", &[], "").await;
    read_until(&mut stream, |text| text.contains("\n\n")).await;
    served.stop().await;
    let rest = tokio::time::timeout(DEADLINE, stream.into_body().collect()).await;
    assert!(rest.is_ok(), "the stream has ended");
}

#[tokio::test]
async fn health_and_metrics_answer() {
    let served = Served::start().await;
    served.tell(&mut rolling(&served)).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(served.get(path).await.status, StatusCode::OK, "{path}");
    }
    let metrics = served.get("/metrics").await;
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text.contains("patchline_uptime_seconds "), "{}", metrics.text);
    assert!(metrics.text.lines().count() > 10, "{}", metrics.text);
    served.stop().await;
}

#[tokio::test]
async fn the_line_is_stopped_from_the_board_and_says_so_everywhere() {
    let served = Served::start().await;
    let id = served.tell(&mut rolling(&served)).await;
    let page = served.get("/").await.text;
    assert!(page.contains("Stop the line") && !page.contains("The line is stopped"), "{page}");
    let json = ("content-type", "application/json");
    let body = json!({ "by": "Ann", "reason": format!("the database {EVIL} burns"), "service": "archive" })
        .to_string();
    let foreign =
        served.send("POST", "/api/v1/line/stop", &[("origin", "http://evil.example"), json], &body).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(json_of(&served.get("/api/v1/line").await.text)["stops"], json!([]), "nothing was stopped");
    let stopped = served.send("POST", "/api/v1/line/stop", &[json], &body).await;
    assert_eq!(stopped.status, StatusCode::OK, "{}", stopped.text);
    assert!(json_of(&stopped.text)["events"][0]["evidence"].is_string(), "it is signed: {}", stopped.text);
    let again = served.send("POST", "/api/v1/line/stop", &[json], &body).await;
    assert_eq!(json_of(&again.text)["events"], json!([]), "asking twice is asking once");
    let page = served.get("/").await.text;
    assert!(page.contains("The line is stopped for archive.") && !page.contains(EVIL), "{page}");
    assert!(
        served.get(&format!("/patches/{id}")).await.text.contains("Held where it is"),
        "the patch says it"
    );
    let word = json!({ "by": "Ann", "reason": "now" }).to_string();
    let refused = served.send("POST", &format!("/api/v1/patches/{id}/promote"), &[json], &word).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("stopped the line for archive"), "{}", refused.text);
    let back = served.send("POST", &format!("/api/v1/patches/{id}/rollback"), &[json], &word).await;
    assert_eq!(back.status, StatusCode::OK, "what goes back is not held: {}", back.text);
    let lifted = served.send("POST", "/api/v1/line/start", &[json], &body).await;
    assert_eq!(lifted.status, StatusCode::OK, "{}", lifted.text);
    let heard = json_of(&served.get("/api/v1/line").await.text);
    assert_eq!((&heard["stops"], &heard["version"]), (&json!([]), &json!(2)));
    for (path, body) in [
        ("/api/v1/line/stop", json!({ "by": "Ann", "reason": " " })),
        ("/api/v1/line/stop", json!({ "by": "patchline", "reason": "x" })),
        ("/api/v1/line/stop", json!({ "by": "Ann", "reason": "x", "service": "a", "tier": 1 })),
        ("/api/v1/line/freeze", json!({ "by": "Ann", "reason": "x" })),
        ("/api/v1/line/freeze", json!({ "by": "Ann", "reason": "x", "until": 5 })),
        ("/api/v1/line/thaw", json!({ "by": "Ann", "freeze": 9 })),
        ("/api/v1/line/melt", json!({ "by": "Ann" })),
    ] {
        let answer = served.send("POST", path, &[json], &body.to_string()).await;
        assert!(answer.status.is_client_error(), "{path} {body}: {}", answer.text);
    }
    served.stop().await;
}
