//! Counts of two arms in a tick, where missing is a value of its own and says nothing either way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::gauge::{Gauges, Load};
use crate::incidents::BothIncidents;

/// Number of latency buckets; the last one also holds everything slower than its edge (about 210 s).
pub const BUCKETS: u16 = 177;

/// Upper edge of the first bucket, in microseconds.
const FIRST_MICROS: u64 = 50;

/// `2^(k/8)` for k = 0..8, in units of `2^-32`.
const EIGHTHS: [u64; 8] =
    [4294967296, 4683695048, 5107605667, 5569883475, 6074001000, 6623745059, 7223245206, 7877004752];

/// Upper edges of all buckets, in microseconds: eight per octave.
const EDGES: [u64; BUCKETS as usize] = edges();

/// One look: both arms at the same time; `None` is missing, which is no evidence either way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    pub canary: Option<Arm>,
    pub baseline: Option<Arm>,
    /// The canary's share of the requests by the plan, between 0 and 1, where the split is to be watched too.
    #[serde(default)]
    pub planned_share: Option<f64>,
    /// How many healthy instances the canary has, where that is known. When it has more than ever before, those that came are
    /// warmed up as the first ones were; one that ends and comes back is not.
    #[serde(default)]
    pub canary_instances: Option<u32>,
    /// Restarts, crashes and the like, where they are watched ([`crate::judge::Settings::incidents`]).
    #[serde(default)]
    pub incidents: Option<BothIncidents>,
    /// Memory, processor time and the like by name and instance, where they are watched
    /// ([`crate::judge::Settings::gauges`]).
    #[serde(default)]
    pub gauges: BTreeMap<String, Gauges>,
    /// What the instances served, where that is not what is compared.
    #[serde(default)]
    pub load: Option<Load>,
}

/// How many instances serve each arm. It says how much of an arm's traffic a single pause can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instances {
    pub canary: u32,
    pub baseline: u32,
}

/// Counts of one arm in one tick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    pub requests: u64,
    pub errors: u64,
    #[serde(default)]
    pub latency: Latency,
}

impl Arm {
    /// More requests than this in one tick is a broken counter, not traffic.
    pub const MOST_REQUESTS: u64 = 1 << 32;

    /// Whether the numbers can be counts of one tick. Anything else is treated as missing.
    pub fn is_plausible(&self) -> bool {
        self.requests <= Self::MOST_REQUESTS && self.latency.total() <= Self::MOST_REQUESTS
    }

    /// Adds another span of the same arm.
    pub fn merge(&mut self, other: &Arm) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.latency.merge(&other.latency);
    }
}

/// Latency as sparse log-spaced buckets (bucket index, count), ascending by index.
///
/// Eight buckets per octave from 50 µs, so an edge overstates a value by at most 9.1 %. What comes in through
/// serde is put in order: sorted, equal indexes added up, empty buckets left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Latency {
    pub buckets: Vec<(u16, u64)>,
}

impl Latency {
    /// Counts one request.
    pub fn record_micros(&mut self, micros: u64) {
        self.add(Self::bucket_of(micros), 1);
    }

    /// The bucket that a duration falls into: the first whose upper edge is not below it.
    pub fn bucket_of(micros: u64) -> u16 {
        let index = EDGES.partition_point(|edge| *edge < micros);
        u16::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
    }

    /// The upper edge of a bucket in microseconds; an index beyond the last means the last.
    pub fn upper_micros(bucket: u16) -> u64 {
        EDGES[usize::from(bucket.min(BUCKETS - 1))]
    }

