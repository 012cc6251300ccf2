//! Versions that Gradle chooses itself: `1.+`, `[1.0,2.0)`, `latest.release`
//! (<https://docs.gradle.org/current/userguide/dependency_versions.html>).

use crate::dependency::maven::shelf::is_above;

pub(crate) fn is_dynamic(version: &str) -> bool {
    version.ends_with('+') || version.starts_with(['[', ']', '(']) || version.starts_with("latest.")
}

/// Whether a version is in it. What can't be read is in none.
pub(crate) fn admits(range: &str, version: &str) -> bool {
    if let Some(prefix) = range.strip_suffix('+') {
        return version.starts_with(prefix);
    }
    if range.starts_with("latest.") {
        return true;
    }
    let (Some(open), Some(close)) = (range.chars().next(), range.chars().last()) else { return false };
    let Some((low, high)) =
        range.get(1..range.len().saturating_sub(1)).and_then(|inner| inner.split_once(','))
    else {
        return false;
    };
    let (low, high) = (low.trim(), high.trim());
    let is_low = low.is_empty() || is_above(version, low) || open == '[' && !is_above(low, version);
    let is_high = high.is_empty() || is_above(high, version) || close == ']' && !is_above(version, high);
    "[](".contains(open) && "[])".contains(close) && is_low && is_high
}

/// The range in its own style that takes this version: `1.+` becomes `2.+`. None where it has no such style.
pub(crate) fn relaxed(range: &str, version: &str) -> Option<String> {
    let prefix = range.strip_suffix('+')?;
    let parts = prefix.split('.').count() - 1;
    let head: Vec<&str> = version.split('.').take(parts).collect();
    (prefix.ends_with('.') && head.len() == parts && version.split('.').count() > parts)
        .then(|| format!("{}.+", head.join(".")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{admits, is_dynamic, relaxed};

    #[test]
    fn ranges_take_what_is_in_them() {
        let check = |range: &str, inside: &[&str], outside: &[&str]| {
            assert!(is_dynamic(range), "{range}");
            inside.iter().for_each(|version| assert!(admits(range, version), "{range} {version}"));
            outside.iter().for_each(|version| assert!(!admits(range, version), "{range} {version}"));
        };
        check("1.+", &["1.0", "1.9.2"], &["2.0", "10.1"]);
        check("+", &["1.0"], &[]);
        check("[1.0,2.0)", &["1.0", "1.9"], &["2.0", "0.9"]);
        check("]1.0, 2.0]", &["1.1", "2.0"], &["1.0", "2.1"]);
        check("[1.0,)", &["1.0", "9"], &["0.9"]);
        check("(,2.0[", &["1.0"], &["2.0"]);
        check("latest.release", &["1.0"], &[]);
        assert!(!is_dynamic("1.0"));
        assert_eq!(relaxed("1.+", "2.3.1").as_deref(), Some("2.+"));
        assert_eq!(relaxed("1.2.+", "1.3.1").as_deref(), Some("1.3.+"));
        assert_eq!(relaxed("1.2.+", "2.0").as_deref(), None);
        assert_eq!(relaxed("[1,2)", "2.0"), None);
    }

    proptest! {
        #[test]
        fn no_range_makes_it_panic(range in "[\\[\\](),0-9.+é]{0,10}", version in "[0-9.é]{0,6}") {
            admits(&range, &version);
            relaxed(&range, &version);
        }
    }
}
