//! Ranges of versions (<https://packaging.python.org/en/latest/specifications/version-specifiers/>).

use std::str::FromStr as _;

use patchline_inventory::version::Scheme;
use pep440_rs::{Version, VersionSpecifiers};

/// Whether the range takes the version. A range that can't be read takes none: what it means, nobody knows.
pub(crate) fn admits(range: &str, version: &str) -> bool {
    let range = range.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let Ok(version) = Version::from_str(version) else { return false };
    range.is_empty() || VersionSpecifiers::from_str(range).is_ok_and(|range| range.contains(&version))
}

pub(crate) fn is_above(version: &str, other: &str) -> bool {
    Scheme::Python.compare(version, other).is_some_and(std::cmp::Ordering::is_gt)
}

/// Whether this is a version, and one that was published for use and not for trying.
pub(crate) fn is_release(version: &str) -> bool {
    Version::from_str(version).is_ok_and(|version| !version.any_prerelease())
}

/// Whether two texts are the same version.
pub(crate) fn is_same(version: &str, other: &str) -> bool {
    Scheme::Python.compare(version, other).is_some_and(std::cmp::Ordering::is_eq)
}

/// A step to another leading number, or below 1.0 to another second one.
pub(crate) fn is_major(from: &str, to: &str) -> bool {
    let head = |text: &str| {
        let version = Version::from_str(text).ok()?;
        let (first, second) = (version.release().first().copied()?, version.release().get(1).copied());
        Some((version.epoch(), first, if first == 0 { second.unwrap_or(0) } else { 0 }))
    };
    head(from) != head(to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{admits, is_above, is_major, is_release};

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let yes = [
            (">=1.2,<2", "1.10"),
            ("~=1.4.2", "1.4.9"),
            ("==1.4.*", "1.4.7"),
            ("(!=1.5)", "1.6"),
            ("", "3"),
            ("==1.0", "1.0.0"),
        ];
        let no =
            [(">=1.2,<2", "2.0"), ("~=1.4.2", "1.5"), ("==1.4.*", "1.5"), (">dev", "1"), (">=1", "rubbish")];
        for (range, version) in yes {
            assert!(admits(range, version), "{range} {version}");
        }
        for (range, version) in no {
            assert!(!admits(range, version), "{range} {version}");
        }
    }

    #[test]
    fn versions_are_told_apart() {
        assert!(is_above("1.10", "1.9") && !is_above("1.0", "1.0.0"));
        assert!(is_release("4.2.16") && is_release("1.0.post1") && !is_release("5.0rc1") && !is_release("x"));
        assert!(is_major("1.26.9", "2.0.1") && is_major("0.3.1", "0.4.4") && !is_major("4.2", "4.2.16"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(range in ".{0,40}", version in ".{0,20}") {
            admits(&range, &version);
            is_major(&range, &version);
        }
    }
}
