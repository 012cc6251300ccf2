//! The judge over JSON lines: a session of trials, each with its start, history, windows and end.
//!
//! `start` sets up a judge, `history` teaches it the baseline, each `window` is answered by one line with the verdict,
//! `end` closes the trial. Fields that are not known are ignored, so a simulator may say more than is read here.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::arms::{Arm, Instances, Tick};
use crate::counts::{BadCounts, BadPair, Counts, check_pair};
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
    #[error("could not take in the counts of the {arm}")]
    Counts { arm: &'static str, source: BadCounts },
    #[error("could not compare the arms")]
    Pair(#[source] BadPair),
    #[error("`{name}` is out of range: {value}")]
    OutOfRange { name: &'static str, value: f64 },
    #[error("could not write the verdict")]
    Unwritable(#[source] serde_json::Error),
}

impl ProtocolError {
    /// What to do about it, where that does not follow from what is said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ProtocolError::Counts { source, .. } => Some(source.hint()),
            ProtocolError::Pair(_) => {
                Some("take both arms' buckets from the same metric, with the same edges")
            }
            ProtocolError::Unreadable(_) => Some(
                "one JSON object a line; counts are whole numbers of 0 or more, and what is not known is left out",
            ),
            ProtocolError::OutOfRange { .. } => {
                Some("shares lie between 0 and 1, loads and exposures are 0 or more")
            }
            ProtocolError::NotStarted
            | ProtocolError::Settings(_)
            | ProtocolError::TooLong
            | ProtocolError::Unwritable(_) => None,
        }
    }
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
                let arms = baseline.into_iter().map(|counts| arm("baseline", counts));
                let arms = arms.collect::<Result<Vec<_>, _>>()?;
                self.judge()?.history(&arms);
                Ok(None)
            }
            Line::Window(window) => {
                let verdict = self.judge()?.observe(&window.tick()?);
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
    fn tick(self) -> Result<Tick, ProtocolError> {
        if self.missing {
            return Ok(Tick::default());
        }
        self.check()?;
        Ok(Tick {
            canary: arm("canary", self.canary)?,
            baseline: arm("baseline", self.baseline)?,
            planned_share: self.planned_share,
            canary_instances: self.canary_instances,
            incidents: self.incidents,
            gauges: self.gauges,
            load: self.load,
        })
    }

    fn check(&self) -> Result<(), ProtocolError> {
        if let (Some(canary), Some(baseline)) = (&self.canary, &self.baseline) {
            check_pair(canary, baseline).map_err(ProtocolError::Pair)?;
        }
        let share = self.planned_share.map(|share| ("planned_share", share, 1.0));
        let exposures = self.incidents.iter().flat_map(|both| [both.canary.exposure, both.baseline.exposure]);
        let loads = self.load.iter().flat_map(|load| [load.canary, load.baseline]);
        let others = exposures.map(|value| ("exposure", value, f64::MAX));
        let others = others.chain(loads.map(|value| ("load", value, f64::MAX)));
        match share.into_iter().chain(others).find(|(_, value, most)| !(0.0..=*most).contains(value)) {
            Some((name, value, _)) => Err(ProtocolError::OutOfRange { name, value }),
            None => Ok(()),
        }
    }
}

fn arm(name: &'static str, counts: Option<Counts>) -> Result<Option<Arm>, ProtocolError> {
    counts.map(Counts::arm).transpose().map_err(|source| ProtocolError::Counts { arm: name, source })
}
