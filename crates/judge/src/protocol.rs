//! The judge over JSON lines: a session of trials, each with its start, history, windows and end.
//!
//! `start` sets up a judge, `history` teaches it the baseline, each `window` is answered by one line with the verdict,
//! `end` closes the trial. Fields that are not known are ignored, so a simulator may say more than is read here.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::arms::{Arm, Instances, Latency, Tick};
use crate::gauge::{GaugeSettings, Gauges, Load};
use crate::incidents::BothIncidents;
use crate::judge::{BadSettings, Judge, Settings};

/// Bytes that a line may have.
pub const MOST_BYTES: usize = 8 << 20;

/// One conversation.
#[derive(Clone, Debug, Default)]
pub struct Session {
    judge: Option<Judge>,
}

/// A line that could not be answered. The session stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error("the line has more than {MOST_BYTES} bytes")]
    TooLong,
    #[error("could not read the line")]
    Unreadable(#[source] serde_json::Error),
    #[error("could not start with these settings")]
    Settings(#[source] BadSettings),
    #[error("a trial begins with a line of type `start`")]
    NotStarted,
    #[error("could not write the verdict")]
    Unwritable(#[source] serde_json::Error),
}

impl Session {
    /// A session in which no trial has begun.
    pub fn new() -> Session {
        Session::default()
    }

    /// Takes one line; a window is answered by a line (without its line break), all else by silence.
    pub fn line(&mut self, line: &str) -> Result<Option<String>, ProtocolError> {
        if line.len() > MOST_BYTES {
            return Err(ProtocolError::TooLong);
        }
        if line.trim().is_empty() {
            return Ok(None);
        }
        match serde_json::from_str(line).map_err(ProtocolError::Unreadable)? {
            Line::Start(start) => {
                self.judge = Some(Judge::new(start.settings()).map_err(ProtocolError::Settings)?);
                Ok(None)
            }
            Line::History { baseline } => {
                let arms: Vec<_> = baseline.into_iter().map(|counts| counts.map(Arm::from)).collect();
                self.judge()?.history(&arms);
                Ok(None)
            }
            Line::Window(window) => {
                let verdict = self.judge()?.observe(&window.tick());
                serde_json::to_string(&verdict).map(Some).map_err(ProtocolError::Unwritable)
            }
            Line::End {} => {
                self.judge = None;
                Ok(None)
            }
        }
    }

    fn judge(&mut self) -> Result<&mut Judge, ProtocolError> {
        self.judge.as_mut().ok_or(ProtocolError::NotStarted)
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Start(Start),
    History { baseline: Vec<Option<Counts>> },
    Window(Window),
    End {},
}

#[derive(Deserialize)]
struct Start {
    alpha: Option<f64>,
    beta: Option<f64>,
    /// The margin, under the name that simulators give it.
    delta: Option<f64>,
    metric: Option<Metric>,
    latency_margin: Option<f64>,
    minimum_ticks: Option<u32>,
    minimum_requests: Option<u64>,
    instances: Option<Instances>,
    tick_s: Option<f64>,
    /// None by default: a simulator's canary is warm.
    warm_up_s: Option<f64>,
    #[serde(default)]
    incidents: bool,
    #[serde(default)]
    gauges: BTreeMap<String, GaugeSettings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Metric {
    Errors,
    Latency,
}

impl Start {
    fn settings(self) -> Settings {
        let usual = Settings::default();
        let tick_seconds = self.tick_s.unwrap_or(usual.tick_seconds);
        Settings {
            alpha: self.alpha.unwrap_or(usual.alpha),
            beta: self.beta.unwrap_or(usual.beta),
            margin: self.delta.unwrap_or(usual.margin),
            latency: match self.metric {
                Some(Metric::Latency) => true,
                Some(Metric::Errors) | None => false,
            },
            latency_margin: self.latency_margin.unwrap_or(usual.latency_margin),
            minimum_ticks: self.minimum_ticks.unwrap_or(usual.minimum_ticks),
            minimum_requests: self.minimum_requests.unwrap_or(usual.minimum_requests),
            instances: self.instances,
            tick_seconds,
            warm_up_seconds: self.warm_up_s.unwrap_or(0.0),
            incidents: self.incidents,
            gauges: self.gauges,
            answers: None,
        }
    }
}

#[derive(Deserialize)]
struct Window {
    #[serde(default)]
    missing: bool,
    canary: Option<Counts>,
    baseline: Option<Counts>,
    planned_share: Option<f64>,
    canary_instances: Option<u32>,
    incidents: Option<BothIncidents>,
    #[serde(default)]
    gauges: BTreeMap<String, Gauges>,
    load: Option<Load>,
}

impl Window {
    fn tick(self) -> Tick {
        if self.missing {
            return Tick::default();
        }
        let (canary, baseline) = (self.canary.map(Arm::from), self.baseline.map(Arm::from));
        Tick {
            canary,
            baseline,
            planned_share: self.planned_share,
            canary_instances: self.canary_instances,
            incidents: self.incidents,
            gauges: self.gauges,
            load: self.load,
        }
    }
}

#[derive(Deserialize)]
struct Counts {
    n: u64,
    #[serde(default)]
    errors: u64,
    /// Single measurements in milliseconds.
    #[serde(default)]
    latency_ms: Vec<f64>,
    /// Or buckets with counts.
    #[serde(default)]
    latency: Latency,
}

impl From<Counts> for Arm {
    fn from(counts: Counts) -> Self {
        let mut latency = counts.latency;
        for milliseconds in counts.latency_ms.into_iter().filter(|value| *value >= 0.0) {
            latency.record_micros((milliseconds * 1000.0).ceil() as u64);
        }
        Arm { requests: counts.n, errors: counts.errors, latency }
    }
}
