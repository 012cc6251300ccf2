//! Memory, CPU and queues by instance: does the canary use more than the baseline by a margin that the user states?
//!
//! Instances are few, and one that is larger than the others stays so: of levels alone chance says nothing. A fresh process has
//! less memory than an old one, fills its caches and burns more CPU. So what is tested is a statement with a margin: in a block
//! of time the canary's instances are, in the mean, beyond the largest that the baseline had in the last blocks, times one plus
//! the margin, plus a slack. Of a harmless canary this may be true of a block, given all blocks before it, with a chance of at
//! most [`MOST_BY_CHANCE`]; then `Π q/p` over the blocks beyond and `(1−q)/(1−p)` over the others is a test supermartingale for
//! each `q > p`. An instance is judged once it is warm. What grows with the load is compared at the canary's: a baseline that
//! used `u` at `r` requests an instance uses at most `u · max(1, r'/r)` at `r'`, however much of it is fixed.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::evidence::{log_add, log_sum};

/// The chance, at most, with which a harmless canary is beyond the margin in a block.
const MOST_BY_CHANCE: f64 = 0.25;

/// The chances that are bet on, in equal parts.
const BETS: [f64; 2] = [0.6, 0.95];

/// The baseline's largest of so many blocks counts: five minutes of the usual ones.
const RECENT_BLOCKS: usize = 30;

/// More instances of an arm than this are not watched.
const MOST_INSTANCES: usize = 4096;

/// What is measured, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeSettings {
    pub unit: Unit,
    /// How much more is harm, as a part of what the baseline uses: 0.5 is half as much again.
    pub margin: f64,
    /// So much more, in the gauge's unit, is never harm.
    #[serde(default)]
    pub slack: f64,
    /// Seconds after an instance is first seen in which it is not judged.
    #[serde(default)]
    pub warm_up_seconds: f64,
    /// Looks in a block, at least: it ends with the first reading after so many.
    pub block_looks: u32,
    /// A mean of an instance over a block beyond this is too much, whatever the baseline does.
    #[serde(default)]
    pub limit: Option<f64>,
    /// Nothing is promoted before the arms were compared once. Else a target that tells no readings is judged without them.
    #[serde(default)]
    pub needed: bool,
}

/// What a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A level in bytes.
    Bytes,
    /// Seconds of processor time since the instance began; what is judged is seconds per second, at the arm's load.
    CpuSeconds,
    /// A level of anything else.
    Plain,
}

impl GaugeSettings {
    /// Resident memory.
    pub fn memory(margin: f64) -> GaugeSettings {
        GaugeSettings { unit: Unit::Bytes, margin, slack: 16.0 * MEBIBYTE, ..GaugeSettings::usual() }
    }

    /// Processor time.
    pub fn cpu(margin: f64) -> GaugeSettings {
        GaugeSettings { unit: Unit::CpuSeconds, margin, slack: 0.05, ..GaugeSettings::usual() }
    }

    fn usual() -> GaugeSettings {
        GaugeSettings {
            unit: Unit::Plain,
            margin: 0.5,
            slack: 0.0,
            warm_up_seconds: 30.0,
            block_looks: 10,
            limit: None,
            needed: false,
        }
    }

    /// The name of a number that makes no sense, if there is one.
    pub fn wrong(&self) -> Option<(&'static str, f64)> {
        let numbers =
            [("margin", self.margin), ("slack", self.slack), ("warm_up_seconds", self.warm_up_seconds)];
        numbers.into_iter().find(|(_, value)| !(*value >= 0.0 && value.is_finite()))
    }
}

const MEBIBYTE: f64 = 1_048_576.0;

/// One look: a reading for each instance that was read, by names that no other instance of the arm ever has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    pub canary: BTreeMap<String, f64>,
    pub baseline: BTreeMap<String, f64>,
}

/// Requests that each arm served in a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    pub canary: f64,
    pub baseline: f64,
}

