//! Which versions the fixes that an advisory names clear.

use semver::Version;

/// A fix clears what comes after it, up to where the next range of vulnerable versions may begin: with fixes 1.2.5 and
/// 1.3.2, version 1.2.9 is good, and 1.3.0 is not.
pub(crate) fn clears(fixed: &[String], version: &str) -> bool {
    let Ok(version) = Version::parse(version) else { return false };
    let mut fixed: Vec<Version> = fixed.iter().filter_map(|text| Version::parse(text).ok()).collect();
    fixed.sort();
    let Some(below) = fixed.iter().rfind(|fix| **fix <= version) else { return false };
    match fixed.iter().find(|fix| **fix > version) {
        None => true,
        Some(above) => {
            line(above) != line(&version) || (below.major, below.minor) == (version.major, version.minor)
        }
    }
}

/// Versions of one line may replace each other.
fn line(version: &Version) -> (u64, u64) {
    if version.major == 0 { (0, version.minor) } else { (version.major, 0) }
}

#[cfg(test)]
mod tests {
    use super::clears;

    #[test]
    fn a_later_range_may_be_vulnerable_again() {
        let fixed = ["1.2.5", "2.0.1", "1.3.2", "rubbish"].map(str::to_owned);
        let check = |version: &str| clears(&fixed, version);
        assert!(["1.2.5", "1.2.9", "1.3.2", "1.9.0", "2.0.1", "3.0.0"].into_iter().all(check));
        assert!(!["1.2.4", "1.3.0", "2.0.0", "rubbish"].into_iter().any(check));
        assert!(!clears(&[], "1.0.0"));
    }
}
