//! SemVer as advisories and lockfiles of many ecosystems write it: `v` in front, numbers left out, numbers of any length.
//!
//! Precedence is that of SemVer 2.0. A missing number is 0. Numbers beyond the third, which SemVer does not have but
//! Conan and Bitnami do, go on as numbers. What is glued to the last number, as in `1.1.1k`, is read by some as a patch
//! and by some as a pre-release, so it is not a version here. Go's `+incompatible` is build metadata, and its
//! pseudo-versions are pre-releases by construction (<https://go.dev/ref/mod#pseudo-versions>).

use std::cmp::Ordering;

use crate::version::coarse::{Coarse, Slots, of_padded};
use crate::version::{digits, identifiers};

#[derive(Clone, Copy, Debug)]
pub struct Loose<'a> {
    numbers: &'a [u8],
    /// Empty in a release.
    pre: &'a [u8],
    /// Empty when there is none.
    build: &'a [u8],
}

impl<'a> Loose<'a> {
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = match text {
            [b'v' | b'V', rest @ ..] => rest,
            _ => text,
        };
        let (numbers, rest) = digits::split_numbers(text, b".");
        let (pre, build) = match rest.iter().position(|byte| *byte == b'+') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let pre = match pre {
            [] => None,
            [b'-', pre @ ..] => Some(pre),
            [..] => return None,
        };
        let sound = |part: Option<&[u8]>| part.is_none_or(identifiers::are_valid);
        (!numbers.is_empty() && sound(pre) && sound(build)).then_some(Self {
            numbers,
            pre: pre.unwrap_or_default(),
            build: build.unwrap_or_default(),
        })
    }

    /// By precedence: build metadata says nothing.
    pub fn compare(&self, other: &Self) -> Ordering {
        digits::compare_padded(self.numbers, other.numbers).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => identifiers::compare(self.pre, other.pre),
            }
        })
    }

    /// By precedence, then by build metadata, after the same version without it: as Pub
    /// (<https://pub.dev/documentation/pub_semver>) and Conan do.
    pub fn compare_with_build(&self, other: &Self) -> Ordering {
        self.compare(other).then_with(|| match (self.build.is_empty(), other.build.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => identifiers::compare(self.build, other.build),
        })
    }

    pub fn coarse(&self) -> Coarse {
        of_padded(Slots::default(), self.numbers)
    }
}