/// Evidence that the canary uses more than the margin allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeGuard {
    settings: GaugeSettings,
    tick_seconds: f64,
    /// Logs of what the bets hold, before the share of each.
    held: [f64; BETS.len()],
    blocks: u32,
    looks: u64,
    /// Where the present block began, and the load since.
    began: u64,
    load: Load,
    canary: Side,
    baseline: Side,
    recent: VecDeque<Used>,
    newest: Option<Compared>,
    over_limit: bool,
}

/// The instances of an arm, by name.
type Side = BTreeMap<String, Course>;

/// What is known of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Course {
    first_look: u64,
    last: (u64, f64),
    sum: f64,
    seen: u32,
    is_there: bool,
}

/// What the largest of the baseline's instances used in a block, at how many requests an instance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Used {
    most: f64,
    requests: f64,
}

/// The newest block that could be compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Compared {
    canary: f64,
    baseline: f64,
    allowed: f64,
}

impl GaugeGuard {
    pub fn new(settings: GaugeSettings, tick_seconds: f64) -> GaugeGuard {
        GaugeGuard {
            settings,
            tick_seconds,
            held: [staked(0).ln(); BETS.len()],
            blocks: 0,
            looks: 0,
            began: 0,
            load: Load::default(),
            canary: Side::new(),
            baseline: Side::new(),
            recent: VecDeque::new(),
            newest: None,
            over_limit: false,
        }
    }

    /// Takes in one look. What was not read, and what is no number, says nothing.
    pub fn observe(&mut self, gauges: &Gauges, load: Load) {
        self.looks += 1;
        self.load.canary += load.canary;
        self.load.baseline += load.baseline;
        if gauges.canary.is_empty() && gauges.baseline.is_empty() {
            return;
        }
        let reader = Reader { settings: self.settings, tick_seconds: self.tick_seconds, look: self.looks };
        reader.take_in(&mut self.canary, &gauges.canary);
        reader.take_in(&mut self.baseline, &gauges.baseline);
        if self.looks - self.began >= u64::from(self.settings.block_looks) {
            self.close();
        }
    }

    /// Ends a block: bets on it, and begins the next.
    fn close(&mut self) {
        let load = std::mem::take(&mut self.load);
        self.began = self.looks;
        let (canary, instances) = close(&mut self.canary);
        let (baseline, others) = close(&mut self.baseline);
        let largest = |means: &[f64]| means.iter().copied().reduce(f64::max);
        self.over_limit |= self.settings.limit.is_some_and(|limit| largest(&canary) > Some(limit));
        if let Some(most) = largest(&baseline) {
            self.recent.push_back(Used { most, requests: load.baseline / others as f64 });
            let surplus = self.recent.len().saturating_sub(RECENT_BLOCKS);
            self.recent.drain(..surplus);
        }
        let own = load.canary / instances.max(1) as f64;
        let at_load = |used: &Used| match self.settings.unit {
            Unit::Bytes | Unit::Plain => used.most,
            // Nothing is known of the work of requests where the baseline had none.
            Unit::CpuSeconds if own > used.requests && used.requests <= 0.0 => f64::INFINITY,
            Unit::CpuSeconds => used.most * (own / used.requests.max(1e-9)).max(1.0),
        };
        let baseline = self.recent.iter().map(at_load).reduce(f64::max);
        let (Some(baseline), false) = (baseline, canary.is_empty()) else { return };
        if !baseline.is_finite() {
            return;
        }
        let canary = canary.iter().sum::<f64>() / canary.len() as f64;
        let allowed = baseline.max(0.0) * (1.0 + self.settings.margin) + self.settings.slack;
        self.newest = Some(Compared { canary, baseline, allowed });
        self.bet(canary > allowed);
    }

    /// A late start is the rule, not the exception: a leak takes its time. So the money is staked at a rate that falls slowly.
    fn bet(&mut self, is_beyond: bool) {
        self.blocks += 1;
        let stake = staked(self.blocks).ln();
        for (held, chance) in self.held.iter_mut().zip(BETS) {
            let log_e = if is_beyond {
                (chance / MOST_BY_CHANCE).ln()
            } else {
                ((1.0 - chance) / (1.0 - MOST_BY_CHANCE)).ln()
            };
            *held = log_add(*held + log_e, stake);
        }
    }

