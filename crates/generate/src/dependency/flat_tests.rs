//! Tables of the choice of versions in a flat set: packages, what is published, and what follows.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, prop, proptest};

use crate::dependency::flat::{Pin, Plan, Required, Shelf, Wish, settle};

/// Versions are numbers; ranges are `<5`, `>=5` or `=5`.
#[derive(Debug, Default)]
pub(super) struct Shop {
    pub(super) versions: BTreeMap<String, Vec<String>>,
    requires: BTreeMap<(String, String), Vec<Required>>,
    bad: BTreeMap<(String, String), usize>,
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}

impl Shop {
    /// Lines as in `a 3: b <5, c >=2`; with a `!` behind the version it has a problem, with two it has two.
    pub(super) fn of(lines: &[&str]) -> Self {
        let mut shop = Self::default();
        for line in lines {
            let (head, required) = line.split_once(':').unwrap_or((line, ""));
            let (name, version) = head.split_once(' ').expect("a name and a version");
            let problems = version.matches('!').count();
            let version = version.trim_end_matches('!').to_owned();
            shop.bad.insert((name.to_owned(), version.clone()), problems);
            let required = required.split(',').filter_map(|one| one.trim().split_once(' '));
            let required =
                required.map(|(name, range)| Required { name: name.to_owned(), range: range.to_owned() });
            shop.requires.insert((name.to_owned(), version.clone()), required.collect());
            shop.versions.entry(name.to_owned()).or_default().push(version);
        }
        shop.versions.values_mut().for_each(|all| all.sort_by_key(|text| number(text)));
        shop
    }
}

impl Shelf for Shop {
    fn versions(&self, name: &str) -> Option<&[String]> {
        Some(self.versions.get(name).map_or(&[], Vec::as_slice))
    }

    fn requires(&self, name: &str, version: &str, _: &BTreeSet<String>) -> Option<Vec<Required>> {
        Some(self.requires.get(&(name.to_owned(), version.to_owned())).cloned().unwrap_or_default())
    }

    fn admits(&self, range: &str, version: &str) -> bool {
        let version = number(version);
        match range.strip_prefix(">=") {
            Some(least) => version >= number(least),
            None => match range.strip_prefix('<') {
                Some(limit) => version < number(limit),
                None => range.strip_prefix('=').is_none_or(|only| version == number(only)),
            },
        }
    }

    fn is_above(&self, version: &str, other: &str) -> bool {
        number(version).cmp(&number(other)) == Ordering::Greater
    }

    fn problems(&self, name: &str, version: &str) -> BTreeSet<String> {
        let count = self.bad.get(&(name.to_owned(), version.to_owned())).copied().unwrap_or(0);
        (0..count).map(|number| format!("X-{name}-{number}")).collect()
    }
}

pub(super) fn pins(list: &[&str]) -> BTreeMap<String, Pin> {
    let read = |line: &&str| {
        let (name, version) = line.split_once(' ').expect("a name and a version");
        let pin = Pin { name: name.to_owned(), version: version.to_owned(), ..Pin::default() };
        (name.to_owned(), pin)
    };
    list.iter().map(read).collect()
}

#[track_caller]
fn check(installed: &[&str], published: &[&str], target: &str, then: Result<&[&str], &str>) {
    let plan = settle(&pins(installed), &Shop::of(published), &[target.to_owned()], false);
    let steps: Vec<String> = plan.steps.iter().map(|(name, to)| format!("{name} {to}")).collect();
    match then {
        Ok(expected) => assert_eq!((steps, plan.left.len()), (owned(expected), 0), "{:?}", plan.left),
        Err(why) => assert_eq!((steps, plan.left[target].as_str()), (Vec::new(), why)),
    }
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|one| (*one).to_owned()).collect()
}

#[test]
fn the_smallest_good_version_is_taken_and_what_does_not_fit_moves_along() {
    check(&["a 1"], &["a 1!", "a 2!", "a 3", "a 4"], "a", Ok(&["a 3"]));
    // What requires too little is lifted.
    check(&["a 1", "p 1"], &["a 1!", "a 2", "p 1: a <2", "p 2: a <2", "p 3: a <9"], "a", Ok(&["a 2", "p 3"]));
    // What is required of others, these fulfil.
    check(&["a 1", "b 1"], &["a 1!", "a 2: b >=3", "b 1", "b 2", "b 3", "b 4"], "a", Ok(&["a 2", "b 3"]));
    // And on along the chain.
    let chain = ["a 1!", "a 2: b >=2", "b 1", "b 2: c >=2", "c 1", "c 2", "p 1: b <2", "p 2: b <9"];
    check(&["a 1", "b 1", "c 1", "p 1"], &chain, "a", Ok(&["a 2", "b 2", "c 2", "p 2"]));
    // A version that would need what is not there is passed over for one that does not.
    check(&["a 1", "b 1"], &["a 1!", "a 2: b >=9", "a 3", "b 1"], "a", Ok(&["a 3"]));
    // Nothing moves to a version with a problem that it did not have.
    check(&["a 1", "b 1"], &["a 1!", "a 2: b >=2", "b 1", "b 2!", "b 3"], "a", Ok(&["a 2", "b 3"]));
    // Where none is free of problems, the one with the fewest of those that there are.
    check(&["a 1"], &["a 1!!!", "a 2!!", "a 3!", "a 4!", "a 5!!!!"], "a", Ok(&["a 3"]));
    // What did not fit before is nobody's business.
    check(&["a 1", "x 1", "y 1"], &["a 1!", "a 2", "x 1: y >=5", "y 1"], "a", Ok(&["a 2"]));
}

