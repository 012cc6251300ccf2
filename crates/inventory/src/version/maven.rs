//! Maven's versions, by <https://maven.apache.org/pom.html#version-order-specification>: any text is one.
//!
//! Read as that page has it: a qualifier after a dot is a qualifier after a hyphen. Maven's own class goes by that in
//! most cases only, and is no order where it does not: to Maven 3.9.11, `0 < 0-b < 0.rc.0 < 0`, which no sorted list can
//! hold.

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots};
use crate::version::digits;

#[derive(Clone, Copy, Debug)]
pub struct Maven<'a>(&'a [u8]);

/// One token, without what separates it. Qualifiers stand before numbers after a hyphen, those before numbers after a dot.
#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    /// Its place among the known qualifiers, and its text where it is not known.
    Qualifier(u8, &'a [u8]),
    Dashed(&'a [u8]),
    Dotted(&'a [u8]),
}

const ALPHA: u8 = 0;
const BETA: u8 = 1;
const MILESTONE: u8 = 2;
/// The final version's place, which is also that of a missing token.
const FINAL: u8 = 5;
const UNKNOWN: u8 = 7;

/// The known qualifiers with their places.
const QUALIFIERS: [(&[u8], u8); 10] = [
    (b"alpha", ALPHA),
    (b"beta", BETA),
    (b"milestone", MILESTONE),
    (b"rc", 3),
    (b"cr", 3),
    (b"snapshot", 4),
    (b"ga", FINAL),
    (b"final", FINAL),
    (b"release", FINAL),
    (b"sp", 6),
];

impl<'a> Maven<'a> {
    pub fn parse(text: &'a [u8]) -> Self {
        Self(text)
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (Tokens::of(self.0), Tokens::of(other.0));
        loop {
            let order = match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (Some(left), None) => left.compare_to_missing(),
                (None, Some(right)) => right.compare_to_missing().reverse(),
                (Some(left), Some(right)) => left.compare(right),
            };
            if order.is_ne() {
                return order;
            }
        }
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        let mut tokens = Tokens::of(self.0);
        // A number after a dot is its value and one; so 0 is 1, as a missing token must be, and what stands between a
        // missing token and a number of 1 as well.
        while !slots.is_full() {
            match tokens.next() {
                Some(Token::Dotted(number)) => slots.number(number, 1),
                Some(Token::Qualifier(place, _)) if place < FINAL => slots.close(0),
                Some(Token::Qualifier(..) | Token::Dashed(_)) | None => slots.close(1),
            }
        }
        slots.key()
    }
}

impl Token<'_> {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Token::Qualifier(left, left_text), Token::Qualifier(right, right_text)) => {
                left.cmp(&right).then_with(|| compare_any_case(left_text, right_text))
            }
            (Token::Dashed(left), Token::Dashed(right)) | (Token::Dotted(left), Token::Dotted(right)) => {
                digits::compare(left, right)
            }
            (left, right) => left.kind().cmp(&right.kind()),
        }
    }

    fn kind(self) -> u8 {
        match self {
            Token::Qualifier(..) => 0,
            Token::Dashed(_) => 1,
            Token::Dotted(_) => 2,
        }
    }

    fn compare_to_missing(self) -> Ordering {
        match self {
            Token::Qualifier(place, _) => place.cmp(&FINAL),
            Token::Dashed(number) | Token::Dotted(number) => digits::compare(number, b""),
        }
    }
}

fn compare_any_case(left: &[u8], right: &[u8]) -> Ordering {
    left.iter().map(u8::to_ascii_lowercase).cmp(right.iter().map(u8::to_ascii_lowercase))
}

/// The tokens that count: those that say nothing are left out at the end, before a hyphen and before a qualifier.
struct Tokens<'a>(Pieces<'a>);

impl<'a> Tokens<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self(Pieces { rest: text, first: true })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (token, _) = self.0.next()?;
            if token.compare_to_missing().is_ne() || counts_before(self.0) {
                return Some(token);
            }
        }
    }
}

/// Whether a token that says nothing counts before these: only if what comes next are numbers after dots, and one of
/// them is not 0.
fn counts_before(pieces: Pieces<'_>) -> bool {
    for (token, after_hyphen) in pieces {
        if after_hyphen {
            return false;
        }
        match (token, token.compare_to_missing().is_eq()) {
            (_, true) => {}
            (Token::Qualifier(..), false) => return false,
            (Token::Dashed(_) | Token::Dotted(_), false) => return true,
        }
    }
    false
}

/// Every token, with whether a hyphen or a change between digits and other signs stands before it.
#[derive(Clone, Copy)]
struct Pieces<'a> {
    rest: &'a [u8],
    first: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (Token<'a>, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let after_hyphen = match (self.first, self.rest) {
            (true, _) => false,
            (false, []) => return None,
            (false, [b'.', rest @ ..]) => {
                self.rest = rest;
                false
            }
            (false, [b'-', rest @ ..]) => {
                self.rest = rest;
                true
            }
            (false, [..]) => true,
        };
        self.first = false;
        let token = match self.rest {
            [] | [b'.' | b'-' | b'0'..=b'9', ..] => {
                // Nothing between two separators is 0.
                let (number, rest) = digits::split(self.rest);
                self.rest = rest;
                if after_hyphen { Token::Dashed(number) } else { Token::Dotted(number) }
            }
            [..] => {
                let sign = |byte: &u8| !byte.is_ascii_digit() && *byte != b'.' && *byte != b'-';
                let (word, rest) = digits::split_while(self.rest, sign);
                self.rest = rest;
                qualifier(word, rest.first().is_some_and(u8::is_ascii_digit))
            }
        };
        Some((token, after_hyphen))
    }
}

/// A single `a`, `b` or `m` is short for a qualifier only with its number glued to it.
fn qualifier(word: &[u8], number_follows: bool) -> Token<'_> {
    if let ([letter], true) = (word, number_follows) {
        match letter.to_ascii_lowercase() {
            b'a' => return Token::Qualifier(ALPHA, b""),
            b'b' => return Token::Qualifier(BETA, b""),
            b'm' => return Token::Qualifier(MILESTONE, b""),
            _ => {}
        }
    }
    match QUALIFIERS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)) {
        Some((_, place)) => Token::Qualifier(*place, b""),
        None => Token::Qualifier(UNKNOWN, word),
    }
}
