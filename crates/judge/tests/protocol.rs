//! The protocol line by line: what is answered, what is met with silence, and what is refused.

#[allow(dead_code, reason = "the worlds draw more than this test")]
#[path = "../examples/worlds/chance.rs"]
mod chance;

use patchline_judge::protocol::{MOST_BYTES, ProtocolError, Session};
use proptest::prelude::proptest;

const START: &str =
    r#"{"type":"start","trial":0,"alpha":0.01,"beta":0.05,"share":0.05,"tick_s":10,"delta":0.005}"#;

#[test]
fn a_trial_is_answered_window_by_window() {
    let mut session = Session::new();
    assert_eq!(say(&mut session, START), None);
    assert_eq!(
        say(&mut session, r#"{"type":"history","tick_s":10,"baseline":[{"n":471,"errors":0},null]}"#),
        None
    );
    let missing = r#"{"type":"window","t0":0,"t1":10,"missing":true,"canary":null,"baseline":null}"#;
    assert_eq!(decision(&mut session, missing), "continue");
    let ill = r#"{"type":"window","canary":{"n":27,"errors":20},"baseline":{"n":470,"errors":1}}"#;
    assert_eq!(
        decision(&mut session, ill),
        "continue",
        "one look may be one client that tries again and again"
    );
    assert_eq!(decision(&mut session, ill), "rollback");
    assert_eq!(say(&mut session, r#"{"type":"end"}"#), None);
    assert!(matches!(session.line(ill), Err(ProtocolError::NotStarted)));
}

#[test]
fn raw_latencies_are_judged() {
    let mut session = Session::new();
    say(&mut session, r#"{"type":"start","alpha":0.01,"metric":"latency"}"#);
    let (slow, fast) = (vec!["90.5"; 50].join(","), vec!["50.1"; 450].join(","));
    let window = format!(
        r#"{{"type":"window","canary":{{"n":50,"latency_ms":[{slow}]}},"baseline":{{"n":450,"latency_ms":[{fast}]}}}}"#
    );
    assert_eq!(decision(&mut session, &window), "continue", "one look may be one pause");
    let further: Vec<String> = (0..19).map(|_| decision(&mut session, &window)).collect();
    assert_eq!(further.last().map(String::as_str), Some("rollback"), "{further:?}");
}

#[test]
fn what_can_not_be_read_is_refused_and_the_session_goes_on() {
    let mut session = Session::new();
    say(&mut session, START);
    for bad in ["{", "[]", r#"{"type":"dance"}"#, r#"{"type":"window","canary":{"n":-1}}"#] {
        assert!(matches!(session.line(bad), Err(ProtocolError::Unreadable(_))), "{bad}");
    }
    let settings = r#"{"type":"start","alpha":2}"#;
    assert!(matches!(session.line(settings), Err(ProtocolError::Settings(_))));
    assert!(matches!(session.line(&" ".repeat(MOST_BYTES + 1)), Err(ProtocolError::TooLong)));
    assert_eq!(decision(&mut session, r#"{"type":"window","missing":true}"#), "continue");
}

#[test]
fn what_can_not_be_counts_of_one_tick_is_refused_and_says_why() {
    let buckets = |text: &str| format!(r#"{{"n":9,"latency_buckets":[{text}]}}"#);
    let bad = [
        (r#"{"n":27,"errors":30}"#.to_owned(), "30 errors in 27 requests"),
        (r#"{"n":5000000000}"#.to_owned(), "5000000000 requests, and one tick has 4294967296 at most"),
        (r#"{"n":-1}"#.to_owned(), "invalid value: integer `-1`"),
        (r#"{"n":1.5}"#.to_owned(), "invalid type: floating point"),
        (r#"{"n":NaN}"#.to_owned(), "expected value"),
        (r#"{"n":1e999}"#.to_owned(), "number out of range"),
        (r#"{"n":2,"latency_ms":[10,-1]}"#.to_owned(), "a duration of -1 ms"),
        (r#"{"n":1,"latency_ms":[10,11]}"#.to_owned(), "2 durations of 1 requests"),
        (r#"{"n":2,"latency_ms":[10],"latency":[[3,1]]}"#.to_owned(), "more than one form"),
        (buckets(r#"{"le":0.2,"count":1},{"le":0.1,"count":2},{"le":"+Inf","count":9}"#), "`le=0.1`"),
        (buckets(r#"{"le":0.1,"count":3},{"le":"+Inf","count":2}"#), "fewer than the one before it"),
        (buckets(r#"{"le":0.1,"count":3}"#), "is not `+Inf`"),
        (buckets(""), "is not `+Inf`"),
        (buckets(r#"{"le":"NaN","count":3},{"le":"+Inf","count":9}"#), "no duration"),
        (buckets(r#"{"le":"fast","count":3},{"le":"+Inf","count":9}"#), "`le` is no number"),
        (buckets(r#"{"le":0.1,"count":3},{"le":"+Inf","count":10}"#), "10 durations of 9 requests"),
    ];
    for (arm, why) in bad {
        for line in [
            format!(r#"{{"type":"window","canary":{arm},"baseline":{{"n":470}}}}"#),
            format!(r#"{{"type":"window","canary":{{"n":27}},"baseline":{arm}}}"#),
            format!(r#"{{"type":"history","baseline":[null,{arm}]}}"#),
        ] {
            assert_refused(&line, why);
        }
    }
}

#[test]
fn buckets_of_different_edges_are_not_compared() {
    let fine = r#"{"n":9,"latency_buckets":[{"le":0.1,"count":3},{"le":"+Inf","count":9}]}"#;
    let others = [
        (r#"{"n":9,"latency_buckets":[{"le":0.2,"count":3},{"le":"+Inf","count":9}]}"#, "differ"),
        (r#"{"n":9,"latency_buckets":[{"le":"+Inf","count":9}]}"#, "same number"),
        (r#"{"n":9,"latency_ms":[3]}"#, "another form"),
    ];
    for (other, why) in others {
        assert_refused(&format!(r#"{{"type":"window","canary":{fine},"baseline":{other}}}"#), why);
        assert_refused(&format!(r#"{{"type":"window","canary":{other},"baseline":{fine}}}"#), why);
    }
    let mut session = Session::new();
    say(&mut session, START);
    for other in [fine, r#"{"n":0}"#, "null"] {
        let line = format!(r#"{{"type":"window","canary":{other},"baseline":{fine}}}"#);
        assert_eq!(decision(&mut session, &line), "continue");
    }
}

#[test]
fn shares_loads_and_exposures_are_numbers_that_can_be() {
    let arms = r#""canary":{"n":27},"baseline":{"n":470}"#;
    for (more, name) in [
        (r#""planned_share":1.5"#, "planned_share"),
        (r#""load":{"canary":-1,"baseline":2}"#, "load"),
        (
            r#""incidents":{"canary":{"count":0,"exposure":-1},"baseline":{"count":0,"exposure":1}}"#,
            "exposure",
        ),
    ] {
        assert_refused(&format!(r#"{{"type":"window",{arms},{more}}}"#), name);
    }
}

/// What a trial of buckets with these edges ends with: durations as an HTTP service has them, the canary's so many times as long.
fn trial_of_buckets(edges: &[f64], factor: f64, seed: u64) -> String {
    let mut chance = chance::Chance::new(seed);
    let mut session = Session::new();
    say(&mut session, r#"{"type":"start","metric":"latency","tick_s":1}"#);
    let mut last = "continue".to_owned();
    for _ in 0..600 {
        let mut arm = |requests: f64, factor: f64| {
            let n = chance.poisson(requests);
            let seconds: Vec<f64> = (0..n).map(|_| 0.05 * factor * (0.5 * chance.normal()).exp()).collect();
            let up_to = |edge: f64| seconds.iter().filter(|took| **took <= edge).count();
            let buckets = edges.iter().map(|edge| format!(r#"{{"le":"{edge}","count":{}}}"#, up_to(*edge)));
            let buckets = buckets.chain([format!(r#"{{"le":"+Inf","count":{n}}}"#)]);
            format!(r#"{{"n":{n},"latency_buckets":[{}]}}"#, buckets.collect::<Vec<_>>().join(","))
        };
        let (canary, baseline) = (arm(5.0, factor), arm(45.0, 1.0));
        last = decision(
            &mut session,
            &format!(r#"{{"type":"window","canary":{canary},"baseline":{baseline}}}"#),
        );
        if last == "rollback" {
            break;
        }
    }
    last
}

#[test]
fn buckets_of_prometheus_show_a_slower_canary_and_fine_ones_that_it_is_no_slower() {
    // A tenth apart, from 10 ms to a second; and the edges that Prometheus' clients have by themselves.
    let fine: Vec<f64> = (0..49).map(|step| 0.01 * 1.1_f64.powi(step)).collect();
    let coarse = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let ends = |edges: &[f64], factor: f64| -> Vec<String> {
        (1..=20).map(|seed| trial_of_buckets(edges, factor, seed)).collect()
    };
    let count = |ends: &[String], wanted: &str| ends.iter().filter(|end| *end == wanted).count();
    // At alpha one in a hundred is wrong; two of twenty have a chance of one in sixty.
    let alike = ends(&fine, 1.0);
    assert!(count(&alike, "promote") >= 18, "{alike:?}");
    let slower = ends(&fine, 1.5);
    assert_eq!(count(&slower, "rollback"), 20, "{slower:?}");
    let slower = ends(&coarse, 1.5);
    assert_eq!(count(&slower, "rollback"), 20, "{slower:?}");
    let alike = ends(&coarse, 1.0);
    assert_eq!(count(&alike, "promote"), 0, "{alike:?}");
    assert!(count(&alike, "rollback") <= 2, "{alike:?}");
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(line in ".{0,200}", end in r#"[0-9a-z":,\[\]{}]{0,80}"#) {
        let mut session = Session::new();
        say(&mut session, START);
        let _ = session.line(&line);
        let _ = session.line(&format!(r#"{{"type":"window",{end}"#));
    }
}

/// The line is refused for that reason, with what to do, and is as if it had not been said.
fn assert_refused(line: &str, why: &str) {
    let mut session = Session::new();
    say(&mut session, START);
    let error = session.line(line).expect_err(line);
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    assert!(text.contains(why), "{line}: {text}");
    assert!(error.hint().is_some(), "{line}: {text}");
    let answer = say(&mut session, r#"{"type":"window","missing":true}"#).expect("a window is answered");
    assert!(answer.contains(r#""looks":1"#), "{answer}");
}

fn say(session: &mut Session, line: &str) -> Option<String> {
    session.line(line).expect("the line is good")
}

fn decision(session: &mut Session, line: &str) -> String {
    let answer = say(session, line).expect("a window is answered");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("the answer is JSON");
    answer["decision"].as_str().expect("it has a decision").to_owned()
}
