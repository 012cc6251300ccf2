//! What Python's tools took for a version before the standard: any text, ordered as setuptools did it
//! (`LegacyVersion` in `packaging` before its version 22). Numbers are compared by value here, at any length.

use std::cmp::Ordering;

use crate::version::digits;

#[derive(Clone, Debug)]
pub struct Legacy<'a>(Vec<Part<'a>>);

#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    /// In any case, though lower case is meant.
    Word(&'a [u8]),
    Number(&'a [u8]),
}

/// What a hyphen stands for: a patch of the final version, unless a word that comes before it follows.
const HYPHEN: &[u8] = b"final-";
const END: &[u8] = b"final";

impl<'a> Legacy<'a> {
    pub fn parse(text: &'a [u8]) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let [first, ..] = rest {
            let length = match first {
                b'.' => {
                    rest = &rest[1..];
                    continue;
                }
                b'-' => 1,
                _ => rest.iter().take_while(|byte| kind(byte) == kind(first)).count(),
            };
            let (piece, after) = rest.split_at(length);
            rest = after;
            add(&mut parts, Part::of(piece));
        }
        add(&mut parts, Part::Word(END));
        Self(parts)
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let differing = self.0.iter().zip(&other.0).map(|(left, right)| left.compare(right));
        differing.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl<'a> Part<'a> {
    fn of(piece: &'a [u8]) -> Self {
        if piece[0].is_ascii_digit() {
            return Part::Number(piece);
        }
        let is = |word: &[u8]| piece.eq_ignore_ascii_case(word);
        Part::Word(match piece {
            b"-" => HYPHEN,
            _ if is(b"pre") || is(b"preview") || is(b"rc") => b"c",
            _ if is(b"dev") => b"@",
            _ => piece,
        })
    }

    /// Words stand before numbers.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Part::Word(left), Part::Word(right)) => compare_words(left, right),
            (Part::Number(left), Part::Number(right)) => digits::compare(left, right),
            (Part::Word(_), Part::Number(_)) => Ordering::Less,
            (Part::Number(_), Part::Word(_)) => Ordering::Greater,
        }
    }
}

/// A word takes zeros before it away, and one that stands before the end the hyphens too.
fn add<'a>(parts: &mut Vec<Part<'a>>, part: Part<'a>) {
    if let Part::Word(word) = part {
        if compare_words(word, END).is_lt() {
            while matches!(parts.last(), Some(Part::Word(last)) if *last == HYPHEN) {
                parts.pop();
            }
        }
        while matches!(parts.last(), Some(Part::Number(number)) if digits::is_zero(number)) {
            parts.pop();
        }
    }
    parts.push(part);
}

fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    left.iter().map(u8::to_ascii_lowercase).cmp(right.iter().map(u8::to_ascii_lowercase))
}

fn kind(byte: &u8) -> u8 {
    match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' | b'A'..=b'Z' => 1,
        b'.' => 2,
        b'-' => 3,
        _ => 4,
    }
}
