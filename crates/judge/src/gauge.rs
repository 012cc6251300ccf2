//! Memory, CPU and queues by instance: does the canary's gauge climb faster than the baseline's, or beyond a limit?
//!
//! Requests are many and instances few, and an instance that is larger than the others stays so. Hence levels can't be
//! compared by chance: of one canary beside three others, the canary is the largest with a chance of one in four, however
//! long one looks, and that is all the evidence there is. What can be compared is *growth*, block of time by block of
//! time: in each block the instances' increments are ranked together. If the canary is one of them, its rank is a random
//! one of all, and `e^{λ s} / mean e^{λ s}` for a rank score `s` has the mean one (Hoeffding 1963, theorem 4, for several
//! instances). A leak is ranked first again and again. Levels have a limit that the user may set.

use serde::{Deserialize, Serialize};

use crate::evidence::Wealth;

/// Strengths of the tilt towards fast growth, in equal parts.
const TILTS: [f64; 3] = [0.7, 1.5, 3.0];

/// What is measured, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeSettings {
    /// Looks in a block. Increments of neighbouring blocks must have little to do with each other.
    pub block_looks: u32,
    /// A mean over a block beyond this is too much, whatever the baseline does.
    pub limit: Option<f64>,
}

/// One look: a value for each instance, in an order that stays; `None` is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    pub canary: Vec<Option<f64>>,
    pub baseline: Vec<Option<f64>>,
}

/// Evidence that the canary's gauge grows faster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeGuard {
    settings: GaugeSettings,
    wealth: Wealth,
    looks: u32,
    canary: Vec<Course>,
    baseline: Vec<Course>,
    over_limit: bool,
}

/// What is known of one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Course {
    sum: f64,
    seen: u32,
    /// Mean of the block before.
    last: Option<f64>,
}

impl GaugeGuard {
    pub fn new(settings: GaugeSettings) -> GaugeGuard {
        GaugeGuard {
            settings,
            wealth: Wealth::new(&[1.0; TILTS.len()]),
            looks: 0,
            canary: Vec::new(),
            baseline: Vec::new(),
            over_limit: false,
        }
    }

    /// Takes in one look. Missing values and such that are no numbers say nothing.
    pub fn observe(&mut self, gauges: &Gauges) {
        take_in(&mut self.canary, &gauges.canary);
        take_in(&mut self.baseline, &gauges.baseline);
        self.looks += 1;
        if self.looks < self.settings.block_looks {
            return;
        }
        self.looks = 0;
        let means = self.canary.iter().filter_map(Course::mean);
        self.over_limit |=
            self.settings.limit.is_some_and(|limit| means.max_by(f64::total_cmp) > Some(limit));
        let canary: Vec<f64> = self.canary.iter_mut().filter_map(Course::growth).collect();
        let baseline: Vec<f64> = self.baseline.iter_mut().filter_map(Course::growth).collect();
        if !canary.is_empty() && !baseline.is_empty() {
            self.wealth.bet(&log_e(&canary, &baseline));
        }
    }

    /// The log of the evidence that the canary grows faster.
    pub fn log(&self) -> f64 {
        self.wealth.log()
    }

    /// Whether an instance of the canary was beyond the limit for a block.
    pub fn is_over_limit(&self) -> bool {
        self.over_limit
    }
}

impl Course {
    fn mean(&self) -> Option<f64> {
        (self.seen > 0).then(|| self.sum / f64::from(self.seen))
    }

    /// By how much the block's mean is above that of the block before; begins the next block.
    fn growth(&mut self) -> Option<f64> {
        let mean = self.mean();
        let last = std::mem::replace(&mut self.last, mean);
        (self.sum, self.seen) = (0.0, 0);
        Some(mean? - last?)
    }
}

fn take_in(courses: &mut Vec<Course>, values: &[Option<f64>]) {
    courses.resize(values.len().max(courses.len()), Course::default());
    for (course, value) in courses.iter_mut().zip(values) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            course.sum += value;
            course.seen += 1;
        }
    }
}

/// One for each tilt, with scores of the mid-ranks between -1 and 1.
fn log_e(canary: &[f64], baseline: &[f64]) -> [f64; TILTS.len()] {
    let all: Vec<f64> = canary.iter().chain(baseline).copied().collect();
    let score = |value: &f64| {
        let below = all.iter().filter(|other| *other < value).count() as f64;
        let equal = all.iter().filter(|other| *other == value).count() as f64;
        (2.0 * below + equal) / all.len() as f64 - 1.0
    };
    let own: f64 = canary.iter().map(score).sum();
    TILTS.map(|tilt| {
        let moment = all.iter().map(|value| (tilt * score(value)).exp()).sum::<f64>() / all.len() as f64;
        tilt * own - canary.len() as f64 * moment.ln()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: GaugeSettings = GaugeSettings { block_looks: 5, limit: Some(900.0) };

    /// A sawtooth of each instance with its own phase and size, as of a collected heap.
    fn heap(instance: u32, look: u32) -> f64 {
        let phase = (look * 7 + instance * 13 + instance * instance * look / 3) % 31;
        100.0 * f64::from(instance + 1) + f64::from(phase)
    }

    fn watch(leak: f64) -> GaugeGuard {
        let mut guard = GaugeGuard::new(SETTINGS);
        for look in 0..300 {
            let canary = vec![Some(heap(3, look) + leak * f64::from(look))];
            let baseline = (0..3).map(|instance| Some(heap(instance, look))).collect();
            guard.observe(&Gauges { canary, baseline });
        }
        guard
    }

    #[test]
    fn a_leak_is_found_and_a_larger_instance_is_none() {
        let (sound, leaking) = (watch(0.0), watch(4.0));
        assert!(sound.log() < 2.0 && !sound.is_over_limit(), "{}", sound.log());
        assert!(leaking.log() > 100f64.ln() && leaking.is_over_limit(), "{}", leaking.log());
    }

    #[test]
    fn the_mean_of_the_evidence_is_one_over_all_choices_of_the_canary() {
        let growth = [3.0, -1.0, 7.5, 7.5, 0.0];
        let mut means = [0.0; TILTS.len()];
        for chosen in 0..growth.len() {
            let others: Vec<f64> =
                (0..growth.len()).filter(|at| *at != chosen).map(|at| growth[at]).collect();
            let e = log_e(&growth[chosen..=chosen], &others);
            means.iter_mut().zip(e).for_each(|(mean, e)| *mean += e.exp() / growth.len() as f64);
        }
        assert!(means.iter().all(|mean| (mean - 1.0).abs() < 1e-9), "{means:?}");
    }

    #[test]
    fn what_is_missing_says_nothing() {
        let mut guard = GaugeGuard::new(SETTINGS);
        for _ in 0..50 {
            guard.observe(&Gauges { canary: vec![None], baseline: vec![Some(1.0), Some(f64::NAN)] });
        }
        assert!(guard.log().abs() < 1e-9 && !guard.is_over_limit());
    }
}
