//! Prints what the judge makes of many worlds: `worlds [runs] [part of a name]`; with other judges beside it and limits below it:
//! `worlds bench TRIALS TICK SEED [part of a name]`, which `cargo xtask bench judge` runs.

#![allow(clippy::print_stdout, reason = "its one task is to print a table")]

mod bench;
mod beside;
mod chance;
mod kayenta;
mod limits;
mod list;
mod peers;
mod protocol;
mod table;
mod trial;
mod world;

use world::{End, World};

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "bench").is_some() {
        let mut number = |what: &str| -> u32 {
            let number = arguments.next().and_then(|number| number.parse().ok());
            number.unwrap_or_else(|| panic!("`worlds bench TRIALS TICK SEED`: {what} is a number"))
        };
        let (trials, tick, seed) = (number("TRIALS"), number("TICK"), number("SEED"));
        return bench::run(trials, tick, seed, &arguments.next().unwrap_or_default());
    }
    let runs: u32 = arguments.next().and_then(|runs| runs.parse().ok()).unwrap_or(200);
    let part = arguments.next().unwrap_or_default();
    println!(
        "| world | runs | taken back (95 % confidence) | after (median, p90) | canary requests (mean) | promoted first, after (median) |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for world in list::HARMLESS.iter().chain(list::HARMFUL).filter(|world| world.name.contains(&part)) {
        println!(
            "| {}{} | {runs} | {} |",
            if world.ill { "ill: " } else { "" },
            world.name,
            row(world, runs)
        );
    }
}

fn row(world: &World, runs: u32) -> String {
    let ends: Vec<End> = (0..runs).map(|seed| world::run(world, u64::from(seed) + 1)).collect();
    let times = |of: fn(&End) -> Option<u32>| {
        let mut times: Vec<u32> = ends.iter().filter_map(of).collect();
        times.sort_unstable();
        times
    };
    let (taken, promoted) = (times(|end| end.rolled_back), times(|end| end.promoted));
    let quantile = |times: &[u32], part: f64| {
        times
            .get((part * times.len() as f64) as usize)
            .map_or_else(|| "-".to_owned(), |time| format!("{time} s"))
    };
    let requests: u64 =
        ends.iter().filter(|end| end.rolled_back.is_some()).map(|end| end.canary_requests).sum();
    let (low, high) = limits::interval(taken.len() as f64, f64::from(runs));
    let share = |count: usize| 100.0 * count as f64 / f64::from(runs);
    format!(
        "{:.1} % ({:.1} to {:.1}) | {}, {} | {} | {:.1} %, {}",
        share(taken.len()),
        100.0 * low,
        100.0 * high,
        quantile(&taken, 0.5),
        quantile(&taken, 0.9),
        if taken.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.0}", requests as f64 / taken.len() as f64)
        },
        share(promoted.len()),
        quantile(&promoted, 0.5),
    )
}
