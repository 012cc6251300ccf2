//! Identifiers with dots between them, as after the hyphen of a SemVer version (<https://semver.org/#spec-item-11>).

use std::cmp::Ordering;

use crate::version::digits;

/// Whether these are identifiers, none of them empty, of letters, digits and hyphens.
pub fn are_valid(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'.')
        .all(|part| !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
}

/// Orders them: numbers by value and before words, words by their bytes, and what has ended first stands first.
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    compare_by(left, right, <[u8]>::cmp)
}

/// As `compare`, but upper and lower case are one.
pub fn compare_any_case(left: &[u8], right: &[u8]) -> Ordering {
    compare_by(left, right, |left, right| {
        left.iter().map(u8::to_ascii_lowercase).cmp(right.iter().map(u8::to_ascii_lowercase))
    })
}

fn compare_by(left: &[u8], right: &[u8], words: impl Fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    let [left, right] = [left, right].map(|text| text.split(|byte| *byte == b'.'));
    digits::in_turn(left, right, |left, right| match (digits::are_digits(left), digits::are_digits(right)) {
        (true, true) => digits::compare(left, right),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => words(left, right),
    })
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use super::{are_valid, compare, compare_any_case};

    #[test]
    fn numbers_come_before_words_and_the_shorter_first() {
        assert_eq!(compare(b"2", b"10"), Less);
        assert_eq!(compare(b"10", b"1a"), Less);
        assert_eq!(compare(b"a", b"a.0"), Less);
        assert_eq!(compare(b"a.b", b"a.0"), Greater);
        assert_eq!(compare(b"B", b"a"), Less);
        assert_eq!(compare_any_case(b"B", b"a"), Greater);
        assert_eq!(compare_any_case(b"Rc.1", b"rC.01"), Equal);
    }

    #[test]
    fn none_is_empty_and_none_has_other_signs() {
        assert!(are_valid(b"a-1.0.--"));
        for text in ["", ".", "a.", "a..b", "a_b", "a+b", "\u{e4}"] {
            assert!(!are_valid(text.as_bytes()), "{text}");
        }
    }
}
