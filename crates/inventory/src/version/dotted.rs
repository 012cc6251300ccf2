//! Versions that are numbers and nothing else: R's and Haskell's. More numbers are later: `1.0` precedes `1.0.0`.
//!
//! R (CRAN, Bioconductor) also writes a hyphen for the dot (`package_version`,
//! <https://cran.r-project.org/doc/manuals/r-release/R-exts.html#The-DESCRIPTION-file>); Hackage does not
//! (<https://pvp.haskell.org>).

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots};
use crate::version::digits;

#[derive(Clone, Copy, Debug)]
pub struct Dotted<'a>(&'a [u8]);

impl<'a> Dotted<'a> {
    pub fn parse(text: &'a [u8], separators: &[u8]) -> Option<Self> {
        let (numbers, rest) = digits::split_numbers(text, separators);
        (!numbers.is_empty() && rest.is_empty()).then_some(Self(numbers))
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        digits::compare_by_length(self.0, other.0)
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        // A missing number is 0 and 0 is 1.
        digits::Numbers(self.0).for_each(|number| slots.number(number, 1));
        slots.key()
    }
}
