//! How clumped events are: an index of dispersion, measured on the baseline's own past and used on the next look.
//!
//! The bets of the judge take requests for independent. They are not: retries fail together, and a pause of one instance
//! makes all its requests slow at once. If events come in clumps, the variance of a count is a multiple of what
//! independent events would show. That multiple is the index of dispersion φ (for clumps of sizes `S` that arrive as a
//! Poisson stream it is `E S² / E S`), and a log-likelihood divided by φ is the usual quasi-likelihood (Wedderburn,
//! Biometrika 61, 1974). For an e-value `e` and φ ≥ 1, Jensen's inequality gives `E e^(1/φ) ≤ (E e)^(1/φ) ≤ 1`: what was
//! valid stays valid.
//!
//! Only the baseline is measured. The canary's own clumps are what is to be judged: were they forgiven, a canary that
//! pauses more often than the baseline would excuse itself.
//!
//! **One canary instance beside many.** Let each of `m` baseline instances take `λ` requests a second and pause now and
//! then, independently, for a time `D`. The count of slow requests of one instance has variance `λ² r E D²` and mean
//! `λ r E D` for a rate `r` of pauses, so its index exceeds one by `λ E D² / E D`. The sum over `m` instances multiplies
//! variance and mean by `m`, so **the index of the baseline as a whole is that of each of its instances**, however many
//! there are. It grows with the requests per second of *one instance* and with nothing else. Hence the canary's index is
//! `1 + (φ − 1)·s` with `s` the requests of a canary instance for one of a baseline instance. In the difference that a
//! two-arm comparison looks at, `(1 − w) k_c − w k_b`, the canary's count weighs `(1 − w)` and the baseline's `w` of the
//! variance, which gives the index of [`Clumping::between`].

use serde::{Deserialize, Serialize};

use crate::arms::Instances;

/// Looks in a block, by scale: clumps may last several looks, and only a block that holds a clump whole shows its size.
const SCALES: [u32; 3] = [1, 4, 16];

/// Pairs of blocks that say "no clumps", believed in before anything is seen, and events that they have at least.
const PRIOR_PAIRS: f64 = 8.0;
const PRIOR_EVENTS: f64 = 20.0;

/// What the index of dispersion of independent events may show by chance alone, beside its standard error.
const SLACK: f64 = 0.1;

/// What is kept of the past after each comparison, so that habits may change.
const KEPT: f64 = 0.999;

/// Clumps differ in size, and it is the large ones that deceive: a guard counts the excess over one that many times.
pub const STRETCH_OF_LATENCY: f64 = 2.0;
pub const STRETCH_OF_PROMOTION: f64 = 1.7;

/// Standard errors by which the index is lowered: few events of errors show less than many requests, and must not be
/// believed too late; a wrong index of latency costs seconds.
pub const CAUTION_OF_ERRORS: f64 = 1.5;
pub const CAUTION_OF_LATENCY: f64 = 2.0;

/// The same for blocks of several looks, of which there are few.
const CAUTION_OF_BLOCKS: f64 = 2.5;

/// An index of dispersion of at least one, known before the look it is used for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clumping(f64);

impl Clumping {
    /// Independent events.
    pub const NONE: Clumping = Clumping(1.0);

    /// The index of dispersion.
    pub fn index(self) -> f64 {
        self.0
    }

    /// The larger of two.
    pub fn or(self, other: Clumping) -> Clumping {
        Clumping(self.0.max(other.0))
    }

    /// The index of a comparison between a canary with `canary` requests and a baseline with `baseline`, where `self` is
    /// the baseline's. Where the number of instances is not known, an instance of the canary is taken to be as busy as
    /// one of the baseline, or as busy as the whole canary beside the whole baseline if that is more.
    pub fn between(self, canary: u64, baseline: u64, instances: Option<Instances>) -> Clumping {
        if canary == 0 || baseline == 0 {
            return self;
        }
        let (canary, baseline) = (canary as f64, baseline as f64);
        let busier = match instances {
            Some(Instances { canary: own, baseline: others }) => {
                canary * f64::from(others.max(1)) / (baseline * f64::from(own.max(1)))
            }
            None => (canary / baseline).max(1.0),
        };
        let share = canary / (canary + baseline);
        Clumping(1.0 + (self.0 - 1.0) * ((1.0 - share) * busier + share))
    }

    /// `e^(1/φ)` in logs, with a φ whose excess over one is stretched, so that it also holds large clumps at bay. By
    /// Jensen's inequality still an e-value, and right for clumps of size φ.
    pub fn temper_firmly(self, log_e: f64, stretch: f64) -> f64 {
        log_e / (1.0 + stretch * (self.0 - 1.0))
    }
}

