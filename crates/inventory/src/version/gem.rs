//! RubyGems' versions (`Gem::Version`, <https://docs.ruby-lang.org/en/master/Gem/Version.html>): numbers and words in
//! turn, where a version with a word in it is a pre-release.

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots};
use crate::version::digits;

#[derive(Clone, Copy, Debug)]
pub struct Gem<'a> {
    /// The numbers before the first word, without the zeros at their end, which say nothing.
    release: &'a [u8],
    /// From the first word on, or from the hyphen that stands for the word `pre`.
    prerelease: &'a [u8],
}

impl<'a> Gem<'a> {
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if !is_correct(text) {
            return None;
        }
        let (release, prerelease) = digits::split_while(text, |byte| byte.is_ascii_digit() || *byte == b'.');
        let end = release.iter().rposition(|byte| !matches!(byte, b'0' | b'.')).map_or(0, |last| {
            // The zeros of `10` are part of a number; those after the next dot are numbers of their own.
            last + 1 + digits::split(&release[last + 1..]).0.len()
        });
        Some(Self { release: &release[..end], prerelease })
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (self.segments(), other.segments());
        loop {
            let order = match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (left, right) => left.unwrap_or(MISSING).compare(right.unwrap_or(MISSING)),
            };
            if order.is_ne() {
                return order;
            }
        }
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        let mut segments = self.segments();
        while !slots.is_full() {
            match segments.next().unwrap_or(MISSING) {
                Segment::Number(number) => slots.number(number, 1),
                Segment::Word(_) => slots.close(0),
            }
        }
        slots.key()
    }

    fn segments(&self) -> Segments<'a> {
        Segments { release: self.release, prerelease: self.prerelease }
    }
}

/// Ruby's `[0-9]+(\.[0-9a-zA-Z]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?`, and beside it letters glued to the first number,
/// as in `1beta`, which Ruby refuses and advisories have.
fn is_correct(text: &[u8]) -> bool {
    let (start, end) = match text.iter().position(|byte| *byte == b'-') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let parts = |text: &[u8], sign: fn(&u8) -> bool| {
        text.split(|byte| *byte == b'.').all(|part| !part.is_empty() && part.iter().all(sign))
    };
    start.first().is_some_and(u8::is_ascii_digit)
        && parts(start, u8::is_ascii_alphanumeric)
        && end.is_none_or(|end| parts(end, |byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
}

/// What a version has where it has ended.
const MISSING: Segment<'_> = Segment::Number(b"");

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Word(&'a [u8]),
    Number(&'a [u8]),
}

impl Segment<'_> {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Segment::Word(left), Segment::Word(right)) => left.cmp(right),
            (Segment::Number(left), Segment::Number(right)) => digits::compare(left, right),
            (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
        }
    }
}

struct Segments<'a> {
    release: &'a [u8],
    prerelease: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if !self.release.is_empty() {
            let (number, rest) = digits::split(self.release);
            self.release = rest.get(1..).unwrap_or_default();
            return Some(Segment::Number(number));
        }
        let text = digits::split_while(self.prerelease, |byte| *byte == b'.').1;
        let (segment, rest) = match text {
            [] => return None,
            [b'-', rest @ ..] => (Segment::Word(b"pre"), rest),
            [first, ..] if first.is_ascii_digit() => {
                let (number, rest) = digits::split(text);
                (Segment::Number(number), rest)
            }
            [..] => {
                let (word, rest) = digits::split_while(text, u8::is_ascii_alphabetic);
                (Segment::Word(word), rest)
            }
        };
        self.prerelease = rest;
        Some(segment)
    }
}
