//! Numbers over all patches, for a monitoring system to fetch.
//!
//! Text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use patchline_model::event::Event;
use patchline_model::id::Stage;
use patchline_model::patch::Patch;
use patchline_model::stage::review::End;
use patchline_model::stage::rollout::Cause;
use patchline_model::view::board;

use crate::times::look_back;

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: MetricKind,
    pub value: f64,
    pub labels: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows while the ledger is the same.
    Counter,
    Gauge,
}

const OUTCOMES: [&str; 6] = ["open", "promoted", "rolled_back", "handed_over", "nothing_to_do", "abandoned"];
const CAUSES: [&str; 7] = ["judge", "unhealthy", "inconclusive", "smoke", "person", "set", "replaced"];

/// The numbers over these patches; each with its events, oldest first. What never happened is there as 0, so that its
/// first time is a change that can be seen.
pub fn metrics(patches: &[(Patch, Vec<Event>)]) -> Vec<Metric> {
    let mut sums = Sums::default();
    for (patch, events) in patches {
        sums.add(patch, events);
    }
    sums.told()
}

#[derive(Default)]
struct Sums {
    open_by_stage: BTreeMap<&'static str, u64>,
    by_outcome: BTreeMap<&'static str, u64>,
    stage_seconds: BTreeMap<String, f64>,
    lead_seconds: BTreeMap<&'static str, f64>,
    rollbacks: BTreeMap<&'static str, u64>,
    rollbacks_after_promotion: u64,
    rollback_seconds: f64,
    rollbacks_confirmed: u64,
    requests: u64,
    failed_by_canary: u64,
    failed_by_shift: u64,
    candidates: u64,
    falters: u64,
    waiting_for_person: u64,
}

impl Sums {
    fn add(&mut self, patch: &Patch, events: &[Event]) {
        let facts = look_back(patch, events);
        let outcome = patch.review.end.as_ref().map_or("open", End::word);
        bump(&mut self.by_outcome, outcome);
        if patch.has_ended() {
            *self.lead_seconds.entry(outcome).or_default() += facts.lead_seconds;
        } else {
            bump(&mut self.open_by_stage, patch.stage().name());
        }
        for (stage, seconds) in facts.stages {
            *self.stage_seconds.entry(stage).or_default() += seconds;
        }
        // What halted has a cause, too, and is not taken back.
        let decided = patch.rollout.rollback_decided.is_some();
        if let Some(cause) = patch.rollout.cause.as_ref().filter(|_| decided) {
            bump(&mut self.rollbacks, word(cause));
        }
        self.rollbacks_after_promotion += u64::from(patch.rollout.recalled.is_some());
        self.rollback_seconds += facts.rollback_seconds.unwrap_or(0.0);
        self.rollbacks_confirmed += u64::from(facts.rollback_seconds.is_some());
        self.requests = self.requests.saturating_add(facts.requests);
        self.failed_by_canary = self.failed_by_canary.saturating_add(facts.failed_by_canary);
        self.failed_by_shift = self.failed_by_shift.saturating_add(facts.failed_by_shift);
        self.candidates = self.candidates.saturating_add(facts.candidates);
        self.falters = self.falters.saturating_add(facts.falters);
        self.waiting_for_person += u64::from(board::card(patch).waits_for_person);
    }