    /// The log of the evidence that the canary uses too much.
    pub fn log(&self) -> f64 {
        let all = log_sum(&self.held) - (BETS.len() as f64).ln();
        log_add(all, kept(self.blocks + 1).ln())
    }

    /// Whether an instance of the canary was beyond the limit for a block.
    pub fn is_over_limit(&self) -> bool {
        self.over_limit
    }

    /// Whether nothing may be promoted yet for want of readings of both arms.
    pub fn is_awaited(&self) -> bool {
        self.settings.needed && self.newest.is_none()
    }

    /// Whether the canary was beyond the margin in the newest block.
    pub fn is_beyond(&self) -> bool {
        self.newest.is_some_and(|block| block.canary > block.allowed)
    }

    /// In words, with the numbers of the newest block.
    pub fn reason(&self, name: &str) -> String {
        let Some(Compared { canary, baseline, allowed }) = self.newest else {
            return format!("the canary's {name} is beyond its limit");
        };
        let (unit, margin) = (self.settings.unit, self.settings.margin * 100.0);
        format!(
            "the canary's {name} is beyond the margin of {margin:.0} %: {} an instance against {} of the baseline's \
             largest of late, where {} is the most",
            unit.show(canary),
            unit.show(baseline),
            unit.show(allowed)
        )
    }
}

/// What is kept for starts with this block or later; all of it before the first.
fn kept(block: u32) -> f64 {
    1.0 / (1.0 + f64::from(block) / 5.0).sqrt()
}

/// The part that is staked for a start with this block, counted from zero.
fn staked(block: u32) -> f64 {
    kept(block) - kept(block + 1)
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Bytes => format!("{:.1} MiB", value / MEBIBYTE),
            Unit::CpuSeconds => format!("{value:.3} s/s"),
            Unit::Plain => format!("{value:.3}"),
        }
    }
}

/// Takes readings of one look in.
struct Reader {
    settings: GaugeSettings,
    tick_seconds: f64,
    look: u64,
}

impl Reader {
    fn take_in(&self, side: &mut Side, readings: &BTreeMap<String, f64>) {
        for (name, value) in readings.iter().filter(|(_, value)| value.is_finite()) {
            if let Some(course) = side.get_mut(name) {
                self.read(course, *value);
            } else if side.len() < MOST_INSTANCES {
                let mut course = Course {
                    first_look: self.look,
                    last: (self.look, *value),
                    sum: 0.0,
                    seen: 0,
                    is_there: true,
                };
                if self.settings.unit != Unit::CpuSeconds {
                    self.read(&mut course, *value);
                }
                side.insert(name.clone(), course);
            }
        }
    }

    fn read(&self, course: &mut Course, value: f64) {
        let (before, last) = std::mem::replace(&mut course.last, (self.look, value));
        course.is_there = true;
        let is_warm = |look: u64| {
            (look - course.first_look) as f64 * self.tick_seconds >= self.settings.warm_up_seconds
        };
        let reading = match self.settings.unit {
            Unit::Bytes | Unit::Plain => is_warm(self.look).then_some(value),
            // A counter that went backwards was reset, which is not an event.
            Unit::CpuSeconds => (is_warm(before) && value >= last && self.look > before)
                .then(|| (value - last) / ((self.look - before) as f64 * self.tick_seconds)),
        };
        if let Some(reading) = reading {
            course.sum += reading;
            course.seen += 1;
        }
    }
}

