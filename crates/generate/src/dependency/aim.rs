//! Which version a vulnerable package must reach.

use patchline_model::id::FindingId;
use patchline_model::stage::detect::Finding;
use semver::Version;

/// One installed package, with the findings that an update can clear.
#[derive(Debug)]
pub(crate) struct Aim<'a> {
    pub(crate) name: &'a str,
    pub(crate) installed: Version,
    /// Each with the versions that fix it, lowest first, not empty.
    findings: Vec<(&'a Finding, Vec<Version>)>,
}

/// What to update, and the findings that no update can clear, with why.
#[derive(Debug, Default)]
pub(crate) struct Aims<'a> {
    pub(crate) aims: Vec<Aim<'a>>,
    pub(crate) leaves: Vec<(FindingId, String)>,
}

/// Sorts the findings by the package that they are about.
pub(crate) fn aims(findings: &[Finding]) -> Aims<'_> {
    let mut sorted = Aims::default();
    for finding in findings {
        match fixed(finding) {
            Ok((name, installed, fixed)) => sorted.take(name, installed, finding, fixed),
            Err(why) => sorted.leaves.push((finding.id.clone(), why)),
        }
    }
    sorted.aims.sort_by(|left, right| (left.name, &left.installed).cmp(&(right.name, &right.installed)));
    sorted
}

fn fixed(finding: &Finding) -> Result<(&str, Version, Vec<Version>), String> {
    let package = finding.package.as_ref().ok_or("it names no package")?;
    let installed = Version::parse(&package.version).map_err(|_| {
        format!("`{}` of `{}` is not a version", package.version.escape_debug(), package.name)
    })?;
    let mut fixed: Vec<Version> = finding.fixed.iter().filter_map(|text| Version::parse(text).ok()).collect();
    fixed.sort();
    match fixed.last() {
        None => Err(format!("no fixed version of `{}` is published", package.name)),
        Some(newest) if *newest <= installed => {
            Err(format!("no fixed version of `{}` above {installed} is published", package.name))
        }
        Some(_) => Ok((&package.name, installed, fixed)),
    }
}

impl<'a> Aims<'a> {
    fn take(&mut self, name: &'a str, installed: Version, finding: &'a Finding, fixed: Vec<Version>) {
        let known = self.aims.iter_mut().find(|aim| aim.name == name && aim.installed == installed);
        match known {
            Some(aim) => aim.findings.push((finding, fixed)),
            None => self.aims.push(Aim { name, installed, findings: vec![(finding, fixed)] }),
        }
    }
}

impl<'a> Aim<'a> {
    pub(crate) fn findings(&self) -> Vec<&'a Finding> {
        self.findings.iter().map(|(finding, _)| *finding).collect()
    }

    /// The smallest published fix above the installed version that clears all findings. The newest fix clears all, so
    /// there always is one.
    pub(crate) fn smallest(&self) -> &Version {
        let mut fixes: Vec<&Version> = self.findings.iter().flat_map(|(_, fixed)| fixed).collect();
        fixes.sort();
        let newest = *fixes.last().expect("an aim has a finding, and each finding a fix");
        let good = |version: &&&Version| **version > &self.installed && self.cleared_by(version);
        fixes.iter().find(good).copied().unwrap_or(newest)
    }

    pub(crate) fn cleared_by(&self, version: &Version) -> bool {
        self.findings.iter().all(|(_, fixed)| clears(fixed, version))
    }
}

/// A fix clears what comes after it, up to where the next range of vulnerable versions may begin: with fixes 1.2.5 and
/// 1.3.2, version 1.2.9 is good, and 1.3.0 is not.
fn clears(fixed: &[Version], version: &Version) -> bool {
    let Some(below) = fixed.iter().rfind(|fix| *fix <= version) else { return false };
    match fixed.iter().find(|fix| *fix > version) {
        None => true,
        Some(above) => {
            line(above) != line(version) || (below.major, below.minor) == (version.major, version.minor)
        }
    }
}

/// Versions of one line may replace each other.
fn line(version: &Version) -> (u64, u64) {
    if version.major == 0 { (0, version.minor) } else { (version.major, 0) }
}

#[cfg(test)]
mod tests {
    use super::{aims, clears};
    use patchline_model::id::FindingId;
    use patchline_model::package::{Ecosystem, Package};
    use patchline_model::stage::detect::{Finding, Location, Source};
    use semver::Version;

    fn finding(installed: &str, fixed: &[&str]) -> Finding {
        Finding {
            id: FindingId(fixed.join("+")),
            source: Source::Lockfile,
            advisory: "A-1".to_owned(),
            aliases: Vec::new(),
            summary: String::new(),
            package: Some(Package {
                ecosystem: Ecosystem::crates_io(),
                name: "p".to_owned(),
                version: installed.to_owned(),
            }),
            location: Location { path: "Cargo.lock".to_owned(), line: None },
            paths: Vec::new(),
            fixed: fixed.iter().map(|version| (*version).to_owned()).collect(),
            severity: Vec::new(),
            informational: None,
        }
    }

    fn check(installed: &str, fixed: &[&[&str]], smallest: Option<&str>, left: usize) {
        let findings: Vec<Finding> = fixed.iter().map(|fixed| finding(installed, fixed)).collect();
        let sorted = aims(&findings);
        let found = sorted.aims.first().map(|aim| aim.smallest().to_string());
        assert_eq!((found.as_deref(), sorted.leaves.len()), (smallest, left), "{installed} {fixed:?}");
    }

    #[test]
    fn the_smallest_version_that_clears_all_is_chosen() {
        check("0.4.0", &[&["0.4.1"]], Some("0.4.1"), 0);
        check("0.4.0", &[&["0.4.1"], &["0.4.3"]], Some("0.4.3"), 0);
        check("1.3.0", &[&["1.2.5", "1.3.2"]], Some("1.3.2"), 0);
        check("1.2.0", &[&["1.2.5", "1.3.2"], &["1.2.7"]], Some("1.2.7"), 0);
        check("1.2.0", &[&["1.2.5", "1.3.2"], &["1.3.0"]], Some("1.3.2"), 0);
        check("0.4.0", &[&["0.4.1"], &[]], Some("0.4.1"), 1);
        check("0.4.0", &[&[], &["0.3.0"], &["rubbish"]], None, 3);
    }

    #[test]
    fn a_later_range_may_be_vulnerable_again() {
        let fixed = ["1.2.5", "1.3.2", "2.0.1"].map(|text| Version::parse(text).unwrap());
        let check = |version: &str| clears(&fixed, &Version::parse(version).unwrap());
        assert!(["1.2.5", "1.2.9", "1.3.2", "1.9.0", "2.0.1", "3.0.0"].into_iter().all(check));
        assert!(!["1.2.4", "1.3.0", "2.0.0"].into_iter().any(check));
    }
}
