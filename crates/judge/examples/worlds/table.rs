//! The worlds of the table in `docs/judge.md`: 30 minutes at 50 requests a second, of which the canary has 5 %.

use crate::limits::{of_errors, of_slowness};
use crate::world::{At, CLEAN, DURATIONS, Durations, Side, World};

/// A row.
pub struct Row {
    pub world: World,
    /// When the harm begins, where there is any. A rollback before that is a wrong one.
    pub harm: Option<u32>,
    /// Canary requests that it takes on average at least, where that is known.
    pub limit: Option<f64>,
}

const BASE: f64 = 0.001;
const SHARE: f64 = 0.05;

/// Seconds in which both arms fail more, or nothing is counted.
const TROUBLE: (u32, u32) = (600, 780);

fn ill(at: At, points: f64) -> f64 {
    if at.0 == Side::Canary { BASE + points } else { BASE }
}

const fn slow(name: &'static str, durations: Durations) -> World {
    World { name, history: 0, latency: Some(durations), ..CLEAN }
}

/// All rows at ticks of so many seconds.
pub fn rows(tick: u32) -> Vec<Row> {
    let harmless = [
        World { name: "clean", ..CLEAN },
        World {
            name: "blip of 3 points in both arms for 3 min",
            error_rate: |(_, now)| if (TROUBLE.0..TROUBLE.1).contains(&now) { BASE + 0.03 } else { BASE },
            ..CLEAN
        },
        World { name: "gap in the data of 3 min", gap: TROUBLE, ..CLEAN },
        World { name: "1 request a second", requests_per_second: |_| 1.0, ..CLEAN },
        World { name: "errors in clusters of 3", cluster: 3.0, ..CLEAN },
        World { name: "base rate 1 %", error_rate: |_| 0.01, ..CLEAN },
        slow("latency: clean", DURATIONS),
    ];
    let half = World { name: "0.5 points worse", error_rate: |at| ill(at, 0.005), ..CLEAN };
    let two = World { name: "2 points worse", error_rate: |at| ill(at, 0.02), ..CLEAN };
    let twenty = World { name: "20 points worse", error_rate: |at| ill(at, 0.2), ..CLEAN };
    let rare = |name, world: World| World { name, requests_per_second: |_| 1.0, ..world };
    let late = World {
        name: "2 points worse from 900 s on",
        error_rate: |at| if at.1 >= 900 { ill(at, 0.02) } else { BASE },
        ..CLEAN
    };
    let fifth = slow(
        "latency: 20 % slower",
        Durations { median: |at| if at.0 == Side::Canary { 60.0 } else { 50.0 }, ..DURATIONS },
    );
    let tail = slow(
        "latency: 200 ms more for 5 %",
        Durations { tail: |at| (if at.0 == Side::Canary { 0.05 } else { 0.0 }, 200.0), ..DURATIONS },
    );
    let of = |points| Some(of_errors(BASE, points, SHARE));
    let harmful = [
        (half, 0, of(0.005)),
        (two, 0, of(0.02)),
        (twenty, 0, of(0.2)),
        (rare("2 points worse, 1 request a second", two), 0, of(0.02)),
        (rare("20 points worse, 1 request a second", twenty), 0, of(0.2)),
        (late, 900, of(0.02)),
        (fifth, 0, Some(of_slowness(1.2, DURATIONS.spread))),
        (tail, 0, None),
    ];
    let harmless = harmless.into_iter().map(|world| Row { world, harm: None, limit: None });
    let harmful = harmful.into_iter().map(|(world, since, limit)| Row { world, harm: Some(since), limit });
    harmless.chain(harmful).map(|row| Row { world: World { tick, ..row.world }, ..row }).collect()
}
