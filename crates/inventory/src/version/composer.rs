//! Packagist's versions, as PHP's `version_compare` orders them (<https://www.php.net/version_compare>): any text is one.
//!
//! That is what advisories for Packagist are written against, and what public comparison fixtures follow. Composer itself
//! fills versions up to four numbers and so takes `1.0` and `1.0.0` for equal, where PHP says `1.0 < 1.0.0`; see the
//! decision record. A `v` before the first number is left out, as Composer does.

use std::cmp::Ordering;

use crate::version::coarse::{ABOVE, Coarse, Slots};
use crate::version::digits;

#[derive(Clone, Copy, Debug)]
pub struct Composer<'a>(&'a [u8]);

impl<'a> Composer<'a> {
    /// A text with `#` has no place in an order: PHP takes the sign for every number at once, so that `#` equals both `1`
    /// and `2`. `compare_texts` compares even that.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        (!text.contains(&b'#')).then(|| Self::of_any(text))
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (Tokens { rest: self.0 }, Tokens { rest: other.0 });
        loop {
            let order = match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (left, right) => left.unwrap_or(Token::Missing).compare(right.unwrap_or(Token::Missing)),
            };
            if order.is_ne() {
                return order;
            }
        }
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        let mut tokens = Tokens { rest: self.0 };
        while !slots.is_full() {
            match tokens.next().unwrap_or(Token::Missing) {
                Token::Form(form) if form > RELEASE => slots.close(ABOVE),
                Token::Form(_) => slots.close(0),
                Token::Missing | Token::AnyNumber => slots.close(1),
                Token::Number(number) => slots.number(number, 2),
            }
        }
        slots.key()
    }

    fn of_any(text: &'a [u8]) -> Self {
        match text {
            [b'v' | b'V', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => Self(rest),
            _ => Self(text),
        }
    }
}

/// As PHP compares the texts, which with a `#` in one of them is no order.
pub fn compare_texts(left: &[u8], right: &[u8]) -> Ordering {
    Composer::of_any(left).compare(&Composer::of_any(right))
}

/// The place of every word that is not known; nothing between separators is one too.
const UNKNOWN: u8 = 0;
/// The place of the end of a version, and of numbers beside words.
const RELEASE: u8 = 5;

/// A word is known by its beginning, in the case that is written here.
const FORMS: [(&[u8], u8); 6] = [(b"dev", 1), (b"a", 2), (b"b", 3), (b"RC", 4), (b"rc", 4), (b"p", 6)];

#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    Form(u8),
    Missing,
    /// The sign `#`.
    AnyNumber,
    Number(&'a [u8]),
}

impl Token<'_> {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Token::Number(left), Token::Number(right)) => digits::compare(left, right),
            (Token::Number(_), Token::Missing) => Ordering::Greater,
            (Token::Missing, Token::Number(_)) => Ordering::Less,
            (left, right) => left.place().cmp(&right.place()),
        }
    }

    fn place(self) -> u8 {
        match self {
            Token::Form(place) => place,
            Token::Missing | Token::AnyNumber | Token::Number(_) => RELEASE,
        }
    }
}

/// Numbers and words, with separators between them or none.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let (token, rest) = match self.rest {
            [] => return None,
            [b'#', rest @ ..] => (Token::AnyNumber, rest),
            [first, ..] if first.is_ascii_digit() => {
                let (number, rest) = digits::split(self.rest);
                (Token::Number(number), rest)
            }
            [first, ..] if !first.is_ascii_alphabetic() => {
                // A separator at the beginning or at the end has nothing on its other side.
                (Token::Form(UNKNOWN), self.rest)
            }
            [..] => {
                let (word, rest) = digits::split_while(self.rest, u8::is_ascii_alphabetic);
                let known = FORMS.iter().find(|(form, _)| word.starts_with(form));
                (Token::Form(known.map_or(UNKNOWN, |(_, place)| *place)), rest)
            }
        };
        let after = digits::split_while(rest, |byte| !byte.is_ascii_alphanumeric() && *byte != b'#').1;
        self.rest = match (token, after, rest) {
            // The separator at the end is left as a token of its own.
            (Token::Missing | Token::AnyNumber | Token::Number(_) | Token::Form(1..), [], [.., last]) => {
                std::slice::from_ref(last)
            }
            (_, after, _) => after,
        };
        Some(token)
    }
}
