//! Prints how long the judge takes for one tick, with and without latency.

#![allow(clippy::print_stdout, reason = "its one task is to print a figure")]

use std::time::Instant;

use patchline_judge::arms::{Arm, Latency, Tick};
use patchline_judge::judge::{BadSettings, Judge, Settings};

const TICKS: u32 = 20_000;

fn main() -> Result<(), BadSettings> {
    for latency in [false, true] {
        let mut judge = Judge::new(Settings { latency, ..Settings::default() })?;
        let ticks: Vec<Tick> = (0..64).map(tick).collect();
        let begun = Instant::now();
        for number in 0..TICKS {
            judge.observe(&ticks[(number % 64) as usize]);
        }
        let micros = begun.elapsed().as_secs_f64() * 1e6 / f64::from(TICKS);
        println!("latency {}: {micros:.1} µs a tick", if latency { "guarded" } else { "not guarded" });
    }
    Ok(())
}

/// A thousand requests over some thirty buckets, a little different each time.
fn tick(number: u32) -> Tick {
    let arm = |requests: u64, salt: u32| {
        let counts = (0..30u16).map(|at| {
            let bulge = 30 - (i64::from(at) - 12).pow(2) / 8 + i64::from((number + salt + u32::from(at)) % 5);
            (70 + at, bulge.max(0) as u64 * requests / 600)
        });
        let latency = Latency::from(counts.collect::<Vec<_>>());
        Arm { requests: latency.total(), errors: u64::from(number.is_multiple_of(3)), latency }
    };
    Tick {
        canary: Some(arm(100, 0)),
        baseline: Some(arm(900, 3)),
        planned_share: Some(0.1),
        ..Tick::default()
    }
}