#[test]
fn what_can_not_be_fixed_says_who_requires_what() {
    check(&["a 1"], &["a 1!", "a 2!"], "a", Err("no version of `a` above 1 is free of known problems"));
    let pinned = ["a 1!", "a 2", "p 1: a <2", "p 2: a <2"];
    let why = "`p 1` requires `a <2`, and 2 would do; the newest, 2, does not help either";
    check(&["a 1", "p 1"], &pinned, "a", Err(why));
    let why = "`a 2` requires `b >=9`, and 1 can't move there";
    check(&["a 1", "b 1"], &["a 1!", "a 2: b >=9", "b 1"], "a", Err(why));
    check(&["b 1"], &["a 1!"], "a", Err("`a` is not pinned here"));
}

#[test]
fn a_manifest_is_relaxed_only_where_nothing_less_will_do() {
    let shop = Shop::of(&["a 1!", "a 2!", "a 3", "a 4"]);
    let plan = |range: &str, may_change: bool| {
        let mut pins = pins(&["a 1"]);
        let wish = Wish { range: range.to_owned(), by: "`m`".to_owned(), may_change };
        pins.get_mut("a").expect("it is there").wishes.push(wish);
        settle(&pins, &shop, &["a".to_owned()], false)
    };
    assert!(plan("<4", true).relaxed.is_empty());
    assert_eq!(plan("<3", true).relaxed.into_iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(plan("<3", false).left["a"], "`m` requires `a <3`, and 3 would do");
}

#[test]
fn a_closed_set_takes_nothing_in() {
    let shop = Shop::of(&["a 1!: x >=1", "a 2: x >=1, y >=1", "a 3: x >=1"]);
    let plan = |is_closed: bool| settle(&pins(&["a 1"]), &shop, &["a".to_owned()], is_closed).steps;
    assert_eq!((plan(false)["a"].as_str(), plan(true)["a"].as_str()), ("2", "3"));
}

/// Package and version, whether it has a problem, and what it requires: package, number, and whether that is the least.
pub(super) type Published = (u8, u32, bool, Vec<(u8, u32, bool)>);

pub(super) fn shops() -> impl Strategy<Value = Vec<Published>> {
    let required = prop::collection::vec((0..5u8, 1..6u32, proptest::bool::ANY), 0..3);
    prop::collection::vec((0..5u8, 1..6u32, proptest::bool::weighted(0.3), required), 0..30)
}

pub(super) fn line_of((package, version, is_bad, required): &Published) -> String {
    let name = |number: u8| char::from(b'a' + number).to_string();
    let required = required.iter().filter(|(other, ..)| other != package);
    let required: Vec<String> = required
        .map(|(other, number, least)| format!("{} {}{number}", name(*other), if *least { ">=" } else { "<" }))
        .collect();
    format!("{} {version}{}: {}", name(*package), if *is_bad { "!" } else { "" }, required.join(", "))
}

proptest! {
    #[test]
    fn a_plan_goes_up_clears_its_targets_and_fits(lines in shops()) {
        let lines: BTreeMap<(u8, u32), String> = lines.iter().map(|one| ((one.0, one.1), line_of(one))).collect();
        let lines: Vec<&str> = lines.values().map(String::as_str).collect();
        let shop = Shop::of(&lines);
        let installed: Vec<String> = shop.versions.iter().map(|(name, all)| format!("{name} {}", all[0])).collect();
        let installed = pins(&installed.iter().map(String::as_str).collect::<Vec<_>>());
        let bad = installed.iter().filter(|(name, pin)| !shop.problems(name, &pin.version).is_empty());
        let targets: Vec<String> = bad.map(|(name, _)| name.clone()).collect();
        let Plan { steps, left, unknown, .. } = settle(&installed, &shop, &targets, false);
        assert!(unknown.is_empty());
        for (name, to) in &steps {
            assert!(shop.is_above(to, &installed[name].version));
            for Required { name: other, range } in shop.requires(name, to, &BTreeSet::new()).unwrap_or_default() {
                let Some(pin) = installed.get(&other) else { continue };
                assert!(shop.admits(&range, steps.get(&other).unwrap_or(&pin.version)), "{name} {to} and {other}");
            }
        }
        for name in targets.iter().filter(|name| !left.contains_key(*name)) {
            let all = &shop.versions[name];
            assert!(shop.problems(name, &steps[name]).is_empty() || all.iter().all(|version| {
                !shop.is_above(version, &steps[name]) || !shop.problems(name, version).is_empty()
            }), "{name}: {steps:?}");
        }
    }
}
