//! The guards together: continue, promote or roll back, with the numbers that say why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::answers::{AnswerGuard, AnswerLimits, Answers};
use crate::arms::{Arm, Instances, Tick};
use crate::baseline::Record;
use crate::beside::BesideGuard;
use crate::errors::Table;
use crate::gauge::GaugeSettings;
use crate::guards::HarmGuards;
use crate::latency::LatencyGuard;
use crate::pauses::Limit;
use crate::promotion::{ErrorsAlike, LatencyAlike};
use crate::recent::Recent;
use crate::split::SplitGuard;

/// The judge's version. It is raised with every change after which the same ticks may give another word: a rollout that was
/// judged by an earlier version can be judged again, but the words may differ.
pub const VERSION: u32 = 8;

/// Requests of both arms that a look needs; fewer wait for the next tick, since a comparison of one request with
/// nothing teaches nothing.
const LEAST_REQUESTS: u64 = 40;

/// What the user cares about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Chance of ever rolling back a canary that is no worse, at most.
    pub alpha: f64,
    /// Chance of promoting a canary that is worse by the margin, at most.
    pub beta: f64,
    /// Difference of the error rates that matters, in absolute terms: 0.005 is half a point.
    pub margin: f64,
    /// Whether latency is guarded too.
    pub latency: bool,
    /// Relative difference of the latencies that matters for promotion: 0.2 is a fifth.
    pub latency_margin: f64,
    /// Ticks with data before a promotion: the bake.
    pub minimum_ticks: u32,
    /// Requests to the canary before a promotion.
    pub minimum_requests: u64,
    /// How many instances serve each arm, where it is known.
    #[serde(default)]
    pub instances: Option<Instances>,
    /// How long a tick lasts.
    #[serde(default = "one_second")]
    pub tick_seconds: f64,
    /// Seconds at the beginning in which the canary's latency is recorded but not judged, since its caches are still cold;
    /// for twice as long it counts in part. Errors are judged from the first tick.
    #[serde(default = "ten_seconds")]
    pub warm_up_seconds: f64,
    /// Whether ticks say how many incidents there were.
    #[serde(default)]
    pub incidents: bool,
    /// Gauges that ticks have, by name.
    #[serde(default)]
    pub gauges: BTreeMap<String, GaugeSettings>,
    /// What is held against a mirror's answers, where there is one.
    #[serde(default)]
    pub answers: Option<AnswerLimits>,
}

fn one_second() -> f64 {
    1.0
}

fn ten_seconds() -> f64 {
    10.0
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            alpha: 0.01,
            beta: 0.05,
            margin: 0.005,
            latency: false,
            latency_margin: 0.2,
            minimum_ticks: 1,
            minimum_requests: 0,
            instances: None,
            tick_seconds: one_second(),
            warm_up_seconds: ten_seconds(),
            incidents: false,
            gauges: BTreeMap::new(),
            answers: None,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), BadSettings> {
        let shares = [("alpha", self.alpha), ("beta", self.beta), ("margin", self.margin)];
        for (name, value) in shares {
            if !(value > 0.0 && value < 1.0) {
                return Err(BadSettings::NotBetweenZeroAndOne { name, value });
            }
        }
        for (name, value) in [("latency_margin", self.latency_margin), ("tick_seconds", self.tick_seconds)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(BadSettings::NotPositive { name, value });
            }
        }
        if let Some(AnswerLimits { most, margin, .. }) = self.answers
            && !(most >= 0.0 && margin > 0.0 && most + margin < 1.0)
        {
            return Err(BadSettings::NotBetweenZeroAndOne { name: "most mismatches", value: most });
        }
        if let Some((name, value)) = self.gauges.values().find_map(GaugeSettings::wrong) {
            return Err(BadSettings::NotPositive { name, value });
        }
        if !(self.warm_up_seconds >= 0.0 && self.warm_up_seconds.is_finite()) {
            return Err(BadSettings::NotPositive { name: "warm_up_seconds", value: self.warm_up_seconds });
        }
        Ok(())
    }
}

/// Settings with which nothing can be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadSettings {
    #[error("`{name}` must lie between 0 and 1, but is {value}")]
    NotBetweenZeroAndOne { name: &'static str, value: f64 },
    #[error("`{name}` must be a positive number, but is {value}")]
    NotPositive { name: &'static str, value: f64 },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Not enough is known yet.
    Continue,
    /// The canary is not worse by the margin. It stays watched: a rollback may still follow.
    Promote,
    /// The canary is worse. This is for good.
    Rollback,
    /// The time is up and neither is shown; only [`Judge::conclude`] says so.
    Inconclusive,
}

/// Whether there is something to judge. None of this is harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    #[default]
    Sound,
    /// The last look had no data of an arm: no evidence either way.
    Missing,
    /// The arms do not get the shares of the plan: a fault of the target. From such requests nothing is concluded but that the
    /// canary fails more often, which rests on the requests that each arm really had; incidents and gauges go on as well.
    WrongSplit,
}