    /// How many requests were counted.
    pub fn total(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The upper edge of the bucket that holds quantile `q` in (0, 1]; none without data or for a senseless `q`.
    pub fn quantile_micros(&self, q: f64) -> Option<u64> {
        let total = self.total();
        if total == 0 || !(q > 0.0 && q <= 1.0) {
            return None;
        }
        let wanted = ((q * total as f64).ceil() as u64).clamp(1, total);
        let mut seen = 0u64;
        for (bucket, count) in &self.buckets {
            seen = seen.saturating_add(*count);
            if seen >= wanted {
                return Some(Self::upper_micros(*bucket));
            }
        }
        None
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Latency) {
        for (bucket, count) in &other.buckets {
            self.add(*bucket, *count);
        }
    }

    /// What was counted since `earlier`. Where any bucket has shrunk the counter was reset in between, and all that
    /// it holds now is new: a reset is not an event.
    pub fn minus(&self, earlier: &Latency) -> Latency {
        let (now, before) = (self.dense(), earlier.dense());
        if now.iter().zip(&before).any(|(now, before)| now < before) {
            return self.clone();
        }
        let pairs = (0u16..).zip(now.iter().zip(&before).map(|(now, before)| now - before));
        Latency { buckets: pairs.filter(|(_, count)| *count > 0).collect() }
    }

    /// All buckets by index, empty ones included.
    pub fn dense(&self) -> [u64; BUCKETS as usize] {
        let mut counts = [0u64; BUCKETS as usize];
        for (bucket, count) in &self.buckets {
            let cell = &mut counts[usize::from((*bucket).min(BUCKETS - 1))];
            *cell = cell.saturating_add(*count);
        }
        counts
    }

    fn add(&mut self, bucket: u16, count: u64) {
        if count == 0 {
            return;
        }
        let bucket = bucket.min(BUCKETS - 1);
        match self.buckets.binary_search_by_key(&bucket, |(index, _)| *index) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }
}

impl From<Vec<(u16, u64)>> for Latency {
    fn from(pairs: Vec<(u16, u64)>) -> Self {
        let mut latency = Latency::default();
        for (bucket, count) in pairs {
            latency.add(bucket, count);
        }
        latency
    }
}

impl From<Latency> for Vec<(u16, u64)> {
    fn from(latency: Latency) -> Self {
        latency.buckets
    }
}

const fn edges() -> [u64; BUCKETS as usize] {
    let mut edges = [0; BUCKETS as usize];
    let mut index = 0;
    while index < edges.len() {
        edges[index] = ((FIRST_MICROS * EIGHTHS[index % 8]) << (index / 8)) >> 32;
        index += 1;
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn buckets_reach_from_fifty_microseconds_to_beyond_two_minutes() {
        assert_eq!(Latency::upper_micros(0), 50);
        assert!(Latency::upper_micros(BUCKETS - 2) > 120_000_000);
        assert!(EDGES.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Latency::bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_counter_reset_is_not_an_event() {
        let earlier = Latency::from(vec![(3, 10), (9, 4)]);
        let reset = Latency::from(vec![(3, 2)]);
        assert_eq!(reset.minus(&earlier), reset);
    }

    proptest! {
        #[test]
        fn an_edge_overstates_by_at_most_a_tenth(micros in 50u64..120_000_000) {
            let edge = Latency::upper_micros(Latency::bucket_of(micros)) as f64;
            prop_assert!(edge >= micros as f64);
            prop_assert!(edge <= micros as f64 * 1.0906 + 1.0, "{} for {}", edge, micros);
        }

        #[test]
        fn a_slower_request_never_falls_into_a_faster_bucket(a in any::<u64>(), b in any::<u64>()) {
            prop_assert!(Latency::bucket_of(a.min(b)) <= Latency::bucket_of(a.max(b)));
        }

        #[test]
        fn what_was_merged_can_be_taken_away(a in pairs(), b in pairs()) {
            let (earlier, later) = (Latency::from(a), Latency::from(b));
            let mut sum = earlier.clone();
            sum.merge(&later);
            prop_assert_eq!(sum.total(), earlier.total() + later.total());
            prop_assert_eq!(sum.minus(&earlier), later);
        }

        #[test]
        fn any_pairs_from_outside_come_in_order(pairs in proptest::collection::vec(any::<(u16, u64)>(), 0..40)) {
            let text = serde_json::to_string(&pairs).expect("pairs are JSON");
            let latency: Latency = serde_json::from_str(&text).expect("pairs are a histogram");
            prop_assert!(latency.buckets.windows(2).all(|two| two[0].0 < two[1].0));
            prop_assert!(latency.buckets.iter().all(|(bucket, count)| *bucket < BUCKETS && *count > 0));
            let again = serde_json::to_string(&latency).expect("a histogram is JSON");
            prop_assert_eq!(serde_json::from_str::<Latency>(&again).expect("and back"), latency);
        }
    }

    fn pairs() -> impl proptest::strategy::Strategy<Value = Vec<(u16, u64)>> {
        proptest::collection::vec((0u16..BUCKETS, 0u64..1000), 0..20)
    }
}
