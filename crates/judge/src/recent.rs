//! What is known of the baseline's latency before a look: its distribution of late, and how clumped its slow answers are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::arms::{BUCKETS, Latency};
use crate::clumping::{CAUTION_OF_LATENCY, Clumping, Dispersion, Sample};

/// Requests that make up the recent past, where it has not too many looks already.
const ENOUGH: u64 = 3000;

/// Looks that it holds at most.
const MOST_LOOKS: usize = 60;

/// Requests below which nothing is said of a quantile.
const FEWEST: u64 = 50;

/// The longest block of looks on which clumps of slow requests are measured.
const LONGEST_BLOCK_SECONDS: f64 = 16.0;

/// The part of the requests that lies beyond the highest of the edges. Further out, a minute of usual traffic has too few.
const TOP: f64 = 0.003;

/// How far beyond p90 *far* begins, in units of the distance from p50 to p90 (in logs): at 3.8 standard deviations where
/// durations are lognormal. What lies there is a pause, or a fault of its own kind, and is judged apart.
const FAR: usize = 2;

/// That distance is taken to be so many buckets at least: what is not twice as slow as p90 is not far.
const LEAST_FAR: usize = 4;

/// Counts by bucket, empty buckets included.
pub type Dense = [u64; BUCKETS as usize];

/// The baseline's latency of late: some minutes of thin traffic, a minute of the usual kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    looks: VecDeque<Latency>,
    total: u64,
    /// All looks together, by bucket; empty before the first.
    sum: Vec<u64>,
    scores: Dispersion,
    p90: Dispersion,
    p99: Dispersion,
}

/// Where the baseline's latency lies, by bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges {
    pub p90: usize,
    pub p99: usize,
    /// Three requests of a thousand lie beyond. A fault of a few requests that shows nowhere else is told soonest here.
    pub top: usize,
    /// The last bucket that is not far.
    pub far: usize,
}

impl Edges {
    fn of(past: &Dense) -> Edges {
        let (p50, p90, p99) = (edge(past, 0.5), edge(past, 0.1), edge(past, 0.01));
        let far = p90 + FAR * p90.saturating_sub(p50).max(LEAST_FAR);
        Edges { p90, p99, top: edge(past, TOP), far: far.min(usize::from(BUCKETS) - 1) }
    }
}

impl Recent {
    /// For ticks of so many seconds. A pause is over in some seconds; what lasts longer is no clump.
    pub fn new(tick_seconds: f64) -> Recent {
        let dispersion = Dispersion::new((LONGEST_BLOCK_SECONDS / tick_seconds).clamp(1.0, 1e6) as u32);
        Recent {
            looks: VecDeque::new(),
            total: 0,
            sum: Vec::new(),
            scores: dispersion.clone(),
            p90: dispersion.clone(),
            p99: dispersion,
        }
    }

    /// Takes in one look: first it is compared with the past, then it is part of it.
    pub fn add(&mut self, latency: &Latency) {
        let look = latency.dense();
        if let Some((past, edges)) = self.dense().map(|past| (past, Edges::of(&past))) {
            let (near_past, near) = (up_to(&past, edges.far), up_to(&look, edges.far));
            self.scores.add(scored(&near_past, &near));
            self.p90.add(exceeding(&near, edges.p90));
            self.p99.add(exceeding(&look, edges.p99));
        }
        self.sum.resize(usize::from(BUCKETS), 0);
        self.sum.iter_mut().zip(look).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        self.total = self.total.saturating_add(latency.total());
        self.looks.push_back(latency.clone());
        self.trim();
    }

    /// All of it by bucket; none where it is too little to speak of quantiles.
    pub fn dense(&self) -> Option<Dense> {
        let sum: Dense = self.sum.as_slice().try_into().ok()?;
        (self.total >= FEWEST).then_some(sum)
    }

    /// Where it lies; none where it is too little to say.
    pub fn edges(&self) -> Option<Edges> {
        self.dense().map(|past| Edges::of(&past))
    }

    /// How clumped slowness is among the requests that are not far: the larger index of the ranks and of those beyond p90.
    pub fn clumping(&self) -> Clumping {
        self.scores.clumping(CAUTION_OF_LATENCY).or(self.p90.clumping(CAUTION_OF_LATENCY))
    }

    /// How clumped the requests beyond p99 are, far ones included.
    pub fn clumping_of_tail(&self) -> Clumping {
        self.p99.clumping(CAUTION_OF_LATENCY)
    }

    fn trim(&mut self) {
        while let Some(first) = self.looks.front() {
            let count = first.total();
            if self.looks.len() <= MOST_LOOKS && self.total.saturating_sub(count) < ENOUGH {
                return;
            }
            for (bucket, count) in &first.buckets {
                let cell = &mut self.sum[usize::from(*bucket)];
                *cell = cell.saturating_sub(*count);
            }
            self.total = self.total.saturating_sub(count);
            self.looks.pop_front();
        }
    }
}

/// The requests up to a bucket.
pub fn up_to(counts: &Dense, edge: usize) -> Dense {
    let mut near = *counts;
    near[edge + 1..].fill(0);
    near
}

/// Requests in buckets above `edge`.
pub fn beyond(counts: &Dense, edge: usize) -> u64 {
    counts.iter().skip(edge + 1).sum()
}

/// The bucket edge beyond which the share of requests is nearest to `tail`.
pub fn edge(counts: &Dense, tail: f64) -> usize {
    let total: u64 = counts.iter().sum();
    let wanted = tail * total as f64;
    let (mut beyond, mut best, mut distance) = (total, 0, f64::INFINITY);
    for (index, count) in counts.iter().enumerate() {
        beyond -= count;
        let here = (beyond as f64 - wanted).abs();
        if here < distance {
            (best, distance) = (index, here);
        }
    }
    best
}

/// The look's requests with the normal scores of their mid-ranks in the past.
fn scored(past: &Dense, look: &Dense) -> Sample {
    let known: u64 = past.iter().sum();
    let mut below = 0;
    let (mut requests, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (past, look) in past.iter().zip(look) {
        if past + look > 0 {
            let rank = (below as f64 + 0.5 * *past as f64 + 0.5) / (known as f64 + 1.0);
            let score = if *look > 0 || *past > 0 { normal_score(rank) } else { 0.0 };
            requests += *look as f64;
            sum += *look as f64 * score;
            squares += *past as f64 / known as f64 * score * score;
            below += past;
        }
    }
    Sample { requests, sum, variance: squares }
}

/// The look's requests beyond a bucket's edge.
fn exceeding(look: &Dense, edge: usize) -> Sample {
    let requests = look.iter().sum::<u64>() as f64;
    let sum = beyond(look, edge) as f64;
    let share = if requests > 0.0 { sum / requests } else { 0.0 };
    Sample { requests, sum, variance: share * (1.0 - share) }
}

/// The number below which a normal number falls with probability `rank`, to within 5e-4: the rational approximation
/// 26.2.23 of Abramowitz and Stegun. Any increasing function would do for validity; this one is efficient where
/// durations are lognormal, as most are.
pub fn normal_score(rank: f64) -> f64 {
    let tail = rank.min(1.0 - rank).max(1e-9);
    let t = (-2.0 * tail.ln()).sqrt();
    let over = 2.515517 + t * (0.802853 + t * 0.010328);
    let under = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let score = t - over / under;
    if rank < 0.5 { -score } else { score }
}
