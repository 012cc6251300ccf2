//! Debian's versions, by the rules of its policy
//! (<https://www.debian.org/doc/debian-policy/ch-controlfields.html#version>): `[epoch:]upstream[-revision]`.
//!
//! What `dpkg --compare-versions` compares is compared, also where it warns of signs that the policy does not allow.
//! What it refuses is no version: spaces, an epoch that is no number of 31 bits, an empty part.

use std::cmp::Ordering;

use crate::version::coarse::{ABOVE, Coarse, Slots};
use crate::version::digits;

#[derive(Clone, Copy, Debug)]
pub struct Dpkg<'a> {
    epoch: u32,
    upstream: &'a [u8],
    /// Empty when there is none, which is the same as `0`.
    revision: &'a [u8],
}

impl<'a> Dpkg<'a> {
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if text.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0x0b || *byte == 0) {
            return None;
        }
        let (epoch, rest) = match text.iter().position(|byte| *byte == b':') {
            Some(at) => (epoch(&text[..at])?, &text[at + 1..]),
            None => (0, text),
        };
        let (upstream, revision) = match rest.iter().rposition(|byte| *byte == b'-') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let whole = !upstream.is_empty() && revision.is_none_or(|revision| !revision.is_empty());
        whole.then_some(Self { epoch, upstream, revision: revision.unwrap_or_default() })
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(self.upstream, other.upstream))
            .then_with(|| compare_part(self.revision, other.revision))
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        slots.put(self.epoch);
        let mut rest = self.upstream;
        let mut usual: &[u8] = b"";
        // As long as the numbers stand where they usually do, they are the key. What comes before a usual place has
        // the least value, what comes after it the greatest.
        while !slots.is_full() {
            let (between, after) = digits::split_while(rest, |byte| !byte.is_ascii_digit());
            match compare_words(between, usual) {
                Ordering::Less => slots.close(0),
                Ordering::Greater => slots.close(ABOVE),
                Ordering::Equal => {
                    let (number, after) = digits::split(after);
                    slots.number(number, 1);
                    rest = after;
                    usual = b".";
                }
            }
        }
        slots.key()
    }
}

fn epoch(text: &[u8]) -> Option<u32> {
    if !digits::are_digits(text) {
        return None;
    }
    let value = std::str::from_utf8(text).ok()?.parse::<i32>().ok()?;
    u32::try_from(value).ok()
}

/// Words and numbers in turn, beginning with a word, which may be empty.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let word = |byte: &u8| !byte.is_ascii_digit();
        let (left_word, left_rest) = digits::split_while(left, word);
        let (right_word, right_rest) = digits::split_while(right, word);
        let (left_number, left_rest) = digits::split(left_rest);
        let (right_number, right_rest) = digits::split(right_rest);
        let order =
            compare_words(left_word, right_word).then_with(|| digits::compare(left_number, right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

/// By sign: a tilde before the end, the end before letters, letters before all others.
fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    let common = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    weight(left.get(common)).cmp(&weight(right.get(common)))
}

fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}
