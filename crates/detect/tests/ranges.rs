//! What a record says of a version: by table, and against a matcher that shares nothing with ours.

use patchline_detect::osv::affected::{Verdict, judge};
use patchline_detect::osv::record::Record;
use patchline_model::package::{Ecosystem, Package};
use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};

fn record(affected: &str) -> Record<'static> {
    Record::parse(json(affected).leak().as_bytes()).unwrap_or_else(|error| panic!("{error:?} in {affected}"))
}

fn json(affected: &str) -> String {
    format!(r#"{{"id": "RUSTSEC-2020-0001", "modified": "2020-01-01T00:00:00Z", "affected": [{affected}]}}"#)
}

fn package(version: &str) -> Package {
    Package { ecosystem: Ecosystem::crates_io(), name: "a".to_owned(), version: version.to_owned() }
}

fn part(rest: &str) -> String {
    format!(r#"{{"package": {{"ecosystem": "crates.io", "name": "a"}}, {rest}}}"#)
}

fn semver(events: &str) -> String {
    part(&format!(r#""ranges": [{{"type": "SEMVER", "events": [{events}]}}]"#))
}

/// Given these parts, the versions with a `+` are affected, those with a `-` are not, those with a `?` nobody knows.
fn check(given: &str, then: &str) {
    let record = record(given);
    for word in then.split_whitespace() {
        let (mark, version) = word.split_at(1);
        let answer = match judge(&record, &package(version)) {
            Verdict::Affected(_) => "+",
            Verdict::Unaffected => "-",
            Verdict::Unknown(_) => "?",
        };
        assert_eq!(answer, mark, "{version} in {given}");
    }
}

fn check_fixed(given: &str, version: &str, then: &[&str]) {
    match judge(&record(given), &package(version)) {
        Verdict::Affected(details) => assert_eq!(details.fixed, then, "{version} in {given}"),
        other => panic!("{version} in {given}: {other:?}"),
    }
}

#[test]
fn a_range_goes_from_introduced_to_before_fixed() {
    check(
        &semver(r#"{"introduced": "1.0.0"}, {"fixed": "1.2.0"}"#),
        "-0.9.0 -1.0.0-rc.1 +1.0.0 +1.1.9 +1.2.0-rc.1 -1.2.0 -2.0.0",
    );
}

#[test]
fn zero_stands_before_every_version() {
    check(&semver(r#"{"introduced": "0"}, {"fixed": "1.0.0"}"#), "+0.0.0-0 +0.0.0 +0.9.9 -1.0.0");
    check(&semver(r#"{"introduced": "0.0.0-0"}, {"fixed": "1.0.0"}"#), "+0.0.0-0 +0.0.0 +0.9.9 -1.0.0");
}

#[test]
fn a_range_without_an_end_is_unfixed() {
    check(&semver(r#"{"introduced": "1.0.0"}"#), "-0.9.0 +1.0.0 +99.0.0");
    check_fixed(&semver(r#"{"introduced": "1.0.0"}"#), "1.0.0", &[]);
}

#[test]
fn last_affected_is_affected_itself() {
    check(
        &semver(r#"{"introduced": "1.0.0"}, {"last_affected": "1.2.0"}"#),
        "-0.9.0 +1.0.0 +1.2.0 +1.2.0+build -1.2.1-0 -1.2.1",
    );
    check(&semver(r#"{"introduced": "1.2.0"}, {"last_affected": "1.2.0"}"#), "-1.1.0 +1.2.0 -1.2.1");
}

#[test]
fn a_range_may_hold_several_pairs_in_any_order() {
    let pairs = r#"{"fixed": "2.1.0"}, {"introduced": "0"}, {"introduced": "2.0.0"}, {"fixed": "1.1.0"}"#;
    check(&semver(pairs), "+0.1.0 -1.1.0 -1.9.0 +2.0.0 -2.1.0");
    check_fixed(&semver(pairs), "0.1.0", &["1.1.0", "2.1.0"]);
    check_fixed(&semver(pairs), "2.0.5", &["2.1.0"]);
}

#[test]
fn a_pair_that_ends_where_it_begins_is_empty_and_pairs_may_touch() {
    check(&semver(r#"{"introduced": "1.0.0"}, {"fixed": "1.0.0"}"#), "-0.9.0 -1.0.0 -1.1.0");
    check(
        &semver(
            r#"{"introduced": "1.0.0"}, {"fixed": "2.0.0"}, {"introduced": "2.0.0"}, {"fixed": "3.0.0"}"#,
        ),
        "+1.0.0 +2.0.0 -3.0.0",
    );
}

#[test]
fn a_range_ends_before_its_furthest_limit() {
    check(&semver(r#"{"introduced": "1.0.0"}, {"limit": "2.0.0"}"#), "+1.0.0 +1.9.9 -2.0.0 -3.0.0");
    check(&semver(r#"{"introduced": "1.0.0"}, {"limit": "2.0.0"}, {"limit": "3.0.0"}"#), "+2.0.0 -3.0.0");
    check(&semver(r#"{"introduced": "1.0.0"}, {"limit": "2.0.0"}, {"limit": "*"}"#), "+9.0.0");
}

#[test]
fn nothing_is_affected_before_something_is_introduced() {
    check(&semver(r#"{"fixed": "1.0.0"}"#), "-0.1.0 -1.0.0");
    check(&semver(""), "-1.0.0");
    check(&part(r#""versions": []"#), "-1.0.0");
    check("", "-1.0.0");
}

#[test]
fn listed_versions_are_meant_to_the_letter_and_come_beside_ranges() {
    check(&part(r#""versions": ["1.0.0", "weird"]"#), "+1.0.0 +weird -1.0.0+build -1.0.1");
    let both = part(
        r#""versions": ["5.0.0"], "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "2.0.0"}, {"introduced": "6.0.0"}, {"fixed": "6.1.0"}]}]"#,
    );
    check(&both, "+5.0.0 +1.0.0 -2.0.0 -5.0.1 +6.0.0");
    check_fixed(&both, "5.0.0", &["6.1.0"]);
}

#[test]
fn a_git_range_hides_no_other_range() {
    let git_first = part(
        r#""ranges": [{"type": "GIT", "repo": "x", "events": [{"introduced": "0"}, {"fixed": "abc"}]}, {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]"#,
    );
    check(&git_first, "+1.0.0 -2.0.0");
    check_fixed(&git_first, "1.0.0", &["2.0.0"]);
    check(&part(r#""ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]"#), "-1.0.0");
}

#[test]
fn a_package_that_stands_twice_is_affected_by_either() {
    let first = semver(r#"{"introduced": "1.0.0"}, {"fixed": "1.1.0"}"#);
    let second = semver(r#"{"introduced": "2.0.0"}, {"fixed": "2.1.0"}"#);
    check(&format!("{first}, {second}"), "+1.0.0 -1.1.0 +2.0.0 -2.1.0");
}

#[test]
fn other_packages_and_other_ecosystems_are_not_meant() {
    check(r#"{"package": {"ecosystem": "crates.io", "name": "A"}, "versions": ["1.0.0"]}"#, "-1.0.0");
    check(r#"{"package": {"ecosystem": "npm", "name": "a"}, "versions": ["1.0.0"]}"#, "-1.0.0");
    check(r#"{"versions": ["1.0.0"]}, {"package": null, "versions": ["1.0.0"]}"#, "-1.0.0");
}

#[test]
fn what_cannot_be_read_is_unknown_and_never_a_guess() {
    check(&semver(r#"{"introduced": "0"}, {"fixed": "1.0"}"#), "?0.5.0 ?2.0.0");
    check(&semver(r#"{"introduced": "0"}, {"fixed": "1.0.0"}"#), "?0.5 ?v0.5.0 ?99999999999999999999.0.0");
    check(&part(r#""ranges": [{"type": "DATE", "events": [{"introduced": "0"}]}]"#), "?1.0.0");
    let beside = format!("{}, {}", semver(r#"{"introduced": "oops"}"#), semver(r#"{"introduced": "3.0.0"}"#));
    check(&beside, "?1.0.0 +3.0.0");
}

#[test]
fn a_withdrawn_record_affects_nothing() {
    let json = format!(
        r#"{{"id": "X-1", "modified": "2020-01-01T00:00:00Z", "withdrawn": "2020-02-01T00:00:00.5Z", "affected": [{}]}}"#,
        semver(r#"{"introduced": "0"}"#)
    );
    let record = Record::parse(json.as_bytes()).expect("a record");
    assert_eq!(judge(&record, &package("1.0.0")), Verdict::Unaffected);
}

#[test]
fn severity_and_kind_come_from_the_record_or_its_part() {
    let given = part(
        r#""versions": ["1.0.0"], "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}, {"type": "Ubuntu", "score": "high"}],
           "database_specific": {"informational": "unsound", "other": [1]}"#,
    );
    let Verdict::Affected(details) = judge(&record(&given), &package("1.0.0")) else {
        panic!("it is affected")
    };
    assert_eq!(details.severity, ["CVSS:3.1/AV:N"]);
    assert_eq!(details.informational.as_deref(), Some("unsound"));
    let with_vulnerability =
        format!("{given}, {}", part(r#""versions": ["1.0.0"], "database_specific": null"#));
    let Verdict::Affected(details) = judge(&record(&with_vulnerability), &package("1.0.0")) else {
        panic!("it is affected")
    };
    assert_eq!(details.informational, None);
}

/// A version of the slow matcher: three numbers and the words after the dash.
type Slow = ([u64; 3], Vec<String>);

fn slow_version(text: &str) -> Slow {
    let bare = text.split('+').next().expect("split gives one part");
    let (numbers, words) = bare.split_once('-').unwrap_or((bare, ""));
    let mut numbers = numbers.split('.').map(|number| number.parse::<u64>().expect("a number"));
    let words = words.split('.').filter(|word| !word.is_empty()).map(str::to_owned);
    (std::array::from_fn(|_| numbers.next().expect("three numbers")), words.collect())
}

fn slow_less(left: &Slow, right: &Slow) -> bool {
    if left.0 != right.0 {
        return left.0 < right.0;
    }
    match (left.1.is_empty(), right.1.is_empty()) {
        (true, _) => return false,
        (false, true) => return true,
        (false, false) => {}
    }
    for (left, right) in left.1.iter().zip(&right.1) {
        if left != right {
            return match (left.parse::<u64>(), right.parse::<u64>()) {
                (Ok(left), Ok(right)) => left < right,
                (Ok(_), Err(_)) => true,
                (Err(_), Ok(_)) => false,
                (Err(_), Err(_)) => left < right,
            };
        }
    }
    left.1.len() < right.1.len()
}

/// Without sorting: of the events that the version has passed, the furthest one, and of those the last named, decides.
fn slow_covers(events: &[(&str, String)], version: &str) -> bool {
    let version = slow_version(version);
    let limits: Vec<Slow> =
        events.iter().filter(|(kind, _)| *kind == "limit").map(|(_, at)| slow_version(at)).collect();
    if !limits.is_empty() && limits.iter().all(|limit| !slow_less(&version, limit)) {
        return false;
    }
    let mut furthest: Option<(Slow, bool)> = None;
    for (kind, at) in events {
        let at = slow_version(at);
        let passed = match *kind {
            "introduced" | "fixed" => !slow_less(&version, &at),
            "last_affected" => slow_less(&at, &version),
            _ => false,
        };
        if passed && furthest.as_ref().is_none_or(|(far, _)| !slow_less(&at, far)) {
            furthest = Some((at, *kind == "introduced"));
        }
    }
    furthest.is_some_and(|(_, vulnerable)| vulnerable)
}

fn versions() -> impl Strategy<Value = String> {
    let numbers = (0_u64..3, 0_u64..3, 0_u64..3);
    let words = prop_oneof![
        Just(""),
        Just("-0"),
        Just("-1"),
        Just("-10"),
        Just("-a"),
        Just("-a.1"),
        Just("-a.b"),
        Just("-rc.2")
    ];
    let build = prop_oneof![3 => Just(""), 1 => Just("+7")];
    (numbers, words, build).prop_map(|((a, b, c), words, build)| format!("{a}.{b}.{c}{words}{build}"))
}

fn events() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let kinds = prop_oneof![4 => Just("introduced"), 3 => Just("fixed"), 2 => Just("last_affected"), 1 => Just("limit")];
    prop::collection::vec((kinds, versions()), 0..8)
}

proptest! {
    #[test]
    fn ours_and_the_slow_matcher_agree(parts in prop::collection::vec((events(), prop::collection::vec(versions(), 0..2)), 0..4), version in versions()) {
        let slow = parts.iter().any(|(events, listed)| slow_covers(events, &version) || listed.contains(&version));
        let parts: Vec<String> = parts.iter().map(|(events, listed)| {
            let events: Vec<String> = events.iter().map(|(kind, at)| format!(r#"{{"{kind}": "{at}"}}"#)).collect();
            part(&format!(r#""versions": {listed:?}, "ranges": [{{"type": "SEMVER", "events": [{}]}}]"#, events.join(", ")))
        }).collect();
        check(&parts.join(", "), &format!("{}{version}", if slow { "+" } else { "-" }));
    }

    #[test]
    fn any_bytes_are_a_record_or_refused(bytes in prop::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = Record::parse(&bytes);
    }

    #[test]
    fn a_record_with_any_text_in_it_is_judged_without_a_panic(text in ".{0,12}", version in ".{0,12}") {
        let quoted = serde_json::to_string(&text).expect("text");
        let parts = format!("{}, {}", semver(&format!(r#"{{"introduced": "0"}}, {{"fixed": {quoted}}}"#)), part(&format!(r#""versions": [{quoted}]"#)));
        let _ = judge(&record(&parts), &package(&version));
    }

    #[test]
    fn a_record_with_a_byte_changed_is_a_record_or_refused(at in proptest::prelude::any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = json(&semver(r#"{"introduced": "0"}"#)).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(record) = Record::parse(&bytes) {
            let _ = judge(&record, &package("1.0.0"));
        }
    }
}
