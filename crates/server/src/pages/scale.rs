//! From values to places in a drawing, and round values for its axes. Every place is a finite number inside the drawing,
//! whatever comes in.

/// The drawing's size and the frame in it, in the units of its view box.
pub const WIDTH: f64 = 440.0;
pub const HEIGHT: f64 = 172.0;
pub const LEFT: f64 = 40.0;
pub const RIGHT: f64 = 10.0;
pub const TOP: f64 = 18.0;
pub const BOTTOM: f64 = 22.0;

/// Steps of the time axis, in seconds; beyond them, whole days.
const STEPS: [f64; 20] = [
    0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0,
];

/// From values to places in the drawing. Every place is a finite number inside it, whatever comes in.
pub struct Scale {
    pub seconds: f64,
    pub low: f64,
    pub high: f64,
}

impl Scale {
    /// Over so many seconds, and over these values and the round ones around them.
    pub fn new(seconds: f64, low: f64, high: f64) -> Self {
        let seconds = if seconds.is_finite() { seconds.clamp(1.0, 1e12) } else { 1.0 };
        let top = ticks(low, high, 4).last().copied().unwrap_or(high).max(high);
        Self { seconds, low, high: if top > low { top } else { low + 1.0 } }
    }

    pub fn x(&self, second: f64) -> f64 {
        let part = if second.is_finite() { (second / self.seconds).clamp(0.0, 1.0) } else { 0.0 };
        tidy(LEFT + part * (WIDTH - LEFT - RIGHT))
    }

    pub fn y(&self, value: f64) -> f64 {
        let part = if value.is_finite() {
            ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        tidy(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM))
    }
}

/// Round values from `low` to `high`, about so many.
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![if low.is_finite() { low } else { 0.0 }];
    }
    let raw = span / count as f64;
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| factor * power >= raw).unwrap_or(10.0);
    let step = factor * power;
    let first = (low / step).ceil();
    let values = (0..count + 3).map(|index| (first + index as f64) * step);
    values.take_while(|value| *value <= high + step * 1e-9).collect()
}

pub fn tidy(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A number of at most four letters or so.
pub fn short(value: f64) -> String {
    let size = value.abs();
    let trimmed = |text: String| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    let text = match size {
        _ if !value.is_finite() => return "–".to_owned(),
        _ if size >= 1e9 => format!("{value:.0e}"),
        _ if size >= 1e6 => format!("{}M", trimmed(format!("{:.1}", value / 1e6))),
        _ if size >= 1e4 => format!("{}k", trimmed(format!("{:.1}", value / 1e3))),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => trimmed(format!("{value:.1}")),
        _ => trimmed(format!("{value:.2}")),
    };
    if text == "-0" { "0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// Round seconds from zero to the end, at most seven.
pub fn times(seconds: f64) -> Vec<f64> {
    let days = seconds / 5.0 / 86_400.0;
    let step = STEPS.into_iter().find(|step| step * 5.0 >= seconds).unwrap_or(days.ceil() * 86_400.0);
    (0..7_u32).map(|index| f64::from(index) * step).take_while(|at| *at <= seconds).collect()
}

/// A point in the rollout's time: seconds, minutes with seconds, or hours with minutes.
pub fn clock(second: f64, whole: f64) -> String {
    let count = second as u64;
    match whole {
        _ if count == 0 && second < 0.05 => "0".to_owned(),
        _ if whole < 120.0 => format!("{} s", short(second)),
        _ if whole < 7200.0 => format!("{}:{:02} min", count / 60, count % 60),
        _ if whole < 172_800.0 => format!("{}:{:02} h", count / 3600, count / 60 % 60),
        _ => format!("{} d", short(second / 86_400.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::{clock, short, ticks, times};
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!(
            [0.123, 4.605, 48.04, 950.4, 12_345.0, -0.5].map(short),
            ["0.12", "4.61", "48", "950", "12.3k", "−0.5"]
        );
        assert_eq!(
            [(30.0, 90.0), (90.0, 400.0), (5400.0, 9000.0)].map(|(at, whole)| clock(at, whole)),
            ["30 s", "1:30 min", "1:30 h"]
        );
    }

    proptest! {
        #[test]
        fn ticks_are_few_and_inside(low in -1e9..1e9_f64, span in 0.0..1e9_f64) {
            let ticks = ticks(low, low + span, 4);
            prop_assert!(ticks.len() <= 8);
        }

        #[test]
        fn times_are_few_and_inside(seconds in 1.0..1e12_f64) {
            let times = times(seconds);
            prop_assert!((1..=7).contains(&times.len()) && times.iter().all(|at| *at <= seconds));
        }
    }
}
