//! Properties of every scheme over texts that nobody would think of.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use proptest::test_runner::Config;

use crate::laws::{hold, schemes};

/// Pieces that mean something to one scheme or another.
const PIECES: [&str; 64] = [
    ".",
    ".",
    ".",
    "-",
    "-",
    "_",
    "+",
    "~",
    "^",
    ":",
    "!",
    "..",
    "--",
    ".-",
    "-.",
    "0",
    "0",
    "1",
    "1",
    "2",
    "9",
    "10",
    "00",
    "01",
    "007",
    "4294967294",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "v",
    "V",
    "a",
    "b",
    "c",
    "m",
    "p",
    "r",
    "rc",
    "RC",
    "alpha",
    "ALPHA",
    "beta",
    "pre",
    "preview",
    "dev",
    "post",
    "rev",
    "milestone",
    "snapshot",
    "ga",
    "final",
    "release",
    "sp",
    "cr",
    "pl",
    "git",
    "_p",
    "-r",
    "_git",
    "~ab",
    "xyz",
    "#",
    " ",
    "\u{3b1}",
];

fn pieced() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..9).prop_map(|pieces| pieces.concat())
}

/// Three texts that have much in common, so that what differs late in a version is met as well.
fn kin() -> impl Strategy<Value = [String; 3]> {
    let ends = [(); 3].map(|()| prop_oneof![1 => Just(String::new()), 3 => pieced()]);
    let start = prop_oneof![Just(String::new()), Just("1".to_owned()), Just("1.0".to_owned()), pieced()];
    (start, ends).prop_map(|(start, ends)| ends.map(|end| format!("{start}{end}")))
}

fn hold_for_all(texts: &[String; 3]) {
    let texts = [texts[0].as_str(), &texts[1], &texts[2]];
    for scheme in schemes() {
        hold(scheme, &texts);
    }
}

proptest! {
    #![proptest_config(Config::with_cases(1000))]

    #[test]
    fn versions_stand_in_one_order(texts in kin()) {
        hold_for_all(&texts);
    }

    #[test]
    fn any_texts_stand_in_one_order(texts in [".{0,16}", ".{0,16}", ".{0,16}"]) {
        hold_for_all(&texts);
    }

    #[test]
    fn any_bytes_stand_in_one_order(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let text = String::from_utf8_lossy(&bytes);
        let texts: Vec<&str> = text.splitn(3, '-').collect();
        schemes().into_iter().for_each(|scheme| hold(scheme, &texts));
    }

    #[test]
    fn plain_numbers_are_ordered_alike_by_all(left in [1_u64..90, 1..90, 1..90], right in [1_u64..90, 1..90, 1..90]) {
        let text = |numbers: [u64; 3]| numbers.map(|number| number.to_string()).join(".");
        for scheme in schemes() {
            assert_eq!(scheme.compare(&text(left), &text(right)), Some(left.cmp(&right)), "{scheme:?}");
        }
    }

    #[test]
    fn a_number_of_any_length_is_one_less_than_its_successor(digits in "[1-9][0-9]{0,60}") {
        let (left, right) = (format!("1.{digits}0.0"), format!("1.{digits}1.0"));
        for scheme in schemes().into_iter().filter(|scheme| scheme.parse(&left).is_some()) {
            assert_eq!(scheme.compare(&left, &right), Some(std::cmp::Ordering::Less), "{scheme:?}");
        }
    }
}
