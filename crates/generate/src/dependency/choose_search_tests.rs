//! Small worlds in which the ladder does not help, and what is chosen all the same.

use crate::dependency::choose::choose;
use crate::dependency::choose::tests::{Shop, check, check_lines, installed};

#[test]
fn where_the_lowest_good_version_does_not_fit_a_higher_one_is_tried() {
    let shop = ["!a 1.0.0", "a 1.1.0: b =1.0.0", "a 2.0.0", "b 1.0.0", "b 1.1.0"];
    check_lines(
        &shop,
        &[("a", "=1.0.0"), ("b", "^1")],
        &[("a", "1.0.0"), ("b", "1.1.0")],
        &["a 1.0.0 -> 2.0.0 Relax", "a 2.0.0"],
    );
}

#[test]
fn what_asks_for_the_version_of_its_only_user_goes_with_it() {
    let shop = ["top 1.0.0: a ^1.0.0", "top 1.1.0", "!a 1.0.0: top =1.0.0"];
    check(&shop, &[("top", "^1.0.0")], &[("top", "1.0.0"), ("a", "1.0.0")], &["top 1.1.0 Lift"]);
}

#[test]
fn a_line_of_its_own_is_no_way_around_what_is_vulnerable_in_it() {
    // A second copy in the line of the first would be the vulnerable one again.
    let shop = ["!a 1.0.0", "a 2.0.0", "pin 1.0.0: a ^1"];
    check_lines(
        &shop,
        &[("a", ">=1.0.0"), ("pin", "^1")],
        &[("a", "1.0.0"), ("pin", "1.0.0")],
        &["! `pin 1.0.0` requires `a ^1`, fixed in 2.0.0 and is the newest"],
    );
}

const ORM: [&str; 6] = [
    "orm 1.0.0: x =1.0.0, peer:db ^1.0.0",
    "orm 1.1.0: x ^1.0.1, peer:db ^1.2.0",
    "!x 1.0.0",
    "x 1.0.1",
    "db 1.0.0",
    "db 1.2.0",
];
const THERE: [(&str, &str); 3] = [("orm", "1.0.0"), ("x", "1.0.0"), ("db", "1.0.0")];

#[test]
fn what_only_the_search_would_know_more_of_the_plan_does_not_wait_for() {
    let mut shop = Shop::of(&ORM[..4]);
    shop.has_overrides = false;
    let graph = installed(&shop, &[("orm", "^1.0.0"), ("db", "^1.0.0")], &THERE);
    let plan = choose(&graph, &shop, &[2]);
    assert!(plan.unknown.is_empty() && plan.is_empty());
    assert_eq!(plan.might_help.into_iter().collect::<Vec<_>>(), ["db"]);
}
