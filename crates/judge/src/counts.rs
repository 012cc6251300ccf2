//! What a line tells of one arm, and what can't be counts of one tick: refused, since a broken counter is no evidence.

use serde::{Deserialize, Deserializer};

use crate::arms::{Arm, Latency};
use crate::buckets::{BadBuckets, Cumulative, latency};

/// One arm in one window. Durations come in one of three forms, or not at all.
#[derive(Deserialize)]
pub struct Counts {
    n: u64,
    #[serde(default)]
    errors: u64,
    /// Single measurements in milliseconds.
    #[serde(default)]
    latency_ms: Vec<f64>,
    /// Or the judge's own buckets with counts.
    #[serde(default)]
    latency: Latency,
    /// Or cumulative buckets of Prometheus.
    #[serde(default)]
    latency_buckets: Option<Vec<Bucket>>,
}

/// One cumulative bucket: its upper edge in seconds, as a number or as the label of Prometheus (`"+Inf"`).
#[derive(Deserialize)]
struct Bucket {
    #[serde(deserialize_with = "edge")]
    le: f64,
    count: u64,
}

/// Numbers that can't be the counts of an arm in one tick.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadCounts {
    #[error("{errors} errors in {requests} requests")]
    Errors { errors: u64, requests: u64 },
    #[error("{requests} requests, and one tick has {} at most", Arm::MOST_REQUESTS)]
    TooMany { requests: u64 },
    #[error("{durations} durations of {requests} requests")]
    Durations { durations: u64, requests: u64 },
    #[error("a duration of {milliseconds} ms")]
    Duration { milliseconds: f64 },
    #[error("durations in more than one form")]
    Forms,
    #[error("could not read `latency_buckets`")]
    Buckets(#[source] BadBuckets),
    #[error("the last of `latency_buckets` is not `+Inf`")]
    NoInfinity,
}

/// Arms whose durations can't be held against each other.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadPair {
    #[error("one arm has `latency_buckets` and the other has durations in another form")]
    Forms,
    #[error("the arms have not the same number of `latency_buckets`: {canary} and {baseline}")]
    Number { canary: usize, baseline: usize },
    #[error(
        "the edges of the arms differ: the canary has `le={canary}` where the baseline has `le={baseline}`"
    )]
    Edges { canary: f64, baseline: f64 },
}

impl BadCounts {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            BadCounts::Errors { .. } => {
                "errors are some of the requests: count both over the same span, and send `\"missing\":true` for a window whose counter broke"
            }
            BadCounts::TooMany { .. } => {
                "send what was counted since the window before, not the counter itself"
            }
            BadCounts::Durations { .. } => "count requests and durations over the same span",
            BadCounts::Duration { .. } => {
                "durations are milliseconds of 0 or more; leave out what was not measured"
            }
            BadCounts::Forms => "give one of `latency_ms`, `latency` and `latency_buckets`",
            BadCounts::Buckets(_) | BadCounts::NoInfinity => {
                "send the buckets as Prometheus keeps them: ascending by `le` in seconds, each with all that is in those before it, the last one `+Inf`"
            }
        }
    }
}

impl Counts {
    /// The arm, if it can be one.
    pub fn arm(self) -> Result<Arm, BadCounts> {
        let Counts { n: requests, errors, latency_ms, latency: own, latency_buckets } = self;
        if requests > Arm::MOST_REQUESTS {
            return Err(BadCounts::TooMany { requests });
        }
        if errors > requests {
            return Err(BadCounts::Errors { errors, requests });
        }
        let forms = [!latency_ms.is_empty(), own != Latency::default(), latency_buckets.is_some()];
        if forms.into_iter().filter(|is_given| *is_given).count() > 1 {
            return Err(BadCounts::Forms);
        }
        let latency = match latency_buckets {
            Some(buckets) => of_buckets(&buckets)?,
            None if latency_ms.is_empty() => own,
            None => of_milliseconds(&latency_ms)?,
        };
        let durations = latency.total();
        if durations > requests {
            return Err(BadCounts::Durations { durations, requests });
        }
        Ok(Arm { requests, errors, latency })
    }

    fn has_other_durations(&self) -> bool {
        !self.latency_ms.is_empty() || self.latency != Latency::default()
    }
}

/// Whether the durations of both arms can be compared: of buckets only with the same edges, for those of others have other ranks.
pub fn check_pair(canary: &Counts, baseline: &Counts) -> Result<(), BadPair> {
    let (canary, baseline) = match (&canary.latency_buckets, &baseline.latency_buckets) {
        (Some(canary), Some(baseline)) => (canary, baseline),
        (Some(_), None) if baseline.has_other_durations() => return Err(BadPair::Forms),
        (None, Some(_)) if canary.has_other_durations() => return Err(BadPair::Forms),
        (Some(_) | None, None) | (None, Some(_)) => return Ok(()),
    };
    if canary.len() != baseline.len() {
        return Err(BadPair::Number { canary: canary.len(), baseline: baseline.len() });
    }
    let edges = canary.iter().map(|bucket| bucket.le).zip(baseline.iter().map(|bucket| bucket.le));
    match edges.into_iter().find(|(canary, baseline)| canary != baseline) {
        Some((canary, baseline)) => Err(BadPair::Edges { canary, baseline }),
        None => Ok(()),
    }
}

fn of_buckets(buckets: &[Bucket]) -> Result<Latency, BadCounts> {
    let cumulative = buckets.iter().map(|bucket| Cumulative { le: bucket.le, count: bucket.count });
    let read = latency(&cumulative.collect::<Vec<_>>()).map_err(BadCounts::Buckets)?;
    if buckets.last().is_none_or(|last| last.le != f64::INFINITY) {
        return Err(BadCounts::NoInfinity);
    }
    Ok(read)
}

fn of_milliseconds(measured: &[f64]) -> Result<Latency, BadCounts> {
    let mut latency = Latency::default();
    for milliseconds in measured.iter().copied() {
        // JSON has no number that is none.
        if milliseconds < 0.0 {
            return Err(BadCounts::Duration { milliseconds });
        }
        latency.record_micros((milliseconds * 1000.0).ceil() as u64);
    }
    Ok(latency)
}

fn edge<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Edge {
        Seconds(f64),
        Label(String),
    }
    match Edge::deserialize(from)? {
        Edge::Seconds(seconds) => Ok(seconds),
        Edge::Label(label) => {
            label.parse().map_err(|_| serde::de::Error::custom(format!("`le` is no number: {label:?}")))
        }
    }
}
