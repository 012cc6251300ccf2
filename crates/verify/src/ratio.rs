//! The ratio of two times that were measured in pairs: its median, and where it lies with a stated confidence.
//!
//! The interval is that of the sign test turned round: between two of the sorted ratios, so many from each end that the
//! binomial distribution leaves at most 2.5 % on each side. It asks nothing of how times are distributed but that pairs
//! are independent (Conover, Practical Nonparametric Statistics, 3.2).

/// The chance that the true median lies outside, at most.
const OUTSIDE: f64 = 0.05;

/// Fewer pairs can't give such an interval.
pub(crate) const LEAST_PAIRS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The confidence that the interval really has.
    pub(crate) confidence: f64,
}

/// Patch over base, of the seconds of each pair; none with too few pairs.
pub(crate) fn ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let mut ratios: Vec<f64> = pairs.iter().map(|(base, patch)| patch / base).collect();
    ratios.sort_by(f64::total_cmp);
    let n = ratios.len();
    if n < LEAST_PAIRS || ratios.iter().any(|ratio| !ratio.is_finite()) {
        return None;
    }
    let mut below = 0.0;
    let mut cut = 0;
    for k in 0..n / 2 {
        let next = below + binomial(n, k);
        if next > OUTSIDE / 2.0 {
            break;
        }
        (below, cut) = (next, k);
    }
    let median = middle(&ratios);
    Some(Ratio { median, low: ratios[cut], high: ratios[n - 1 - cut], confidence: 1.0 - 2.0 * below })
}

/// Of times in any order; none of no times.
pub(crate) fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    (!times.is_empty()).then(|| middle(&times))
}

fn middle(sorted: &[f64]) -> f64 {
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

/// The chance of `k` heads in `n` throws of a coin.
fn binomial(n: usize, k: usize) -> f64 {
    (0..k).fold(0.5_f64.powi(n as i32), |chance, at| chance * (n - at) as f64 / (at + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::{median, ratio};

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // For n = 10 the second of each end, with 97.9 %; for n = 6 the first, with 96.9 %.
        let pairs: Vec<(f64, f64)> = (1..=10).map(|n| (1.0, f64::from(n))).collect();
        let found = ratio(&pairs).unwrap();
        assert_eq!((found.low, found.high, found.median), (2.0, 9.0, 5.5));
        assert!((found.confidence - 0.978_515_625).abs() < 1e-12, "{found:?}");
        let found = ratio(&pairs[..6]).unwrap();
        assert_eq!((found.low, found.high), (1.0, 6.0));
        assert!((found.confidence - 0.968_75).abs() < 1e-12);
        assert_eq!(median(vec![3.0, 1.0, 2.0, 9.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
        assert_eq!(ratio(&pairs[..5]), None);
        assert_eq!(ratio(&[(0.0, 1.0); 8]), None);
    }
}
