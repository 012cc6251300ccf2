//! The log of the gamma function, and of factorials.

/// `ln Γ(x)` for a positive `x`: by Stirling's series from 16 on (relative error below 1e-15), below by recurrence.
pub fn log_gamma(x: f64) -> f64 {
    if x < 16.0 {
        let steps = (16.0 - x).ceil();
        let product: f64 = (0..steps as u32).map(|step| x + f64::from(step)).product();
        return stirling(x + steps) - product.ln();
    }
    stirling(x)
}

/// `ln n!`.
pub fn log_factorial(n: u64) -> f64 {
    if n < 2 {
        return 0.0;
    }
    if n < 16 {
        return ((1..=n).product::<u64>() as f64).ln();
    }
    stirling(n as f64 + 1.0)
}

/// `ln(n choose k)`.
pub fn log_choose(n: u64, k: u64) -> f64 {
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

/// `ln Γ(x)` for an `x` of 16 or more.
fn stirling(x: f64) -> f64 {
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse * (1.0 / 1680.0 - inverse / 1188.0))))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_values_come_out() {
        let half = std::f64::consts::PI.sqrt().ln();
        for (x, known) in [
            (0.5, half),
            (1.0, 0.0),
            (2.0, 0.0),
            (15.5, 26.536_914_491_115_61),
            (17.0, 30.671_860_106_080_67),
        ] {
            assert!((log_gamma(x) - known).abs() < 1e-12 * (1.0 + known.abs()), "{x}: {}", log_gamma(x));
        }
        assert!((log_factorial(20) - 2_432_902_008_176_640_000f64.ln()).abs() < 1e-12);
        assert!((log_choose(52, 5) - 2_598_960f64.ln()).abs() < 1e-11);
    }

    #[test]
    fn each_is_the_one_before_times_its_number() {
        for x in [1e-9, 1e-3, 0.7, 9.3, 15.999, 16.001, 1e3, 1e9] {
            let step = log_gamma(x + 1.0) - log_gamma(x);
            let noise = 1e-15 * log_gamma(x + 1.0).abs();
            assert!((step - x.ln()).abs() < 1e-12 + 4.0 * noise, "{x}: {step}");
        }
    }
}