    fn told(&self) -> Vec<Metric> {
        use MetricKind::{Counter, Gauge};
        let mut told = Told(Vec::new());
        let open = |stage: &'static str| self.open_by_stage.get(stage).copied().unwrap_or(0) as f64;
        let stages = Stage::ALL.map(Stage::name);
        told.family(
            "patchline_open_patches",
            "Patches that have not ended, by the stage they are in.",
            Gauge,
            "stage",
            &stages,
            open,
        );
        let ended = |outcome: &'static str| self.by_outcome.get(outcome).copied().unwrap_or(0) as f64;
        told.family("patchline_patches", "Patches by outcome.", Gauge, "outcome", &OUTCOMES, ended);
        let waiting = self.waiting_for_person as f64;
        told.one(
            "patchline_patches_waiting_for_person",
            "Patches that go on only when a person says so.",
            Gauge,
            waiting,
        );
        let lead = |outcome: &'static str| self.lead_seconds.get(outcome).copied().unwrap_or(0.0);
        let help = "Seconds from opening to end, summed over ended patches; divide by patchline_patches.";
        told.family("patchline_lead_seconds_total", help, Counter, "outcome", &OUTCOMES[1..], lead);
        let stay = |stage: &'static str| self.stage_seconds.get(stage).copied().unwrap_or(0.0);
        told.family(
            "patchline_stage_seconds_total",
            "Seconds that patches spent in each stage.",
            Counter,
            "stage",
            &stages,
            stay,
        );
        let rollbacks = |cause: &'static str| self.rollbacks.get(cause).copied().unwrap_or(0) as f64;
        told.family(
            "patchline_rollbacks_total",
            "Rollbacks that were decided, by cause.",
            Counter,
            "cause",
            &CAUSES,
            rollbacks,
        );
        let late = self.rollbacks_after_promotion as f64;
        told.one(
            "patchline_rollbacks_after_promotion_total",
            "Rollbacks of what had been promoted: the rollout did not find what was wrong.",
            Counter,
            late,
        );
        let confirmed = self.rollbacks_confirmed as f64;
        told.one(
            "patchline_rollbacks_confirmed_total",
            "Rollbacks after which the target confirmed that the bad version has no share.",
            Counter,
            confirmed,
        );
        let help = "Seconds from the decision to roll back until it was confirmed.";
        told.one("patchline_rollback_seconds_total", help, Counter, self.rollback_seconds);
        told.one(
            "patchline_rollout_requests_total",
            "User requests during rollouts.",
            Counter,
            self.requests as f64,
        );
        let failed = |by: &'static str| {
            if by == "canary" { self.failed_by_canary as f64 } else { self.failed_by_shift as f64 }
        };
        let help =
            "User requests that failed in the new version (canary) or because traffic was moved (shift).";
        told.family(
            "patchline_rollout_requests_failed_total",
            help,
            Counter,
            "by",
            &["canary", "shift"],
            failed,
        );
        told.one(
            "patchline_candidates_total",
            "Candidates that were proposed.",
            Counter,
            self.candidates as f64,
        );
        told.one("patchline_falters_total", "Tries of a job that failed.", Counter, self.falters as f64);
        told.0
    }
}

struct Told(Vec<Metric>);

impl Told {
    fn one(&mut self, name: &'static str, help: &'static str, kind: MetricKind, value: f64) {
        self.0.push(Metric { name, help, kind, value, labels: Vec::new() });
    }

    fn family(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: MetricKind,
        label: &'static str,
        words: &[&'static str],
        value: impl Fn(&'static str) -> f64,
    ) {
        let one = |word: &&'static str| {
            let labels = vec![(label, (*word).to_owned())];
            Metric { name, help, kind, value: value(word), labels }
        };
        self.0.extend(words.iter().map(one));
    }
}

fn bump(counts: &mut BTreeMap<&'static str, u64>, word: &'static str) {
    *counts.entry(word).or_default() += 1;
}

fn word(cause: &Cause) -> &'static str {
    match cause {
        Cause::Judge { .. } => "judge",
        Cause::Unhealthy { .. } => "unhealthy",
        Cause::Inconclusive { .. } => "inconclusive",
        Cause::Smoke { .. } => "smoke",
        Cause::Person { .. } => "person",
        Cause::Set { .. } => "set",
        Cause::Replaced { .. } => "replaced",
    }
}

/// The numbers in the Prometheus text format. Numbers of one name must stand together.
pub fn prometheus(metrics: &[Metric]) -> String {
    let mut out = String::new();
    let mut last = None;
    for metric in metrics {
        if last != Some(metric.name) {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
            let name = metric.name;
            // Writing to a string can't fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            last = Some(name);
        }
        out.push_str(metric.name);
        let labels = metric.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        if !labels.is_empty() {
            let _ = write!(out, "{{{labels}}}");
        }
        let _ = writeln!(out, " {}", number(metric.value));
    }
    out
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}
