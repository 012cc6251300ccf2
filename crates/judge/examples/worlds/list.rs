//! The worlds: some in which nothing is wrong with the canary, however odd they look, and some in which something is.

use crate::beside::{self, Beside};
use crate::world::{At, CLEAN, DURATIONS, Durations, Side, World};

/// What a canary adds.
fn more(at: At, from: u32, points: f64) -> f64 {
    if at.0 == Side::Canary && at.1 >= from { points } else { 0.0 }
}

/// From one to two and back within so many seconds.
fn wave(now: u32, period: f64) -> f64 {
    1.5 - 0.5 * (f64::from(now) * std::f64::consts::TAU / period).cos()
}

fn staircase(now: u32) -> f64 {
    match now {
        0..300 => 0.01,
        300..600 => 0.05,
        600..900 => 0.25,
        900..1200 => 0.5,
        1200..1500 => 0.05,
        _ => 0.25,
    }
}

fn canary_takes(at: At, times: f64) -> f64 {
    if at.0 == Side::Canary { 50.0 * times } else { 50.0 }
}

const fn ill(world: World) -> World {
    World { ill: true, ..world }
}

fn canary_has(at: At, canary: f64, baseline: f64) -> f64 {
    if at.0 == Side::Canary { canary } else { baseline }
}

/// Every row at ticks of one second, with durations.
const LATENCY: World = World { tick: 1, seconds: 900, history: 0, latency: Some(DURATIONS), ..CLEAN };

const fn slow(name: &'static str, durations: Durations) -> World {
    World { name, latency: Some(durations), ..LATENCY }
}

const fn paused(
    name: &'static str,
    requests_per_second: fn(u32) -> f64,
    share: fn(u32) -> f64,
    between: f64,
) -> World {
    let latency = Some(Durations { pauses: (between, 3.0), ..DURATIONS });
    World { name, requests_per_second, share, latency, ..LATENCY }
}

/// Every guard at once, at ticks of one second.
const fn watched(name: &'static str, beside: Beside) -> World {
    World { name, tick: 1, history: 0, latency: Some(DURATIONS), beside: Some(beside), ..CLEAN }
}

pub const HARMLESS: &[World] = &[
    watched("all guards", beside::HARMLESS),
    World { share: staircase, ..watched("all guards, share of 1, 5, 25, 50 % in turn", beside::HARMLESS) },
    watched(
        "all guards, each instance ends 20 times an hour",
        Beside { crashes: |_| 20.0, ..beside::HARMLESS },
    ),
    watched("all guards, cold for a minute", Beside { cold_seconds: 60.0, ..beside::HARMLESS }),
    World { instances: (3, 1), ..watched("all guards, three beside one", beside::HARMLESS) },
    CLEAN,
    World { name: "clean, ticks of 1 s", tick: 1, ..CLEAN },
    World { name: "no history", history: 0, ..CLEAN },
    World { name: "base rate 1 %", error_rate: |_| 0.01, ..CLEAN },
    World { name: "base rate 5 %, share 50 %", error_rate: |_| 0.05, share: |_| 0.5, ..CLEAN },
    World { name: "errors in clusters of 1.2", cluster: 1.2, ..CLEAN },
    World { name: "errors in clusters of 3", cluster: 3.0, ..CLEAN },
    World { name: "errors in clusters of 10", cluster: 10.0, ..CLEAN },
    World { name: "clusters of 3, no history", cluster: 3.0, history: 0, ..CLEAN },
    World { name: "clusters of 3, ticks of 1 s", cluster: 3.0, tick: 1, ..CLEAN },
    World { name: "clusters of 10, base rate 1 %", cluster: 10.0, error_rate: |_| 0.01, ..CLEAN },
    World {
        name: "30 s in which half of all fails, in both arms",
        error_rate: |(_, now)| if now % 600 >= 570 { 0.5 } else { 0.001 },
        ..CLEAN
    },
    World {
        name: "traffic and base rate rise and fall, share changes",
        requests_per_second: |now| 40.0 * wave(now, 1200.0),
        error_rate: |(_, now)| 0.001 * wave(now, 1200.0).powi(3),
        share: staircase,
        ..CLEAN
    },
    World { name: "share of 1, 5, 25, 50 % in turn", share: staircase, ..CLEAN },
    World { name: "0.2 requests a second", requests_per_second: |_| 0.2, seconds: 7200, ..CLEAN },
    World { name: "5,000 requests a second", requests_per_second: |_| 5000.0, ..CLEAN },
    World { name: "counters lost at 60 s and for 3 min", gap: (60, 240), ..CLEAN },
    World { name: "equal durations", ..LATENCY },
    World { name: "equal durations, ticks of 10 s", tick: 10, ..LATENCY },
    slow(
        "both arms slow down by 60 % in 15 min",
        Durations { median: |(_, now)| 50.0 + f64::from(now) / 30.0, ..DURATIONS },
    ),
    slow("heavy tail, instances wander", Durations { spread: 1.0, wander: 0.1, ..DURATIONS }),
    World {
        instances: (2, 9),
        ..slow(
            "a pause every 30 s, 2 beside 9 instances",
            Durations { pauses: (30.0, 1.0), periodic: true, ..DURATIONS },
        )
    },
    slow(
        "connections of the canary warm up in 8 s",
        Durations { median: |at| canary_takes(at, 1.0 + 2.0 * (-f64::from(at.1) / 8.0).exp()), ..DURATIONS },
    ),
    paused("pauses, 50 rps, 5 %, every 20 s", |_| 50.0, |_| 0.05, 20.0),
    paused("pauses, 50 rps, 5 %, every 60 s", |_| 50.0, |_| 0.05, 60.0),
    paused("pauses, 50 rps, 25 %, every 20 s", |_| 50.0, |_| 0.25, 20.0),
    paused("pauses, 50 rps, 25 %, every 60 s", |_| 50.0, |_| 0.25, 60.0),
    paused("pauses, 200 rps, 5 %, every 20 s", |_| 200.0, |_| 0.05, 20.0),
    paused("pauses, 200 rps, 5 %, every 60 s", |_| 200.0, |_| 0.05, 60.0),
    paused("pauses, 200 rps, 25 %, every 20 s", |_| 200.0, |_| 0.25, 20.0),
    paused("pauses, 200 rps, 25 %, every 60 s", |_| 200.0, |_| 0.25, 60.0),
];

