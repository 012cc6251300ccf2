//! SemVer 2.0 by precedence (<https://semver.org/#spec-item-11>): build metadata says nothing about order.

use std::cmp::Ordering;

use ::semver::Version;

use crate::version::coarse::{Coarse, Slots};

/// The registry takes nothing else, and the numbers end at 64 bits as they do there.
#[derive(Clone, Debug)]
pub struct SemVer(Version);

impl SemVer {
    /// None unless it is SemVer to the letter: `v1.0.0`, `1.0` and numbers beyond 64 bits are not.
    pub fn parse(text: &str) -> Option<Self> {
        Version::parse(text).ok().map(Self)
    }

    /// `1.0.0+a` equals `1.0.0+b`.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.0.cmp_precedence(&other.0)
    }

    pub fn coarse(&self) -> Coarse {
        let mut slots = Slots::default();
        for number in [self.0.major, self.0.minor, self.0.patch] {
            slots.value(number);
        }
        slots.key()
    }
}

#[cfg(test)]
mod tests {
    use super::SemVer;

    #[test]
    fn versions_stand_in_the_order_of_the_specification() {
        let ordered = [
            "0.0.0-0",
            "0.0.0",
            "0.9.10",
            "1.0.0-0",
            "1.0.0-2",
            "1.0.0-11",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "18446744073709551615.0.0",
        ];
        for (left, first) in ordered.iter().enumerate() {
            for (right, second) in ordered.iter().enumerate() {
                let [first, second] = [first, second].map(|text| SemVer::parse(text).expect("a version"));
                assert_eq!(first.compare(&second), left.cmp(&right), "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn build_metadata_says_nothing_about_order() {
        let [bare, one, other] =
            ["1.0.0", "1.0.0+a.1", "1.0.0+b"].map(|text| SemVer::parse(text).expect("a version"));
        assert!(one.compare(&other).is_eq() && one.compare(&bare).is_eq());
    }

    #[test]
    fn text_that_only_looks_like_a_version_is_none() {
        for text in
            ["", "0", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-01", "18446744073709551616.0.0", "1.0.0 "]
        {
            assert!(SemVer::parse(text).is_none(), "{text}");
        }
    }
}