/// What a look says of the clumping of one kind of event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Requests of the look.
    pub requests: f64,
    /// Their number of events, or the sum of their scores.
    pub sum: f64,
    /// Variance of one request's part in the sum if requests were independent.
    pub variance: f64,
}

/// Measures the index of dispersion on blocks of several lengths and takes the largest.
///
/// A block is compared with the one before and the one after it. With independent blocks of the same mean and of the
/// variance `v`, `(b − a)²/2` has the mean `v`, and so has `(b − a)(b − c)`. Slow drift cancels in both (von Neumann,
/// Annals of Mathematical Statistics 12, 1941). The product also is blind to a lasting change of level, which makes one of
/// its factors small; but it is noisier, so single looks, to which a change of level does little, use the square.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// Longer blocks than this are not looked at: what lasts longer is an incident and no clump.
    longest: u32,
    scales: [Scale; SCALES.len()],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Scale {
    filling: Block,
    looks: u32,
    /// The two blocks before, the older one first.
    before: [Option<Block>; 2],
    /// Sums over comparisons: what was seen, what independent events would show, and how many.
    seen: f64,
    expected: f64,
    compared: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    requests: f64,
    sum: f64,
    variance: f64,
}

impl Dispersion {
    /// With blocks of so many looks at most.
    pub fn new(longest: u32) -> Dispersion {
        Dispersion { longest, scales: Default::default() }
    }

    /// Takes in one look.
    pub fn add(&mut self, sample: Sample) {
        if sample.requests <= 0.0 {
            return;
        }
        for (scale, looks) in self.scales.iter_mut().zip(SCALES).filter(|(_, looks)| *looks <= self.longest) {
            scale.add(sample, looks);
        }
    }

    /// The index as known now, lowered by so many standard errors.
    pub fn clumping(&self, caution: f64) -> Clumping {
        Clumping(
            self.scales
                .iter()
                .zip(SCALES)
                .map(|(scale, looks)| scale.index(looks, caution))
                .fold(1.0, f64::max),
        )
    }
}

impl Scale {
    fn add(&mut self, sample: Sample, looks: u32) {
        self.filling.requests += sample.requests;
        self.filling.sum += sample.sum;
        self.filling.variance += sample.requests * sample.variance;
        self.looks += 1;
        if self.looks < looks {
            return;
        }
        self.looks = 0;
        let block = std::mem::take(&mut self.filling);
        match self.before {
            [_, Some(last)] if looks == 1 => self.compare(last, block, block),
            [Some(first), Some(last)] => self.compare(last, first, block),
            _ => {}
        }
        self.before = [self.before[1], Some(block)];
    }

    /// Compares a block with two others, which may be the same. All is weighted so that it is in units of events: then
    /// the sums give `E S² / E S` for rare clumps too.
    fn compare(&mut self, block: Block, one: Block, other: Block) {
        let all = [block, one, other];
        let requests = |blocks: &[Block]| blocks.iter().map(|block| block.requests).sum::<f64>();
        let variance = all.iter().map(|block| block.variance).sum::<f64>() / requests(&all);
        let mean = |block: Block| block.sum / block.requests;
        let (to_one, to_other) = (mean(block) - mean(one), mean(block) - mean(other));
        // The mean of the product: the variance of what the factors share.
        let expected = if one == other {
            variance * (1.0 / block.requests + 1.0 / one.requests)
        } else {
            variance / block.requests
        };
        let weight = 2.0 * block.requests * one.requests / (block.requests + one.requests);
        self.seen = KEPT * self.seen + weight * weight * to_one * to_other;
        self.expected = KEPT * self.expected + weight * weight * expected;
        self.compared = KEPT * self.compared + 1.0;
    }

    /// Shrunk to one, less one standard error. For normal means the square has the variance 2 and the product 5, in
    /// units of the squared mean; neighbours share blocks, which makes it 3 and 7; rare events add the inverse of their
    /// number.
    fn index(&self, looks: u32, caution: f64) -> f64 {
        if self.expected <= 0.0 {
            return 1.0;
        }
        let noise = if looks == 1 { 3.0 } else { 7.0 };
        let prior = PRIOR_EVENTS.max(PRIOR_PAIRS * self.expected / self.compared);
        let index = (prior + self.seen) / (prior + self.expected);
        let error = (noise / self.compared).sqrt() * self.expected / (prior + self.expected);
        let caution = if looks == 1 { caution } else { CAUTION_OF_BLOCKS };
        index - caution * error - SLACK
    }
}
