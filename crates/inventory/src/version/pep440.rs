//! Python's versions (<https://packaging.python.org/specifications/version-specifiers/>), and before all of them the
//! texts that older tools accepted.

pub mod legacy;

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots, of_padded};
use crate::version::digits;
use crate::version::pep440::legacy::Legacy;

#[derive(Clone, Debug)]
pub enum Python<'a> {
    Standard(Pep440<'a>),
    Legacy(Legacy<'a>),
}

/// A version of the standard, in its parts. A part without a number has no digits, which is 0.
#[derive(Clone, Copy, Debug)]
pub struct Pep440<'a> {
    epoch: &'a [u8],
    release: &'a [u8],
    pre: Option<(Phase, &'a [u8])>,
    post: Option<&'a [u8]>,
    dev: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Alpha,
    Beta,
    Candidate,
}

/// Every spelling; where one is the beginning of another, the longer one comes first.
const PHASES: [(&[u8], Phase); 8] = [
    (b"alpha", Phase::Alpha),
    (b"a", Phase::Alpha),
    (b"beta", Phase::Beta),
    (b"b", Phase::Beta),
    (b"preview", Phase::Candidate),
    (b"pre", Phase::Candidate),
    (b"rc", Phase::Candidate),
    (b"c", Phase::Candidate),
];
const POSTS: [(&[u8], ()); 3] = [(b"post", ()), (b"rev", ()), (b"r", ())];
const DEVS: [(&[u8], ()); 1] = [(b"dev", ())];

impl<'a> Python<'a> {
    /// Every text is a version, as it was to setuptools: what the standard does not know is a legacy one.
    pub fn parse(text: &'a str) -> Self {
        let text = text.trim().as_bytes();
        Pep440::parse(text).map_or_else(|| Python::Legacy(Legacy::parse(text)), Python::Standard)
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Python::Standard(left), Python::Standard(right)) => left.compare(right),
            (Python::Legacy(left), Python::Legacy(right)) => left.compare(right),
            (Python::Legacy(_), Python::Standard(_)) => Ordering::Less,
            (Python::Standard(_), Python::Legacy(_)) => Ordering::Greater,
        }
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        if let Python::Standard(version) = self {
            slots.number(version.epoch, 0);
            return of_padded(slots, version.release);
        }
        slots.key()
    }
}

impl<'a> Pep440<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let text = match text {
            [b'v' | b'V', rest @ ..] => rest,
            _ => text,
        };
        let (epoch, rest) = match digits::split(text) {
            ([], _) => return None,
            (epoch, [b'!', rest @ ..]) => (epoch, rest),
            (_, _) => (&b""[..], text),
        };
        let (release, rest) = digits::split_numbers(rest, b".");
        if release.is_empty() {
            return None;
        }
        if rest.is_empty() {
            // The most usual kind.
            return Some(Self { epoch, release, pre: None, post: None, dev: None, local: None });
        }
        let (pre, rest) = part(rest, &PHASES);
        let (post, rest) = match rest {
            [b'-', digit, ..] if digit.is_ascii_digit() => {
                let (number, rest) = digits::split(&rest[1..]);
                (Some(number), rest)
            }
            _ => {
                let (post, rest) = part(rest, &POSTS);
                (post.map(|((), number)| number), rest)
            }
        };
        let (dev, rest) = part(rest, &DEVS);
        let dev = dev.map(|((), number)| number);
        let local = match rest {
            [] => None,
            [b'+', local @ ..] if is_local(local) => Some(local),
            [..] => return None,
        };
        Some(Self { epoch, release, pre, post, dev, local })
    }

    fn compare(&self, other: &Self) -> Ordering {
        digits::compare(self.epoch, other.epoch)
            .then_with(|| digits::compare_padded(self.release, other.release))
            .then_with(|| self.before_release().cmp(&other.before_release()))
            .then_with(|| {
                compare_options(self.pre.map(|(_, number)| number), other.pre.map(|(_, number)| number))
            })
            .then_with(|| compare_options(self.post, other.post))
            .then_with(|| self.dev.is_none().cmp(&other.dev.is_none()))
            .then_with(|| compare_options(self.dev, other.dev))
            .then_with(|| match (self.local, other.local) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(left), Some(right)) => compare_local(left, right),
            })
    }

    /// Where the version stands beside the final one: `1.0.dev1` is before `1.0a1`, `1.0rc1` before `1.0`.
    fn before_release(&self) -> u8 {
        match (self.pre, self.post, self.dev) {
            (Some((Phase::Alpha, _)), _, _) => 1,
            (Some((Phase::Beta, _)), _, _) => 2,
            (Some((Phase::Candidate, _)), _, _) => 3,
            (None, None, Some(_)) => 0,
            (None, None, None) | (None, Some(_), _) => 4,
        }
    }
}

/// A word of these with the number that may follow it, each with a separator before it or none.
fn part<'a, T: Copy>(text: &'a [u8], words: &[(&[u8], T)]) -> (Option<(T, &'a [u8])>, &'a [u8]) {
    let bare = without_separator(text);
    let found = words
        .iter()
        .find(|(word, _)| bare.len() >= word.len() && bare[..word.len()].eq_ignore_ascii_case(word));
    let Some((word, meaning)) = found else { return (None, text) };
    let (number, rest) = digits::split(without_separator(&bare[word.len()..]));
    (Some((*meaning, number)), rest)
}

fn without_separator(text: &[u8]) -> &[u8] {
    match text {
        [b'.' | b'-' | b'_', rest @ ..] => rest,
        _ => text,
    }
}

fn is_local(text: &[u8]) -> bool {
    text.split(is_local_separator).all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric))
}

fn is_local_separator(byte: &u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_')
}

/// Nothing stands before every number.
fn compare_options(left: Option<&[u8]>, right: Option<&[u8]>) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(left), Some(right)) => digits::compare(left, right),
    }
}

/// By part: words before numbers, and what has ended first stands first.
fn compare_local(left: &[u8], right: &[u8]) -> Ordering {
    let [left, right] = [left, right].map(|text| text.split(is_local_separator));
    digits::in_turn(left, right, |left, right| match (digits::are_digits(left), digits::are_digits(right)) {
        (true, true) => digits::compare(left, right),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            left.iter().map(u8::to_ascii_lowercase).cmp(right.iter().map(u8::to_ascii_lowercase))
        }
    })
}
