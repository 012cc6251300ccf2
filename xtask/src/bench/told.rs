//! How figures are taken and told.

use anyhow::Result;

pub fn line(name: &str, text: &str) {
    println!("{name:<20} {text}");
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// A figure beside its goal, and how much of it that is.
pub fn figure(name: &str, value: f64, unit: &str, goal: Goal) {
    let (sign, wanted, is_met) = match goal {
        Goal::AtMost(wanted) => ("≤", wanted, value <= wanted),
        Goal::AtLeast(wanted) => ("≥", wanted, value >= wanted),
    };
    let met = if is_met { "met" } else { "MISSED" };
    println!(
        "{name:<20} {value:>8.1} {unit:<14} goal {sign} {wanted:>5} {met:<6} {:>5.2} of it",
        value / wanted
    );
}

/// The least of so many runs, in seconds.
pub fn best(runs: usize, run: impl Fn() -> Result<f64>) -> Result<f64> {
    let mut best = run()?;
    for _ in 1..runs {
        best = best.min(run()?);
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::best;

    #[test]
    fn the_least_of_all_runs_counts() {
        let times = Cell::new(vec![3.0, 1.0, 2.0]);
        let next = || {
            let mut left = times.take();
            let time = left.remove(0);
            times.set(left);
            Ok(time)
        };
        assert!((best(3, next).unwrap() - 1.0).abs() < 1e-9);
        assert!(times.take().is_empty());
    }
}