/// What the judge thinks after a look, with the numbers that say why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub decision: Decision,
    /// One plain sentence.
    pub reason: String,
    /// Evidence of harm: "errors", then "latency", "incidents" and gauges by name where they are watched; if there are
    /// several, the last is "together", their weighted mean, which decides.
    pub guards: Vec<Reading>,
    /// Evidence that the canary is not worse by the margin.
    pub promotion: Reading,
    /// Whether there was something to judge.
    #[serde(default)]
    pub data: Data,
    /// Ticks seen, missing ones included.
    pub looks: u64,
    /// Ticks in which an arm was missing.
    pub missing: u64,
}

/// The natural log of some evidence and the height at which it suffices alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub name: String,
    pub log_evidence: f64,
    pub threshold: f64,
}

/// Watches one canary from its first request to its last.
///
/// Several guards share `alpha` by a weighted mean of their e-values, which needs no independence (Vovk & Wang, Annals of
/// Statistics 49, 2021) and is never later than giving each guard its part. Promotion needs each proof at `beta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    settings: Settings,
    record: Record,
    recent: Recent,
    harm: HarmGuards,
    split: SplitGuard,
    errors_alike: ErrorsAlike,
    latency_alike: LatencyAlike,
    waiting: Pair,
    waiting_ticks: u64,
    /// Waits for more of the kind while the split is wrong.
    astray: Pair,
    seen: Pair,
    looks: u64,
    missing: u64,
    missing_in_a_row: u64,
    step: Step,
    /// The most instances that the canary had at once.
    #[serde(default)]
    most_instances: u32,
    rolled_back: bool,
}

/// Both arms over the same span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pair {
    canary: Arm,
    baseline: Arm,
}

/// How far the present step of a rollout has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Step {
    ticks: u64,
    requests: u64,
    promoted: bool,
}

impl Judge {
    /// A judge that knows nothing yet.
    pub fn new(settings: Settings) -> Result<Judge, BadSettings> {
        settings.check()?;
        let beside = BesideGuard::new(settings.incidents, &settings.gauges, settings.tick_seconds);
        let answers = settings.answers.map(AnswerGuard::new);
        let limit = Limit::new(settings.tick_seconds, settings.warm_up_seconds);
        let latency = settings.latency.then(|| LatencyGuard::new(limit, settings.instances));
        Ok(Judge {
            record: Record::default(),
            recent: Recent::new(settings.tick_seconds),
            harm: HarmGuards::new(settings.alpha, settings.margin, latency, beside, answers),
            split: SplitGuard::default(),
            errors_alike: ErrorsAlike::new(settings.margin),
            latency_alike: LatencyAlike::new(settings.latency_margin),
            waiting: Pair::default(),
            waiting_ticks: 0,
            astray: Pair::default(),
            seen: Pair::default(),
            looks: 0,
            missing: 0,
            missing_in_a_row: 0,
            step: Step::default(),
            most_instances: 0,
            rolled_back: false,
            settings,
        })
    }

    /// Teaches a judge that has seen nothing else yet the stable version of before the rollout: its counts by interval, oldest
    /// first, `None` where they are missing. Intervals may be longer than looks. They say what the base rate is, which
    /// places the bet on the margin and the proof for promotion, and how errors and slow answers cluster.
    pub fn history(&mut self, baseline: &[Option<Arm>]) {
        let mut waiting = Arm::default();
        for arm in baseline.iter().flatten().filter(|arm| arm.is_plausible()) {
            waiting.merge(arm);
            if waiting.requests >= LEAST_REQUESTS {
                self.learn(&std::mem::take(&mut waiting));
            }
        }
        self.learn(&waiting);
    }

    /// Takes in what was compared of a mirror's answers in a tick, before the tick itself.
    pub fn compare(&mut self, answers: &Answers) {
        if let Some(guard) = &mut self.harm.answers {
            guard.observe(answers);
        }
    }

