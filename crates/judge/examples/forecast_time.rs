//! Prints a forecast of the usual plan and how long it took.

#![allow(clippy::print_stdout, reason = "its one task is to print")]

use std::time::Instant;

use patchline_judge::forecast::{BadOutlook, Outlook, Regression, Step, forecast};
use patchline_judge::judge::Settings;
use patchline_judge::ladder::suggestion;

fn main() -> Result<(), BadOutlook> {
    for latency in [false, true] {
        let step = |share| Step { share, bake_seconds: 60.0 };
        let outlook = Outlook {
            steps: vec![step(0.05), step(0.25), step(0.5)],
            requests_per_second: 50.0,
            base_error_rate: 0.001,
            deadline_seconds: 1800.0,
            settings: Settings { latency, ..Settings::default() },
        };
        let regression = Regression { error_points: 0.02, latency_factor: if latency { 1.2 } else { 1.0 } };
        let begun = Instant::now();
        println!("{:?}", forecast(&outlook, regression)?);
        println!("forecast with latency {latency}: {:.2} s", begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        println!("{:?}", suggestion(&outlook, &[regression], 5.0)?);
        println!("ladder: {:.2} s", begun.elapsed().as_secs_f64());
    }
    Ok(())
}
