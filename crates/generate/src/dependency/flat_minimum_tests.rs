//! The choice held against the true minimum: small sets, of which every assignment of versions is looked at.

use std::collections::{BTreeMap, BTreeSet};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::dependency::flat::tests::{Shop, line_of, pins, shops};
use crate::dependency::flat::{Pin, Plan, Shelf, settle};

/// Sets that are looked at.
const SETS: usize = 3000;

type Steps = BTreeMap<String, String>;

/// Every assignment in which nothing goes down, nothing gets a problem that it did not have, and what moves fits.
struct Exhaustive<'a> {
    pins: &'a BTreeMap<String, Pin>,
    shop: &'a Shop,
    found: Vec<Steps>,
}

impl Exhaustive<'_> {
    fn extend(&mut self, left: &[&String], steps: &mut Steps) {
        let Some((name, left)) = left.split_first() else {
            if self.fits(steps) {
                self.found.push(steps.clone());
            }
            return;
        };
        self.extend(left, steps);
        let installed = &self.pins[*name].version;
        let had = self.shop.problems(name, installed);
        for version in self.shop.versions(name).unwrap_or_default() {
            if self.shop.is_above(version, installed) && self.shop.problems(name, version).is_subset(&had) {
                steps.insert((*name).clone(), version.clone());
                self.extend(left, steps);
                steps.remove(*name);
            }
        }
    }

    fn fits(&self, steps: &Steps) -> bool {
        let version = |name: &String| steps.get(name).unwrap_or(&self.pins[name].version);
        self.pins.keys().all(|parent| {
            let required = self.shop.requires(parent, version(parent), &BTreeSet::new()).unwrap_or_default();
            required.iter().all(|required| {
                let touches = steps.contains_key(parent) || steps.contains_key(&required.name);
                let is_there = self.pins.contains_key(&required.name);
                !touches || !is_there || self.shop.admits(&required.range, version(&required.name))
            })
        })
    }
}

#[test]
fn nearly_all_that_can_be_cleared_is_and_nearly_with_the_fewest_moves() {
    let mut runner = TestRunner::deterministic();
    let (mut clearable, mut cleared, mut moves, mut fewest) = (0, 0, 0, 0);
    for _ in 0..SETS {
        let published = shops().new_tree(&mut runner).expect("a set").current();
        let lines: BTreeMap<(u8, u32), String> =
            published.iter().map(|one| ((one.0, one.1), line_of(one))).collect();
        let shop = Shop::of(&lines.values().map(String::as_str).collect::<Vec<_>>());
        let installed: Vec<String> =
            shop.versions.iter().map(|(name, all)| format!("{name} {}", all[0])).collect();
        let pins = pins(&installed.iter().map(String::as_str).collect::<Vec<_>>());
        let is_clear = |name: &String, steps: &Steps| {
            let version = steps.get(name).unwrap_or(&pins[name].version);
            shop.problems(name, version).is_empty()
        };
        let targets: Vec<String> =
            pins.keys().filter(|name| !is_clear(name, &Steps::new())).cloned().collect();
        let Plan { steps, .. } = settle(&pins, &shop, &targets, false);
        let ours: Vec<&String> = targets.iter().filter(|name| is_clear(name, &steps)).collect();

        let mut exhaustive = Exhaustive { pins: &pins, shop: &shop, found: Vec::new() };
        exhaustive.extend(&pins.keys().collect::<Vec<_>>(), &mut Steps::new());
        let clears = |steps: &Steps| targets.iter().filter(|name| is_clear(name, steps)).count();
        let most = exhaustive.found.iter().map(clears).max().unwrap_or(0);
        let same = exhaustive.found.iter().filter(|steps| ours.iter().all(|name| is_clear(name, steps)));
        let least = same.map(BTreeMap::len).min().expect("ours is one of them");
        assert!(ours.len() <= most && least <= steps.len(), "{lines:?}: {steps:?}");
        clearable += most;
        cleared += ours.len();
        moves += steps.len();
        fewest += least;
    }
    assert!(clearable > SETS / 2, "{clearable}");
    assert!(cleared * 100 >= clearable * 95, "{cleared} of {clearable}");
    assert!(moves * 10 <= fewest * 12, "{moves} moves, and {fewest} would do");
}
