//! The guards against harm together: a weighted mean of their evidence, and what each would need alone.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use crate::answers::AnswerGuard;
use crate::beside::BesideGuard;
use crate::errors::ErrorGuard;
use crate::evidence::log_add;
use crate::latency::LatencyGuard;

/// The part of the mean that latency has of what requests say. Errors speak in many nats, slowness in few, so it gets more.
const LATENCY_PART: f64 = 0.65;

/// What is watched. A guard that never has data has no part of the mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HarmGuards {
    pub errors: ErrorGuard,
    pub latency: Option<LatencyGuard>,
    pub beside: BesideGuard,
    /// On a mirror's answers, where there is one. Its evidence is the half of a mean with the other guards'.
    pub answers: Option<AnswerGuard>,
    /// The log of the evidence at which it suffices.
    limit: f64,
}

impl HarmGuards {
    /// Guards that share `alpha`; the errors' bet on multiples of `margin`.
    pub fn new(
        alpha: f64,
        margin: f64,
        latency: Option<LatencyGuard>,
        beside: BesideGuard,
        answers: Option<AnswerGuard>,
    ) -> HarmGuards {
        let limit = -alpha.ln();
        let own = errors_part(latency.is_some(), beside.part()) * arms_part(answers.is_some());
        HarmGuards { errors: ErrorGuard::new(margin, limit - own.ln()), latency, beside, answers, limit }
    }

    /// The log of the evidence of harm: an e-value, whatever the guards' dependence.
    pub fn log(&self) -> f64 {
        match &self.answers {
            Some(answers) => log_add(self.log_of_arms(), answers.log()) - LN_2,
            None => self.log_of_arms(),
        }
    }

    /// That of the guards that compare two arms.
    pub fn log_of_arms(&self) -> f64 {
        let part = self.beside.part();
        let errors = self.errors.log() + errors_part(self.latency.is_some(), part).ln();
        let latency = self
            .latency
            .as_ref()
            .map_or(f64::NEG_INFINITY, |guard| guard.log() + (LATENCY_PART * (1.0 - part)).ln());
        // The log of no part at all is minus infinity, and adds nothing.
        log_add(log_add(errors, latency), self.beside.log() + part.ln())
    }

    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// Each guard's name, the log of its evidence, and the height at which it suffices alone. If there are several, the last
    /// one is all of them together, of which `together` is the log.
    pub fn readings(&self, together: f64) -> Vec<(String, f64, f64)> {
        let part = self.beside.part();
        let arms = arms_part(self.answers.is_some());
        let alone = |part: f64| self.limit - (arms * part).ln();
        let own = errors_part(self.latency.is_some(), part);
        let mut readings = vec![("errors".to_owned(), self.errors.log(), alone(own))];
        if let Some(guard) = &self.latency {
            readings.push(("latency".to_owned(), guard.log(), alone(LATENCY_PART * (1.0 - part))));
        }
        let beside: Vec<(&str, f64)> = self.beside.readings().collect();
        let each = part / beside.len().max(1) as f64;
        readings.extend(beside.into_iter().map(|(name, log)| (name.to_owned(), log, alone(each))));
        let answers = self.answers.iter().map(|guard| ("answers".to_owned(), guard.log(), alone(1.0)));
        readings.extend(answers);
        if readings.len() > 1 {
            readings.push(("together".to_owned(), together, self.limit));
        }
        readings
    }

    /// What a guard beside the requests has to say, if it says most.
    pub fn beside_says(&self) -> Option<String> {
        let (reason, log) = self.beside.strongest()?;
        let part = self.beside.part();
        let each = part / self.beside.readings().count().max(1) as f64;
        let errors = self.errors.log() + errors_part(self.latency.is_some(), part).ln();
        let latency = self.latency.as_ref().map_or(f64::NEG_INFINITY, LatencyGuard::log);
        let latency = latency + (LATENCY_PART * (1.0 - part)).ln();
        (log + each.ln() > errors.max(latency)).then_some(reason)
    }

    /// Whether slowness says more than errors.
    pub fn is_slower(&self) -> bool {
        self.latency.as_ref().is_some_and(|guard| guard.log() > self.errors.log())
    }
}

/// The part of the mean that the guards have which compare two arms.
fn arms_part(answers: bool) -> f64 {
    if answers { 0.5 } else { 1.0 }
}

fn errors_part(latency: bool, beside: f64) -> f64 {
    (1.0 - beside) * if latency { 1.0 - LATENCY_PART } else { 1.0 }
}
