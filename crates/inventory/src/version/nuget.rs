//! NuGet: SemVer with up to four numbers, in which case says nothing
//! (<https://learn.microsoft.com/nuget/concepts/package-versioning>).
//!
//! NuGet itself takes numbers up to 31 bits only and orders longer ones in labels as words; here they are numbers.

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots, of_padded};
use crate::version::{digits, identifiers};

const MOST_NUMBERS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub struct NuGet<'a> {
    numbers: &'a [u8],
    /// Empty in a release.
    labels: &'a [u8],
}

impl<'a> NuGet<'a> {
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (numbers, rest) = digits::split_numbers(text, b".");
        if numbers.is_empty() || digits::Numbers(numbers).count() > MOST_NUMBERS {
            return None;
        }
        let (labels, metadata) = match rest.iter().position(|byte| *byte == b'+') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let labels = match labels {
            [] => None,
            [b'-', labels @ ..] => Some(labels),
            [..] => return None,
        };
        let sound = |part: Option<&[u8]>| part.is_none_or(identifiers::are_valid);
        (sound(labels) && sound(metadata)).then_some(Self { numbers, labels: labels.unwrap_or_default() })
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        digits::compare_padded(self.numbers, other.numbers).then_with(|| {
            match (self.labels.is_empty(), other.labels.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => identifiers::compare_any_case(self.labels, other.labels),
            }
        })
    }

    pub fn coarse(&self) -> Coarse {
        of_padded(Slots::default(), self.numbers)
    }
}
