//! Reads files or trees and says what is in them and how long that took: `cargo run --release --example inventory -- PATH`.
#![allow(clippy::print_stdout, reason = "an example speaks to the terminal")]

use std::path::Path;
use std::time::{Duration, Instant};

use patchline_detect::{Advisories, scan};
use patchline_inventory::detector::Relation;

fn main() {
    let advisories = Advisories::built_in();
    for path in std::env::args().skip(1) {
        let mut best = Duration::MAX;
        let mut seen = None;
        for _ in 0..10 {
            let started = Instant::now();
            let scan = scan(Path::new(&path), &advisories);
            best = best.min(started.elapsed());
            seen = Some(scan);
        }
        match seen.expect("ten scans") {
            Ok(scan) => {
                let direct = scan.inventory.iter().filter(|one| one.relation == Relation::Direct).count();
                let paths: usize = scan.inventory.iter().map(|one| one.paths.len()).sum();
                println!(
                    "{path}: {} packages, {direct} direct, {paths} paths, {} unresolved, best of ten {best:?}",
                    scan.inventory.len(),
                    scan.unresolved.len()
                );
                scan.unresolved.iter().take(5).for_each(|one| println!("  {one:?}"));
                scan.inventory
                    .iter()
                    .rev()
                    .take(3)
                    .for_each(|one| println!("  {} {:?} {:?}", one.package, one.relation, one.scope));
            }
            Err(error) => println!("{path}: {error}"),
        }
    }
}
