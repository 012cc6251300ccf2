//! The bench of the example `worlds`: its limits are those of the books, its peers follow their rules, and its rows can tell.
#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "the modules are the example's, and each test uses its part"
)]

#[path = "../examples/worlds/bench.rs"]
mod bench;
#[path = "../examples/worlds/beside.rs"]
mod beside;
#[path = "../examples/worlds/chance.rs"]
mod chance;
#[path = "../examples/worlds/kayenta.rs"]
mod kayenta;
#[path = "../examples/worlds/limits.rs"]
mod limits;
#[path = "../examples/worlds/peers.rs"]
mod peers;
#[path = "../examples/worlds/protocol.rs"]
mod protocol;
#[path = "../examples/worlds/table.rs"]
mod table;
#[path = "../examples/worlds/trial.rs"]
mod trial;
#[path = "../examples/worlds/world.rs"]
mod world;

use patchline_judge::arms::{Arm, Latency, Tick};
use peers::{OF_ERRORS, Rule};
use table::{Row, rows};
use trial::Trial;
use world::{CLEAN, Look, World};

fn close(value: f64, wanted: f64, within: f64) {
    assert!((value - wanted).abs() <= within, "{value} is not {wanted}");
}

#[test]
fn the_limits_are_those_of_wald() {
    // Published beside the yardstick: 806, 115 and 7.5 canary requests at a base rate of 0.1 % and a share of 5 %.
    close(limits::of_errors(0.001, 0.005, 0.05), 806.0, 0.5);
    close(limits::of_errors(0.001, 0.02, 0.05), 115.0, 0.5);
    close(limits::of_errors(0.001, 0.2, 0.05), 7.5, 0.05);
    close(limits::of_slowness(1.2, 0.5), 62.8, 0.1);
}

/// Ten minutes in ticks of 10 s; in each the canary has 100 requests and so many errors, or nothing is counted.
fn trial(errors: impl Fn(u32) -> Option<u64>) -> Trial {
    let looks = (0..60).map(|place| {
        let arm = |requests, errors| Arm { requests, errors, latency: Latency::default() };
        let tick = errors(place).map_or_else(Tick::default, |errors| Tick {
            canary: Some(arm(100, errors)),
            baseline: Some(arm(1000, 1)),
            ..Tick::default()
        });
        Look { tick, ends: (place + 1) * 10, canary_requests: 100 }
    });
    let gap = (0..60).filter(|place| errors(*place).is_none()).map(|place| place * 10);
    let gap = gap.clone().min().map_or((0, 0), |from| (from, gap.max().unwrap_or(from) + 10));
    Trial { world: World { seconds: 600, gap, ..CLEAN }, history: Vec::new(), looks: looks.collect() }
}

#[test]
fn argo_ends_at_the_fourth_failure_and_at_the_fifth_error_in_a_row() {
    let rule = Rule::Argo { least: 0.99, seconds: 60, limit: 3 };
    assert_eq!(rule.rolls_back(&trial(|_| Some(2))), Some(240));
    // Every second minute is bad.
    assert_eq!(rule.rolls_back(&trial(|place| Some(if place / 6 % 2 == 1 { 2 } else { 0 }))), Some(480));
    assert_eq!(rule.rolls_back(&trial(|_| Some(1))), None, "99 % is enough");
    let blind = |place| (!(12..30).contains(&place)).then_some(0);
    assert_eq!(rule.rolls_back(&trial(blind)), Some(220), "asked at 180 s, and four times more");
}

#[test]
fn flagger_ends_at_the_check_after_the_last_failure_and_counts_what_is_missing() {
    let rule = Rule::Flagger { least: 0.99, seconds: 60, threshold: 5 };
    assert_eq!(rule.rolls_back(&trial(|_| Some(2))), Some(360));
    let blind = |place| (!(0..18).contains(&place)).then_some(0);
    assert_eq!(rule.rolls_back(&trial(blind)), None, "three are missing");
    assert_eq!(rule.rolls_back(&trial(|place| (place >= 30).then_some(2))), Some(360));
}

#[test]
fn kayenta_calls_high_what_is_clearly_more_and_not_what_is_alike() {
    let baseline: Vec<f64> = (0..30).map(|minute| 0.001 + 0.0001 * f64::from(minute % 7)).collect();
    let more: Vec<f64> = baseline.iter().map(|rate| rate + 0.02).collect();
    let reversed: Vec<f64> = baseline.iter().rev().copied().collect();
    let slightly: Vec<f64> = baseline.iter().map(|rate| rate + 0.00001).collect();
    assert!(kayenta::is_high(&more, &baseline));
    assert!(!kayenta::is_high(&baseline, &more), "less is not high");
    assert!(!kayenta::is_high(&reversed, &baseline));
    assert!(!kayenta::is_high(&slightly, &baseline));
    assert!(!kayenta::is_high(&[], &baseline) && !kayenta::is_high(&[0.0; 5], &[0.0; 5]));
}

#[test]
fn a_quantile_lies_on_a_straight_line_within_its_bucket() {
    let bucket = Latency::bucket_of(50_000);
    let (lower, upper) = (Latency::upper_micros(bucket - 1) as f64, Latency::upper_micros(bucket) as f64);
    let latency = Latency::from(vec![(3, 10), (bucket, 10)]);
    close(trial::quantile(&latency, 0.75).expect("it has some"), (lower + upper) / 2000.0, 1e-9);
    assert_eq!(trial::quantile(&Latency::default(), 0.5), None);
}

#[test]
fn the_lines_of_the_protocol_say_what_the_judge_itself_says() {
    for name in ["clean", "2 points worse"] {
        let row = row(name);
        for seed in 1..=5 {
            let end = world::run(&World { seconds: 600, ..row.world }, seed);
            let said = protocol::judged(&Trial::draw(&World { seconds: 600, ..row.world }, seed));
            assert_eq!(said.rolled_back, end.rolled_back, "{name}, {seed}");
        }
    }
}

fn row(name: &str) -> Row {
    rows(10).into_iter().find(|row| row.world.name == name).expect("it is a row")
}

#[test]
fn the_rows_tell_this_judge_from_others() {
    let place =
        |name: &str| 1 + OF_ERRORS.iter().position(|peer| peer.name.contains(name)).expect("it is one");
    let clean = bench::scores(&row("clean"), 40, 7);
    assert!(clean[0].wrong <= 3, "{} of 40", clean[0].wrong);
    assert!(clean[place("z test")].wrong >= 4, "who looks often at a test for one look is often wrong");
    let gap = bench::scores(&row("gap in the data of 3 min"), 20, 7);
    assert!(gap[0].wrong <= 2);
    assert_eq!(gap[place("1 min, failureLimit")].wrong, 20, "queries without a result end it");
    let worse = bench::scores(&row("20 points worse"), 20, 7);
    assert_eq!((worse[0].found.len(), worse[place("threshold 5")].found.len()), (20, 20));
    assert!(worse[0].seconds() < worse[place("threshold 5")].seconds());
    let times = worse[0].mean_requests().zip(row("20 points worse").limit).map(|(mean, limit)| mean / limit);
    assert!(times.is_some_and(|times| times >= 1.0), "no judge is better than the limit: {times:?}");
    let late = bench::scores(&row("2 points worse from 900 s on"), 20, 7);
    assert!(late[0].found.len() >= 18 && late[0].seconds().is_some_and(|seconds| seconds < 600));
}