/// The means of the warm instances, and how many there are; forgets those that are gone.
fn close(side: &mut Side) -> (Vec<f64>, usize) {
    side.retain(|_, course| std::mem::take(&mut course.is_there));
    let means = side.values_mut().filter_map(|course| {
        let (sum, seen) = (std::mem::take(&mut course.sum), std::mem::take(&mut course.seen));
        (seen > 0).then(|| sum / f64::from(seen))
    });
    (means.collect(), side.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    const PLAIN: GaugeSettings = GaugeSettings {
        unit: Unit::Plain,
        margin: 0.5,
        slack: 0.0,
        warm_up_seconds: 30.0,
        block_looks: 10,
        limit: None,
        needed: false,
    };

    fn named(values: impl IntoIterator<Item = f64>) -> BTreeMap<String, f64> {
        values.into_iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
    }

    /// The look at which a canary beside two steady instances of 100 would be taken back by this guard alone.
    fn found(settings: GaugeSettings, canary: impl Fn(u64) -> f64) -> Option<u64> {
        let mut guard = GaugeGuard::new(settings, 1.0);
        (0..900).find(|look| {
            guard.observe(
                &Gauges { canary: named([canary(*look)]), baseline: named([80.0, 100.0]) },
                Load::default(),
            );
            guard.log() >= 3_000f64.ln()
        })
    }

    #[test]
    fn what_is_beyond_the_margin_again_and_again_is_found_and_nothing_else_is() {
        let tells = |canary: fn(u64) -> f64, looks: Option<std::ops::Range<u64>>| {
            let found = found(PLAIN, canary);
            assert_eq!(found.is_some(), looks.is_some(), "{found:?}");
            assert!(found.zip(looks).is_none_or(|(found, looks)| looks.contains(&found)), "{found:?}");
        };
        tells(|_| 100.0, None);
        tells(|_| 149.0, None);
        tells(|_| 160.0, Some(100..160));
        tells(|_| f64::NAN, None);
        // A leak crosses the margin at look 300, and one from the beginning at 50.
        tells(|look| 90.0 + 0.2 * look as f64, Some(380..460));
        tells(|look| look as f64 * 3.0, Some(120..190));
        // A cold start: three times as much for half a minute, and a minute on top in which it falls below the margin.
        tells(|look| if look < 30 { 300.0 } else { 100.0 }, None);
        tells(|look| 100.0 + 200.0 * (-(look as f64) / 30.0).exp(), None);
        // Caches that fill up to what the baseline has, however long they take.
        tells(|look| (look as f64 / 5.0).min(120.0), None);
        // A sawtooth that is beyond the margin for a fifth of the time.
        tells(|look| 60.0 + (look % 100) as f64 * 1.12, None);
    }

    #[test]
    fn a_cold_start_that_is_judged_would_be_taken_for_harm() {
        let cold = |look: u64| if look < 100 { 300.0 } else { 100.0 };
        let of = |warm_up_seconds| found(GaugeSettings { warm_up_seconds, ..PLAIN }, cold);
        assert_eq!(of(60.0), None);
        assert!(of(0.0).is_some());
    }

    #[test]
    fn what_is_needed_is_awaited_until_a_warm_instance_of_each_arm_was_compared() {
        let compared = |settings: GaugeSettings, canary: f64| {
            let mut guard = GaugeGuard::new(settings, 1.0);
            (1..=100).find(|_| {
                let gauges = Gauges { canary: named([canary]), baseline: named([100.0]) };
                guard.observe(&gauges, Load::default());
                !guard.is_awaited()
            })
        };
        let needed = GaugeSettings { needed: true, ..PLAIN };
        assert_eq!(compared(needed, 100.0), Some(40));
        assert_eq!(compared(needed, f64::NAN), None);
        assert_eq!(compared(PLAIN, f64::NAN), Some(1));
    }

    #[test]
    fn one_large_instance_of_several_is_no_version_that_uses_more() {
        let log = |canary: [f64; 3], baseline: [f64; 2]| {
            let mut guard = GaugeGuard::new(PLAIN, 1.0);
            (0..900).for_each(|_| {
                guard.observe(&Gauges { canary: named(canary), baseline: named(baseline) }, Load::default());
            });
            guard.log()
        };
        assert!(log([100.0, 100.0, 230.0], [100.0, 100.0]) < 0.0);
        assert!(log([160.0, 160.0, 230.0], [100.0, 160.0]) < 0.0);
        assert!(log([160.0, 160.0, 230.0], [100.0, 100.0]) > 20.0);
    }

    /// Seconds of processor time, of which each request takes 5 ms and each second of an instance 20 ms.
    fn cpu(per_request: f64, share: f64, canaries: u32) -> f64 {
        let mut guard = GaugeGuard::new(GaugeSettings::cpu(0.5), 1.0);
        let load = Load { canary: 120.0 * share, baseline: 120.0 * (1.0 - share) };
        for look in (0..600).filter(|look| look % 10 == 0) {
            let used = |per_request: f64, requests: f64| f64::from(look) * (0.02 + per_request * requests);
            let own = used(per_request, load.canary / f64::from(canaries));
            let gauges = Gauges {
                canary: named((0..canaries).map(|_| own)),
                baseline: named([used(0.005, load.baseline / 3.0); 3]),
            };
            guard.observe(&gauges, load);
            (1..10).for_each(|_| guard.observe(&Gauges::default(), load));
        }
        guard.log()
    }

    #[test]
    fn processor_time_is_compared_at_the_load_of_the_canary() {
        for (share, canaries) in [(0.05, 1), (0.25, 1), (0.5, 1), (0.5, 3), (0.9, 1), (0.01, 3)] {
            assert!(cpu(0.005, share, canaries) < 0.0, "{share} {canaries}");
        }
        assert!(cpu(0.015, 0.25, 1) > 20.0 && cpu(0.015, 0.5, 1) > 20.0);
    }

    #[test]
    fn a_reset_counter_and_an_instance_that_is_gone_are_no_events() {
        let mut guard = GaugeGuard::new(GaugeSettings::cpu(0.5), 1.0);
        for look in 0..600u32 {
            let since = f64::from(look % 40);
            let names = |at: u32| BTreeMap::from([(format!("{at}-{}", look / 40), since)]);
            let reset = BTreeMap::from([("0".to_owned(), since * 100.0)]);
            let canary = if look < 300 { reset } else { names(1) };
            guard.observe(&Gauges { canary, baseline: named([f64::from(look)]) }, Load::default());
            assert!(guard.canary.len() <= 3, "{}", guard.canary.len());
        }
        let missing = GaugeGuard::new(PLAIN, 1.0);
        assert!(missing.log().abs() < 1e-9 && !missing.is_over_limit() && !missing.is_beyond());
    }

    #[test]
    fn the_mean_of_the_evidence_is_one_where_a_block_is_beyond_as_often_as_chance_may_have_it() {
        let mut mean = 0.0;
        for ends in 0u32..256 {
            let mut guard = GaugeGuard::new(PLAIN, 1.0);
            let mut chance = 1.0;
            for block in 0..8 {
                let is_beyond = ends >> block & 1 == 1;
                chance *= if is_beyond { MOST_BY_CHANCE } else { 1.0 - MOST_BY_CHANCE };
                guard.bet(is_beyond);
            }
            mean += chance * guard.log().exp();
        }
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
    }

    proptest! {
        #[test]
        fn any_readings_give_a_number(readings in proptest::collection::vec(any::<(u8, f64, f64, f64, f64)>(), 0..60)) {
            let cpu = GaugeSettings { warm_up_seconds: 0.0, block_looks: 1, ..GaugeSettings::cpu(0.5) };
            for settings in [cpu, GaugeSettings { warm_up_seconds: 0.0, block_looks: 1, ..PLAIN }] {
                let mut guard = GaugeGuard::new(settings, 1.0);
                for (name, canary, baseline, own, other) in &readings {
                    let one = |value: &f64| BTreeMap::from([((name % 3).to_string(), *value)]);
                    let load = Load { canary: own.abs(), baseline: other.abs() };
                    guard.observe(&Gauges { canary: one(canary), baseline: one(baseline) }, load);
                }
                prop_assert!(!guard.log().is_nan());
                prop_assert!(!guard.reason("cpu").is_empty());
            }
        }
    }
}
