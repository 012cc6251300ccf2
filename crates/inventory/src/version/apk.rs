//! Alpine's versions, `1.2.3a_rc1~c0ffee-r4`, as apk-tools 3 orders them
//! (<https://gitlab.alpinelinux.org/alpine/apk-tools>, `doc/apk-package.5.scd`).
//!
//! Every text is compared. Where one stops to be a version, it stands before what goes on as one, as in apk 3; where both
//! stop, apk says equal, and here what is left is compared as text, unless it begins with a hyphen.

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots};
use crate::version::digits;

#[derive(Clone, Copy, Debug)]
pub struct Apk<'a>(&'a [u8]);

impl<'a> Apk<'a> {
    pub fn parse(text: &'a [u8]) -> Self {
        Self(text)
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (Tokens::of(self.0), Tokens::of(other.0));
        loop {
            let (left, right) = (left.next(), right.next());
            let order = left.compare(right);
            if order.is_ne() || left.is_last() {
                return order;
            }
        }
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        let mut tokens = Tokens::of(self.0);
        // Below every number is what is none; then 0, which is less than all others that begin with a 0, and those.
        while !slots.is_full() {
            match tokens.next() {
                Token::First(number) => slots.number(number, 1),
                Token::Number(b"0") => slots.put(1),
                Token::Number([b'0', ..]) => slots.close(2),
                Token::Number(number) => slots.number(number, 2),
                Token::Invalid(_)
                | Token::End
                | Token::Revision(_)
                | Token::Hash(_)
                | Token::SuffixNumber(_)
                | Token::Suffix(_)
                | Token::Letter(_) => slots.close(0),
            }
        }
        slots.key()
    }
}

#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    /// With what is left.
    Invalid(&'a [u8]),
    End,
    Revision(&'a [u8]),
    Hash(&'a [u8]),
    SuffixNumber(&'a [u8]),
    Suffix(u8),
    Letter(u8),
    /// The first number, by value; the others are text when one of two begins with a 0.
    First(&'a [u8]),
    Number(&'a [u8]),
}

/// In their order; those before `AFTER` make the version an earlier one.
const SUFFIXES: [&[u8]; 9] = [b"alpha", b"beta", b"pre", b"rc", b"cvs", b"svn", b"git", b"hg", b"p"];
const AFTER: u8 = 4;

impl Token<'_> {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Token::Number(left), Token::Number(right))
                if left.starts_with(b"0") || right.starts_with(b"0") =>
            {
                left.cmp(right)
            }
            (Token::First(left), Token::First(right))
            | (Token::Number(left), Token::Number(right))
            | (Token::SuffixNumber(left), Token::SuffixNumber(right))
            | (Token::Revision(left), Token::Revision(right)) => digits::compare(left, right),
            (Token::Letter(left), Token::Letter(right)) | (Token::Suffix(left), Token::Suffix(right)) => {
                left.cmp(&right)
            }
            (Token::Hash(left), Token::Hash(right)) => left.cmp(right),
            (Token::Invalid(left), Token::Invalid(right)) => said(left).cmp(said(right)),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }

    /// The order of tokens that are not of one kind.
    fn rank(self) -> u8 {
        match self {
            Token::Suffix(suffix) if suffix < AFTER => 0,
            Token::Invalid(_) => 1,
            Token::End => 2,
            Token::Revision(_) => 3,
            Token::Hash(_) => 4,
            Token::SuffixNumber(_) => 5,
            Token::Suffix(_) => 6,
            Token::Letter(_) => 7,
            Token::Number(_) | Token::First(_) => 8,
        }
    }

    fn is_last(self) -> bool {
        matches!(self, Token::Invalid(_) | Token::End)
    }
}

/// What is left says nothing when it begins with a hyphen: `1-r0-1` is `1-r0-2`.
fn said(left: &[u8]) -> &[u8] {
    match left {
        [b'-', ..] => b"-",
        _ => left,
    }
}

/// How far into a version the tokens are; each place allows only some to follow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Start,
    Numbers,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
}

struct Tokens<'a> {
    rest: &'a [u8],
    place: Place,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { rest: text, place: Place::Start }
    }

    /// The next token; after the last one, the last one again.
    fn next(&mut self) -> Token<'a> {
        let Some((token, place, rest)) = self.read() else { return Token::Invalid(self.rest) };
        (self.place, self.rest) = (place, rest);
        token
    }

    fn read(&self) -> Option<(Token<'a>, Place, &'a [u8])> {
        let place = self.place;
        match self.rest {
            [first, ..] if place == Place::Start => {
                let (number, rest) = digits::split(self.rest);
                first.is_ascii_digit().then_some((Token::First(number), Place::Numbers, rest))
            }
            [] => Some((Token::End, place, self.rest)),
            [letter @ b'a'..=b'z', rest @ ..] if place == Place::Numbers => {
                Some((Token::Letter(*letter), Place::Letter, rest))
            }
            [b'.', after @ ..] if place == Place::Numbers => {
                let (number, rest) = digits::split(after);
                (!number.is_empty()).then_some((Token::Number(number), Place::Numbers, rest))
            }
            [b'0'..=b'9', ..] if place == Place::Suffix => {
                let (number, rest) = digits::split(self.rest);
                Some((Token::SuffixNumber(number), Place::SuffixNumber, rest))
            }
            [b'_', after @ ..] if place <= Place::SuffixNumber => {
                let (word, rest) = digits::split_while(after, u8::is_ascii_lowercase);
                let suffix = SUFFIXES.iter().position(|known| *known == word)?;
                Some((Token::Suffix(u8::try_from(suffix).ok()?), Place::Suffix, rest))
            }
            [b'~', after @ ..] if place < Place::Hash => {
                let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let (hash, rest) = digits::split_while(after, hex);
                (!hash.is_empty()).then_some((Token::Hash(hash), Place::Hash, rest))
            }
            [b'-', b'r', after @ ..] if place < Place::Revision => {
                // A revision without a number is the revision 0, unless a word goes on.
                let (number, rest) = digits::split(after);
                let word = number.is_empty() && rest.first().is_some_and(u8::is_ascii_alphabetic);
                (!word).then_some((Token::Revision(number), Place::Revision, rest))
            }
            [..] => None,
        }
    }
}
