//! Histograms of other systems: cumulative buckets with an upper edge each, as Prometheus keeps them (`le` in seconds, the
//! last one `+Inf`).
//!
//! Every request is put into the judge's bucket that holds its foreign bucket's upper edge, and what lies beyond the last
//! finite edge into the one after it. So two requests of the same foreign bucket stay equal, the order stays what it was, and
//! nothing is invented: ranks and exceedances of both arms are those of the foreign histogram, as long as both arms
//! have the same edges. Foreign edges closer than 9 % may share a bucket. Where they are further apart than the margin of
//! latency, a slowdown by the margin can't be told from none, and nothing is promoted.

use crate::arms::{BUCKETS, Latency};

/// Edges at most; more is no histogram.
pub const MOST_EDGES: usize = 1000;

/// One cumulative bucket: how many requests took at most so many seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cumulative {
    /// Upper edge in seconds, infinite for the last.
    pub le: f64,
    pub count: u64,
}

/// Buckets that are no histogram.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadBuckets {
    #[error("there are more than {MOST_EDGES} buckets")]
    TooMany,
    #[error("the bucket `le={le}` has an edge that is no duration or not above the one before it")]
    Edge { le: f64 },
    #[error("the bucket `le={le}` holds {count} requests, fewer than the one before it")]
    Falling { le: f64, count: u64 },
}

/// The judge's histogram of cumulative buckets, in ascending order.
pub fn latency(buckets: &[Cumulative]) -> Result<Latency, BadBuckets> {
    if buckets.len() > MOST_EDGES {
        return Err(BadBuckets::TooMany);
    }
    let mut latency = Latency::default();
    let (mut edge, mut before) = (f64::NEG_INFINITY, 0);
    let mut bucket = 0;
    for Cumulative { le, count } in buckets.iter().copied() {
        // Not a number is not above anything.
        if !(le > edge && le > 0.0) {
            return Err(BadBuckets::Edge { le });
        }
        if count < before {
            return Err(BadBuckets::Falling { le, count });
        }
        bucket = if le.is_finite() {
            Latency::bucket_of((le * 1e6).round() as u64)
        } else {
            (bucket + 1).min(BUCKETS - 1)
        };
        latency.merge(&Latency::from(vec![(bucket, count - before)]));
        (edge, before) = (le, count);
    }
    Ok(latency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn histogram(buckets: &[(f64, u64)]) -> Result<Latency, BadBuckets> {
        let buckets: Vec<Cumulative> =
            buckets.iter().map(|(le, count)| Cumulative { le: *le, count: *count }).collect();
        latency(&buckets)
    }

    #[test]
    fn the_usual_edges_of_prometheus_keep_their_order() {
        let latency =
            histogram(&[(0.005, 2), (0.1, 10), (10.0, 11), (f64::INFINITY, 12)]).expect("a histogram");
        assert_eq!(latency.total(), 12);
        let edges: Vec<u64> =
            latency.buckets.iter().map(|(bucket, _)| Latency::upper_micros(*bucket)).collect();
        assert!(edges[0] >= 5_000 && edges[1] >= 100_000 && edges[2] >= 10_000_000 && edges[3] > edges[2]);
        assert_eq!(latency.buckets.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 8, 1, 1]);
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        assert!(matches!(histogram(&[(f64::NAN, 1)]), Err(BadBuckets::Edge { .. })));
        assert!(matches!(histogram(&[(0.2, 1), (0.1, 2)]), Err(BadBuckets::Edge { le: 0.1 })));
        assert!(matches!(histogram(&[(0.1, 3), (0.2, 2)]), Err(BadBuckets::Falling { count: 2, .. })));
        assert_eq!(histogram(&vec![(1.0, 1); MOST_EDGES + 1]), Err(BadBuckets::TooMany));
    }

    proptest! {
        #[test]
        fn no_request_is_lost_or_moved_past_another(counts in proptest::collection::vec(0u64..1000, 1..20), ratio in 1.1f64..4.0) {
            let mut sum = 0;
            let last = counts.len() - 1;
            let buckets: Vec<(f64, u64)> = counts.iter().enumerate().map(|(at, count)| {
                sum += count;
                (if at == last { f64::INFINITY } else { 0.001 * ratio.powi(at as i32) }, sum)
            }).collect();
            let latency = histogram(&buckets).expect("a histogram");
            prop_assert_eq!(latency.total(), sum);
            // What is at most as slow as an edge here is at most as slow as its bucket there.
            for (le, cumulative) in buckets.iter().filter(|(le, _)| le.is_finite()) {
                let bucket = Latency::bucket_of((le * 1e6).round() as u64);
                let at_most: u64 = latency.buckets.iter().filter(|(at, _)| *at <= bucket).map(|(_, count)| count).sum();
                prop_assert!(at_most >= *cumulative);
            }
        }

        #[test]
        fn what_was_counted_since_is_the_difference(
            earlier in proptest::collection::vec(0u64..50, 8), since in proptest::collection::vec(0u64..50, 8)
        ) {
            let cumulative = |counts: &mut dyn Iterator<Item = u64>| {
                let mut sum = 0;
                let pairs: Vec<(f64, u64)> = counts.enumerate().map(|(at, count)| { sum += count; (0.01 * 2f64.powi(at as i32), sum) }).collect();
                histogram(&pairs).expect("a histogram")
            };
            let before = cumulative(&mut earlier.iter().copied());
            let now = cumulative(&mut earlier.iter().zip(&since).map(|(a, b)| a + b));
            prop_assert_eq!(now.minus(&before), cumulative(&mut since.iter().copied()));
        }
    }
}