    /// Takes in one tick and says what follows.
    pub fn observe(&mut self, tick: &Tick) -> Verdict {
        self.looks += 1;
        self.harm.beside.observe(tick);
        self.warm_up(tick.canary_instances.unwrap_or(0));
        match (&tick.canary, &tick.baseline) {
            (Some(canary), Some(baseline)) if canary.is_plausible() && baseline.is_plausible() => {
                self.missing_in_a_row = 0;
                // While the split is wrong nothing is concluded of what users met but that more of them fail. It is asked before
                // this tick has its say: what is staked on it may depend on earlier ones alone.
                let was_wrong = self.split.is_wrong();
                if let Some(share) = tick.planned_share {
                    self.split.observe(canary.requests, baseline.requests, share);
                }
                if was_wrong {
                    self.take_in_astray(canary, baseline);
                } else {
                    self.astray = Pair::default();
                    self.take_in(canary, baseline);
                }
            }
            _ => {
                self.missing += 1;
                self.missing_in_a_row += 1;
            }
        }
        let harm = self.harm.log();
        self.decide(harm);
        self.verdict(harm)
    }

    /// The last word at a deadline: what would be *continue* is *inconclusive*.
    pub fn conclude(&self) -> Verdict {
        let mut verdict = self.verdict(self.harm.log());
        if verdict.decision == Decision::Continue {
            verdict.decision = Decision::Inconclusive;
            verdict.reason = format!("neither harm nor its absence is shown in time: {}", verdict.reason);
        }
        verdict
    }

    /// Instances that join the canary are cold, as the first ones were.
    fn warm_up(&mut self, instances: u32) {
        if let (Some(guard), true) = (&mut self.harm.latency, instances > self.most_instances) {
            guard.join(self.waiting_ticks);
        }
        self.most_instances = self.most_instances.max(instances);
    }

    fn take_in(&mut self, canary: &Arm, baseline: &Arm) {
        self.step.ticks += 1;
        self.waiting_ticks += 1;
        self.step.requests = self.step.requests.saturating_add(canary.requests);
        self.waiting.canary.merge(canary);
        self.waiting.baseline.merge(baseline);
        if self.waiting.canary.requests + self.waiting.baseline.requests >= LEAST_REQUESTS {
            let look = std::mem::take(&mut self.waiting);
            let ticks = std::mem::take(&mut self.waiting_ticks);
            self.look(&look, ticks);
        }
    }

    /// The test of errors is conditional on how many requests each arm really had, so it needs no right split. How fast answers
    /// are, and that nothing is worse, is not asked of users who came astray.
    fn take_in_astray(&mut self, canary: &Arm, baseline: &Arm) {
        self.astray.canary.merge(canary);
        self.astray.baseline.merge(baseline);
        if self.astray.canary.requests + self.astray.baseline.requests < LEAST_REQUESTS {
            return;
        }
        let Pair { canary, baseline } = std::mem::take(&mut self.astray);
        let table = Table::new(canary.requests, canary.errors, baseline.requests, baseline.errors);
        self.harm.errors.observe(table, self.record.rate(), &self.record.clusters());
        self.record.add(baseline.requests, baseline.errors.min(baseline.requests));
        self.seen.canary.merge(&canary);
        self.seen.baseline.merge(&baseline);
    }

    /// Bets before it learns: what is staked on a look may depend on earlier looks alone.
    fn look(&mut self, look: &Pair, ticks: u64) {
        let (canary, baseline) = (&look.canary, &look.baseline);
        let table = Table::new(canary.requests, canary.errors, baseline.requests, baseline.errors);
        self.harm.errors.observe(table, self.record.rate(), &self.record.clusters());
        self.errors_alike.observe(table, &self.record);
        if let Some(guard) = &mut self.harm.latency {
            guard.observe(&canary.latency, &baseline.latency, &self.recent, ticks);
        }
        self.learn(baseline);
        if self.settings.latency {
            self.latency_alike.observe(&canary.latency, &baseline.latency, &self.recent);
        }
        self.seen.canary.merge(canary);
        self.seen.baseline.merge(baseline);
    }

    fn learn(&mut self, baseline: &Arm) {
        self.record.add(baseline.requests, baseline.errors.min(baseline.requests));
        if self.settings.latency && baseline.latency.total() > 0 {
            self.recent.add(&baseline.latency);
        }
    }

    /// `harm` is the log of all evidence of harm; it is reckoned once a look.
    fn decide(&mut self, harm: f64) {
        self.rolled_back |= harm >= self.harm.limit() || self.harm.beside.over_limit().is_some();
        let enough = !self.rolled_back && self.obstacle(harm).is_none();
        // The proof must stand now: what later looks have taken away is no proof any more.
        self.step.promoted = enough && self.alike() >= self.alike_limit();
    }

