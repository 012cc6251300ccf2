//! What no judge can do better, in closed form, and how sure a share of so many runs is.

/// The chance of a wrong rollback that is allowed, and that of missing the harm.
const ALPHA: f64 = 0.01;
const MISSED: f64 = 0.05;

/// The divergence of two coins, in nats.
fn divergence(p: f64, q: f64) -> f64 {
    let part = |a: f64, b: f64| if a == 0.0 { 0.0 } else { a * (a / b).ln() };
    part(p, q) + part(1.0 - p, 1.0 - q)
}

/// What must be learnt to tell harm from none with these chances of error, in nats (Wald 1945).
fn needed() -> f64 {
    divergence(1.0 - MISSED, ALPHA)
}

/// Canary requests that any judge needs on average to find `points` more errors, if it looks at each request and the base rate is not
/// known: against it stands the one rate of both arms that is hardest to tell from theirs.
pub fn of_errors(base: f64, points: f64, share: f64) -> f64 {
    let ill = base + points;
    let alike = share * ill + (1.0 - share) * base;
    let learnt = share * divergence(ill, alike) + (1.0 - share) * divergence(base, alike);
    share * needed() / learnt
}

/// The same for durations that are lognormal with this spread of their logs and take `factor` times as long, the baseline being known.
pub fn of_slowness(factor: f64, spread: f64) -> f64 {
    needed() / ((factor.ln() / spread).powi(2) / 2.0)
}

/// Wilson's interval for a share (Journal of the American Statistical Association 22, 1927).
pub fn interval(count: f64, runs: f64) -> (f64, f64) {
    const Z: f64 = 1.96;
    let (share, z) = (count / runs, Z * Z / runs);
    let half = Z * (share * (1.0 - share) / runs + z / (4.0 * runs)).sqrt();
    (((share + z / 2.0 - half) / (1.0 + z)).max(0.0), (share + z / 2.0 + half) / (1.0 + z))
}
