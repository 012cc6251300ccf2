//! Cargo's ranges of versions (<https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html>), and how a
//! manifest's own one is widened.

use semver::{Version, VersionReq};

/// Takes every version. It stands for what is required in a way that nobody can read; whether it fits, cargo says.
pub(crate) const ANY: &str = "*";

pub(crate) fn admits(range: &str, version: &str) -> bool {
    match (VersionReq::parse(range), parsed(version)) {
        (Ok(range), Some(version)) => range == VersionReq::STAR || range.matches(&version),
        (Err(_), _) | (_, None) => false,
    }
}

pub(crate) fn parsed(version: &str) -> Option<Version> {
    Version::parse(version).ok()
}

pub(crate) fn is_above(version: &str, other: &str) -> bool {
    match (parsed(version), parsed(other)) {
        (Some(version), Some(other)) => version.cmp_precedence(&other).is_gt(),
        (None, _) | (_, None) => false,
    }
}

/// Whether they are of different lines: cargo keeps one copy for each.
pub(crate) fn is_major(from: &str, to: &str) -> bool {
    match (parsed(from), parsed(to)) {
        (Some(from), Some(to)) => line(&from) != line(&to),
        (None, _) | (_, None) => true,
    }
}

/// Versions that share the leading number that is not zero may replace each other.
fn line(version: &Version) -> (u64, u64, u64) {
    match (version.major, version.minor, version.patch) {
        (0, 0, patch) => (0, 0, patch),
        (0, minor, _) => (0, minor, 0),
        (major, _, _) => (major, 0, 0),
    }
}

/// The same kind of range from this version on: `0.7` becomes `0.8.1`, `~1.2` becomes `~2.0.1`, `=1.2.0` becomes
/// `=2.0.1` and `1.*` becomes `2.*`. Of several ranges at once the usual one becomes of it. None for what is no range.
pub(crate) fn relaxed(range: &str, version: &str) -> Option<String> {
    let (text, to) = (range.trim(), parsed(version)?);
    VersionReq::parse(text).ok()?;
    // What was built of it is no part of a range.
    let full = Version { build: semver::BuildMetadata::EMPTY, ..to.clone() };
    if text.contains(',') {
        return Some(full.to_string());
    }
    if text.ends_with('*') {
        return Some(match text.matches('.').count() {
            0 => ANY.to_owned(),
            1 => format!("{}.*", to.major),
            _ => format!("{}.{}.*", to.major, to.minor),
        });
    }
    let sign: String = text.chars().take_while(|sign| !sign.is_ascii_digit()).collect();
    // Below a version nothing newer lies.
    let sign = if sign.starts_with(['<', '>']) { "" } else { sign.as_str() };
    Some(format!("{sign}{full}"))
}

/// The version that a range begins with.
pub(crate) fn floor(range: &str) -> Option<String> {
    let range = VersionReq::parse(range).ok()?;
    let first = range.comparators.first()?;
    let (minor, patch) = (first.minor.unwrap_or(0), first.patch.unwrap_or(0));
    Some(Version { pre: first.pre.clone(), ..Version::new(first.major, minor, patch) }.to_string())
}

#[cfg(test)]
mod tests {
    use super::{admits, is_major, relaxed};
    use proptest::prelude::{any, proptest};

    #[test]
    fn ranges_take_what_cargo_says_that_they_take() {
        for (range, version, taken) in [
            ("1.2", "1.9.0", true),
            ("1.2", "2.0.0", false),
            ("0.7", "0.8.0", false),
            ("~1.2.0", "1.3.0", false),
            (">=0.7, <0.9", "0.8.4", true),
            ("^1.0, ^1.5", "1.4.0", false),
            ("*", "3.0.0-rc.1", true),
            ("^1", "1.0.1+built", true),
            ("", "1.0.0", false),
            ("../elsewhere", "1.0.0", false),
        ] {
            assert_eq!(admits(range, version), taken, "{range} {version}");
        }
    }

    #[test]
    fn a_widened_range_keeps_its_kind() {
        for (range, then) in [
            ("0.7", Some("2.0.1")),
            ("^0.7.1", Some("^2.0.1")),
            ("~1.2", Some("~2.0.1")),
            ("=1.2.0", Some("=2.0.1")),
            ("= 1.2.0", Some("= 2.0.1")),
            ("1.*", Some("2.*")),
            ("1.2.*", Some("2.0.*")),
            (">=1, <2", Some("2.0.1")),
            ("<2", Some("2.0.1")),
            ("../a", None),
        ] {
            assert_eq!(relaxed(range, "2.0.1+built").as_deref(), then, "{range}");
        }
    }

    #[test]
    fn below_one_the_next_number_leads() {
        assert!(is_major("0.4.1", "0.5.0") && is_major("1.9.0", "2.0.0") && is_major("0.0.1", "0.0.2"));
        assert!(!is_major("0.4.1", "0.4.9") && !is_major("1.2.0", "1.9.0"));
    }

    proptest! {
        #[test]
        fn a_widened_range_takes_the_version(text in "[=~^<>]{0,2} ?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}(\\.\\*)?", junk in any::<String>()) {
            if let Some(range) = relaxed(&text, "7.3.1") {
                assert!(admits(&range, "7.3.1"), "{text} {range}");
            }
            let _ = (relaxed(&junk, "1.0.0"), admits(&junk, &junk));
        }
    }
}
