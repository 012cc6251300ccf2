//! RPM's `[epoch:]version[-release]`, by <https://rpm-software-management.github.io/rpm/manual/version-comparison.html>
//! (as of rpm 4.15, which brought the caret). Every text is a version.

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots};
use crate::version::digits;

#[derive(Clone, Copy, Debug)]
pub struct Rpm<'a> {
    /// Empty when there is none, which is the same as 0.
    epoch: &'a [u8],
    version: &'a [u8],
    /// None stands before every release, the empty one included.
    release: Option<&'a [u8]>,
}

impl<'a> Rpm<'a> {
    /// A colon ends an epoch only where nothing but digits stands before it.
    pub fn parse(text: &'a [u8]) -> Self {
        let (epoch, rest) = match digits::split(text) {
            (epoch, [b':', rest @ ..]) => (epoch, rest),
            (_, _) => (&b""[..], text),
        };
        match rest.iter().rposition(|byte| *byte == b'-') {
            Some(at) => Self { epoch, version: &rest[..at], release: Some(&rest[at + 1..]) },
            None => Self { epoch, version: rest, release: None },
        }
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        digits::compare(self.epoch, other.epoch)
            .then_with(|| compare_part(self.version, other.version))
            .then_with(|| match (self.release, other.release) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(left), Some(right)) => compare_part(left, right),
            })
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        slots.number(self.epoch, 0);
        let mut rest = self.version;
        while !slots.is_full() {
            match next(&mut rest) {
                Token::Number(number) => slots.number(number, 1),
                Token::Tilde | Token::End | Token::Caret | Token::Word(_) => slots.close(0),
            }
        }
        slots.key()
    }
}

/// In the order in which they stand where they meet.
#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    Tilde,
    End,
    Caret,
    Word(&'a [u8]),
    Number(&'a [u8]),
}

impl Token<'_> {
    fn rank(self) -> u8 {
        match self {
            Token::Tilde => 0,
            Token::End => 1,
            Token::Caret => 2,
            Token::Word(_) => 3,
            Token::Number(_) => 4,
        }
    }
}

/// All other signs, non-ASCII letters among them, only separate.
fn next<'a>(rest: &mut &'a [u8]) -> Token<'a> {
    let separator = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'~' && *byte != b'^';
    let text = digits::split_while(rest, separator).1;
    let (token, after) = match text {
        [] => (Token::End, text),
        [b'~', after @ ..] => (Token::Tilde, after),
        [b'^', after @ ..] => (Token::Caret, after),
        [first, ..] if first.is_ascii_digit() => {
            let (number, after) = digits::split(text);
            (Token::Number(number), after)
        }
        [..] => {
            let (word, after) = digits::split_while(text, u8::is_ascii_alphabetic);
            (Token::Word(word), after)
        }
    };
    *rest = after;
    token
}

fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        let order = match (next(&mut left), next(&mut right)) {
            (Token::End, Token::End) => return Ordering::Equal,
            (Token::Number(left), Token::Number(right)) => digits::compare(left, right),
            (Token::Word(left), Token::Word(right)) => left.cmp(right),
            (left, right) => left.rank().cmp(&right.rank()),
        };
        if order.is_ne() {
            return order;
        }
    }
}