    /// What forbids a promotion, whatever the proof.
    fn obstacle(&self, harm: f64) -> Option<String> {
        let (settings, step) = (&self.settings, &self.step);
        if self.split.is_wrong() {
            return Some("the split is not what was asked for, so nothing is concluded".to_owned());
        }
        if step.ticks < u64::from(settings.minimum_ticks) {
            return Some(format!("the bake is at tick {} of {}", step.ticks, settings.minimum_ticks));
        }
        if step.requests < settings.minimum_requests {
            return Some(format!(
                "the canary had {} of {} requests",
                step.requests, settings.minimum_requests
            ));
        }
        if self.harm.answers.as_ref().is_some_and(|answers| answers.pairs() == 0) {
            return Some("no mirrored answer was compared yet".to_owned());
        }
        if self.harm.latency.as_ref().is_some_and(|guard| guard.looks() == 0) {
            return Some("there is no latency of both arms yet".to_owned());
        }
        if let Some(gauge) = self.harm.beside.awaited() {
            return Some(format!(
                "the {gauge} of a warm instance of each version was not read yet, and it is to be judged"
            ));
        }
        if let Some(gauge) = self.harm.beside.beyond_margin() {
            return Some(format!("the canary's {gauge} is beyond its margin at this moment"));
        }
        self.shows_signs(harm).then(|| "there are signs of harm".to_owned())
    }

    fn shows_signs(&self, harm: f64) -> bool {
        harm >= self.harm.limit() / 2.0
    }

    /// The log of the evidence that the canary is not worse by the margin.
    fn alike(&self) -> f64 {
        let errors = self.errors_alike.log();
        let arms = if self.settings.latency { errors.min(self.latency_alike.log()) } else { errors };
        self.harm.answers.as_ref().map_or(arms, |answers| arms.min(answers.alike_log()))
    }

    fn alike_limit(&self) -> f64 {
        -self.settings.beta.ln()
    }

    fn verdict(&self, harm: f64) -> Verdict {
        let decision = match (self.rolled_back, self.step.promoted) {
            (true, _) => Decision::Rollback,
            (false, true) if !self.shows_signs(harm) && !self.split.is_wrong() => Decision::Promote,
            (false, _) => Decision::Continue,
        };
        Verdict {
            decision,
            reason: self.reason(decision, harm),
            guards: self.harm.readings(harm).into_iter().map(reading).collect(),
            promotion: reading(("promotion".to_owned(), self.alike(), self.alike_limit())),
            data: self.data(),
            looks: self.looks,
            missing: self.missing,
        }
    }

    fn data(&self) -> Data {
        match (self.split.is_wrong(), self.missing_in_a_row) {
            (true, _) => Data::WrongSplit,
            (false, 0) => Data::Sound,
            (false, _) => Data::Missing,
        }
    }

    fn reason(&self, decision: Decision, harm: f64) -> String {
        match decision {
            Decision::Rollback => self.harm_in_words(),
            Decision::Promote => {
                let points = self.settings.margin * 100.0;
                format!("the canary is not worse by {points} points: {}", self.rates())
            }
            Decision::Continue | Decision::Inconclusive => self.waits_for(harm),
        }
    }

    /// What says most against the canary.
    fn harm_in_words(&self) -> String {
        if let Some(gauge) = self.harm.beside.over_limit() {
            return format!("the canary's {gauge} is beyond its limit");
        }
        let log_of_arms = self.harm.log_of_arms();
        if let Some(told) = self.harm.answers.as_ref().filter(|answers| answers.log() >= log_of_arms) {
            return told.reason();
        }
        if let Some(beside) = self.harm.beside_says() {
            return beside;
        }
        if self.harm.is_slower() {
            let p90 = |arm: &Arm| arm.latency.quantile_micros(0.9).unwrap_or_default() as f64 / 1000.0;
            let (canary, baseline) = (p90(&self.seen.canary), p90(&self.seen.baseline));
            return format!(
                "the canary is slower: p90 {canary:.1} ms against {baseline:.1} ms of the baseline"
            );
        }
        format!("the canary fails more often: {}", self.rates())
    }

    fn waits_for(&self, harm: f64) -> String {
        if self.missing_in_a_row > 0 {
            return format!("no data in the last {} ticks", self.missing_in_a_row);
        }
        let obstacle =
            self.obstacle(harm).unwrap_or_else(|| "neither harm nor its absence is proven".to_owned());
        format!("{obstacle}; so far {}", self.rates())
    }

    fn rates(&self) -> String {
        let percent = |arm: &Arm| 100.0 * arm.errors as f64 / arm.requests.max(1) as f64;
        let (canary, baseline) = (&self.seen.canary, &self.seen.baseline);
        format!(
            "{:.2} % of {} requests against {:.2} % of {} in the baseline",
            percent(canary),
            canary.requests,
            percent(baseline),
            baseline.requests
        )
    }
}

fn reading((name, log_evidence, threshold): (String, f64, f64)) -> Reading {
    Reading { name, log_evidence, threshold }
}
