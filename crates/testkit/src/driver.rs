//! One process that drives patches: what it remembers, what it has asked, and what a crash takes from it.

use std::collections::BTreeMap;

use patchline_model::id::{JobId, PatchId, Stage};
use patchline_model::patch::Patch;

use crate::hands::{Answered, Errand};

/// After so long a silence a job is asked for again.
const PATIENCE_MILLIS: u64 = 5_000;

#[derive(Default)]
pub struct Driver {
    pub known: BTreeMap<PatchId, Patch>,
    flights: Vec<Flight>,
}

/// A job that was asked for.
struct Flight {
    job: JobId,
    asked_at: u64,
    waits: bool,
    answers: Vec<(u64, Answered)>,
}

impl Driver {
    /// Whether this job was asked for and may still be answered.
    pub fn waits_for(&self, job: JobId, now: u64) -> bool {
        let waits = |flight: &Flight| flight.waits && now < flight.asked_at + PATIENCE_MILLIS;
        self.flights.iter().any(|flight| flight.job == job && waits(flight))
    }

    pub fn asked(&mut self, job: JobId, now: u64, errand: Errand) {
        for earlier in self.flights.iter_mut().filter(|flight| flight.job == job) {
            earlier.waits = false;
        }
        let answers = errand.answers.into_iter().map(|(delay, answer)| (now + delay, answer)).collect();
        self.flights.push(Flight { job, asked_at: now, waits: true, answers });
    }

    /// The answers that have arrived by now, late and doubled ones too.
    pub fn arrived(&mut self, now: u64) -> Vec<(JobId, Answered)> {
        let mut arrived = Vec::new();
        for flight in &mut self.flights {
            let (here, later) =
                std::mem::take(&mut flight.answers).into_iter().partition(|(at, _)| *at <= now);
            flight.answers = later;
            let here: Vec<(u64, Answered)> = here;
            flight.waits &= here.is_empty();
            arrived.extend(here.into_iter().map(|(_, answer)| (flight.job, answer)));
        }
        self.flights.retain(|flight| {
            !flight.answers.is_empty() || (flight.waits && now < flight.asked_at + PATIENCE_MILLIS)
        });
        arrived
    }

    /// Another patch has taken the service: what was asked about it before says nothing any more.
    pub fn forget(&mut self, patch: PatchId, stage: Stage) {
        self.flights.retain(|flight| flight.job.patch != patch || flight.job.stage != stage);
    }

    /// The process dies: what it knew and what it waited for is gone.
    pub fn crash(&mut self) {
        self.known.clear();
        self.flights.clear();
    }
}
