//! SemVer 2.0 by precedence (<https://semver.org/#spec-item-11>): build metadata says nothing about order.

use std::cmp::Ordering;

use ::semver::Version;

/// Longer text is no version. The registry allows far less.
const LONGEST: usize = 256;

/// A version that equals another when neither precedes: `1.0.0+a` equals `1.0.0+b`.
#[derive(Clone, Debug)]
pub struct SemVer(Version);

impl SemVer {
    /// None unless it is SemVer to the letter: `v1.0.0`, `1.0` and numbers beyond 64 bits are not.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        Version::parse(text).ok().map(Self)
    }
}

impl PartialEq for SemVer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SemVer {}

impl PartialOrd for SemVer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SemVer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp_precedence(&other.0)
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
                assert_eq!(first.cmp(&second), left.cmp(&right), "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn build_metadata_says_nothing_about_order() {
        assert_eq!(SemVer::parse("1.0.0+a.1"), SemVer::parse("1.0.0+b"));
        assert_eq!(SemVer::parse("1.0.0+a.1"), SemVer::parse("1.0.0"));
    }

    #[test]
    fn text_that_only_looks_like_a_version_is_none() {
        for text in
            ["", "0", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-01", "18446744073709551616.0.0", "1.0.0 "]
        {
            assert_eq!(SemVer::parse(text), None, "{text}");
        }
        assert_eq!(SemVer::parse(&format!("1.0.0-{}", "a".repeat(300))), None);
    }
}
