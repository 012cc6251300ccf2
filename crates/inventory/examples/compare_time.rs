//! What it costs to read two usual versions and compare them, by scheme:
//! `cargo run --release -p patchline-inventory --example compare_time`.
#![allow(clippy::print_stdout, reason = "an example that is run for what it prints")]

use std::hint::black_box;
use std::time::Instant;

use patchline_inventory::version::Scheme;
use patchline_model::package::Ecosystem;

const ROUNDS: u32 = 20_000;

/// Usual versions of each ecosystem; each is compared with each.
const VERSIONS: [(&str, &[&str]); 12] = [
    ("crates.io", &["1.0.228", "0.4.21", "0.10.0-rc.2", "2.0.0-beta.11", "1.38.1", "1.38.0+2024"]),
    ("npm", &["4.17.21", "4.17.20", "0.0.1-security", "7.0.0-beta.3", "16.14.0", "4.18.0"]),
    ("Go", &["v1.9.1", "v0.0.0-20210921155107-089bfa567519", "v2.0.0+incompatible", "v0.17.0", "v1.9.2"]),
    ("PyPI", &["2.31.0", "3.0rc1", "2021.10.8", "1.0.post1", "4.2.1", "1.26.4"]),
    ("Maven", &["2.14.1", "2.15.0", "1.0-SNAPSHOT", "5.3.18.RELEASE", "31.1-jre", "2.9.10.8"]),
    ("RubyGems", &["6.1.4.1", "6.1.5", "1.13.0.rc1", "2.2.3", "7.0.8", "1.0.0.pre"]),
    ("NuGet", &["13.0.1", "6.0.0-preview.7.21377.19", "4.3.0", "2.1.0.1", "13.0.3"]),
    ("Packagist", &["v5.4.20", "2.0.0-RC1", "1.28.0", "v5.4.21", "8.0.0-beta2", "3.1"]),
    ("CRAN", &["1.0-12", "0.20-45", "3.4.4", "1.1.1.9000"]),
    ("Debian:12", &["2:1.1.1n-0+deb11u4", "1.21.6-1", "5.10.162-1", "3.0.11-1~deb12u2", "2.36-9+deb12u3"]),
    (
        "Red Hat:9",
        &["0:3.10.0-1160.el7", "1:1.1.1k-7.el8_6", "0:2.34-60.el9", "3.0.7-6.el9_2", "0:4.18.0-477.el8"],
    ),
    ("Alpine:v3.20", &["3.1.4-r5", "1.36.1-r2", "1.2.4_git20230717-r4", "8.5.0-r0", "2.12.6_rc1-r0"]),
];

fn main() {
    println!("{:<14} {:>8}", "ecosystem", "ns");
    for (name, versions) in VERSIONS {
        let scheme = Scheme::of(&Ecosystem(name.to_owned())).expect("each of them has one");
        // The first pass warms up, the best of the others counts.
        let best = (0..6).map(|_| nanoseconds(scheme, versions)).skip(1).fold(f64::INFINITY, f64::min);
        println!("{name:<14} {best:>8.0}");
    }
}

fn nanoseconds(scheme: Scheme, versions: &[&str]) -> f64 {
    let began = Instant::now();
    for _ in 0..ROUNDS {
        for left in versions {
            for right in versions {
                black_box(scheme.parse(black_box(left)).cmp(&scheme.parse(black_box(right))));
            }
        }
    }
    let comparisons = f64::from(ROUNDS) * (versions.len() * versions.len()) as f64;
    began.elapsed().as_secs_f64() * 1e9 / comparisons
}
