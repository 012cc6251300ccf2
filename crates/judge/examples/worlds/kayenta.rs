//! How Kayenta's `NetflixACAJudge` classifies a metric whose increase is bad: Mann and Whitney's test on one point a minute, with an
//! interval of 98 % for the shift, as `kayenta-judge` and R's `wilcox.test` compute it. Points that are missing are left out.

/// The normal quantile of the interval's upper end, 0.99.
const Z: f64 = 2.326_347_874_040_841;

/// The part of the shift by which the interval must lie above zero.
const TOLERANCE: f64 = 0.25;

/// How exactly the shift is computed there; what is nearer to zero is none.
const EXACT: f64 = 1e-4;

/// Whether the canary's points are classified as high.
pub fn is_high(canary: &[f64], baseline: &[f64]) -> bool {
    let (Some((least, most)), Some((least_of_baseline, most_of_baseline))) = (range(canary), range(baseline))
    else {
        return false;
    };
    if sorted(canary) == sorted(baseline)
        || (least == most && least_of_baseline == most_of_baseline && least == least_of_baseline)
    {
        return false;
    }
    let (from, to) = (least - most_of_baseline, most - least_of_baseline);
    let shift = |z: f64| root(from, to, |shift| Some(standard(canary, baseline, shift)? - z));
    let (Some(lower), Some(estimate)) = (shift(Z), shift(0.0)) else { return false };
    let (mean, mean_of_baseline) = (mean(canary), mean(baseline));
    let is_more = mean == 0.0 || mean_of_baseline == 0.0 || mean >= mean_of_baseline;
    lower > EXACT.max(TOLERANCE * estimate.abs()) && is_more
}

fn range(points: &[f64]) -> Option<(f64, f64)> {
    let least = points.iter().copied().reduce(f64::min)?;
    Some((least, points.iter().copied().reduce(f64::max)?))
}

fn sorted(points: &[f64]) -> Vec<f64> {
    let mut points = points.to_vec();
    points.sort_by(f64::total_cmp);
    points
}

fn mean(points: &[f64]) -> f64 {
    points.iter().sum::<f64>() / points.len() as f64
}

/// The shift where a falling function crosses zero; the end beyond which it would. None where all is tied.
fn root(from: f64, to: f64, at: impl Fn(f64) -> Option<f64>) -> Option<f64> {
    const STEPS: u32 = 40;
    if at(from)? <= 0.0 {
        return Some(from);
    }
    if at(to)? >= 0.0 {
        return Some(to);
    }
    let (mut low, mut high) = (from, to);
    for _ in 0..STEPS {
        let middle = 0.5 * (low + high);
        if at(middle)? > 0.0 { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

/// The standardised rank sum of the canary's points, each less the shift, with the corrections for ties and continuity.
fn standard(canary: &[f64], baseline: &[f64], shift: f64) -> Option<f64> {
    let (n, m) = (canary.len() as f64, baseline.len() as f64);
    let moved: Vec<f64> = canary.iter().map(|point| point - shift).collect();
    let all = sorted(&[&moved[..], baseline].concat());
    let below = |point: f64| all.partition_point(|other| *other < point);
    let up_to = |point: f64| all.partition_point(|other| *other <= point);
    let rank = |point: &f64| (below(*point) + up_to(*point) + 1) as f64 / 2.0;
    let more = moved.iter().map(rank).sum::<f64>() - n * (n + 1.0) / 2.0 - n * m / 2.0;
    let groups = all.chunk_by(|one, other| one == other).map(|group| group.len() as f64);
    let ties: f64 = groups.map(|count| count.powi(3) - count).sum();
    let variance = n * m / 12.0 * ((n + m + 1.0) - ties / ((n + m) * (n + m - 1.0)));
    let sign = if more == 0.0 { 0.0 } else { more.signum() };
    (variance > 1e-12).then(|| (more - 0.5 * sign) / variance.sqrt())
}
