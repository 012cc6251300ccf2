//! OFREP over a real socket: what a flag says of users while it turns on, is taken back, and stays on.

#![allow(clippy::unwrap_used)] // Clippy does not see that these helpers are tests.

#[path = "served/client.rs"]
#[allow(dead_code)] // Other tests read live streams with it.
mod client;
#[allow(dead_code)] // The example tells more stories than the tests.
#[path = "../examples/pages/scene.rs"]
mod scene;

use client::Served;
use hyper::StatusCode;
use patchline_conductor::clock;
use patchline_model::cohort::{Bucket, Cohort, Condition, Field};
use patchline_model::share::Share;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::plan::{Flag, Step, Strategy};
use patchline_model::time::Seconds;
use scene::{HIGH, Story};
use serde_json::{Value, json};

const HALF: f64 = 0.5;

fn flag(name: &str) -> Strategy {
    let token = |text: &str| text.parse().unwrap();
    let only = Condition { field: Field::Header(token("X-Beta")), values: vec!["1".to_owned()] };
    let share = Share::from_fraction(HALF).unwrap();
    Strategy::Flag(Flag {
        flag: token(name),
        cohort: Cohort { by: Field::Cookie(token("session")), only: Some(only) },
        steps: vec![Step { share, bake: Seconds(1), gate: false }],
        end: None,
    })
}

/// A patch that turns the flag on for half of its cohort.
fn turning_on(served: &Served, title: &str, service: &str, strategy: Strategy) -> Story {
    let mut story = Story::new(title, clock::now(), &served.blobs);
    story.opened_by(service, 1, strategy).found("RUSTSEC-2019-0009", "smallvec", "Double free", HIGH);
    story.proposed().built().verified().decided(Answer::Allow).started().step(0);
    story
}

async fn ask(served: &Served, path: &str, body: &Value) -> (StatusCode, Value) {
    let answer = served.post(path, &body.to_string()).await;
    (answer.status, serde_json::from_str(&answer.text).unwrap())
}

fn context(key: &str) -> Value {
    json!({ "context": { "targetingKey": key, "x-beta": "1" } })
}

const ONE: &str = "/ofrep/v1/evaluate/flags/new-parser";
const ALL: &str = "/ofrep/v1/evaluate/flags";

#[tokio::test]
async fn a_flag_agrees_with_the_proxy_about_every_user_and_says_why() {
    let served = Served::start().await;
    served.tell(&mut turning_on(&served, "Parse anew", "notebook", flag("new-parser"))).await;
    for user in 0..50 {
        let key = format!("user-{user}");
        let (status, said) = ask(&served, ONE, &context(&key)).await;
        let is_on = Bucket::of("notebook", key.as_bytes()).is_within(Share::from_fraction(HALF).unwrap());
        let variant = if is_on { "on" } else { "off" };
        let expected = json!({
            "key": "new-parser", "value": is_on, "reason": "SPLIT", "variant": variant,
            "metadata": { "service": "notebook" },
        });
        assert_eq!((status, said), (StatusCode::OK, expected));
    }
    let (_, outside) = ask(&served, ONE, &json!({ "context": { "targetingKey": "ann" } })).await;
    assert_eq!((&outside["value"], &outside["reason"]), (&json!(false), &json!("DEFAULT")));
    let without = [
        (ONE, json!({ "context": { "x-beta": "1" } }), 400, "TARGETING_KEY_MISSING"),
        (ONE, json!({ "context": [] }), 400, "INVALID_CONTEXT"),
        (ONE, json!([]), 400, "PARSE_ERROR"),
        ("/ofrep/v1/evaluate/flags/other", context("ann"), 404, "FLAG_NOT_FOUND"),
    ];
    for (path, body, code, error) in without {
        let (status, said) = ask(&served, path, &body).await;
        assert_eq!((status.as_u16(), &said["errorCode"]), (code, &json!(error)), "{said}");
        assert!(said["key"].is_string() && said["errorDetails"].is_string(), "{said}");
    }
    let (status, said) = ask(&served, ALL, &json!("x")).await;
    assert_eq!((status.as_u16(), &said["errorCode"]), (400, &json!("PARSE_ERROR")));
    served.stop().await;
}

#[tokio::test]
async fn all_flags_come_at_once_and_an_unchanged_answer_is_not_sent_again() {
    let served = Served::start().await;
    served.tell(&mut turning_on(&served, "Parse anew", "notebook", flag("new-parser"))).await;
    let off = served.tell(turning_on(&served, "Sort anew", "archive", flag("new-order")).taken_back()).await;
    let on = served.tell(turning_on(&served, "Draw anew", "painter", flag("new-lines")).promoted()).await;
    assert_ne!(off, on);
    let body = context("user-1").to_string();
    let first = served.post(ALL, &body).await;
    let said: Value = serde_json::from_str(&first.text).unwrap();
    let of =
        |key: &str| said["flags"].as_array().unwrap().iter().find(|flag| flag["key"] == key).unwrap().clone();
    assert_eq!(of("new-parser")["reason"], "SPLIT");
    assert_eq!((&of("new-order")["value"], &of("new-order")["reason"]), (&json!(false), &json!("DISABLED")));
    assert_eq!((&of("new-lines")["value"], &of("new-lines")["reason"]), (&json!(true), &json!("STATIC")));
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let headers = [("content-type", "application/json"), ("if-none-match", tag.as_str())];
    let again = served.send("POST", ALL, &headers, &body).await;
    assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    let other = (0..64).map(|user| context(&format!("user-{user}")).to_string());
    let mut changed = false;
    for body in other {
        changed |= served.send("POST", ALL, &headers, &body).await.status == StatusCode::OK;
    }
    assert!(changed, "another user's answer is another one");
    served.stop().await;
}

#[tokio::test]
async fn a_name_that_two_services_use_is_no_answer_for_either() {
    let served = Served::start().await;
    served.tell(&mut turning_on(&served, "Parse anew", "notebook", flag("new-parser"))).await;
    served.tell(&mut turning_on(&served, "Parse anew too", "archive", flag("new-parser"))).await;
    let (status, said) = ask(&served, ONE, &context("ann")).await;
    assert_eq!((status.as_u16(), &said["errorCode"]), (400, &json!("GENERAL")));
    let (status, said) = ask(&served, ALL, &context("ann")).await;
    assert_eq!((status, &said["flags"][0]["errorCode"]), (StatusCode::OK, &json!("GENERAL")));
    served.stop().await;
}