const ILL: World = World { ill: true, ..CLEAN };
const SLOW: World = World { ill: true, ..LATENCY };

pub const HARMFUL: &[World] = &[
    ill(watched(
        "all guards, the canary ends 30 times an hour",
        Beside { crashes: |at| canary_has(at, 30.0, 0.5), ..beside::HARMLESS },
    )),
    ill(watched(
        "all guards, a leak of 1 MiB a second",
        Beside { memory: |at| 100.0 + canary_has(at, f64::from(at.1), 0.0), ..beside::HARMLESS },
    )),
    ill(World {
        share: |_| 0.25,
        ..watched(
            "all guards, thrice the processor time, share 25 %",
            Beside { cpu: |at| canary_has(at, 15.0, 5.0), ..beside::HARMLESS },
        )
    }),
    ill(World {
        error_rate: |at| 0.001 + more(at, 0, 0.02),
        ..watched("all guards, 2 points", beside::HARMLESS)
    }),
    World { name: "0.3 points worse", error_rate: |at| 0.001 + more(at, 0, 0.003), ..ILL },
    World { name: "0.5 points worse", error_rate: |at| 0.001 + more(at, 0, 0.005), ..ILL },
    World { name: "1 point worse", error_rate: |at| 0.001 + more(at, 0, 0.01), ..ILL },
    World { name: "2 points worse", error_rate: |at| 0.001 + more(at, 0, 0.02), ..ILL },
    World {
        name: "2 points worse, ticks of 1 s",
        tick: 1,
        error_rate: |at| 0.001 + more(at, 0, 0.02),
        ..ILL
    },
    World { name: "5 points worse", error_rate: |at| 0.001 + more(at, 0, 0.05), ..ILL },
    World { name: "20 points worse", error_rate: |at| 0.001 + more(at, 0, 0.2), ..ILL },
    World { name: "twice a base rate of 1 %", error_rate: |at| 0.01 + more(at, 0, 0.01), ..ILL },
    World {
        name: "grows to 2 points in 10 min",
        error_rate: |at| 0.001 + more(at, 0, 0.02 * (f64::from(at.1) / 600.0).min(1.0)),
        ..ILL
    },
    World {
        name: "4 points in one of two instances",
        in_one_instance: true,
        instances: (2, 3),
        error_rate: |at| 0.001 + more(at, 0, 0.04),
        ..ILL
    },
    World {
        name: "2 points at peak traffic only",
        requests_per_second: |now| 40.0 * wave(now, 1200.0),
        error_rate: |at| 0.001 + if wave(at.1, 1200.0) > 1.75 { more(at, 0, 0.02) } else { 0.0 },
        ..ILL
    },
    World { name: "2 points from 900 s on", error_rate: |at| 0.001 + more(at, 900, 0.02), ..ILL },
    World {
        name: "2 points from 2 h on",
        seconds: 9000,
        error_rate: |at| 0.001 + more(at, 7200, 0.02),
        ..ILL
    },
    World {
        name: "2 points in clusters of 3",
        cluster: 3.0,
        error_rate: |at| 0.001 + more(at, 0, 0.02),
        ..ILL
    },
    slow_canary("20 % slower", Durations { median: |at| canary_takes(at, 1.2), ..DURATIONS }),
    World {
        tick: 10,
        ..slow_canary(
            "20 % slower, ticks of 10 s",
            Durations { median: |at| canary_takes(at, 1.2), ..DURATIONS },
        )
    },
    slow_canary("50 % slower", Durations { median: |at| canary_takes(at, 1.5), ..DURATIONS }),
    slow_canary("3 times as slow", Durations { median: |at| canary_takes(at, 3.0), ..DURATIONS }),
    slow_canary("200 ms more for 5 %", Durations { tail: |at| (more(at, 0, 0.05), 200.0), ..DURATIONS }),
    slow_canary(
        "500 ms more for 2 % (p99 alone)",
        Durations { tail: |at| (more(at, 0, 0.02), 500.0), ..DURATIONS },
    ),
    slow_canary(
        "cache lost: 60 instead of 30 % take 80 ms more",
        Durations { tail: |at| (0.3 + more(at, 0, 0.3), 80.0), ..DURATIONS },
    ),
    World {
        instances: (1, 3),
        ..slow_canary(
            "20 % slower among pauses",
            Durations { median: |at| canary_takes(at, 1.2), pauses: (60.0, 3.0), ..DURATIONS },
        )
    },
];

const fn slow_canary(name: &'static str, durations: Durations) -> World {
    World { name, latency: Some(durations), ..SLOW }
}
