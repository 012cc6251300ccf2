//! Numbers of any length, as the digits they are written in: no version is too long a number to be compared.

use std::cmp::Ordering;

/// Orders two runs of digits by value. No digits are 0.
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (significant(left), significant(right));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// The digits without leading zeros; of 0, none are left.
pub fn significant(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

pub fn is_zero(digits: &[u8]) -> bool {
    significant(digits).is_empty()
}

pub fn are_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The digits that the text begins with, and what comes after.
pub fn split(text: &[u8]) -> (&[u8], &[u8]) {
    split_while(text, u8::is_ascii_digit)
}

/// The bytes of a kind that the text begins with, and what comes after.
pub fn split_while(text: &[u8], kind: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !kind(byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// Numbers with one byte between each two, and what comes after them. A separator that no digit follows is not theirs.
pub fn split_numbers<'a>(text: &'a [u8], separators: &[u8]) -> (&'a [u8], &'a [u8]) {
    let mut end = split(text).0.len();
    while end > 0 && end + 1 < text.len() && separators.contains(&text[end]) && text[end + 1].is_ascii_digit()
    {
        end += 1 + split(&text[end + 1..]).0.len();
    }
    text.split_at(end)
}

/// The numbers of what `split_numbers` gave.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a>(pub &'a [u8]);

impl<'a> Iterator for Numbers<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (digits, rest) = split(self.0);
        self.0 = rest.get(1..).unwrap_or_default();
        Some(digits)
    }
}

/// Orders numbers, the first most important. A missing number is 0.
pub fn compare_padded(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (Numbers(left), Numbers(right));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => compare(left.unwrap_or_default(), right.unwrap_or_default()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Orders numbers, the first most important. A missing number stands before every number.
pub fn compare_by_length(left: &[u8], right: &[u8]) -> Ordering {
    in_turn(Numbers(left), Numbers(right), compare)
}

/// By the first parts that differ; what has ended first stands first.
pub fn in_turn<T>(
    mut left: impl Iterator<Item = T>,
    mut right: impl Iterator<Item = T>,
    compare: impl Fn(T, T) -> Ordering,
) -> Ordering {
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => compare(left, right),
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use super::{Numbers, compare, compare_by_length, compare_padded, split_numbers};

    #[test]
    fn numbers_are_ordered_by_value_at_any_length() {
        let check = |left: &str, right: &str, then| {
            assert_eq!(compare(left.as_bytes(), right.as_bytes()), then, "{left} {right}");
            assert_eq!(compare(right.as_bytes(), left.as_bytes()), then.reverse(), "{right} {left}");
        };
        check("9", "10", Less);
        check("007", "7", Equal);
        check("", "000", Equal);
        check("18446744073709551616", "18446744073709551615", Greater);
        check(&"9".repeat(200), &format!("1{}", "0".repeat(200)), Less);
    }

    #[test]
    fn a_missing_number_is_nought_or_less_than_nought() {
        assert_eq!(compare_padded(b"1.0.0", b"1"), Equal);
        assert_eq!(compare_padded(b"1.0.1", b"1"), Greater);
        assert_eq!(compare_by_length(b"1.0", b"1"), Greater);
        assert_eq!(compare_by_length(b"1.0", b"1.00"), Equal);
        assert_eq!(compare_by_length(b"1.0.9", b"1.1"), Less);
    }

    #[test]
    fn numbers_end_where_no_digit_follows_the_separator() {
        assert_eq!(split_numbers(b"1.20-3.x", b".-"), (&b"1.20-3"[..], &b".x"[..]));
        assert_eq!(split_numbers(b"1..2", b"."), (&b"1"[..], &b"..2"[..]));
        assert_eq!(split_numbers(b"x", b"."), (&b""[..], &b"x"[..]));
        assert_eq!(Numbers(b"1.20-3").collect::<Vec<_>>(), [&b"1"[..], b"20", b"3"]);
    }
}
