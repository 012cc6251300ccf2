//! Small worlds in which the ladder does not help, or a peer is in the way, and what is chosen all the same.

use crate::dependency::choose::choose;
use crate::dependency::choose::tests::{Shop, check, check_graph, check_lines, installed};

/// The same without overrides.
#[track_caller]
fn check_without_overrides(shop: &[&str], root: &[(&str, &str)], there: &[(&str, &str)], then: &[&str]) {
    let mut shop = Shop::of(shop);
    shop.has_overrides = false;
    check_graph(&shop, &installed(&shop, root, there), then);
}

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

#[test]
fn a_peer_that_the_project_has_itself_moves_along() {
    let root = [("orm", "^1.0.0"), ("db", "^1.0.0")];
    check(&ORM, &root, &THERE, &["orm 1.1.0 Lift", "x 1.0.1 Lift", "db 1.2.0 Lift"]);
    // The project's own range goes along, too.
    let root = [("orm", "^1.0.0"), ("db", "~1.0.0")];
    check(&ORM, &root, &THERE, &["orm 1.1.0 Lift", "x 1.0.1 Lift", "db 1.2.0 Relax", "db ~1.2.0"]);
}

#[test]
fn a_peer_that_another_package_brings_moves_along_with_that() {
    let shop: Vec<&str> =
        ORM.into_iter().chain(["kit 1.0.0: db ~1.0.0", "kit 1.1.0", "kit 1.2.0: db ^1.1.0"]).collect();
    let there: Vec<(&str, &str)> = THERE.into_iter().chain([("kit", "1.0.0")]).collect();
    let root = [("orm", "^1.0.0"), ("kit", "~1.2.0")];
    let kit_moves = ["orm 1.1.0 Lift", "x 1.0.1 Lift", "db 1.2.0 Lift", "kit 1.2.0 Lift"];
    check(&shop, &root, &there, &kit_moves);
}

#[test]
fn a_peer_that_is_held_or_has_no_good_version_keeps_what_wants_it() {
    let held: Vec<&str> = ORM.into_iter().chain(["kit 1.0.0: db ~1.0.0"]).collect();
    let there: Vec<(&str, &str)> = THERE.into_iter().chain([("kit", "1.0.0")]).collect();
    let root = [("orm", "^1.0.0"), ("db", "^1.0.0"), ("kit", "^1.0.0")];
    check(&held, &root, &there, &["x 1.0.1 Override"]);
    let left = ["! `orm 1.0.0` requires `x =1.0.0`, fixed in 1.0.1; the newest, 1.1.0, does not help either"];
    check_without_overrides(&held, &root, &there, &left);
    let bad: Vec<&str> = ORM[..5].iter().copied().chain(["!db 1.2.0"]).collect();
    check_without_overrides(&bad, &root[..2], &THERE, &left);
}

#[test]
fn no_peer_goes_to_another_line_where_an_override_within_the_line_will_do() {
    let shop = [
        "orm 1.0.0: x =1.0.0, peer:db ^1.0.0",
        "orm 1.1.0: x ^1.0.1, peer:db ^2.0.0",
        "!x 1.0.0",
        "x 1.0.1",
        "db 1.0.0",
        "db 2.0.0",
    ];
    let root = [("orm", "^1.0.0"), ("db", "^1.0.0")];
    check(&shop, &root, &THERE, &["x 1.0.1 Override"]);
    let then = ["orm 1.1.0 Lift", "x 1.0.1 Lift", "db 2.0.0 Relax", "db ^2.0.0"];
    check_without_overrides(&shop, &root, &THERE, &then);
}

#[test]
fn where_many_versions_would_do_a_plan_of_many_steps_is_found_all_the_same() {
    let mut shop: Vec<String> =
        ["!orm 1.0.0: meta ^1, tool ^1", "meta 1.0.0", "tool 1.0.0", "db 3.0.0: bits ^1"]
            .map(str::to_owned)
            .to_vec();
    shop.extend(["bits 1.0.0", "other 1.0.0: bits ^1, meta ^1, tool ^1"].map(str::to_owned));
    for minor in 0..9 {
        shop.push(format!("orm 2.{minor}.0: meta ^2, tool ^2, peer:db ^5"));
        shop.push(format!("db 5.{minor}.0: bits ^5"));
        shop.extend([format!("meta 2.{minor}.0"), format!("tool 2.{minor}.0"), format!("bits 5.{minor}.0")]);
    }
    let shop: Vec<&str> = shop.iter().map(String::as_str).collect();
    let there = [
        ("orm", "1.0.0"),
        ("db", "3.0.0"),
        ("meta", "1.0.0"),
        ("tool", "1.0.0"),
        ("bits", "1.0.0"),
        ("other", "1.0.0"),
    ];
    let root = [("orm", "^1.0.0"), ("db", "^3.0.0"), ("other", "^1.0.0")];
    check_without_overrides(
        &shop,
        &root,
        &there,
        &["orm 2.0.0 Relax", "db 5.0.0 Relax", "db ^5.0.0", "orm ^2.0.0"],
    );
}
