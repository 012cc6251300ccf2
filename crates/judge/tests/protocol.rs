//! The protocol line by line: what is answered, what is met with silence, and what is refused.

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

proptest! {
    #[test]
    fn no_bytes_bring_it_down(line in ".{0,200}", end in r#"[0-9a-z":,\[\]{}]{0,80}"#) {
        let mut session = Session::new();
        say(&mut session, START);
        let _ = session.line(&line);
        let _ = session.line(&format!(r#"{{"type":"window",{end}"#));
    }
}

fn say(session: &mut Session, line: &str) -> Option<String> {
    session.line(line).expect("the line is good")
}

fn decision(session: &mut Session, line: &str) -> String {
    let answer = say(session, line).expect("a window is answered");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("the answer is JSON");
    answer["decision"].as_str().expect("it has a decision").to_owned()
}
