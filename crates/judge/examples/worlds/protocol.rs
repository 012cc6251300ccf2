//! This judge on a trial, by the lines of its own protocol, and watched on after a promotion.

use std::fmt::Write as _;

use patchline_judge::arms::Arm;
use patchline_judge::protocol::Session;

use crate::trial::Trial;

#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    pub rolled_back: Option<u32>,
    pub promoted: Option<u32>,
}

#[derive(serde::Deserialize)]
struct Answer {
    decision: String,
}

pub fn judged(trial: &Trial) -> Said {
    let mut session = Session::new();
    let mut line = |text: &str| session.line(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let metric = if trial.world.latency.is_some() { "latency" } else { "errors" };
    let tick = trial.world.tick;
    line(&format!(
        r#"{{"type":"start","alpha":0.01,"beta":0.05,"delta":0.005,"metric":"{metric}","tick_s":{tick}}}"#
    ));
    let history: Vec<String> = trial.history.iter().map(|arm| text(arm.as_ref())).collect();
    line(&format!(r#"{{"type":"history","baseline":[{}]}}"#, history.join(",")));
    let mut said = Said::default();
    for look in &trial.looks {
        let (canary, baseline) = (text(look.tick.canary.as_ref()), text(look.tick.baseline.as_ref()));
        let answer = line(&format!(r#"{{"type":"window","canary":{canary},"baseline":{baseline}}}"#));
        let answer: Answer = serde_json::from_str(&answer.expect("a window is answered")).expect("an answer");
        match answer.decision.as_str() {
            "rollback" => {
                said.rolled_back = Some(look.ends);
                return said;
            }
            "promote" => {
                said.promoted.get_or_insert(look.ends);
            }
            _ => {}
        }
    }
    said
}

/// An arm as it stands in a line.
fn text(arm: Option<&Arm>) -> String {
    let Some(arm) = arm else { return "null".to_owned() };
    let mut text = format!(r#"{{"n":{},"errors":{},"latency":["#, arm.requests, arm.errors);
    for (place, (bucket, count)) in arm.latency.buckets.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(text, "{comma}[{bucket},{count}]").expect("text takes everything");
    }
    text + "]}"
}
