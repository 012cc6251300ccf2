//! Synthetic counts of both arms from a seed: requests and errors as Poisson streams, durations lognormal.

use std::collections::BTreeMap;

use crate::arms::{Arm, BUCKETS, Latency, Tick};
use crate::gauge::Gauges;

/// Durations are lognormal with this median and this spread of their logs. What counts is by how much the canary is
/// slower in units of the spread, and 0.5 is usual for answers over HTTP.
const MEDIAN_MICROS: f64 = 50_000.0;
const SPREAD: f64 = 0.5;

/// Buckets that hold less than this part of the requests are left out.
const LEAST_PART: f64 = 1e-5;

/// Both arms, look by look.
pub struct World {
    /// Requests of a look.
    requests: f64,
    rates: [f64; 2],
    /// Parts of the requests by bucket, for each arm; empty where latency is not guarded.
    parts: [Vec<(u16, f64)>; 2],
    /// What each look tells of the instances.
    gauges: BTreeMap<String, Gauges>,
    chance: Chance,
}

impl World {
    /// With so many requests a look and the error rates of canary and baseline; `slower` is by what factor the canary
    /// is, where latency is wanted.
    pub fn new(requests: f64, rates: [f64; 2], slower: Option<f64>, seed: u64) -> World {
        let parts = match slower {
            Some(factor) => [parts(factor), parts(1.0)],
            None => [Vec::new(), Vec::new()],
        };
        World { requests, rates, parts, gauges: BTreeMap::new(), chance: Chance(seed) }
    }

    /// One instance in each arm, of which these gauges tell the same.
    pub fn with_equal<'a>(mut self, gauges: impl Iterator<Item = &'a String>) -> World {
        let one = || BTreeMap::from([("1".to_owned(), 1.0)]);
        let alike = || Gauges { canary: one(), baseline: one() };
        self.gauges = gauges.map(|name| (name.clone(), alike())).collect();
        self
    }

    pub fn look(&mut self, share: f64) -> Tick {
        let (canary, baseline) = (self.arm(0, share), self.arm(1, 1.0 - share));
        Tick {
            canary: Some(canary),
            baseline: Some(baseline),
            gauges: self.gauges.clone(),
            ..Tick::default()
        }
    }

    fn arm(&mut self, arm: usize, share: f64) -> Arm {
        let mean = self.requests * share;
        let errors = self.chance.poisson(mean * self.rates[arm]);
        let requests = errors + self.chance.poisson(mean * (1.0 - self.rates[arm]));
        let chance = &mut self.chance;
        let drawn = self.parts[arm].iter().map(|(bucket, part)| (*bucket, chance.poisson(mean * part)));
        Arm {
            requests,
            errors,
            latency: Latency { buckets: drawn.filter(|(_, count)| *count > 0).collect() },
        }
    }
}

fn parts(factor: f64) -> Vec<(u16, f64)> {
    let below = |bucket: u16| {
        let edge = Latency::upper_micros(bucket) as f64;
        normal_below((edge / (MEDIAN_MICROS * factor)).ln() / SPREAD)
    };
    let part = |bucket: u16| below(bucket) - if bucket == 0 { 0.0 } else { below(bucket - 1) };
    (0..BUCKETS).map(|bucket| (bucket, part(bucket))).filter(|(_, part)| *part >= LEAST_PART).collect()
}

/// Chance that a normal number is below `x`, to within 1e-7: Abramowitz and Stegun 26.2.17.
fn normal_below(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.2316419 * x.abs());
    let series =
        t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
    let above = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt() * series;
    if x > 0.0 { 1.0 - above } else { above }
}

/// `SplitMix64` (Steele, Lea & Flood, OOPSLA 2014): the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// By products of uniform numbers where the mean is small, else by the normal approximation.
    fn poisson(&mut self, mean: f64) -> u64 {
        const LARGE: f64 = 50.0;
        if mean > LARGE {
            return (mean + mean.sqrt() * self.normal() + 0.5).max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Box and Muller, Annals of Mathematical Statistics 29 (1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}
